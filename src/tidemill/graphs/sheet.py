"""What a picture of a workflow shows, before anything has a place: boxes in boxes, and lines among neighbours.

A body is closed, so a line never crosses the border of a box.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from tidemill.core.conditions import text_of
from tidemill.core.errors import InputError
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
from tidemill.core.plan import join, refs_in, refs_of, sources_of
from tidemill.graphs.words import (
    end_words,
    gives,
    inputs_of,
    kind_of,
    node_words,
    notes_of,
    transition_words,
    type_words,
    types_words,
)


class TooLargeError(InputError):
    """A graph with more nodes than a picture shows."""

    def __init__(self, found: int, where: str, most: int) -> None:
        super().__init__(
            f"the graph has {found:,} parts, and {where} shows at most {most:,}: look at it as a tree "
            "(`tidemill graph show`), or as Mermaid or dot"
        )
        self.found = found


@dataclass(frozen=True)
class Line:
    """``soft``: it waits for the other, and takes nothing of it."""

    source: str
    target: str
    label: str = ""
    soft: bool = False


@dataclass(frozen=True)
class Box:
    """``id`` is its path without visits, rounds and elements; what is no step has a `~` in it.

    Args:
        kind: of the node, or `state`, `arm`, `input`, `output`, `start`, `success`, `failure`.
        lines: below the title.
        hint: what a reader sees who points at it.
    """

    id: str
    kind: str
    title: str
    lines: tuple[str, ...] = ()
    hint: str = ""
    inner: "Sheet | None" = None


@dataclass
class Sheet:
    boxes: list[Box] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)

    def check_size(self, where: str, most: int) -> None:
        """Raises TooLargeError."""
        found = sum(1 for _ in self.all_boxes())
        if found > most:
            raise TooLargeError(found, where, most)

    def all_boxes(self) -> Iterator[Box]:
        """Those inside others too."""
        for box in self.boxes:
            yield box
            if box.inner is not None:
                yield from box.inner.all_boxes()


def sheet_of(workflow: Workflow) -> Sheet:
    if workflow.is_machine:
        sheet = _machine(workflow.name, workflow.shape, workflow.states, workflow.start, "")
    else:
        sheet = _graph(workflow.body, "", tuple(workflow.body.inputs))
        _add_outputs(sheet, workflow.body)
    if workflow.final is not None:
        ends = [box.id for box in sheet.boxes if box.kind in ("success", "failure", "output")]
        body = _graph(workflow.final.body, FINALLY, ())
        sheet.boxes.append(Box(FINALLY, "finally", "finally", ("however the run ended",), inner=body))
        sheet.lines += [Line(end, FINALLY, soft=True) for end in ends]
    return sheet


# Graphs --------------------------------------------------------------------------------------------


def _graph(graph: Graph, place: str, shown: tuple[str, ...]) -> Sheet:
    """``shown``: the inputs that get a box."""
    inputs = {name: f"{place}~in:{name}" for name in shown if name in graph.inputs}
    sheet = Sheet([Box(at, "input", name, (type_words(graph.inputs[name]),)) for name, at in inputs.items()])
    for name, node in graph.nodes.items():
        here = join(place, name)
        sheet.boxes.append(_box(node, name, here))
        sheet.lines += _lines_to(node, here, place, inputs)
    used = {line.source for line in sheet.lines}
    if place:
        sheet.boxes = [box for box in sheet.boxes if box.kind != "input" or box.id in used]
    return sheet


def _lines_to(node: Node, here: str, place: str, inputs: Mapping[str, str]) -> Iterator[Line]:
    params: dict[str, list[str]] = {}
    for param, expression in inputs_of(node).items():
        for ref in refs_in(expression):
            params.setdefault(_source(ref.node, ref.port, place, inputs), []).append(param)
    firm = {_source(ref.node, ref.port, place, inputs) for ref in refs_of(node)}
    soft = {join(place, name) for name in sources_of(node)}
    for source in dict.fromkeys([*params, *sorted(firm), *sorted(soft)]):
        if source:
            yield Line(source, here, soft=source not in firm)


def _source(node: str, port: str, place: str, inputs: Mapping[str, str]) -> str:
    return join(place, node) if node else inputs.get(port, "")


def _add_outputs(sheet: Sheet, graph: Graph) -> None:
    inputs = {box.title: box.id for box in sheet.boxes if box.kind == "input"}
    for port, expression in graph.outputs.items():
        here = f"~out:{port}"
        title = "result" if list(graph.outputs) == ["value"] else port
        sheet.boxes.append(Box(here, "output", title, (type_words(graph.types.get(port, {})),)))
        sources = dict.fromkeys(_source(ref.node, ref.port, "", inputs) for ref in refs_in(expression))
        sheet.lines += [Line(source, here) for source in sources if source]


def _box(node: Node, name: str, here: str) -> Box:
    words = node_words(node)
    lines = (*([words] if words != name else []), *notes_of(node))
    hint = f"{name}({', '.join(f'{param}={text_of(each)}' for param, each in inputs_of(node).items())})"
    given = gives(node)
    if given and not isinstance(node, ConstNode):
        lines, hint = (*lines, f"→ {given}"), f"{hint} → {given}"
    return Box(here, kind_of(node), name, lines, hint, _inside(node, here))


def _inside(node: Node, here: str) -> Sheet | None:
    match node:
        case MapNode(body=body, over=over):
            return _graph(body, here, tuple(over))
        case LoopNode(body=body, param=param):
            return _graph(body, here, (param,))
        case CallNode(body=body):
            return _graph(body, here, ())
        case BranchNode(cases=cases):
            whens = {case.name: "otherwise" if case.when is None else text_of(case.when) for case in cases}
            return Sheet([_arm(case.name, whens[case.name], case.body, here) for case in cases])
        case JoinNode(arms=arms):
            return Sheet([_arm(arm.name, "", arm.body, here) for arm in arms])
        case MachineNode(workflow=name, states=states, start=start):
            return _machine(name, node.shape, states, start, here)
        case TaskNode() | ConstNode() | OpNode() | WaitNode():
            return None


def _arm(name: str, when: str, body: Graph, outer: str) -> Box:
    here = join(outer, name)
    inner = _graph(body, here, ()) if body.nodes else None
    passed = () if body.nodes else tuple(f"→ {text_of(each)}" for each in body.outputs.values())
    return Box(here, "arm", name, (*([when] if when not in ("", name) else []), *passed), inner=inner)


# Machines ------------------------------------------------------------------------------------------


def _machine(name: str, shape: Graph, states: Mapping[str, State], start: str, place: str) -> Sheet:
    sheet, at_start = Sheet(), f"{place}~start"
    takes = tuple(f"{param}: {type_words(schema)}" for param, schema in shape.inputs.items())
    sheet.boxes.append(Box(at_start, "start", name, takes))
    if start in states:
        sheet.lines.append(Line(at_start, join(place, start)))
    ends: dict[str, Box] = {}
    for each in _by_way(states, start):
        here, state = join(place, each), states[each]
        sheet.boxes.append(_state(state, each, here))
        for transition in state.transitions:
            if isinstance(transition.to, End):
                end = end_box(transition.to, place)
                ends[end.id] = end
                target = end.id
            else:
                target = join(place, transition.to)
            only = len(state.transitions) == 1 and transition == Transition(transition.to)
            sheet.lines.append(Line(here, target, "" if only else transition_words(transition)))
    sheet.boxes += ends.values()
    return sheet


def _by_way(states: Mapping[str, State], start: str) -> list[str]:
    """The states in the order in which transitions lead to them, whatever the order of the document."""
    order = dict.fromkeys([start] if start in states else [])
    queue = list(order)
    for name in queue:
        for each in states[name].transitions:
            if isinstance(each.to, str) and each.to in states and each.to not in order:
                order[each.to] = None
                queue.append(each.to)
    return [*order, *(name for name in states if name not in order)]


def _state(state: State, name: str, here: str) -> Box:
    takes = ", ".join(f"{param}={text_of(each)}" for param, each in state.inputs.items())
    given = types_words(state.body.types)
    inner = _graph(state.body, here, ()) if state.body.nodes else None
    return Box(here, "state", name, (f"→ {given}",) if given else (), f"{name}({takes}) → {given}", inner)


def end_box(end: End, place: str) -> Box:
    """``place``: of the machine."""
    return Box(f"{place}~end:{end.outcome.value}:{end.status}", end.outcome.value, end_words(end))
