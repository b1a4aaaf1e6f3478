"""Static facts of a graph, worked out once per workflow: who waits for whom, and where a path leads.

A path is `segment/segment/…`. A segment is a node's id; a map's carries the element and a loop's the round,
`pages[17]`; a branch's and a join's is followed by the arm's name, `style/long/shorten`; a state's carries the visit,
`ocr#2`. What runs at the end of a run lies under `~finally`.
"""

from collections.abc import Iterable, Iterator

from msgspec import Struct, structs

from tidemill.core.errors import InputError
from tidemill.core.graph import (
    FINALLY,
    UNDO,
    ApprovalWait,
    BranchNode,
    CallNode,
    ConstNode,
    EventWait,
    Final,
    Graph,
    JoinNode,
    LoopNode,
    MachineNode,
    MapNode,
    Node,
    OpNode,
    SignalWait,
    State,
    TaskNode,
    TimeWait,
    WaitNode,
    Workflow,
)
from tidemill.core.ids import Path
from tidemill.core.terms import (
    AllOf,
    AnyOf,
    Calc,
    Compare,
    Condition,
    Constant,
    Contains,
    Has,
    Input,
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

REMEMBERED = 2048  # places of one workflow


class NoSuchPathError(InputError):
    def __init__(self, path: Path) -> None:
        super().__init__(f"no step can be at {path!r} in this workflow")
        self.path = path


class Body(Struct, frozen=True):
    """A graph with its edges turned around. Constants are no steps: they are final from the start."""

    graph: Graph
    needs: dict[str, int]  # node -> how many nodes it waits for
    feeds: dict[str, tuple[str, ...]]  # node -> the nodes that wait for it
    roots: tuple[str, ...]
    inner: dict[tuple[str, str], "Body"]  # (node, arm or "") -> its body


Container = MapNode | LoopNode | BranchNode | JoinNode | CallNode | MachineNode | State | Final


class Place(Struct, frozen=True, gc=False):
    """Where a scope is: the body it evaluates, and the step that it belongs to (None for the root)."""

    body: Body
    step: Path = ""
    node: Container | None = None
    outer: Path = ""  # the scope of that step
    index: int = -1  # of a map's element, a loop's round, a state's visit
    arm: str = ""  # of a branch or a join; the name of a state
    machine: bool = False  # its steps are visits of states


def body_of(graph: Graph) -> Body:
    steps = {name: node for name, node in graph.nodes.items() if not isinstance(node, ConstNode)}
    sources = {name: sorted(sources_of(node) & steps.keys()) for name, node in steps.items()}
    feeds: dict[str, list[str]] = {name: [] for name in steps}
    for name, froms in sources.items():
        for source in froms:
            feeds[source].append(name)
    return Body(
        graph=graph,
        needs={name: len(froms) for name, froms in sources.items()},
        feeds={name: tuple(fed) for name, fed in feeds.items()},
        roots=tuple(name for name, froms in sources.items() if not froms),
        inner={(name, arm): body_of(inner) for name, node in steps.items() for arm, inner in bodies_of(node)},
    )


def bodies_of(node: Node) -> Iterator[tuple[str, Graph]]:
    """The graphs inside a node, each with the name of its arm or state ("" where there is but one)."""
    match node:
        case MapNode(body=body) | CallNode(body=body) | LoopNode(body=body):
            yield "", body
        case BranchNode(cases=arms) | JoinNode(arms=arms):
            for arm in arms:
                yield arm.name, arm.body
        case MachineNode(states=states):
            yield "", node.shape
            for name, state in states.items():
                yield name, state.body
        case TaskNode() | ConstNode() | OpNode() | WaitNode():
            return


def sources_of(node: Node) -> set[str]:
    """The nodes that a node waits for."""
    if isinstance(node, ConstNode):
        return set()
    found = {*node.after, *(ref.node for ref in refs_of(node) if ref.node)}
    if isinstance(node, BranchNode):
        found |= {name for case in node.cases if case.when is not None for name in statuses_in(case.when)}
    return found


def expressions_of(node: Node) -> Iterator[Input]:
    """What a node says of its enclosing graph, its conditions apart."""
    match node:
        case ConstNode():
            return
        case WaitNode(what=what):
            yield from _expressions_of_wait(what)
        case _:
            yield from node.inputs.values()
    if isinstance(node, MapNode):
        yield from node.over.values()
    elif isinstance(node, LoopNode):
        yield node.start


def _expressions_of_wait(what: SignalWait | EventWait | TimeWait | ApprovalWait) -> Iterator[Input]:
    match what:
        case SignalWait(key=key) if key is not None:
            yield key
        case TimeWait(at=at, for_s=for_s):
            yield from (each for each in (at, for_s) if each is not None)
        case ApprovalWait(shows=shows) if shows is not None:
            yield shows
        case _:
            return


def refs_of(node: Node) -> Iterator[Ref]:
    """All references of a node to its enclosing graph."""
    for expression in expressions_of(node):
        yield from refs_in(expression)
    if isinstance(node, BranchNode):
        for case in node.cases:
            if case.when is not None:
                yield from refs_in(case.when)


def refs_in(expression: Input | Operand | Condition) -> Iterator[Ref]:
    if isinstance(expression, Ref):
        yield expression
    for part in _parts_of(expression):
        yield from refs_in(part)


def statuses_in(expression: Input | Operand | Condition) -> Iterator[str]:
    """The nodes whose status is asked for."""
    if isinstance(expression, StatusOf):
        yield expression.of
    for part in _parts_of(expression):
        yield from statuses_in(part)


def _parts_of(expression: Input | Operand | Condition) -> Iterable[Input | Operand | Condition]:
    match expression:
        case ListExpr(items=items):
            return items
        case RecordExpr(fields=fields):
            return fields.values()
        case Size(of=of) | IsTrue(of=of) | Present(of=of) | Has(of=of) | Not(of=of):
            return (of,)
        case Compare(left=left, right=right) | Calc(left=left, right=right) | Contains(item=left, within=right):
            return (left, right)
        case AllOf(of=parts) | AnyOf(of=parts):
            return parts
        case Ref() | Constant() | StatusOf():
            return ()


def operands_in(condition: Condition) -> Iterator[Operand]:
    match condition:
        case Compare(left=left, right=right) | Contains(item=left, within=right):
            yield left
            yield right
        case IsTrue(of=of) | Present(of=of) | Has(of=of):
            yield of
        case Not(of=inner):
            yield from operands_in(inner)
        case AllOf(of=parts) | AnyOf(of=parts):
            for part in parts:
                yield from operands_in(part)


def wait_nodes(workflow: Workflow) -> Iterator[WaitNode]:
    """All waits of a workflow, wherever they stand."""
    yield from waits_in(*workflow.bodies.values())


def waits_in(*bodies: Graph) -> Iterator[WaitNode]:
    """All waits of graphs and of those inside them."""
    graphs = list(bodies)
    while graphs:
        for node in graphs.pop().nodes.values():
            if isinstance(node, WaitNode):
                yield node
            graphs += [body for _, body in bodies_of(node)]


def scope_path(step: Path) -> Path:
    """The scope that a step belongs to."""
    head, _, _ = step.rpartition("/")
    return head


def join(scope: Path, node: str) -> Path:
    return f"{scope}/{node}" if scope else node


def element_path(step: Path, index: int) -> Path:
    return f"{step}[{index}]"


def visit_path(machine: Path, state: str, number: int) -> Path:
    return join(machine, f"{state}#{number}")


def _has_rescue(graph: Graph) -> bool:
    return any(
        (not isinstance(node, ConstNode) and node.rescue is not None)
        or any(_has_rescue(inner) for _, inner in bodies_of(node))
        for node in graph.nodes.values()
    )


class Layout:
    """Where paths of one workflow lead; remembers those that it was asked last."""

    def __init__(self, workflow: Workflow) -> None:
        self.workflow = workflow
        self._states = {name: body_of(state.body) for name, state in workflow.states.items()}
        root = body_of(workflow.shape) if workflow.is_machine else self._states[workflow.start]
        self.root = Place(body=root, machine=workflow.is_machine)
        self._final = body_of(workflow.final.body) if workflow.final is not None else None
        self.rescues = any(map(_has_rescue, workflow.bodies.values()))  # whether a node may fail, and its graph go on
        self._known: dict[Path, Place] = {"": self.root}
        self.awaited = frozenset(
            node.what.event for node in wait_nodes(workflow) if isinstance(node.what, EventWait)
        )  # types of events

    def scope(self, path: Path) -> Place:
        """Raises NoSuchPathError."""
        known = self._known.get(path)
        if known is not None:
            return known
        try:
            place = self._walk(path)
        except (KeyError, ValueError):
            raise NoSuchPathError(path) from None
        if len(self._known) >= REMEMBERED:
            self._known = {"": self.root}
        self._known[path] = place
        return place

    def node(self, step: Path) -> tuple[Place, str, Node | State]:
        """The scope of a step, its name there, and its node; a visit of a state is a step too.

        Raises NoSuchPathError.
        """
        if step.endswith(UNDO):
            return self._undo_of(step)
        place = self.scope(scope_path(step))
        name = step.rpartition("/")[2]
        node = self.states_of(place).get(name.partition("#")[0]) if place.machine else place.body.graph.nodes.get(name)
        if node is None:
            raise NoSuchPathError(step)
        return place, name, node

    def _undo_of(self, step: Path) -> tuple[Place, str, Node | State]:
        """The task that takes a step back, as a node beside it."""
        place, name, node = self.node(step.removesuffix(UNDO))
        if not isinstance(node, TaskNode) or node.undo is None:
            raise NoSuchPathError(step)
        undo = node.undo
        inputs: dict[str, Input] = {undo.param: Ref(node=name)}
        made = TaskNode(undo.task, inputs, undo.outputs, undo.schema, undo.takes, options=undo.options)
        return place, name + UNDO, made

    def states_of(self, place: Place) -> dict[str, State]:
        """The states of the machine whose scope this is."""
        return place.node.states if isinstance(place.node, MachineNode) else self.workflow.states

    def start_of(self, place: Place) -> str:
        """Where the machine whose scope this is begins."""
        return place.node.start if isinstance(place.node, MachineNode) else self.workflow.start

    def _walk(self, path: Path) -> Place:
        segments = path.split("/")
        place, at, outer = self.root, 0, ""
        if segments[0] == FINALLY and self._final is not None:
            place, at, outer = Place(body=self._final, node=self.workflow.final), 1, FINALLY
        while at < len(segments):
            found, used = self._step_into(place, outer, segments[at:])
            outer = "/".join(filter(None, (outer, *segments[at : at + used])))
            place, at = found, at + used
        return place

    def _step_into(self, place: Place, outer: Path, segments: list[str]) -> tuple[Place, int]:
        """The scope that the first segments lead to, and how many they are."""
        name, _, rest = segments[0].partition("#" if place.machine else "[")
        if place.machine:
            state = self.states_of(place)[name]
            body = place.body.inner["", name] if isinstance(place.node, MachineNode) else self._states[name]
            return Place(body, join(outer, segments[0]), state, outer, int(rest), name), 1
        node, step = place.body.graph.nodes[name], join(outer, name)
        if rest and not isinstance(node, MapNode | LoopNode):
            raise KeyError(segments[0])
        match node:
            case MapNode() | LoopNode():
                return Place(place.body.inner[name, ""], step, node, outer, int(rest[:-1])), 1
            case BranchNode() | JoinNode():
                arm = segments[1] if len(segments) > 1 else ""
                return Place(place.body.inner[name, arm], step, node, outer, arm=arm), 2
            case CallNode():
                return Place(place.body.inner[name, ""], step, node, outer), 1
            case MachineNode():
                states = {("", state): place.body.inner[name, state] for state in node.states}
                body = structs.replace(place.body.inner[name, ""], inner=states)
                return Place(body, step, node, outer, machine=True), 1
            case TaskNode() | ConstNode() | OpNode() | WaitNode():
                raise KeyError(name)
