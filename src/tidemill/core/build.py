"""Whether a workflow holds together: each reference leads somewhere, nothing waits for itself, each edge fits.

The SDK asks when a workflow is built, and the server when one is published, with the definitions that it knows.
"""

from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches

from msgspec import Struct

from tidemill.core.condition_types import condition_faults, operation_faults
from tidemill.core.definitions import TaskDefinition
from tidemill.core.fit import Misfit, View, describe, schema_of_plain, view_of, views_fit
from tidemill.core.graph import (
    FINALLY,
    Arm,
    BranchNode,
    CallNode,
    Case,
    ConstNode,
    Default,
    End,
    Ending,
    Graph,
    JoinNode,
    LoopNode,
    MachineNode,
    MapNode,
    Node,
    OpNode,
    State,
    TaskNode,
    WaitNode,
    Workflow,
)
from tidemill.core.machine_paths import FAILURES, SUCCESS, always_done, endless, reachable
from tidemill.core.node_types import ANY, or_null, ports_of, type_of
from tidemill.core.plan import bodies_of, refs_in, refs_of, sources_of, wait_nodes
from tidemill.core.shape import misshapen
from tidemill.core.terms import VALUE, Condition, Constant, Input, ListExpr, RecordExpr, Ref
from tidemill.core.wait_shape import signals_of

Definitions = Mapping[str, TaskDefinition]


class Problem(Struct, frozen=True):
    """What is wrong, and the node where: ``pages/embed``; "" is the graph itself."""

    place: str
    reason: str

    @property
    def text(self) -> str:
        return f"{self.place}: {self.reason}" if self.place else self.reason


def check(workflow: Workflow, definitions: Definitions) -> list[Problem]:
    """All problems of a workflow, outermost first.

    Args:
        definitions: by task name, as announced. A task that is not among them is taken as the graph says.
    """
    if workflow.start not in workflow.states:
        return [Problem("", f"there is no state {workflow.start!r} to start in")]
    faults = [Problem(place, reason) for place, reason in misshapen(workflow)]
    return faults or [*_ambiguous_signals(workflow), *_problems(workflow, definitions)]


def _ambiguous_signals(workflow: Workflow) -> Iterator[Problem]:
    for (name, _), schema in signals_of(wait_nodes(workflow)).items():
        if schema is None:
            yield Problem("", f"two waits for the signal {name!r} expect different types: name one of them otherwise")


def _problems(workflow: Workflow, definitions: Definitions) -> Iterator[Problem]:
    if workflow.is_machine:
        yield from _machine_problems(_Machine(workflow.shape, workflow.states, workflow.start), "", definitions)
    else:
        yield from graph_problems(workflow.body, "", definitions)
    final = workflow.final
    if final is not None:
        outside = Graph(inputs=workflow.shape.inputs, nodes={}, outputs={}, types={})
        yield from inputs_fit(outside, final.inputs, _known(final.body), set(final.body.inputs), FINALLY)
        yield from graph_problems(final.body, FINALLY, definitions)


def graph_problems(graph: Graph, place: str, definitions: Definitions) -> Iterator[Problem]:
    """What is wrong with a graph and those inside it, outermost first."""
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
        yield from _default_problems(node, here)
        if isinstance(node, MachineNode):
            yield from _machine_problems(_Machine(node.shape, node.states, node.start), here, definitions)
            continue
        for arm, body in bodies_of(node):
            yield from graph_problems(body, f"{here}/{arm}" if arm else here, definitions)
    for port, schema in graph.types.items():
        if port not in graph.outputs:
            yield Problem(place, f"the output {port!r} comes from nowhere")
        else:
            yield from edge_fits(graph, graph.outputs[port], view_of(schema), place, f"output {port}")


def _missing(graph: Graph, place: str) -> Iterator[Problem]:
    """References that lead nowhere."""
    for name, node in graph.nodes.items():
        here = "/".join(filter(None, (place, name)))
        yield from lost_refs(graph, refs_of(node), here)
        for other in sorted(sources_of(node) - set(graph.nodes)):
            if other not in {ref.node for ref in refs_of(node)}:
                yield Problem(here, f"there is no node {other!r}")
        if isinstance(node, LoopNode):
            yield from lost_refs(node.body, refs_in(node.until), here)
    yield from lost_refs(graph, (ref for each in graph.outputs.values() for ref in refs_in(each)), place)


def lost_refs(graph: Graph, refs: Iterable[Ref], here: str) -> Iterator[Problem]:
    for ref in refs:
        if ref.node == "" and ref.port not in graph.inputs:
            yield Problem(here, f"there is no input {ref.port!r}")
        elif ref.node and ref.node not in graph.nodes:
            yield Problem(here, f"there is no node {ref.node!r}")
        elif ref.node and ref.port not in ports_of(graph.nodes[ref.node]):
            yield Problem(here, f"node {ref.node!r} has no output {ref.port!r}")


