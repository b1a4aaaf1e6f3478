"""The classes of a stub module: records as frozen dataclasses, and what a dataclass cannot say otherwise."""

import re
from collections.abc import Iterator, Mapping, Sequence
from inspect import cleandoc
from itertools import pairwise
from typing import Any

from msgspec import Struct

from tidemill.core.graph import Schema
from tidemill.interface.annotations import NoLiteralError, Page, plain_literal
from tidemill.interface.identifiers import free_name, identifier, is_usable, members_of
from tidemill.interface.layout import Bracketed, Expression, docstring, laid_out

_WORD = r'"(?:\\.|[^"\\])*"|\'(?:\\.|[^\'\\])*\'|(?<![\w.])[^\W\d]\w*(?!\w|=[^=])'


class Field(Struct, frozen=True):
    """Of a class: ``key`` is its name on the wire."""

    name: str
    key: str
    kind: Expression
    default: Expression | None
    is_factory: bool = False


def class_lines(page: Page, key: str, known: set[str]) -> list[str]:
    """One class. ``known`` are the classes that stand above it; others are named in quotes."""
    schema, name = page.shapes.nodes[key], page.shapes.names[key]
    if "enum" in schema:
        return _enum(page, name, schema)
    if "prefixItems" in schema:
        return named_tuple(page, name, _items(page, schema), _doc(schema), known)
    return _record(page, name, schema, known)


def in_order(page: Page, keys: Sequence[str]) -> list[str]:
    """Classes after those that they name, where that can be."""
    placed: dict[str, None] = {}

    def place(key: str, trail: frozenset[str]) -> None:
        if key in placed or key in trail:
            return
        for inner in _named_in(page, page.shapes.nodes[key]):
            place(inner, trail | {key})
        placed[key] = None

    for key in keys:
        place(key, frozenset())
    return list(placed)


def _named_in(page: Page, schema: Any) -> Iterator[str]:
    """Keys of classes that a schema names, through what is none."""
    seen: set[str] = set()
    found = [schema]
    while found:
        match found.pop():
            case dict() as part:
                found += [each for key, each in reversed(part.items()) if key != "default"]
                if isinstance(part.get("$ref"), str) and (key := page.shapes.at(part["$ref"])) not in seen:
                    seen.add(key)
                    if key in page.shapes.names:
                        yield key
                    else:
                        found.append(page.shapes.nodes.get(key))
            case list() as parts:
                found += reversed(parts)
            case _:
                pass


def _doc(schema: Schema) -> str:
    """What its author wrote; not what dataclasses say of themselves."""
    text = cleandoc(str(schema.get("description", "")))
    return "" if re.match(rf"{re.escape(str(schema.get('title')))}\(.*\)$", text, re.DOTALL) else text


def _enum(page: Page, name: str, schema: Schema) -> list[str]:
    page.name("Enum")
    lines = [f"class {name}(Enum):", *_described(_doc(schema))]
    return lines + [f"    {member} = {plain_literal(value)}" for member, value in members_of(schema).items()]


def _described(text: str) -> list[str]:
    lines = docstring(text, 4)
    return [*lines, ""] if lines else []


def _items(page: Page, schema: Schema) -> list[Field]:
    fields = []
    for place, item in enumerate(schema["prefixItems"]):
        default = _default(page, item) if "default" in item and place >= schema.get("minItems", 0) else None
        fields.append(Field(f"item_{place}", "", page.annotation(item), default))
    return fields


def named_tuple(page: Page, name: str, fields: Sequence[Field], doc: str, known: set[str]) -> list[str]:
    page.name("NamedTuple")
    lines = [f"class {name}(NamedTuple):", *_described(doc)]
    return lines + [line for each in fields for line in _field(each, known, page)] + ([] if fields else ["    pass"])


