"""Whether what one schema describes can be what another asks for, and how a person reads a schema.

An edge is refused only when it cannot fit: what a worker will convert or drop is let pass (a whole number for a
float, a date for a text, a record with fields to spare), and so is what only the value can tell (`Any`, bounds).
"""

from collections.abc import Callable, Mapping
from typing import Any, cast

from msgspec import Struct

from tidemill.core.graph import Schema

FAILURE_KEY = "$failure"  # of the wire form of a collected failure
_TYPES: dict[str, tuple[type, ...]] = {
    "null": (type(None),),
    "boolean": (bool,),
    "integer": (int,),
    "number": (int, float),
    "string": (str,),
    "array": (list,),
    "object": (dict,),
}
_WORDS = {"null": "None", "boolean": "bool", "integer": "int", "number": "float", "string": "str"}
_FORMATS = {
    "date-time": "datetime", "date": "date", "time": "time", "duration": "timedelta", "uuid": "UUID",
    "decimal": "Decimal", "path": "Path",
}  # fmt: skip


class View(Struct, frozen=True):
    """A part of a schema document, with the definitions that its references mean."""

    schema: Schema
    defs: Mapping[str, Schema] = {}

    def at(self, schema: object) -> "View":
        """A part of it; for true, which is a schema too, what takes anything."""
        return View({} if schema is True else cast(Schema, schema), self.defs)

    def resolved(self) -> "View":
        schema = self.schema
        while "$ref" in schema:
            schema = self.defs[schema["$ref"].rpartition("/")[2]]
        return self.at(schema)

    def members(self) -> list["View"]:
        """The alternatives of a union, flat; else the view itself."""
        own = self.resolved()
        union = own.schema.get("anyOf") or own.schema.get("oneOf")
        return [own] if union is None else [inner for each in union for inner in own.at(each).members()]


class Misfit(Struct, frozen=True):
    """Both types, and the place inside them where they part ("" for the whole)."""

    given: str
    wanted: str
    path: str = ""

    @property
    def text(self) -> str:
        where = f" (at {self.path})" if self.path else ""
        return f"{self.given} does not fit {self.wanted}{where}"


def view_of(document: Schema) -> View:
    return View(document, document.get("$defs", {}))


def fits(given: Schema, wanted: Schema) -> Misfit | None:
    """None when they fit. Both are self-contained documents."""
    return views_fit(view_of(given), view_of(wanted))


def views_fit(given: View, wanted: View) -> Misfit | None:
    path = _misfit_path(given, wanted, frozenset())
    return None if path is None else Misfit(describe(given), describe(wanted), path)


Pairs = frozenset[tuple[int, int]]  # of resolved schemas that are being compared: a recursive type meets itself


def _misfit_path(given: View, wanted: View, open_pairs: Pairs) -> str | None:
    """Where they part; None when they fit."""
    options = wanted.members()
    for member in given.members():
        paths = [_one(member, option, open_pairs) for option in options]
        if None not in paths:
            return max((path for path in paths if path is not None), key=len)
    return None


def _one(given: View, wanted: View, open_pairs: Pairs) -> str | None:
    pair = (id(given.schema), id(wanted.schema))
    if pair in open_pairs or not _says_anything(wanted.schema) or not _says_anything(given.schema):
        return None
    if "enum" in given.schema:
        return None if all(_takes(wanted.schema, value) for value in given.schema["enum"]) else ""
    if "enum" in wanted.schema:
        return ""
    kind, other = given.schema.get("type"), wanted.schema.get("type")
    if kind != other and (kind, other) != ("integer", "number"):
        return ""
    inside = _INSIDE.get(str(kind))
    return inside(given, wanted, open_pairs | {pair}) if inside else None


def _says_anything(schema: Schema) -> bool:
    """Several types at once say nothing: only the value can tell."""
    return isinstance(schema.get("type"), str) or "enum" in schema


def _takes(wanted: Schema, value: object) -> bool:
    """Whether a value of an enum can be what is wanted."""
    if "enum" in wanted:
        return any(value == each and type(value) is type(each) for each in wanted["enum"])
    kinds = _TYPES[str(wanted["type"])]
    return isinstance(value, kinds) and (not isinstance(value, bool) or bool in kinds)


