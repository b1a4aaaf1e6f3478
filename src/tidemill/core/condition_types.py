"""Whether a condition can be judged at all: its fields exist, and what it compares can be compared."""

from collections.abc import Iterator
from difflib import get_close_matches

from tidemill.core.conditions import text_of
from tidemill.core.fit import View, schema_of_plain, view_of
from tidemill.core.graph import Graph, OpNode
from tidemill.core.node_types import type_of
from tidemill.core.operations import OPERATIONS
from tidemill.core.terms import (
    AllOf,
    AnyOf,
    Calc,
    Calculation,
    Compare,
    Comparison,
    Condition,
    Constant,
    Contains,
    Has,
    IsTrue,
    ListExpr,
    Not,
    Operand,
    Present,
    RecordExpr,
    Ref,
    Size,
    StatusOf,
)

_WORDS = {"number": "a number", "string": "a text", "boolean": "a bool", "array": "a list", "object": "a record"}
_EQUATING = (Comparison.EQUAL, Comparison.UNEQUAL)


def condition_faults(graph: Graph, condition: Condition) -> Iterator[str]:  # noqa: C901  # one match over a union
    """What is wrong with a condition over a graph in which each of its references leads somewhere."""
    match condition:
        case Compare(op=op, left=left, right=right):
            yield from _of_comparison(graph, op, left, right)
        case IsTrue(of=of):
            found, faults = _kinds(graph, of)
            yield from faults
            if found and "boolean" not in found:
                yield f"{text_of(of)} is {_said(found)}, no bool: compare it"
        case Present(of=of) | Has(of=of):
            yield from _kinds(graph, of)[1]
        case Contains(item=item, within=within):
            found, faults = _kinds(graph, within)
            yield from (*_kinds(graph, item)[1], *faults)
            if found and not found & {"array", "object", "string"}:
                yield f"{text_of(within)} is {_said(found)}, which holds nothing"
        case Not(of=inner):
            yield from condition_faults(graph, inner)
        case AllOf(of=parts) | AnyOf(of=parts):
            for part in parts:
                yield from condition_faults(graph, part)


def _of_comparison(graph: Graph, op: Comparison, left: Operand, right: Operand) -> Iterator[str]:
    (ours, faults), (theirs, others) = _kinds(graph, left), _kinds(graph, right)
    yield from (*faults, *others)
    if op in _EQUATING:
        return
    if ours and theirs and not ours & theirs & {"number", "string"}:
        yield f"{text_of(left)} is {_said(ours)}, {text_of(right)} is {_said(theirs)}: these have no order"


def operation_faults(graph: Graph, node: OpNode) -> Iterator[str]:
    """What is wrong with an operation over a graph."""
    operation = OPERATIONS.get(node.op)
    if operation is None:
        near = get_close_matches(node.op, OPERATIONS, 1)
        yield f"there is no operation {node.op!r}" + (f"; did you mean {near[0]!r}?" if near else "")
        return
    given = set(node.inputs)
    if not given >= set(operation.takes) or (given > set(operation.takes) and not operation.fields):
        yield f"{node.op} takes {', '.join(operation.takes)}, and not {', '.join(node.inputs) or 'nothing'}"
        return
    for name, kind in operation.takes.items():
        found, faults = _kinds(graph, node.inputs[name])
        yield from faults
        wanted = "number" if kind == "integer" else kind
        if found and wanted not in {*found, "any"}:
            yield f"{name} is {_said(found)}, and {node.op} takes {_WORDS[wanted]}"
    told = _kinds_of(view_of(node.type))
    if told and operation.gives not in {*told, "any"}:
        yield f"{node.op} gives {_WORDS[operation.gives]}, and is said to give {_said(told)}"


def _kinds(graph: Graph, operand: Operand) -> tuple[set[str], list[str]]:  # noqa: C901  # one match over a union
    """The JSON types that an operand may have, null apart, and what is wrong with it; none where any are possible."""
    match operand:
        case Ref():
            try:
                return _kinds_of(type_of(graph, operand)), []
            except LookupError as error:
                return set(), [f"{text_of(operand)}: {error.args[0]}"]
        case Constant(value=value):
            return _kinds_of(View(schema_of_plain(value))), []
        case Size():
            return {"number"}, []
        case StatusOf(of=of):
            return {"string"}, [] if of in graph.nodes else [f"there is no {of!r} that could have a status"]
        case ListExpr():
            return {"array"}, []
        case RecordExpr():
            return {"object"}, []
        case Calc(op=op, left=left, right=right):
            return _of_calculation(graph, op, left, right)


def _of_calculation(graph: Graph, op: Calculation, left: Operand, right: Operand) -> tuple[set[str], list[str]]:
    (ours, faults), (theirs, others) = _kinds(graph, left), _kinds(graph, right)
    allowed = {"number", "string", "array"} if op is Calculation.PLUS else {"number"}
    if ours and theirs and not ours & theirs & allowed:
        faults = [*faults, f"{text_of(left)} {op.value} {text_of(right)}: these cannot be calculated with"]
    return (ours & theirs & allowed) or allowed, [*faults, *others]


def _kinds_of(view: View) -> set[str]:
    found: set[str] = set()
    for member in view.members():
        schema = member.schema
        kinds = schema.get("type")
        if kinds is None and ("enum" in schema or "const" in schema):
            values = schema.get("enum", [schema.get("const")])
            kinds = [_KINDS[type(value)] for value in values]
        for kind in kinds if isinstance(kinds, list) else [kinds]:
            if kind is None:
                return set()
            found.add("number" if kind == "integer" else kind)
    return found - {"null"}


_KINDS = {
    type(None): "null", bool: "boolean", int: "number", float: "number", str: "string", list: "array", dict: "object",
}  # fmt: skip


def _said(kinds: set[str]) -> str:
    return " or ".join(_WORDS.get(kind, kind) for kind in sorted(kinds))
