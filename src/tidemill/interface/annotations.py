"""Schemas as annotations of Python, and plain defaults as expressions of those types."""

import base64
import datetime
from typing import Any

import msgspec

from tidemill.core.graph import Schema
from tidemill.interface.identifiers import IMPORTED, class_name, members_of
from tidemill.interface.layout import Bracketed, Expression, text_literal
from tidemill.interface.shapes import Shapes, form_of
from tidemill.sdk.clamps import KEY as CLAMP_KEY

LONG = 60  # a union of more letters is written as Union[…], which can be broken
_FORMATS = {
    "date-time": "datetime",
    "date": "date",
    "duration": "timedelta",
    "uuid": "UUID",
    "decimal": "Decimal",
    "path": "Path",
}
_SCALARS = {"null": "None", "boolean": "bool", "integer": "int", "number": "float"}
_BOUNDS = {
    "minimum": "ge",
    "exclusiveMinimum": "gt",
    "maximum": "le",
    "exclusiveMaximum": "lt",
    "multipleOf": "multiple_of",
    "pattern": "pattern",
    "minLength": "min_length",
    "maxLength": "max_length",
    "minItems": "min_length",
    "maxItems": "max_length",
    "minProperties": "min_length",
    "maxProperties": "max_length",
}
_KINDS: dict[str, tuple[str, ...]] = {
    "integer": ("minimum", "exclusiveMinimum", "maximum", "exclusiveMaximum", "multipleOf"),
    "number": ("minimum", "exclusiveMinimum", "maximum", "exclusiveMaximum", "multipleOf"),
    "string": ("pattern", "minLength", "maxLength"),
    "array": ("minItems", "maxItems"),
    "object": ("minProperties", "maxProperties"),
}


class NoLiteralError(ValueError):
    """A default that cannot be written as an expression of its type."""