def _strings(given: View, wanted: View, _: Pairs) -> str | None:
    """Bytes are bytes; a date may go where any text may, but no text where a date is wanted."""
    if given.schema.get("contentEncoding") != wanted.schema.get("contentEncoding"):
        return ""
    form = wanted.schema.get("format")
    return None if form in (None, "path", given.schema.get("format")) else ""


def _arrays(given: View, wanted: View, open_pairs: Pairs) -> str | None:
    for index, (mine, theirs) in enumerate(_paired_items(given.schema, wanted.schema)):
        path = _misfit_path(given.at(mine), wanted.at(theirs), open_pairs)
        if path is not None:
            return f"[{index if 'prefixItems' in given.schema else '…'}]{path}"
    if "prefixItems" not in wanted.schema:
        return None
    length, limits = given.schema.get("maxItems"), wanted.schema
    is_long_enough = length is not None and limits.get("minItems", 0) <= length <= limits.get("maxItems", length)
    return None if is_long_enough else ""


def _paired_items(given: Schema, wanted: Schema) -> list[tuple[Schema, Schema]]:
    mine, theirs = given.get("prefixItems"), wanted.get("prefixItems")
    if mine is None and theirs is None:
        return [(given.get("items") or {}, wanted.get("items") or {})]
    if mine is None or theirs is None:
        rest: Schema = (given if mine is None else wanted).get("items") or {}
        return [(each, rest) for each in mine] if mine is not None else [(rest, each) for each in theirs or ()]
    return list(zip(mine, theirs, strict=False))


def _objects(given: View, wanted: View, open_pairs: Pairs) -> str | None:
    mine, theirs = given.schema.get("properties", {}), wanted.schema.get("properties", {})
    required = set(given.schema.get("required", ()))
    for name in wanted.schema.get("required", ()):
        if name not in required:
            return f".{name}"
    others = wanted.schema.get("additionalProperties")
    for name, schema in mine.items():
        other = theirs.get(name, others if isinstance(others, dict) else {})
        path = _misfit_path(given.at(schema), wanted.at(other), open_pairs)
        if path is not None:
            return f".{name}{path}"
    extra = given.schema.get("additionalProperties")
    if isinstance(extra, dict) and isinstance(others, dict):
        path = _misfit_path(given.at(extra), wanted.at(others), open_pairs)
        return None if path is None else f"[…]{path}"
    return None


_INSIDE: dict[str, Callable[[View, View, Pairs], str | None]] = {
    "string": _strings,
    "array": _arrays,
    "object": _objects,
}


def describe(view: View) -> str:
    """A schema as the Python type that it most likely came from."""
    own = view.resolved()
    schema = own.schema
    if "anyOf" in schema or "oneOf" in schema:
        return " | ".join(dict.fromkeys(describe(member) for member in own.members()))
    if "title" in schema:
        return str(schema["title"])
    if "enum" in schema:
        return f"Literal[{', '.join(map(repr, schema['enum']))}]"
    kind = schema.get("type")
    if kind == "array":
        return _describe_array(own)
    if kind == "object":
        inner = schema.get("additionalProperties")
        return f"dict[str, {describe(own.at(inner))}]" if isinstance(inner, dict) else "dict"
    if schema.get("contentEncoding"):
        return "bytes"
    return _FORMATS.get(schema.get("format", ""), _WORDS.get(str(kind), "Any"))


def _describe_array(view: View) -> str:
    schema = view.schema
    if "prefixItems" in schema:
        return f"tuple[{', '.join(describe(view.at(each)) for each in schema['prefixItems'])}]"
    name = "set" if schema.get("uniqueItems") else "list"
    return f"{name}[{describe(view.at(schema['items']))}]" if isinstance(schema.get("items"), dict) else name


def schema_of_plain(value: Any) -> Schema:
    """A schema that a plain JSON value has: the narrowest for scalars."""
    if isinstance(value, dict):
        properties = {name: schema_of_plain(each) for name, each in value.items()}
        return {"type": "object", "properties": properties, "required": list(properties)}
    if isinstance(value, list):
        prefix = [schema_of_plain(each) for each in value]
        return {"type": "array", "prefixItems": prefix, "minItems": len(value), "maxItems": len(value)}
    return {"type": "null"} if value is None else {"enum": [value]}