def _record(page: Page, name: str, schema: Schema, known: set[str]) -> list[str]:
    fields = _fields(page, schema)
    by_name = any(before.default is not None and after.default is None for before, after in pairwise(fields))
    aliases, fields = _unhidden(page, name, fields)
    if all(each.name == each.key for each in fields):
        page.name("dataclass")
        marks = "frozen=True, kw_only=True" if by_name else "frozen=True"
        head = [f"@dataclass({marks})", f"class {name}:"]
    else:
        page.name("Struct")
        head = [f"class {name}(Struct, frozen=True{', kw_only=True' if by_name else ''}):"]
        fields = [_renamed(page, each) for each in fields]
    lines = [*aliases, *head, *_described(_doc(schema))]
    lines += [line for each in fields for line in _field(each, known, page)]
    return lines if fields else [*lines, "    pass"] if not _doc(schema) else lines[:-1]


def _fields(page: Page, schema: Schema) -> list[Field]:
    required = set(schema.get("required", ()))
    names: list[str] = []
    fields = []
    for key, inner in schema["properties"].items():
        names.append(free_name(key if is_usable(key) else identifier(key), names))
        if not is_usable(names[-1]):
            names[-1] += "_"
        default = None if key in required else _default(page, inner)
        is_factory = isinstance(inner.get("default"), list | dict) and _is_mutable(default)
        fields.append(Field(names[-1], key, page.annotation(inner), default, is_factory))
    return fields


def _is_mutable(default: Expression | None) -> bool:
    return str(default).startswith(("[", "{", "set("))


def _default(page: Page, schema: Schema) -> Expression:
    """What a schema says, else `unset`: its worker knows."""
    if "default" in schema:
        try:
            return page.literal(schema["default"], schema)
        except (NoLiteralError, ValueError):
            pass
    return page.name("unset")


def _renamed(page: Page, each: Field) -> Field:
    """A field of a Struct, whose name on the wire is another."""
    if each.name == each.key:
        return each
    page.name("member")
    parts = [] if each.default is None else [_keyword(each)]
    default = Bracketed("member(", (*parts, f"name={plain_literal(each.key)}"), ")")
    return Field(each.name, each.key, each.kind, default)


def _keyword(each: Field) -> str:
    return f"default_factory={_factory(each.default)}" if each.is_factory else f"default={each.default}"


def _factory(default: Expression | None) -> str:
    return {"[]": "list", "{}": "dict", "set()": "set"}.get(str(default), f"lambda: {default}")


def _field(each: Field, known: set[str], page: Page) -> list[str]:
    kind, default = each.kind, each.default
    unknown = set(page.shapes.names.values()) - known
    if unknown.intersection(re.findall(_WORD, str(kind))):
        kind = plain_literal(str(kind))
    if default is None:
        return laid_out(f"{each.name}: ", kind, "", 4)
    if each.is_factory and str(default).partition("(")[0] != "member":
        page.name("field")
        default = Bracketed("field(", (_keyword(each),), ")")
    if isinstance(kind, Bracketed) and len(f"    {each.name}: {kind} = {default}") > 120 and len(str(default)) < 40:
        return laid_out(f"{each.name}: ", kind, f" = {default}", 4)
    return laid_out(f"{each.name}: {kind} = ", default, "", 4)


def _unhidden(page: Page, name: str, fields: Sequence[Field]) -> tuple[list[str], list[Field]]:
    """A field hides a type of its name from the fields below it (``date: date``): such a type gets another name."""
    texts = " ".join(f"{each.kind} {each.default}" for each in fields)
    hidden = {each.name for each in fields}.intersection(re.findall(_WORD, texts))
    if not hidden:
        return [], list(fields)
    page.name("TypeAlias")
    other = {each: f"{name}{each[:1].upper()}{each[1:]}" for each in sorted(hidden)}
    lines = [f"{alias}: TypeAlias = {each}" for each, alias in other.items()]
    changed = [
        Field(
            each.name, each.key, _told(each.kind, other), each.default and _told(each.default, other), each.is_factory
        )
        for each in fields
    ]
    return [*lines, "", ""], changed


def _told(expression: Expression, other: Mapping[str, str]) -> Expression:
    if isinstance(expression, Bracketed):
        head = _told(expression.head, other)
        items = tuple(_told(each, other) for each in expression.items)
        return Bracketed(str(head), items, expression.close, expression.is_display)
    return re.sub(_WORD, lambda found: other.get(found[0], found[0]), expression)
