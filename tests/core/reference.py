"""The reference: a workflow is what it would be if each node were a plain call, one after the other.

About two hundred lines; the engine must agree with them on every graph and every history.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from tidemill.core.conditions import ConditionError, holds
from tidemill.core.graph import (
    BranchNode,
    CallNode,
    ConstNode,
    Default,
    ElementFailure,
    End,
    Ending,
    Graph,
    JoinNode,
    LoopNode,
    MachineNode,
    MapNode,
    Node,
    State,
    TaskNode,
    Transition,
    Workflow,
)
from tidemill.core.plan import refs_in
from tidemill.core.terms import Condition, Constant, Input, ListExpr, Operand, RecordExpr, Ref, Size, StatusOf

Tasks = Mapping[str, Callable[..., Any]]
FAILED = "a failure"  # stands for a collected one


class NodeFailedError(Exception):
    """A node failed for good."""


class LeftOutError(Exception):
    """What is needed comes from a node that failed and might."""


LEFT_OUT = LeftOutError()  # stands for an input that is not there


def interpret(graph: Graph, inputs: Mapping[str, Any], tasks: Tasks) -> dict[str, Any]:
    """Run a graph; give its outputs. Raises NodeFailedError when a node fails that nothing takes, LeftOutError."""
    return _Frame(graph, inputs, tasks).all()


def outcome_of(workflow: Workflow, inputs: Mapping[str, Any], tasks: Tasks) -> tuple[str, dict[str, Any]]:
    """Run a workflow; give the status of its success, and its outputs. Raises as `interpret`."""
    if workflow.is_machine:
        return _Visits(workflow.states, inputs, tasks).from_(workflow.start)
    return _ended(workflow.body, inputs, tasks)


def _ended(graph: Graph, inputs: Mapping[str, Any], tasks: Tasks) -> tuple[str, dict[str, Any]]:
    """Of calls and arms of branches too: they have the status of their body."""
    frame = _Frame(graph, inputs, tasks)
    outputs = frame.all()
    return frame.ending(), outputs


class _Visits:
    """What a machine of states knows: its inputs, what each state gave last, and how it ended."""

    def __init__(self, states: Mapping[str, State], inputs: Mapping[str, Any], tasks: Tasks) -> None:
        self.states, self.inputs, self.tasks = states, inputs, tasks
        self.counts = dict.fromkeys(states, 0)
        self.statuses = dict.fromkeys(states, "")

    def from_(self, name: str) -> tuple[str, dict[str, Any]]:
        """Visit state after state; give the status of the end, and its outputs."""
        seen = _Frame(Graph(inputs={}, nodes={}, outputs={}, types={}), self.inputs, self.tasks)
        seen.done = dict.fromkeys(self.states, dict.fromkeys(("value", "extra")))
        while True:
            taken = self._visit(name, seen)
            if not isinstance(taken.to, End):
                name = taken.to
            elif taken.to.outcome is Ending.FAILURE:
                raise NodeFailedError
            else:
                return taken.to.status or "success", {to: seen.value(each) for to, each in taken.to.outputs.items()}

    def _visit(self, name: str, seen: "_Frame") -> Transition:
        state = self.states[name]
        self.counts[name] += 1
        frame = _Frame(state.body, {to: seen.value(each) for to, each in state.inputs.items()}, self.tasks)
        failed = False
        try:
            seen.done[name] = frame.all()
            self.statuses[name] = seen.statuses[name] = frame.ending()
        except (NodeFailedError, LeftOutError):
            failed = True
            self.statuses[name] = seen.statuses[name] = "failure"
        for each in state.transitions:
            if each.max_visits is not None and not isinstance(each.to, End) and self.counts[each.to] >= each.max_visits:
                continue
            if each.status == self.statuses[name] or (not each.status and not failed and self._holds(each, seen)):
                return each
        raise NodeFailedError

    def _holds(self, transition: Transition, seen: "_Frame") -> bool:
        return transition.when is None or holds(transition.when, seen.value)


class _Frame:
    def __init__(self, graph: Graph, inputs: Mapping[str, Any], tasks: Tasks) -> None:
        self.graph, self.inputs, self.tasks = graph, inputs, tasks
        self.done: dict[str, Any] = {}
        self.failed: set[str] = set()  # nodes that did, and for which another value may stand
        self.statuses: dict[str, str] = {}  # of machines, and of states

    def all(self) -> dict[str, Any]:
        """Run each node; give the outputs of the graph."""
        failed = None
        for name in self.graph.nodes:
            try:
                self.output(name)
            except NodeFailedError as error:
                failed = error
            except LeftOutError:
                continue
        if failed:
            raise failed
        return {port: self.value(source) for port, source in self.graph.outputs.items()}

    def ending(self) -> str:
        """The status of the whole: that of the node that its output comes from."""
        match self.graph.outputs.get("value"):
            case Ref(node=node) if node:
                return self._status(node)
            case _:
                return "success"

    def output(self, name: str) -> Any:
        if name not in self.done:
            self.done[name] = self._outcome(name, self.graph.nodes[name])
        if isinstance(self.done[name], NodeFailedError | LeftOutError):
            raise self.done[name]
        return self.done[name]

    def _outcome(self, name: str, node: Node) -> Any:
        rescue = None if isinstance(node, ConstNode) else node.rescue
        try:
            self._need(node)
        except LeftOutError as error:
            return error
        try:
            return self._run(name, node)
        except NodeFailedError as error:
            if rescue is None:
                return error
            self.failed.add(name)
        except LeftOutError as error:  # its own output is among what was left out inside it
            if not isinstance(rescue, Default):
                return error
            self.failed.add(name)
        if not isinstance(rescue, Default):
            return LEFT_OUT
        return {"value": rescue.value} if isinstance(node, TaskNode) else rescue.value

    def _need(self, node: Node) -> None:
        """What it cannot begin without. Raises LeftOutError."""
        for name in () if isinstance(node, ConstNode) else node.after:
            self._ran(name)
        if isinstance(node, BranchNode):
            self._look([case.when for case in node.cases])
        elif not isinstance(node, ConstNode | JoinNode):
            over = node.over.values() if isinstance(node, MapNode) else ()
            start = (node.start,) if isinstance(node, LoopNode) else ()
            for each in (*node.inputs.values(), *over, *start):
                self.value(each)

    def _look(self, conditions: Iterable[Condition | None]) -> None:
        for condition in conditions:
            for ref in refs_in(condition) if condition is not None else ():
                self.value(ref)

    def _ran(self, name: str) -> None:
        try:
            self.output(name)
        except LeftOutError:
            return

    def value(self, source: Input | Operand) -> Any:  # noqa: C901  # one match over a union
        match source:
            case Ref(node="", port=port, fields=fields):
                given = self.inputs.get(port, self.graph.optional.get(port))
                if isinstance(given, LeftOutError):
                    raise given
                return _walk(given, fields)
            case Ref(node=node, port=port, fields=fields):
                return _walk(self.output(node)[port], fields)
            case Constant(value=value):
                return value
            case ListExpr(items=items):
                return [self.value(item) for item in items]
            case RecordExpr(fields=parts):
                return {name: self.value(part) for name, part in parts.items()}
            case Size(of=of):
                return len(self.value(of))
            case StatusOf(of=of):
                return self._status(of)

    def _status(self, name: str) -> str:
        if name not in self.graph.nodes:  # a state
            return self.statuses.get(name, "")
        try:
            self.output(name)
        except LeftOutError:
            return "failure" if name in self.failed else "skipped"
        return "failure" if name in self.failed else self.statuses.get(name, "success")

    def _run(self, name: str, node: Node) -> dict[str, Any]:  # noqa: C901  # one match over a union
        match node:
            case TaskNode(task=task):
                arguments = {name: self.value(each) for name, each in node.inputs.items()}
                return {"value": self.tasks[task](**arguments)}
            case ConstNode(value=value):
                return {"value": value}
            case CallNode(inputs=given, body=body):
                self.statuses[name], found = _ended(body, {to: self.value(of) for to, of in given.items()}, self.tasks)
                return found
            case BranchNode():
                return self._branch(name, node)
            case MapNode():
                return self._map(node)
            case LoopNode():
                return self._loop(node)
            case JoinNode():
                return self._join(node)
            case MachineNode(inputs=given, states=states, start=start):
                inner = _Visits(states, {to: self.value(each) for to, each in given.items()}, self.tasks)
                self.statuses[name], outputs = inner.from_(start)
                return outputs
            case _:
                raise AssertionError(node)

    def _branch(self, name: str, node: BranchNode) -> dict[str, Any]:
        given = self._for_arms(node.inputs)
        try:
            chosen = next(case for case in node.cases if case.when is None or holds(case.when, self.value))
        except (ConditionError, StopIteration) as error:
            raise NodeFailedError from error
        self.statuses[name], outputs = _ended(chosen.body, given, self.tasks)
        return outputs

    def _for_arms(self, inputs: Mapping[str, Input]) -> dict[str, Any]:
        """What arms may use: who uses what is not there is left out."""
        given: dict[str, Any] = {}
        for name, each in inputs.items():
            try:
                given[name] = self.value(each)
            except LeftOutError as error:
                given[name] = error
        return given

    def _loop(self, node: LoopNode) -> dict[str, Any]:
        given = {name: self.value(each) for name, each in node.inputs.items()}
        given[node.param] = self.value(node.start)
        for _ in range(node.limit):
            frame = _Frame(node.body, given, self.tasks)
            outputs = frame.all()
            frame._look([node.until])
            try:
                if holds(node.until, frame.value):
                    return outputs
            except ConditionError as error:
                raise NodeFailedError from error
            given[node.param] = outputs["value"]
        raise NodeFailedError

    def _join(self, node: JoinNode) -> dict[str, Any]:
        """The first arms that succeed, in the order in which they stand."""
        given, found = self._for_arms(node.inputs), []
        for arm in node.arms:
            try:
                found.append(interpret(arm.body, given, self.tasks))
            except (NodeFailedError, LeftOutError):
                continue
        if len(found) < node.need:
            raise NodeFailedError
        ports = {port: [each[port] for each in found[: node.need]] for port in node.arms[0].body.outputs}
        return {port: values[0] for port, values in ports.items()} if node.single else ports

    def _map(self, node: MapNode) -> dict[str, Any]:
        lists = {name: self.value(each) for name, each in node.over.items()}
        given = {name: self.value(each) for name, each in node.inputs.items()}
        if len({len(each) for each in lists.values()}) != 1:
            raise NodeFailedError
        ports: dict[str, list[Any]] = {port: [] for port in node.body.outputs}
        failed: Exception | None = None
        for row in zip(*lists.values(), strict=True):
            try:
                outputs = interpret(node.body, {**given, **dict(zip(lists, row, strict=True))}, self.tasks)
            except (NodeFailedError, LeftOutError) as error:
                failed = failed if isinstance(failed, NodeFailedError) else error
                outputs = dict.fromkeys(ports, FAILED)
                if node.on_failure is ElementFailure.SKIP:
                    continue
            for port, value in outputs.items():
                ports[port].append(value)
        if failed and node.on_failure is ElementFailure.STOP:
            raise failed
        return ports


def _walk(value: Any, fields: tuple[str | int, ...]) -> Any:
    for field in fields:
        value = value[field]
    return value
