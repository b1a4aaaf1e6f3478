"""What the schemas of a graph document must be before anything walks them: JSON Schema as far as the engine reads it.

A worker's schemas are checked whole when it says hello; a graph may come from anybody, and may name no task.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from tidemill.core.graph import ConstNode, Graph, MachineNode, Node, OpNode, TaskNode, WaitNode, Workflow

TYPES = frozenset(("null", "boolean", "integer", "number", "string", "array", "object"))
SCHEMA_DEPTH = 64


def faults_of_types(of: Workflow | Graph | MachineNode) -> Iterator[str]:
    """What is wrong with the types of what a graph or a machine takes and gives."""
    takes = of.takes if isinstance(of, MachineNode) else of.inputs
    yield from _all({f"the input {name}": each for name, each in takes.items()})
    yield from _all({f"the output {name}": each for name, each in of.types.items()})


def faults_of_schemas(node: Node) -> Iterator[str]:
    """What is wrong with the types that a node says."""
    match node:
        case TaskNode(takes=takes, outputs=outputs, undo=undo):
            yield from _all(
                {"what the task takes": takes, **{f"the output {name}": each for name, each in outputs.items()}}
            )
            if undo is not None:
                yield from _all({"what the undo takes": undo.takes, **undo.outputs})
        case ConstNode(type=schema) | OpNode(type=schema) | WaitNode(type=schema):
            yield from _all({"its value": schema})
        case MachineNode():
            yield from faults_of_types(node)
        case _:
            return


def _all(schemas: Mapping[str, object]) -> Iterator[str]:
    for place, schema in schemas.items():
        if (fault := fault_of_schema(schema)) is not None:
            yield f"the type of {place}: {fault}"


def fault_of_schema(document: object) -> str | None:
    """Why a schema document cannot be read; None when it can."""
    if not isinstance(document, dict):
        return f"a schema is an object, not {_said(document)}"
    defs = document.get("$defs", {})
    if not isinstance(defs, dict):
        return f"$defs is an object of schemas, not {_said(defs)}"
    level: list[object] = [document, *defs.values()]
    for _ in range(SCHEMA_DEPTH):
        faults = (fault for each in level for fault in _faults(each, defs))
        if (fault := next(faults, None)) is not None:
            return fault
        level = [inner for each in level if isinstance(each, dict) for inner in _inside(each)]
        if not level:
            return _endless(document, defs)
    return f"it is nested deeper than {SCHEMA_DEPTH} levels"


def _faults(schema: object, defs: Mapping[str, Any]) -> Iterator[str]:
    if not isinstance(schema, dict):
        if not isinstance(schema, bool):  # true takes anything
            yield f"a schema is an object, not {_said(schema)}"
        return
    for name, (is_right, wanted) in _KEYWORDS.items():
        if name in schema and not is_right(schema[name]):
            yield f"{name!r} is {wanted}, not {_said(schema[name])}"
    target = schema.get("$ref")
    if isinstance(target, str) and _name(target) not in defs:
        yield f"the reference {target!r} leads nowhere: $defs has {', '.join(map(repr, defs)) or 'nothing'}"


def _inside(schema: Mapping[str, Any]) -> Iterator[object]:
    """Schemas directly inside one whose keywords are right. Those in ``$defs`` are looked at once."""
    for name in ("anyOf", "oneOf", "prefixItems"):
        yield from schema.get(name) or ()
    yield from (schema.get("properties") or {}).values()
    for name in ("items", "additionalProperties"):
        if isinstance(schema.get(name), dict):
            yield schema[name]


def _endless(document: Mapping[str, Any], defs: Mapping[str, Any]) -> str | None:
    """A type that is nothing but itself, directly or by way of others."""
    for start in (document, *defs.values()):
        left, seen = [start], set[str]()
        while left:
            schema = left.pop()
            if not isinstance(schema, dict):
                continue
            left += [each for name in ("anyOf", "oneOf") for each in schema.get(name) or ()]
            target = schema.get("$ref")
            if target is None:
                continue
            if defs[_name(target)] is start:
                return f"the reference {target!r} leads to itself"
            if target not in seen:
                seen.add(target)
                left.append(defs[_name(target)])
    return None


def _name(target: str) -> str:
    return target.rpartition("/")[2]


def _said(value: object) -> str:
    return _WORDS.get(type(value), "a record")


_WORDS = {
    type(None): "null", bool: "true or false", int: "a number", float: "a number", str: "a text", list: "a list",
}  # fmt: skip


def _is_type(value: object) -> bool:
    return value in TYPES if isinstance(value, str) else bool(value) and _texts(value) and set(value) <= TYPES  # type: ignore[call-overload]


def _texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(each, str) for each in value)


def _union(value: object) -> bool:
    return isinstance(value, list) and bool(value)


def _count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


_KEYWORDS: dict[str, tuple[Callable[[object], bool], str]] = {
    "type": (_is_type, f"one of {', '.join(sorted(TYPES))}, or a list of them"),
    "$ref": (lambda value: isinstance(value, str), "a text"),
    "enum": (_union, "a list of at least one value"),
    "anyOf": (_union, "a list of at least one schema"),
    "oneOf": (_union, "a list of at least one schema"),
    "prefixItems": (lambda value: isinstance(value, list), "a list of schemas"),
    "items": (lambda value: isinstance(value, dict | bool), "a schema"),
    "properties": (lambda value: isinstance(value, dict), "an object of schemas"),
    "additionalProperties": (lambda value: isinstance(value, dict | bool), "a schema"),
    "required": (_texts, "a list of texts"),
    "minItems": (_count, "a number from 0"),
    "maxItems": (_count, "a number from 0"),
    "format": (lambda value: isinstance(value, str), "a text"),
    "contentEncoding": (lambda value: isinstance(value, str), "a text"),
}
