"""The types of what nodes give: of each output port, and of what a reference means."""

from collections.abc import Mapping
from typing import Any

from tidemill.core.fit import FAILURE_KEY, View, describe, view_of
from tidemill.core.graph import (
    BranchNode,
    CallNode,
    ConstNode,
    ElementFailure,
    Graph,
    JoinNode,
    Late,
    LoopNode,
    MachineNode,
    MapNode,
    Node,
    OpNode,
    Schema,
    TaskNode,
    WaitNode,
)
from tidemill.core.run import Code
from tidemill.core.terms import VALUE, Ref

ANY = View({})
_FAILURE: Schema = {
    "title": "Failure",
    "type": "object",
    "properties": {
        FAILURE_KEY: {"enum": [code.value for code in Code]},
        "message": {"type": "string"},
        "path": {"type": "string"},
    },
    "required": [FAILURE_KEY],
}


def ports_of(node: Node) -> Mapping[str, View]:  # noqa: C901  # one match over a union
    """The outputs of a node and their types."""
    match node:
        case TaskNode(outputs=outputs):
            return {port: view_of(schema) for port, schema in outputs.items()}
        case ConstNode(type=schema) | OpNode(type=schema):
            return {VALUE: view_of(schema)}
        case WaitNode(type=schema, late=late):
            return {VALUE: view_of(schema) if late is Late.FAIL else or_null(schema)}
        case MachineNode(types=types):
            return {port: view_of(schema) for port, schema in types.items()}
        case JoinNode(arms=arms, single=single):
            ports = set.intersection(*(set(arm.body.types) for arm in arms)) if arms else set()
            views = {port: _either([arm.body.types[port] for arm in arms]) for port in sorted(ports)}
            return views if single else {port: _list_of(view, ElementFailure.STOP) for port, view in views.items()}
        case CallNode(body=body) | LoopNode(body=body):
            return {port: view_of(schema) for port, schema in body.types.items()}
        case MapNode(body=body, on_failure=on_failure):
            return {port: _list_of(view_of(schema), on_failure) for port, schema in body.types.items()}
        case BranchNode(cases=cases):
            ports = set.intersection(*(set(case.body.types) for case in cases)) if cases else set()
            return {port: _either([case.body.types[port] for case in cases]) for port in sorted(ports)}


def or_null(schema: Schema) -> View:
    """What a schema describes, or null."""
    return _either([schema, {"type": "null"}])


def _list_of(element: View, on_failure: ElementFailure) -> View:
    inner = {"anyOf": [element.schema, _FAILURE]} if on_failure is ElementFailure.COLLECT else element.schema
    return element.at({"type": "array", "items": inner})


def _either(schemas: list[Schema]) -> View:
    """A union of documents, each with definitions of its own: those get names that cannot meet."""
    defs: dict[str, Schema] = {}
    members = []
    for index, schema in enumerate(schemas):
        own = schema.get("$defs", {})
        defs |= {f"{index}.{name}": _renamed(each, index) for name, each in own.items()}
        members.append(_renamed(schema, index))
    return View(members[0] if len(members) == 1 else {"anyOf": members}, defs)


def _renamed(schema: Any, index: int) -> Any:
    if isinstance(schema, list):
        return [_renamed(each, index) for each in schema]
    if not isinstance(schema, dict):
        return schema
    renamed = {key: _renamed(each, index) for key, each in schema.items() if key != "$defs"}
    if isinstance(schema.get("$ref"), str):
        renamed["$ref"] = f"#/$defs/{index}.{schema['$ref'].rpartition('/')[2]}"
    return renamed


def type_of(graph: Graph, ref: Ref) -> View:
    """The type of what a reference means. Raises LookupError for a field that its type does not have."""
    root = ports_of(graph.nodes[ref.node])[ref.port] if ref.node else view_of(graph.inputs[ref.port])
    for field in ref.fields:
        root = _part(root, field)
    return root


def _part(whole: View, field: str | int) -> View:
    for member in whole.members():
        schema = member.schema
        if not schema or schema in ({"type": "array"}, {"type": "object"}):
            return ANY
        found = schema.get("properties", {}).get(field, schema.get("additionalProperties") or None)
        if isinstance(field, int):
            prefix = schema.get("prefixItems", [])
            found = prefix[field] if -len(prefix) <= field < len(prefix) else schema.get("items") or None
        if isinstance(found, dict):
            return member.at(found)
    raise LookupError(f"{describe(whole)} has no {field!r}")
