"""What any graph must be before its edges are looked at: names that make paths, bounds on size and depth."""

from collections.abc import Iterator

import msgspec

from tidemill.core.graph import (
    BranchNode,
    CallNode,
    Constant,
    ConstNode,
    Graph,
    Input,
    ListExpr,
    MapNode,
    Node,
    RecordExpr,
    Ref,
    TaskNode,
)
from tidemill.core.ids import Path
from tidemill.core.plan import bodies_of, join

DEPTH_LIMIT = 32  # graphs within graphs, and lists within lists of one expression
CONDITION_LIMIT_BYTES = 1024
CONSTANT_LIMIT_BYTES = 64 * 1024  # what one frame to a worker may carry
_RESERVED = frozenset("/[]")  # what paths are made with

_encode = msgspec.json.Encoder().encode


def is_too_deep(graph: Graph) -> bool:
    """Whether graphs or expressions are nested past ``DEPTH_LIMIT``; asked before anything walks them by recursion."""
    graphs = [(graph, 1)]
    while graphs:
        each, depth = graphs.pop()
        if depth > DEPTH_LIMIT or any(_is_deep(source) for source in each.outputs.values()):
            return True
        for node in each.nodes.values():
            if any(_is_deep(source) for source in _expressions(node)):
                return True
            graphs += [(body, depth + 1) for _, body in bodies_of(node)]
    return False


def misshapen(graph: Graph, place: Path = "") -> Iterator[tuple[Path, str]]:
    """Each fault with its place; the graph is not too deep."""
    for name, node in graph.nodes.items():
        here = join(place, name)
        if not _is_name(name):
            yield here, f"{name!r} is no name for a node: it makes paths, so it is not empty and has none of / [ ]"
        yield from ((here, reason) for reason in _faults_of(node))
        for arm, body in bodies_of(node):
            yield from misshapen(body, join(here, arm) if arm else here)
    yield from ((place, reason) for source in graph.outputs.values() for reason in _large(source))


def _faults_of(node: Node) -> Iterator[str]:
    for source in _expressions(node):
        yield from _large(source)
    match node:
        case MapNode(over=over, window=window):
            if not over:
                yield "a map needs a list to go over"
            if window < 1:
                yield f"a window is at least 1, and this is {window}"
        case BranchNode():
            yield from _faults_of_cases(node)
        case ConstNode(value=value):
            yield from _large(Constant(value))
        case TaskNode() | CallNode():
            return


def _faults_of_cases(node: BranchNode) -> Iterator[str]:
    names = [case.name for case in node.cases]
    if not names:
        yield "a branch needs a case"
    for name in names:
        if not _is_name(name):
            yield f"{name!r} is no name for a case: it makes paths, so it is not empty and has none of / [ ]"
    if len(set(names)) < len(names):
        yield "two cases have one name"
    if any(case.when is None for case in node.cases[:-1]):
        yield "only the last case may hold always"
    for case in node.cases:
        if case.when is not None and (size := len(_encode(case.when))) > CONDITION_LIMIT_BYTES:
            yield f"the condition of {case.name!r} has {size} bytes; at most {CONDITION_LIMIT_BYTES} are taken"


def _is_name(name: str) -> bool:
    return bool(name) and not _RESERVED.intersection(name)


def _expressions(node: Node) -> Iterator[Input]:
    if not isinstance(node, ConstNode):
        yield from node.inputs.values()
    if isinstance(node, MapNode):
        yield from node.over.values()


def _large(source: Input) -> Iterator[str]:
    for constant in _constants(source):
        if (size := len(_encode(constant.value))) > CONSTANT_LIMIT_BYTES:
            yield (
                f"a constant has {size} bytes, and {CONSTANT_LIMIT_BYTES} travel with an assignment: "
                "make it an input of the workflow"
            )


def _constants(source: Input) -> Iterator[Constant]:
    match source:
        case Constant():
            yield source
        case ListExpr(items=items):
            for item in items:
                yield from _constants(item)
        case RecordExpr(fields=parts):
            for part in parts.values():
                yield from _constants(part)
        case Ref():
            return


def _is_deep(source: Input) -> bool:
    level, depth = [source], 0
    while level:
        depth += 1
        inner = [each.items if isinstance(each, ListExpr) else () for each in level]
        records = [each.fields.values() if isinstance(each, RecordExpr) else () for each in level]
        level = [part for parts in (*inner, *records) for part in parts]
    return depth > DEPTH_LIMIT