def _cycle(graph: Graph) -> list[str]:
    """Nodes of a circle, the first one again at the end; empty when there is none."""
    waits = {name: sources_of(node) for name, node in graph.nodes.items()}
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


def _node_problems(graph: Graph, node: Node, here: str, definitions: Definitions) -> Iterator[Problem]:  # noqa: C901  # one match over a union
    match node:
        case TaskNode():
            yield from _task_problems(graph, node, here, definitions.get(node.task))
        case CallNode(inputs=inputs, body=body) | MachineNode(inputs=inputs, shape=body):
            yield from inputs_fit(graph, inputs, _known(body), set(body.inputs) - set(body.optional), here)
        case MapNode(over=over, inputs=inputs, body=body):
            known = _known(body)
            lists = {name: known.get(name, ANY) for name in over}
            wanted = {name: view.at({"type": "array", "items": view.schema}) for name, view in lists.items()}
            yield from inputs_fit(graph, over, wanted, set(), here)
            yield from inputs_fit(graph, inputs, known, set(known) - set(over), here)
        case LoopNode():
            yield from _loop_problems(graph, node, here)
        case BranchNode(cases=arms, inputs=inputs):
            for case in arms:
                if case.when is not None:
                    yield from _condition_problems(graph, case.when, here)
            yield from _arm_problems(arms, inputs, here)
        case JoinNode(arms=arms, inputs=inputs):
            yield from _arm_problems(arms, inputs, here)
        case OpNode():
            yield from (Problem(here, reason) for reason in operation_faults(graph, node))
        case WaitNode() | ConstNode():
            return


def _default_problems(node: Node, here: str) -> Iterator[Problem]:
    """Whether what stands for the output of a node that failed fits it."""
    if isinstance(node, ConstNode) or not isinstance(node.rescue, Default):
        return
    ports, value = ports_of(node), node.rescue.value
    if len(ports) > 1 and not (isinstance(value, dict) and ports.keys() <= value.keys()):
        yield Problem(here, f"its default is a record of its outputs: {', '.join(ports)}")
        return
    for port, view in ports.items():
        given = value[port] if len(ports) > 1 else value
        if (misfit := views_fit(View(schema_of_plain(given)), view)) is not None:
            yield Problem(here, f"its default: {misfit.text}")


def _known(body: Graph) -> dict[str, View]:
    return {name: view_of(schema) for name, schema in body.inputs.items()}


def _arm_problems(arms: Iterable[Case | Arm], inputs: Mapping[str, Input], here: str) -> Iterator[Problem]:
    """Types are not compared: a condition may have narrowed one."""
    for arm in arms:
        missing = sorted(set(arm.body.inputs) - set(inputs))
        yield from (Problem(f"{here}/{arm.name}", f"the input {name!r} is missing") for name in missing)


def _condition_problems(graph: Graph, condition: Condition, here: str) -> Iterator[Problem]:
    lost = list(lost_refs(graph, refs_in(condition), here))
    yield from lost
    if not lost:
        yield from (Problem(here, reason) for reason in condition_faults(graph, condition))


def _loop_problems(graph: Graph, node: LoopNode, here: str) -> Iterator[Problem]:
    known = _known(node.body)
    if node.param not in known or VALUE not in node.body.types:
        yield Problem(here, f"the body of a loop takes {node.param!r} and gives {VALUE!r}")
        return
    given = {node.param: node.start, **node.inputs}
    yield from inputs_fit(graph, given, known, set(known), here)
    misfit = views_fit(view_of(node.body.types[VALUE]), known[node.param])
    if misfit is not None:
        yield Problem(here, f"a round cannot start with what the one before it gave: {misfit.text}")
    yield from _condition_problems(node.body, node.until, here)


def _task_problems(graph: Graph, node: TaskNode, here: str, announced: TaskDefinition | None) -> Iterator[Problem]:
    takes = node.takes if announced is None else announced.inputs
    if takes:
        root = view_of(takes)
        known = {name: root.at(schema) for name, schema in takes.get("properties", {}).items()}
        yield from inputs_fit(graph, node.inputs, known, set(takes.get("required", ())), here)
    if announced is None:
        return
    for port, schema in node.outputs.items():
        if port not in announced.outputs:
            yield Problem(here, f"{node.task} gives no {port!r}; it gives {', '.join(announced.outputs)}")
        elif (misfit := views_fit(view_of(announced.outputs[port]), view_of(schema))) is not None:
            yield Problem(here, f"{node.task} was traced with another result: {misfit.text}")


def inputs_fit(
    graph: Graph, inputs: Mapping[str, Input], known: Mapping[str, View], required: set[str], here: str
) -> Iterator[Problem]:
    for name in sorted(required - set(inputs)):
        yield Problem(here, f"the input {name!r} is missing")
    for name, expression in inputs.items():
        if name not in known:
            yield Problem(here, f"it takes no input {name!r}; it takes {', '.join(known) or 'none'}")
        else:
            yield from edge_fits(graph, expression, known[name], here, name)


