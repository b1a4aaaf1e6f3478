"""What any graph must be before its edges are looked at: names that make paths, bounds on size, depth and length."""

from collections.abc import Iterator, Mapping

import msgspec

from tidemill.core.graph import (
    FINALLY,
    BranchNode,
    CallNode,
    ConstNode,
    End,
    Graph,
    JoinNode,
    LoopNode,
    MachineNode,
    MapNode,
    Node,
    OpNode,
    State,
    TaskNode,
    Transition,
    WaitNode,
    Workflow,
)
from tidemill.core.ids import Path
from tidemill.core.plan import bodies_of, expressions_of, join
from tidemill.core.schema_shape import faults_of_schemas, faults_of_types
from tidemill.core.terms import Condition, Constant, Input, ListExpr, RecordExpr, Ref
from tidemill.core.wait_shape import faults_of_wait

DEPTH_LIMIT = 32  # graphs within graphs, and lists within lists of one expression
CONDITION_LIMIT_BYTES = 1024
CONSTANT_LIMIT_BYTES = 64 * 1024  # what one frame to a worker may carry
MOST_ROUNDS = 1_000_000  # of a loop
MOST_VISITS = 100_000  # of a state
_RESERVED = frozenset("/[]#~")  # what paths are made with

_encode = msgspec.json.Encoder().encode


def is_too_deep(workflow: Workflow) -> bool:
    """Whether graphs or expressions are nested past ``DEPTH_LIMIT``; asked before anything walks them by recursion."""
    if any(_is_deep(source) for source in _expressions_of_states(workflow.states)):
        return True
    graphs = [(graph, 1) for graph in workflow.bodies.values()]
    while graphs:
        each, depth = graphs.pop()
        if depth > DEPTH_LIMIT or any(_is_deep(source) for source in each.outputs.values()):
            return True
        for node in each.nodes.values():
            states = node.states if isinstance(node, MachineNode) else {}
            if any(_is_deep(source) for source in (*expressions_of(node), *_expressions_of_states(states))):
                return True
            graphs += [(body, depth + 1) for _, body in bodies_of(node)]
    return False


def _expressions_of_states(states: Mapping[str, State]) -> Iterator[Input]:
    for state in states.values():
        yield from state.inputs.values()
        for transition in state.transitions:
            if isinstance(transition.to, End):
                yield from transition.to.outputs.values()


def misshapen(workflow: Workflow) -> Iterator[tuple[Path, str]]:
    """Each fault with its place; the workflow is not too deep."""
    yield from (("", reason) for reason in faults_of_types(workflow))
    if workflow.is_machine:
        yield from _faults_of_states(workflow.states, "")
    elif len(workflow.states) > 1 or workflow.states[""].transitions or workflow.states[""].inputs:
        yield "", "a graph without named states has one state, which leads nowhere"
    if workflow.final is not None:
        yield from _misshapen(workflow.final.body, FINALLY)
    if not workflow.is_machine:
        yield from _misshapen(workflow.body, "")


def _faults_of_states(states: Mapping[str, State], place: Path) -> Iterator[tuple[Path, str]]:
    for name, state in states.items():
        here = join(place, name)
        if not _is_name(name):
            yield here, f"{name!r} is no name for a state: it makes paths, so it is not empty and has none of / [ ] # ~"
        yield from ((here, reason) for source in state.inputs.values() for reason in _large(source))
        yield from ((here, reason) for each in state.transitions for reason in _faults_of_transition(each))
        yield from _misshapen(state.body, here)


def _faults_of_transition(transition: Transition) -> Iterator[str]:
    if transition.when is not None:
        yield from _faults_of_condition(transition.when, "of a transition")
    if transition.status and transition.when is not None:
        yield "a transition goes by a status or by a condition, not by both"
    if transition.max_visits is not None and not 1 <= transition.max_visits <= MOST_VISITS:
        yield f"max_visits is from 1 to {MOST_VISITS}, not {transition.max_visits}"
    if isinstance(transition.to, End):
        yield from (reason for source in transition.to.outputs.values() for reason in _large(source))


def _misshapen(graph: Graph, place: Path) -> Iterator[tuple[Path, str]]:
    for name, node in graph.nodes.items():
        here = join(place, name)
        if not _is_name(name):
            yield here, f"{name!r} is no name for a node: it makes paths, so it is not empty and has none of / [ ] # ~"
        yield from ((here, reason) for reason in (*_faults_of(node), *faults_of_schemas(node)))
        if isinstance(node, MachineNode):
            yield from _faults_of_states(node.states, here)
            continue
        for arm, body in bodies_of(node):
            yield from _misshapen(body, join(here, arm) if arm else here)
    yield from ((place, reason) for source in graph.outputs.values() for reason in _large(source))
    yield from ((place, reason) for reason in faults_of_types(graph))


def _faults_of(node: Node) -> Iterator[str]:  # noqa: C901  # one match over a union
    for source in expressions_of(node):
        yield from _large(source)
    match node:
        case MapNode(over=over, window=window):
            if not over:
                yield "a map needs a list to go over"
            if window < 1:
                yield f"a window is at least 1, and this is {window}"
        case LoopNode(limit=limit, until=until):
            if not 1 <= limit <= MOST_ROUNDS:
                yield f"a loop's limit is from 1 to {MOST_ROUNDS} rounds, not {limit}"
            yield from _faults_of_condition(until, "that ends the loop")
        case BranchNode():
            yield from _faults_of_cases(node)
        case JoinNode():
            yield from _faults_of_arms(node)
        case ConstNode(value=value):
            yield from _large(Constant(value))
        case WaitNode():
            yield from faults_of_wait(node)
        case TaskNode() | CallNode() | OpNode() | MachineNode():
            return


def _faults_of_arms(node: JoinNode) -> Iterator[str]:
    names = [arm.name for arm in node.arms]
    yield from (f"{name!r} is no name for an arm" for name in names if not _is_name(name))
    if len(set(names)) < len(names):
        yield "two arms have one name"
    if not 1 <= node.need <= len(names):
        yield f"a join needs from 1 to all {len(names)} of its arms, not {node.need}"
    if node.single and node.need != 1:
        yield "a join with one output needs one arm"


def _faults_of_condition(condition: Condition, which: str) -> Iterator[str]:
    if (size := len(_encode(condition))) > CONDITION_LIMIT_BYTES:
        yield f"the condition {which} has {size} bytes; at most {CONDITION_LIMIT_BYTES} are taken"


def _faults_of_cases(node: BranchNode) -> Iterator[str]:
    names = [case.name for case in node.cases]
    if not names:
        yield "a branch needs a case"
    for name in names:
        if not _is_name(name):
            yield f"{name!r} is no name for a case: it makes paths, so it is not empty and has none of / [ ] # ~"
    if len(set(names)) < len(names):
        yield "two cases have one name"
    if any(case.when is None for case in node.cases[:-1]):
        yield "only the last case may hold always"
    for case in node.cases:
        if case.when is not None:
            yield from _faults_of_condition(case.when, f"of {case.name!r}")


def _is_name(name: str) -> bool:
    return bool(name) and not _RESERVED.intersection(name)


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
