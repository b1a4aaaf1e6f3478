"""Whether a graph holds together: each reference leads somewhere, nothing waits for itself, each edge fits.

The SDK asks when a workflow is built, and the server when one is published, with the definitions that it knows.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from msgspec import Struct

from tidemill.core.definitions import TaskDefinition
from tidemill.core.fit import FAILURE_KEY, Misfit, View, describe, schema_of_plain, view_of, views_fit
from tidemill.core.graph import (
    VALUE,
    BranchNode,
    CallNode,
    Constant,
    ConstNode,
    ElementFailure,
    Graph,
    Input,
    ListExpr,
    MapNode,
    Node,
    RecordExpr,
    Ref,
    Schema,
    TaskNode,
    Workflow,
)
from tidemill.core.plan import bodies_of, refs_of
from tidemill.core.run import Code
from tidemill.core.shape import misshapen

_ANY = View({})
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


class Problem(Struct, frozen=True):
    """What is wrong, and the node where: ``pages/embed``; "" is the graph itself."""

    place: str
    reason: str

    @property
    def text(self) -> str:
        return f"{self.place}: {self.reason}" if self.place else self.reason


def check(workflow: Workflow, definitions: Mapping[str, TaskDefinition]) -> list[Problem]:
    """All problems of a workflow, outermost first.

    Args:
        definitions: by task name, as announced. A task that is not among them is taken as the graph says.
    """
    if workflow.start not in workflow.states:
        return [Problem("", f"there is no state {workflow.start!r} to start in")]
    faults = [Problem(place, reason) for place, reason in misshapen(workflow.body)]
    return faults or list(_graph_problems(workflow.body, "", definitions))


def _graph_problems(graph: Graph, place: str, definitions: Mapping[str, TaskDefinition]) -> Iterator[Problem]:
    missing = list(_missing(graph, place))
    yield from missing
    cycle = _cycle(graph)
    if cycle:
        yield Problem(place, "these nodes wait for each other: " + " -> ".join(cycle))
    if missing or cycle:
        return
    for name, node in graph.nodes.items():
        here = f"{place}/{name}" if place else name
        yield from _node_problems(graph, node, here, definitions)
        for arm, body in bodies_of(node):
            yield from _graph_problems(body, f"{here}/{arm}" if arm else here, definitions)
    for port, schema in graph.types.items():
        if port not in graph.outputs:
            yield Problem(place, f"the output {port!r} comes from nowhere")
        else:
            yield from _edge(graph, graph.outputs[port], view_of(schema), place, f"output {port}")


def _missing(graph: Graph, place: str) -> Iterator[Problem]:
    """References that lead nowhere."""
    for name, node in [*graph.nodes.items(), ("", None)]:
        here = "/".join(filter(None, (place, name)))
        refs = refs_of(node) if node is not None else _output_refs(graph)
        for ref in refs:
            if ref.node == "" and ref.port not in graph.inputs:
                yield Problem(here, f"there is no input {ref.port!r}")
            elif ref.node and ref.node not in graph.nodes:
                yield Problem(here, f"there is no node {ref.node!r}")
            elif ref.node and ref.port not in ports_of(graph.nodes[ref.node]):
                yield Problem(here, f"node {ref.node!r} has no output {ref.port!r}")


def _output_refs(graph: Graph) -> Iterator[Ref]:
    yield from refs_of(CallNode("", graph.outputs, graph))


def _cycle(graph: Graph) -> list[str]:
    """Nodes of a circle, the first one again at the end; empty when there is none."""
    waits = {name: {ref.node for ref in refs_of(node) if ref.node} for name, node in graph.nodes.items()}
    left = dict(waits)
    while free := [name for name, froms in left.items() if not froms & left.keys()]:
        for name in free:
            del left[name]
    if not left:
        return []
    walk = [min(left)]
    while walk[-1] not in walk[:-1]:
        walk.append(min(waits[walk[-1]] & left.keys()))
    return walk[walk.index(walk[-1]) :]


def ports_of(node: Node) -> Mapping[str, View]:
    """The outputs of a node and their types."""
    match node:
        case TaskNode(outputs=outputs):
            return {port: view_of(schema) for port, schema in outputs.items()}
        case ConstNode(type=schema):
            return {VALUE: view_of(schema)}
        case CallNode(body=body):
            return {port: view_of(schema) for port, schema in body.types.items()}
        case MapNode(body=body, on_failure=on_failure):
            return {port: _list_of(view_of(schema), on_failure) for port, schema in body.types.items()}
        case BranchNode(cases=cases):
            ports = set.intersection(*(set(case.body.types) for case in cases)) if cases else set()
            return {port: _either([case.body.types[port] for case in cases]) for port in sorted(ports)}


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


def _node_problems(graph: Graph, node: Node, here: str, definitions: Mapping[str, TaskDefinition]) -> Iterator[Problem]:
    match node:
        case TaskNode():
            yield from _task_problems(graph, node, here, definitions.get(node.task))
        case CallNode(inputs=inputs, body=body):
            known = {name: view_of(schema) for name, schema in body.inputs.items()}
            yield from _inputs(graph, inputs, known, set(known) - set(body.optional), here)
        case MapNode(over=over, inputs=inputs, body=body):
            known = {name: view_of(schema) for name, schema in body.inputs.items()}
            lists = {name: known.get(name, _ANY) for name in over}
            wanted = {name: view.at({"type": "array", "items": view.schema}) for name, view in lists.items()}
            yield from _inputs(graph, over, wanted, set(), here)
            yield from _inputs(graph, inputs, known, set(known) - set(over), here)
        case BranchNode(cases=cases, inputs=inputs):  # types are not compared: a condition may have narrowed one
            for case in cases:
                known = {name: view_of(schema) for name, schema in case.body.inputs.items()}
                missing = sorted(set(known) - set(inputs))
                yield from (Problem(f"{here}/{case.name}", f"the input {name!r} is missing") for name in missing)
        case ConstNode():
            return


def _task_problems(graph: Graph, node: TaskNode, here: str, announced: TaskDefinition | None) -> Iterator[Problem]:
    takes = node.takes if announced is None else announced.inputs
    if takes:
        root = view_of(takes)
        known = {name: root.at(schema) for name, schema in takes.get("properties", {}).items()}
        yield from _inputs(graph, node.inputs, known, set(takes.get("required", ())), here)
    if announced is None:
        return
    for port, schema in node.outputs.items():
        if port not in announced.outputs:
            yield Problem(here, f"{node.task} gives no {port!r}; it gives {', '.join(announced.outputs)}")
        elif (misfit := views_fit(view_of(announced.outputs[port]), view_of(schema))) is not None:
            yield Problem(here, f"{node.task} was traced with another result: {misfit.text}")


def _inputs(
    graph: Graph, inputs: Mapping[str, Input], known: Mapping[str, View], required: set[str], here: str
) -> Iterator[Problem]:
    for name in sorted(required - set(inputs)):
        yield Problem(here, f"the input {name!r} is missing")
    for name, expression in inputs.items():
        if name not in known:
            yield Problem(here, f"it takes no input {name!r}; it takes {', '.join(known) or 'none'}")
        else:
            yield from _edge(graph, expression, known[name], here, name)


def _edge(graph: Graph, expression: Input, wanted: View, here: str, name: str) -> Iterator[Problem]:
    try:
        misfit = _expression_fits(graph, expression, wanted)
    except LookupError as error:
        yield Problem(here, f"{name}: {error.args[0]}")
        return
    if misfit is not None:
        yield Problem(here, f"{name}: {misfit.text}")


def _expression_fits(graph: Graph, expression: Input, wanted: View) -> Misfit | None:
    match expression:
        case Ref():
            return views_fit(type_of(graph, expression), wanted)
        case Constant(value=value):
            return views_fit(View(schema_of_plain(value)), wanted)
        case ListExpr() | RecordExpr():
            misfits = [_parts_fit(graph, expression, option) for option in wanted.members()]
            return None if None in misfits else misfits[0]


def _parts_fit(graph: Graph, expression: ListExpr | RecordExpr, wanted: View) -> Misfit | None:
    schema = wanted.schema
    kind = "array" if isinstance(expression, ListExpr) else "object"
    if schema.get("type", kind) != kind:
        return Misfit("a list" if kind == "array" else "a record", describe(wanted))
    if isinstance(expression, ListExpr):
        prefix = schema.get("prefixItems")
        items = prefix if prefix is not None else [schema.get("items") or {}] * len(expression.items)
        if len(items) < len(expression.items) or len(expression.items) < schema.get("minItems", 0):
            return Misfit(f"a list of {len(expression.items)}", describe(wanted))
        pairs = list(zip(expression.items, items, strict=False))
    else:
        known, rest = schema.get("properties", {}), schema.get("additionalProperties")
        absent = [name for name in schema.get("required", ()) if name not in expression.fields]
        if absent:
            return Misfit(f"a record without {absent[0]!r}", describe(wanted))
        others = rest if isinstance(rest, dict) else {}
        pairs = [(part, known.get(name, others)) for name, part in expression.fields.items()]
    return next(filter(None, (_expression_fits(graph, part, wanted.at(inner)) for part, inner in pairs)), None)


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
            return _ANY
        found = schema.get("properties", {}).get(field, schema.get("additionalProperties") or None)
        if isinstance(field, int):
            prefix = schema.get("prefixItems", [])
            found = prefix[field] if -len(prefix) <= field < len(prefix) else schema.get("items") or None
        if isinstance(found, dict):
            return member.at(found)
    raise LookupError(f"{describe(whole)} has no {field!r}")