def edge_fits(graph: Graph, expression: Input, wanted: View, here: str, name: str) -> Iterator[Problem]:
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


# Machines ------------------------------------------------------------------------------------------


class _Machine(Struct, frozen=True):
    shape: Graph
    states: Mapping[str, State]
    start: str

    def seen(self, done: set[str]) -> Graph:
        """What a state may refer to, as a graph: a state that may not have been visited gives null too."""
        nodes: dict[str, Node] = {}
        for name, state in self.states.items():
            types = state.body.types
            if name not in done:
                types = {port: _document(or_null(schema)) for port, schema in types.items()}
            nodes[name] = CallNode("", {}, Graph(inputs={}, nodes={}, outputs={}, types=types))
        return Graph(inputs=self.shape.inputs, nodes=nodes, outputs={}, types={})


def _document(view: View) -> dict[str, object]:
    return {**view.schema, "$defs": dict(view.defs)} if view.defs else view.schema


def _machine_problems(machine: _Machine, place: str, definitions: Definitions) -> Iterator[Problem]:
    states = machine.states
    if machine.start not in states:
        yield Problem(place, f"there is no state {machine.start!r} to start in")
        return
    strange = list(_strange_targets(machine, place))
    yield from strange
    if strange:
        return
    for name in sorted(set(states) - reachable(states, machine.start)):
        yield Problem(_in(place, name), "no transition leads to this state")
    for name in sorted(endless(states)):
        yield Problem(_in(place, name), "no end can be reached from here: it would go round for ever")
    done = always_done(states, machine.start)
    for name, state in states.items():
        here = _in(place, name)
        if not state.transitions:
            yield Problem(here, "this state leads nowhere: give it a transition or an end")
        known, body = machine.seen(done[name] - {name}), state.body
        lost = list(lost_refs(known, _refs_of_inputs(state), here))
        yield from lost
        if not lost:
            yield from inputs_fit(known, state.inputs, _known(body), set(body.inputs) - set(body.optional), here)
        yield from _transition_problems(machine, name, done[name], here)
        yield from _status_problems(state, definitions, here)
        yield from graph_problems(body, here, definitions)


def _in(place: str, name: str) -> str:
    return f"{place}/{name}" if place else name


def _refs_of_inputs(state: State) -> Iterator[Ref]:
    return (ref for each in state.inputs.values() for ref in refs_in(each))


def _strange_targets(machine: _Machine, place: str) -> Iterator[Problem]:
    for name, state in machine.states.items():
        for transition in state.transitions:
            if isinstance(transition.to, str) and transition.to not in machine.states:
                near = get_close_matches(transition.to, machine.states, 1)
                hint = f"; did you mean {near[0]!r}?" if near else f"; there is {', '.join(machine.states)}"
                yield Problem(_in(place, name), f"it leads to {transition.to!r}, and there is no such state{hint}")


def _transition_problems(machine: _Machine, name: str, done: set[str], here: str) -> Iterator[Problem]:
    always = False
    for transition in machine.states[name].transitions:
        known = machine.seen(done if transition.status in FAILURES else done | {name})
        if always and not transition.status:
            yield Problem(here, "a transition stands after one that always fits, so it is never taken")
        always = always or not (transition.status or transition.when or transition.max_visits)
        if transition.when is not None:
            yield from _condition_problems(known, transition.when, here)
        if isinstance(transition.to, End):
            yield from _end_problems(machine, transition.to, known, here)


def _status_problems(state: State, definitions: Definitions, here: str) -> Iterator[Problem]:
    """Transitions by a status that the task whose output the state gives never sets."""
    output = state.body.outputs.get(VALUE)
    node = state.body.nodes.get(output.node) if isinstance(output, Ref) else None
    announced = definitions.get(node.task) if isinstance(node, TaskNode) else None
    if announced is None or not announced.statuses:
        return
    known = (SUCCESS, *announced.statuses, *sorted(FAILURES))
    for each in state.transitions:
        if each.status and each.status not in known:
            near = get_close_matches(each.status, known, 1)
            hint = f"did you mean {near[0]!r}?" if near else f"it sets {', '.join(announced.statuses)}"
            yield Problem(here, f"a transition is for {each.status!r}, which {announced.name} never sets; {hint}")


def _end_problems(machine: _Machine, end: End, known: Graph, here: str) -> Iterator[Problem]:
    lost = list(lost_refs(known, (ref for each in end.outputs.values() for ref in refs_in(each)), here))
    yield from lost
    if lost:
        return
    for port, schema in machine.shape.types.items():
        if port in end.outputs:
            yield from edge_fits(known, end.outputs[port], view_of(schema), here, f"the end's output {port}")
        elif end.outcome is Ending.SUCCESS:
            yield Problem(here, f"the end gives no {port!r}, and other ends do")
