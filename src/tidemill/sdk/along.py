"""A walk over plain data along its schema: what a hook of msgspec's cannot do, since it does not know its place."""

from collections.abc import Iterator, Mapping
from typing import Any

from tidemill.core.fit import View
from tidemill.core.graph import Schema

Number = int | float


class Along:
    """Gives the data back, with what its subclass makes of numbers and arrays.

    Of a union, a number is of the first member that takes it, unless one takes it that says nothing more of it; a list
    or an object is of the member that it is nearest to.
    """

    def number(self, plain: Number, schema: Schema, path: str) -> Number:
        return plain

    def array(self, items: list[Any], schema: Schema) -> list[Any]:
        return items

    def value(self, plain: Any, view: View, path: str) -> Any:
        own = view.resolved()
        match plain:
            case list() | dict() if _is_union(own.schema):
                return self._nearest(plain, own.members(), path)
            case list():
                items = [self.value(each, inner, f"{path}[{i}]") for i, (each, inner) in enumerate(_items(own, plain))]
                return self.array(items, own.schema)
            case dict():
                return {key: self.value(each, inner, f"{path}.{key}") for key, each, inner in _fields(own, plain)}
            case _ if is_number(plain):
                return self._number(plain, own, path)
            case _:
                return plain

    def _number(self, plain: Number, own: View, path: str) -> Number:
        members = [each.schema for each in own.members() if _takes(each.schema, plain)]
        if not members:
            return plain
        outer = {key: each for key, each in own.schema.items() if key.startswith("x-")}
        if not outer and (plainest := next((each for each in members if set(each) <= {"type"}), None)) is not None:
            return self.number(plain, plainest, path)
        return self.number(plain, members[0] | outer, path)

    def _nearest(self, plain: Any, members: list[View], path: str) -> Any:
        fitting = [each for each in members if each.schema.get("type") == _kind(plain)]
        if not fitting:
            return plain
        return self.value(plain, min(fitting, key=lambda each: _strangeness(each.schema, plain)), path)


def _is_union(schema: Schema) -> bool:
    return "anyOf" in schema or "oneOf" in schema


def is_number(plain: object) -> bool:
    return isinstance(plain, int | float) and not isinstance(plain, bool)


def _takes(schema: Schema, plain: Number) -> bool:
    kind = schema.get("type")
    return kind == "number" or (kind == "integer" and isinstance(plain, int)) or not schema


def _kind(plain: object) -> str:
    return "array" if isinstance(plain, list) else "object"


def _strangeness(schema: Schema, plain: Any) -> tuple[int, int]:
    """How far plain data is from a record: keys that one has and the other lacks; a wrong tag most of all."""
    if not isinstance(plain, dict):
        return (0, 0)
    known: Mapping[str, Schema] = schema.get("properties", {})
    tags = sum(each["enum"] != [plain.get(name)] for name, each in known.items() if len(each.get("enum", ())) == 1)
    missing = sum(name not in plain for name in schema.get("required", ()))
    return (tags + missing, sum(key not in known for key in plain))


def _items(own: View, plain: list[Any]) -> Iterator[tuple[Any, View]]:
    first = own.schema.get("prefixItems", [])
    rest = own.schema.get("items")
    for place, each in enumerate(plain):
        inner = first[place] if place < len(first) else rest
        yield each, own.at(inner if isinstance(inner, dict) else {})


def _fields(own: View, plain: dict[Any, Any]) -> Iterator[tuple[Any, Any, View]]:
    known, rest = own.schema.get("properties", {}), own.schema.get("additionalProperties")
    for key, each in plain.items():
        inner = known.get(key, rest)
        yield key, each, own.at(inner if isinstance(inner, dict) else {})
