"""A workflow as a tree of lines: states with their transitions, nodes with what they take and give."""

from collections.abc import Iterator, Mapping

from tidemill.core.conditions import text_of
from tidemill.core.graph import (
    BranchNode,
    ConstNode,
    End,
    Ending,
    Graph,
    JoinNode,
    LoopNode,
    MachineNode,
    MapNode,
    Node,
    State,
    Transition,
    Workflow,
)
from tidemill.core.plan import bodies_of
from tidemill.graphs.phases import CycleError, needs_of, phases_of
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


def tree_of(workflow: Workflow) -> Iterator[str]:
    shape = workflow.shape
    yield f"{workflow.name}({_params(shape)}) → {types_words(shape.types) or 'nothing'}"
    if workflow.is_machine:
        yield from _machine(workflow.states, workflow.start, "  ")
    else:
        yield from _graph(workflow.body, "  ")
        yield from _outputs(workflow.body, "  ")
    if workflow.final is not None:
        yield "  finally"
        yield from _graph(workflow.final.body, "    ")


def phases_tree(workflow: Workflow) -> Iterator[str]:
    """The phases of each graph: what may run together, and what comes after. Raises CycleError."""
    for name, body in workflow.bodies.items():
        yield from _phases(body, name or workflow.name, "")


def _phases(graph: Graph, title: str, indent: str) -> Iterator[str]:
    yield f"{indent}{title}"
    for number, phase in enumerate(phases_of(needs_of(graph)), 1):
        yield f"{indent}  {number}  {', '.join(phase)}"
        for name in phase:
            for arm, body in bodies_of(graph.nodes[name]):
                if body.nodes:
                    yield from _phases(body, f"{name}/{arm}" if arm else name, indent + "     ")


def _params(graph: Graph) -> str:
    said = []
    for name, schema in graph.inputs.items():
        default = f" = {graph.optional[name]!r}" if name in graph.optional else ""
        said.append(f"{name}: {type_words(schema)}{default}")
    return ", ".join(said)


def _outputs(graph: Graph, indent: str) -> Iterator[str]:
    for port, expression in graph.outputs.items():
        name = "gives" if list(graph.outputs) == ["value"] else f"gives {port}:"
        yield f"{indent}{name} {text_of(expression)}"


def _machine(states: Mapping[str, State], start: str, indent: str) -> Iterator[str]:
    for name, state in states.items():
        takes = ", ".join(f"{param}={text_of(each)}" for param, each in state.inputs.items())
        first = "starts here: " if name == start else ""
        yield f"{indent}{first}state {name}({takes}) → {types_words(state.body.types) or 'nothing'}"
        yield from _graph(state.body, indent + "  ")
        yield from (f"{indent}  ⇒ {_led(each)}" for each in state.transitions)


def _led(transition: Transition) -> str:
    if isinstance(transition.to, End):
        return f"{transition_words(transition)}: {_end(transition.to)}"
    return f"{transition_words(transition)}: to {transition.to}"


def _end(end: End) -> str:
    outcome = "success" if end.outcome is Ending.SUCCESS else "failure"
    given = ", ".join(f"{port}={text_of(each)}" for port, each in end.outputs.items())
    words = f" “{end_words(end)}”" if end.status else ""
    return f"ends in {outcome}{words}" + (f" with {given}" if given else "")


def _graph(graph: Graph, indent: str) -> Iterator[str]:
    try:
        order = [name for phase in phases_of(needs_of(graph)) for name in phase]
    except CycleError:
        order = list(graph.nodes)
    for name in order:
        yield from _node(name, graph.nodes[name], indent)


def _node(name: str, node: Node, indent: str) -> Iterator[str]:
    words = node_words(node)
    if isinstance(node, ConstNode):
        yield f"{indent}{name} = {words}: {gives(node)}"
        return
    takes = ", ".join(f"{param}={text_of(each)}" for param, each in inputs_of(node).items())
    kind = "" if kind_of(node) in ("task", name) else f"{kind_of(node)} "
    said = f"  [{words}]" if words != name else ""
    yield f"{indent}{kind}{name}({takes}) → {gives(node) or 'nothing'}{said}"
    after = (f"after {', '.join(node.after)}",) if node.after else ()
    yield from (f"{indent}  · {note}" for note in (*after, *notes_of(node)))
    yield from _inside(node, indent + "  ")


def _inside(node: Node, indent: str) -> Iterator[str]:
    if isinstance(node, MachineNode):
        yield from _machine(node.states, node.start, indent)
        return
    conditions = {} if not isinstance(node, BranchNode) else {case.name: case.when for case in node.cases}
    for arm, body in bodies_of(node):
        if arm:
            when = conditions.get(arm)
            yield f"{indent}{arm}" + (f": when {text_of(when)}" if when is not None else "")
        yield from _graph(body, indent + "  " * bool(arm))
        if arm or isinstance(node, MapNode | LoopNode | JoinNode):
            yield from _outputs(body, indent + "  " * bool(arm))
