"""Static facts of a graph, worked out once per workflow: who waits for whom, and where a path leads.

A path is `segment/segment/…`. A segment is a node's id; a map's carries the element, `pages[17]`; a branch's is
followed by the arm's name, `style/long/shorten`.
"""

from collections.abc import Iterable, Iterator

from msgspec import Struct

from tidemill.core.errors import InputError
from tidemill.core.graph import (
    AllOf,
    AnyOf,
    BranchNode,
    CallNode,
    Compare,
    Condition,
    Constant,
    ConstNode,
    Graph,
    Input,
    IsTrue,
    ListExpr,
    MapNode,
    Node,
    Not,
    Operand,
    Present,
    RecordExpr,
    Ref,
    Size,
    TaskNode,
    Workflow,
)
from tidemill.core.ids import Path

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


class Place(Struct, frozen=True, gc=False):
    """Where a scope is: the body it evaluates, and the step that it belongs to (None for the root)."""

    body: Body
    step: Path = ""
    node: MapNode | BranchNode | CallNode | None = None
    outer: Path = ""  # the scope of that step
    index: int = -1  # of a map's element
    arm: str = ""  # of a branch


def body_of(workflow: Workflow) -> Body:
    return _body(workflow.body)


def _body(graph: Graph) -> Body:
    steps = {name: node for name, node in graph.nodes.items() if not isinstance(node, ConstNode)}
    sources = {name: {ref.node for ref in refs_of(node) if ref.node in steps} for name, node in steps.items()}
    feeds: dict[str, list[str]] = {name: [] for name in steps}
    for name, froms in sources.items():
        for source in sorted(froms):
            feeds[source].append(name)
    return Body(
        graph=graph,
        needs={name: len(froms) for name, froms in sources.items()},
        feeds={name: tuple(fed) for name, fed in feeds.items()},
        roots=tuple(name for name, froms in sources.items() if not froms),
        inner={(name, arm): _body(inner) for name, node in steps.items() for arm, inner in bodies_of(node)},
    )


def bodies_of(node: Node) -> Iterator[tuple[str, Graph]]:
    """The graphs inside a node, each with the name of its arm ("" where there is but one)."""
    match node:
        case MapNode(body=body) | CallNode(body=body):
            yield "", body
        case BranchNode(cases=cases):
            for case in cases:
                yield case.name, case.body
        case TaskNode() | ConstNode():
            return


def refs_of(node: Node) -> Iterator[Ref]:
    """All references of a node to its enclosing graph."""
    match node:
        case TaskNode(inputs=inputs) | CallNode(inputs=inputs):
            yield from _refs(inputs.values())
        case MapNode(over=over, inputs=inputs):
            yield from _refs(over.values())
            yield from _refs(inputs.values())
        case BranchNode(cases=cases, inputs=inputs):
            yield from _refs(inputs.values())
            for case in cases:
                if case.when is not None:
                    yield from refs_in(case.when)
        case ConstNode():
            return


def _refs(inputs: Iterable[Input]) -> Iterator[Ref]:
    for each in inputs:
        yield from refs_in(each)


def refs_in(expression: Input | Operand | Condition) -> Iterator[Ref]:  # noqa: C901  # one match over a union
    match expression:
        case Ref():
            yield expression
        case ListExpr(items=items):
            for item in items:
                yield from refs_in(item)
        case RecordExpr(fields=fields):
            for field in fields.values():
                yield from refs_in(field)
        case Size(of=of) | IsTrue(of=of) | Present(of=of):
            yield from refs_in(of)
        case Not(of=inner):
            yield from refs_in(inner)
        case Compare(left=left, right=right):
            yield from refs_in(left)
            yield from refs_in(right)
        case AllOf(of=parts) | AnyOf(of=parts):
            for part in parts:
                yield from refs_in(part)
        case Constant():
            return


def operands_in(condition: Condition) -> Iterator[Operand]:
    match condition:
        case Compare(left=left, right=right):
            yield left
            yield right
        case IsTrue(of=of) | Present(of=of):
            yield of
        case Not(of=inner):
            yield from operands_in(inner)
        case AllOf(of=parts) | AnyOf(of=parts):
            for part in parts:
                yield from operands_in(part)


def scope_path(step: Path) -> Path:
    """The scope that a step belongs to."""
    head, _, _ = step.rpartition("/")
    return head


def join(scope: Path, node: str) -> Path:
    return f"{scope}/{node}" if scope else node


def element_path(step: Path, index: int) -> Path:
    return f"{step}[{index}]"


class Layout:
    """Where paths of one workflow lead; remembers those that it was asked last."""

    def __init__(self, workflow: Workflow) -> None:
        self.workflow = workflow
        self.root = Place(body=body_of(workflow))
        self._known: dict[Path, Place] = {"": self.root}

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

    def node(self, step: Path) -> tuple[Place, str, Node]:
        """The scope of a step, its name there, and its node. Raises NoSuchPathError."""
        place = self.scope(scope_path(step))
        name = step.rpartition("/")[2]
        node = place.body.graph.nodes.get(name)
        if node is None:
            raise NoSuchPathError(step)
        return place, name, node

    def _walk(self, path: Path) -> Place:
        segments = path.split("/")
        body, outer, at = self.root.body, "", 0
        while True:
            name, _, rest = segments[at].partition("[")
            node = body.graph.nodes[name]
            step, arm, index, used = join(outer, name), "", -1, 1
            scope = step
            match node:
                case MapNode():
                    index = int(rest[:-1])
                    scope = join(outer, segments[at])
                case BranchNode():
                    arm = segments[at + 1] if at + 1 < len(segments) else ""
                    scope, used = join(step, arm), 2
                case CallNode():
                    pass
                case TaskNode() | ConstNode():
                    raise KeyError(path)
            body = body.inner[name, arm]
            at += used
            if at >= len(segments):
                return Place(body=body, step=step, node=node, outer=outer, index=index, arm=arm)
            outer = scope
