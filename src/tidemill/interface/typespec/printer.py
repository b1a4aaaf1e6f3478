"""A tree as text: reading it again gives the same tree."""

import re
from collections.abc import Iterable
from functools import singledispatch
from typing import Any

from tidemill.interface.typespec import syntax

_PLAIN = re.compile(r"[A-Za-z_$][A-Za-z0-9_$]*")
_WORDS = frozenset(
    """
    alias const dec enum extends extern false fn import interface internal is model namespace never null op scalar true
    typeof union using valueof
    """.split()  # noqa: SIM905  # as a list, these would be a line each
)


def printed(spec: syntax.Spec) -> str:
    parts = [f"{_notes(spec.notes, '')}namespace {_name(spec.namespace)};"] if spec.namespace else []
    return "\n\n".join([*parts, *map(_text, spec.declarations)]) + "\n"


@singledispatch
def _text(node: Any) -> str:
    raise TypeError(f"{type(node).__name__} is no part of a spec")


@_text.register
def _(node: syntax.Named) -> str:
    name = "null" if node.name == "null" else ".".join(map(_name, node.name.split(".")))
    return name + (f"<{', '.join(map(_text, node.arguments))}>" if node.arguments else "")


@_text.register
def _(node: syntax.ArrayOf) -> str:
    return f"{_inner(node.item)}[]"


@_text.register
def _(node: syntax.TupleOf) -> str:
    return f"[{', '.join(map(_text, node.items))}]"


@_text.register
def _(node: syntax.Either) -> str:
    return " | ".join(map(_inner, node.members))


@_text.register
def _(node: syntax.Exactly) -> str:
    return _plain(node.value)


@_text.register
def _(node: syntax.Plain) -> str:
    return _plain(node.value)


@_text.register
def _(node: syntax.Member) -> str:
    return f"{'.'.join(map(_name, node.enum.split('.')))}.{_name(node.name)}"


@_text.register
def _(node: syntax.Items) -> str:
    return f"#[{', '.join(map(_text, node.items))}]"


@_text.register
def _(node: syntax.Entries) -> str:
    return f"#{{{', '.join(f'{_name(name)}: {_text(value)}' for name, value in node.entries)}}}"


@_text.register
def _(node: syntax.Decorator) -> str:
    name = ".".join(map(_name, node.name.split(".")))
    return f"@{name}" + (f"({', '.join(map(_text, node.arguments))})" if node.arguments else "")


@_text.register
def _(node: syntax.Field) -> str:
    default = "" if node.default is None else f" = {_text(node.default)}"
    return f"{_name(node.name)}{'?' if node.is_optional else ''}: {_text(node.kind)}{default}"


@_text.register
def _(node: syntax.Spread) -> str:
    return f"...{_text(node.target)}"


@_text.register
def _(node: syntax.Model) -> str:
    parent = f" {node.parent[0].value} {_text(node.parent[1])}" if node.parent else ""
    head = f"{_notes(node.notes, '')}model {_name(node.name)}{_parameters(node.parameters)}{parent}"
    return f"{head} {{\n{_block(node.members, ';')}}}"


@_text.register
def _(node: syntax.Enumeration) -> str:
    return f"{_notes(node.notes, '')}enum {_name(node.name)} {{\n{_block(node.members, ',')}}}"


@_text.register
def _(node: syntax.EnumMember) -> str:
    return _name(node.name) + ("" if node.value is None else f": {_plain(node.value)}")


@_text.register
def _(node: syntax.Variant) -> str:
    return (f"{_name(node.name)}: " if node.name else "") + _text(node.kind)


@_text.register
def _(node: syntax.Union) -> str:
    return f"{_notes(node.notes, '')}union {_name(node.name)} {{\n{_block(node.variants, ',')}}}"


@_text.register
def _(node: syntax.Alias) -> str:
    return f"{_notes(node.notes, '')}alias {_name(node.name)}{_parameters(node.parameters)} = {_text(node.target)};"


@_text.register
def _(node: syntax.Scalar) -> str:
    return f"{_notes(node.notes, '')}scalar {_name(node.name)} extends {_text(node.base)};"


@_text.register
def _(node: syntax.Operation) -> str:
    return f"{_notes(node.notes, '')}op {_operation(node, '')};"


@_text.register
def _(node: syntax.Interface) -> str:
    body = "".join(f"{_notes(each.notes, '  ')}  {_operation(each, '  ')};\n" for each in node.operations)
    return f"{_notes(node.notes, '')}interface {_name(node.name)} {{\n{body}}}"


def _operation(node: syntax.Operation, indent: str) -> str:
    fields = "".join(f"\n{_told(each, indent + '  ')}," for each in node.fields)
    given = f"{fields}\n{indent}" if fields else ""
    return f"{_name(node.name)}{_parameters(node.parameters)}({given}): {_text(node.returns)}"


def _block(members: Iterable[Any], separator: str) -> str:
    return "".join(f"{_told(each, '  ')}{separator}\n" for each in members)


def _told(node: Any, indent: str) -> str:
    return f"{_notes(getattr(node, 'notes', syntax.Notes()), indent)}{indent}{_text(node)}"


def _notes(notes: syntax.Notes, indent: str) -> str:
    doc = "".join(f"\n{indent} * {line}".rstrip(" ") for line in notes.doc.split("\n")) if notes.doc else ""
    head = f"{indent}/**{doc}\n{indent} */\n" if doc else ""
    return head + "".join(f"{indent}{_text(each)}\n" for each in notes.decorators)


def _parameters(names: tuple[str, ...]) -> str:
    return f"<{', '.join(map(_name, names))}>" if names else ""


def _inner(kind: syntax.Type) -> str:
    return f"({_text(kind)})" if isinstance(kind, syntax.Either) else _text(kind)


def _name(name: str) -> str:
    return name if _PLAIN.fullmatch(name) and name not in _WORDS else f"`{name}`"


def _plain(value: object) -> str:
    if value is None or isinstance(value, bool):
        return "null" if value is None else str(value).lower()
    if not isinstance(value, str):
        return repr(value)
    text = value.replace("\\", "\\\\").replace('"', '\\"').replace("${", "\\${")
    return '"' + text.replace("\n", "\\n").replace("\r", "\\r").replace("\t", "\\t") + '"'
