"""`Clamp`: a number that is corrected instead of refused. The schema says so, and the correction follows the schema."""

import math
from collections.abc import Iterator, Mapping
from typing import Any

from msgspec import Meta

from tidemill.core.fit import View, view_of
from tidemill.core.graph import Schema
from tidemill.core.run import Adjustment
from tidemill.core.values import MAX_INT, MIN_INT
from tidemill.sdk.errors import DefinitionError, DoesNotFitError

KEY = "x-tidemill-clamp"  # of a schema: {"minimum": …, "maximum": …}
MOST = 100  # adjustments of one value that are told

Number = int | float


def Clamp(low: Number | None = None, high: Number | None = None) -> Meta:  # noqa: N802  # written like a type
    """A mark of a number in a task's input: it is brought to the nearest bound instead of refused.

    Written ``Annotated[int, Clamp(1, 8)]``, of a parameter or of a record's field; either bound may be left out. NaN
    is refused, since no bound is nearest. ``run.adjustments()`` tells what was corrected.
    """
    bounds = {"minimum": low, "maximum": high}
    given = {name: bound for name, bound in bounds.items() if bound is not None}
    if not given:
        raise DefinitionError("a Clamp needs a bound: Clamp(1, 8), Clamp(low=1) or Clamp(high=8)")
    for bound in given.values():
        if not _is_number(bound) or not math.isfinite(bound):
            raise DefinitionError(f"a Clamp is between numbers, and {bound!r} is none")
    if low is not None and high is not None and low > high:
        raise DefinitionError(f"Clamp({low}, {high}) leaves no number; the lower bound comes first")
    return Meta(extra_json_schema={KEY: given})


def bounds_of(mark: object) -> Mapping[str, Number] | None:
    """The bounds of an annotation's mark that is a Clamp."""
    extra = mark.extra_json_schema if isinstance(mark, Meta) else None
    return extra.get(KEY) if extra else None


def corrected(plain: Any, schema: Schema) -> tuple[Any, tuple[Adjustment, ...]]:
    """Plain data with its numbers brought within the bounds that the schema names.

    Raises DoesNotFitError: for a number that no message could tell of.
    """
    walk = _Walk()
    value = walk.value(plain, view_of(schema), "$")
    return value, tuple(walk.found)


class _Walk:
    def __init__(self) -> None:
        self.found: list[Adjustment] = []

    def value(self, plain: Any, view: View, path: str) -> Any:
        own = view.resolved()
        bounds = own.schema.get(KEY)
        if bounds is not None and _is_number(plain) and any(_takes(each.schema, plain) for each in own.members()):
            return self._number(plain, bounds, path)
        match plain:
            case list() | dict() if _is_union(own.schema):
                return self._nearest(plain, own.members(), path)
            case list():
                return [self.value(each, inner, f"{path}[{i}]") for i, (each, inner) in enumerate(_items(own, plain))]
            case dict():
                return {key: self.value(each, inner, f"{path}.{key}") for key, each, inner in _fields(own, plain)}
            case _ if _is_number(plain) and _is_union(own.schema):
                return self._member(plain, own, path)
            case _:
                return plain

    def _member(self, plain: Number, own: View, path: str) -> Any:
        """A number where a union is asked for: corrected, unless a member takes it as it is."""
        members = [each for each in own.members() if _takes(each.schema, plain)]
        if any(KEY not in each.schema for each in members) or not members:
            return plain
        return self._number(plain, members[0].schema[KEY], path)

    def _nearest(self, plain: Any, members: list[View], path: str) -> Any:
        fitting = [each for each in members if each.schema.get("type") == _kind(plain)]
        if not fitting:
            return plain
        return self.value(plain, min(fitting, key=lambda each: _strangeness(each.schema, plain)), path)

    def _number(self, plain: Number, bounds: Mapping[str, Number], path: str) -> Number:
        used = max(plain, bounds.get("minimum", plain))
        used = min(used, bounds.get("maximum", used))
        if used == plain:
            return plain
        if not math.isfinite(plain) or (isinstance(plain, int) and not MIN_INT <= plain <= MAX_INT):
            raise DoesNotFitError(f"{plain} cannot be corrected; give a number of 64 bits", path)
        if len(self.found) < MOST:
            self.found.append(Adjustment(path, plain, used))
        return used


def _is_union(schema: Schema) -> bool:
    return "anyOf" in schema or "oneOf" in schema


def _is_number(plain: object) -> bool:
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