class Page:
    """One module while it is written: what its text names."""

    def __init__(self, shapes: Shapes) -> None:
        self.shapes = shapes
        self.imports: set[str] = set()  # of IMPORTED
        self.classes: set[str] = set()  # keys of shapes
        self.opaque: set[str] = set()  # names of aliases

    def name(self, imported: str) -> str:
        if imported in IMPORTED:
            self.imports.add(imported)
        return imported

    # Annotations -----------------------------------------------------------------------------------

    def annotation(self, schema: Schema, trail: frozenset[str] = frozenset()) -> Expression:
        """``trail``: what is being written out because it is no class; one that comes back is Any."""
        if "$ref" in schema:
            return self._reference(schema["$ref"], trail)
        if form := form_of(schema):
            return self._opaque(schema) if form == "?" else self.name(form)
        union = schema.get("anyOf") or schema.get("oneOf")
        if union:
            return self._annotated(schema, self._union([self.annotation(each, trail) for each in union]))
        if "const" in schema or "enum" in schema:
            return self._literal_type([schema["const"]] if "const" in schema else schema["enum"])
        return self._annotated(schema, self._of_type(schema, trail))

    def _reference(self, reference: str, trail: frozenset[str]) -> Expression:
        key = self.shapes.at(reference)
        if key in self.shapes.names:
            self.classes.add(key)
            return self.shapes.names[key]
        if key in trail or key not in self.shapes.nodes:
            return self.name("Any")
        return self.annotation(self.shapes.nodes[key], trail | {key})

    def _of_type(self, schema: Schema, trail: frozenset[str]) -> Expression:
        kind = schema.get("type")
        match kind:
            case list():
                return self._union([self._of_type({**schema, "type": each}, trail) for each in kind])
            case "string":
                encoded = schema.get("contentEncoding")
                return "bytes" if encoded else self.name(_FORMATS.get(str(schema.get("format")), "str"))
            case "array":
                return self._array(schema, trail)
            case "object":
                inner = schema.get("additionalProperties")
                of = self.annotation(inner, trail) if isinstance(inner, dict) else self.name("Any")
                return Bracketed("dict[", ("str", of), "]")
            case str() if kind in _SCALARS:
                return _SCALARS[kind]
            case _:
                return self._opaque(schema) if "title" in schema else self.name("Any")

    def _array(self, schema: Schema, trail: frozenset[str]) -> Expression:
        if "prefixItems" in schema:
            return Bracketed("tuple[", tuple(self.annotation(each, trail) for each in schema["prefixItems"]), "]")
        if schema.get("maxItems") == 0:
            return "tuple[()]"
        items = schema.get("items")
        of = self.annotation(items, trail) if isinstance(items, dict) else self.name("Any")
        return Bracketed("set[" if schema.get("uniqueItems") and _is_hashable(of) else "list[", (of,), "]")

    def _opaque(self, schema: Schema) -> str:
        alias = class_name(str(schema.get("title", "Opaque")))
        alias = f"{alias}_" if alias in IMPORTED or alias in self.shapes.names.values() else alias
        self.opaque.add(alias)
        return alias

    def _union(self, members: list[Expression]) -> Expression:
        texts = {str(each): each for each in members}
        if len(texts) == 1:
            return members[0]
        flat = " | ".join(texts)
        if len(flat) <= LONG:
            return flat
        return Bracketed(f"{self.name('Union')}[", tuple(texts.values()), "]")

    def _literal_type(self, values: list[Any]) -> Expression:
        if not all(each is None or isinstance(each, str | int) for each in values):
            return self._union(
                [_SCALARS.get("number", "float") if isinstance(each, float) else "str" for each in values]
            )
        return Bracketed(f"{self.name('Literal')}[", tuple(map(plain_literal, values)), "]")

    def _annotated(self, schema: Schema, kind: Expression) -> Expression:
        marks = self._marks(schema)
        return Bracketed(f"{self.name('Annotated')}[", (kind, *marks), "]") if marks else kind

    def _marks(self, schema: Schema) -> list[str]:
        """Bounds, as msgspec's Meta; a tuple has its length in its type."""
        if CLAMP_KEY in schema:
            bounds = schema[CLAMP_KEY]
            given = [
                f"{name}={bounds[key]!r}" for key, name in (("minimum", "low"), ("maximum", "high")) if key in bounds
            ]
            return [f"{self.name('Clamp')}({', '.join(given)})"]
        known = (
            () if "prefixItems" in schema or schema.get("maxItems") == 0 else _KINDS.get(str(schema.get("type")), ())
        )
        given = [f"{_BOUNDS[key]}={_literal(schema[key])}" for key in known if key in schema]
        return [f"{self.name('Meta')}({', '.join(given)})"] if given else []

    # Defaults --------------------------------------------------------------------------------------

    def literal(self, plain: Any, schema: Schema) -> Expression:
        """A plain value as an expression of the schema's type. Raises NoLiteralError."""
        if "$ref" in schema:
            return self._of_reference(plain, schema["$ref"])
        if form_of(schema):
            raise NoLiteralError
        union = schema.get("anyOf") or schema.get("oneOf")
        if union:
            return self._of_union(plain, union)
        match plain:
            case str():
                return self._of_text(plain, schema)
            case list():
                return self._of_list(plain, schema)
            case dict():
                inner = schema.get("additionalProperties")
                of = inner if isinstance(inner, dict) else {}
                pairs = [(text_literal(key), self.literal(each, of)) for key, each in plain.items()]
                return Bracketed("{", tuple(f"{key}: {each}" for key, each in pairs), "}", is_display=True)
            case _:
                return plain_literal(plain)

    def _of_union(self, plain: Any, union: list[Schema]) -> Expression:
        for each in union:
            if self.takes(plain, each):
                try:
                    return self.literal(plain, each)
                except (NoLiteralError, ValueError):
                    continue
        raise NoLiteralError

    def _of_text(self, plain: str, schema: Schema) -> Expression:
        if schema.get("contentEncoding"):
            return bytes_literal(base64.b64decode(plain))
        kind = _FORMATS.get(str(schema.get("format")))
        match kind:
            case None:
                return text_literal(plain)
            case "date" | "datetime":
                return f"{self.name(kind)}.fromisoformat({text_literal(plain)})"
            case "timedelta":
                length = msgspec.convert(plain, datetime.timedelta)
                self.name("timedelta")
                return repr(length).removeprefix("datetime.")
            case _:
                return f"{self.name(kind)}({text_literal(plain)})"

    def _of_list(self, plain: list[Any], schema: Schema) -> Expression:
        prefix = schema.get("prefixItems")
        if prefix is not None:
            return _tuple([self.literal(each, of) for each, of in zip(plain, prefix, strict=False)])
        if schema.get("maxItems") == 0:
            return "()"
        items = schema.get("items")
        found = [self.literal(each, items if isinstance(items, dict) else {}) for each in plain]
        if not schema.get("uniqueItems"):
            return Bracketed("[", tuple(found), "]", is_display=True)
        return Bracketed("{", tuple(found), "}", is_display=True) if found else "set()"

    def _of_reference(self, plain: Any, reference: str) -> Expression:
        key = self.shapes.at(reference)
        schema, name = self.shapes.nodes.get(key, {}), self.shapes.names.get(key)
        if name is None:
            return self.literal(plain, schema)
        self.classes.add(key)
        if "enum" in schema:
            return next(f"{name}.{member}" for member, value in members_of(schema).items() if value == plain)
        if "prefixItems" in schema and isinstance(plain, list):
            parts = [self.literal(each, of) for each, of in zip(plain, schema["prefixItems"], strict=False)]
            return Bracketed(f"{name}(", tuple(parts), ")")
        if not isinstance(plain, dict) or not all(each.isidentifier() for each in plain):
            raise NoLiteralError
        known = schema.get("properties", {})
        if not plain.keys() <= known.keys():
            raise NoLiteralError
        return Bracketed(f"{name}(", tuple(f"{k}={self.literal(v, known[k])}" for k, v in plain.items()), ")")

    def takes(self, plain: Any, schema: Schema) -> bool:
        """Whether a default is meant as this member of a union; the members of what is inside are not looked at."""
        if "$ref" in schema:
            return self.takes(plain, self.shapes.nodes.get(self.shapes.at(schema["$ref"]), {}))
        if "enum" in schema:
            return any(plain == each and type(plain) is type(each) for each in schema["enum"])
        if isinstance(plain, dict) and not set(schema.get("required", ())) <= plain.keys():
            return False
        kinds = {"null": type(None), "boolean": bool, "integer": int, "string": str, "array": list, "object": dict}
        kind = schema.get("type")
        if kind == "number":
            return isinstance(plain, float | int) and not isinstance(plain, bool)
        return kind is None or type(plain) is kinds.get(str(kind))


def _is_hashable(of: Expression) -> bool:
    return not str(of).startswith(("list[", "dict[", "set["))


def _tuple(parts: list[Expression]) -> Expression:
    return Bracketed("(", tuple(parts), ")", is_display=True) if parts else "()"


def _literal(value: Any) -> str:
    """Ruff writes an exponent without its plus."""
    return text_literal(value) if isinstance(value, str) else repr(value).replace("e+", "e")


def plain_literal(value: Any) -> str:
    """A scalar; of others, as Python shows it."""
    return _literal(value)


def bytes_literal(data: bytes) -> str:
    plain = repr(data)
    if plain[1] == '"' or '"' in plain:
        return plain
    return 'b"' + plain[2:-1].replace("\\'", "'") + '"'
