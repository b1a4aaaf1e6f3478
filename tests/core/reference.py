"""The reference: a workflow is what it would be if each node were a plain call, one after the other.

About a hundred lines; the engine must agree with them on every graph and every history.
"""

from collections.abc import Callable, Mapping
from typing import Any

from tidemill.core.conditions import ConditionError, holds
from tidemill.core.graph import (
    BranchNode,
    CallNode,
    ConstNode,
    ElementFailure,
    Graph,
    LoopNode,
    MapNode,
    Node,
    TaskNode,
)
from tidemill.core.terms import Constant, Input, ListExpr, Operand, RecordExpr, Ref, Size

Tasks = Mapping[str, Callable[..., Any]]
FAILED = "a failure"  # stands for a collected one


class NodeFailedError(Exception):
    """A node failed for good."""


def interpret(graph: Graph, inputs: Mapping[str, Any], tasks: Tasks) -> dict[str, Any]:
    """Run a graph; give its outputs. Raises NodeFailedError when a node fails that nothing takes."""
    return _Frame(graph, inputs, tasks).all()


class _Frame:
    def __init__(self, graph: Graph, inputs: Mapping[str, Any], tasks: Tasks) -> None:
        self.graph, self.inputs, self.tasks = graph, inputs, tasks
        self.done: dict[str, Any] = {}

    def all(self) -> dict[str, Any]:
        """Run each node; give the outputs of the graph."""
        failed = None
        for name in self.graph.nodes:
            try:
                self.output(name)
            except NodeFailedError as error:
                failed = error
        if failed:
            raise failed
        return {port: self.value(source) for port, source in self.graph.outputs.items()}

    def output(self, name: str) -> Any:
        if name not in self.done:
            try:
                self.done[name] = self._run(self.graph.nodes[name])
            except NodeFailedError as error:
                self.done[name] = error
        if isinstance(self.done[name], NodeFailedError):
            raise self.done[name]
        return self.done[name]

    def value(self, source: Input | Operand) -> Any:
        match source:
            case Ref(node="", port=port, fields=fields):
                return _walk(self.inputs.get(port, self.graph.optional.get(port)), fields)
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

    def _run(self, node: Node) -> dict[str, Any]:
        match node:
            case TaskNode(task=task):
                arguments = {name: self.value(each) for name, each in node.inputs.items()}
                return {"value": self.tasks[task](**arguments)}
            case ConstNode(value=value):
                return {"value": value}
            case CallNode(inputs=given, body=body):
                return interpret(body, {name: self.value(each) for name, each in given.items()}, self.tasks)
            case BranchNode():
                return self._branch(node)
            case MapNode():
                return self._map(node)
            case LoopNode():
                return self._loop(node)

    def _branch(self, node: BranchNode) -> dict[str, Any]:
        given = {name: self.value(each) for name, each in node.inputs.items()}
        try:
            chosen = next(case for case in node.cases if case.when is None or holds(case.when, self.value))
        except (ConditionError, StopIteration) as error:
            raise NodeFailedError from error
        return interpret(chosen.body, given, self.tasks)

    def _loop(self, node: LoopNode) -> dict[str, Any]:
        given = {name: self.value(each) for name, each in node.inputs.items()}
        given[node.param] = self.value(node.start)
        for _ in range(node.limit):
            frame = _Frame(node.body, given, self.tasks)
            outputs = frame.all()
            try:
                if holds(node.until, frame.value):
                    return outputs
            except ConditionError as error:
                raise NodeFailedError from error
            given[node.param] = outputs["value"]
        raise NodeFailedError

    def _map(self, node: MapNode) -> dict[str, Any]:
        lists = {name: self.value(each) for name, each in node.over.items()}
        given = {name: self.value(each) for name, each in node.inputs.items()}
        if len({len(each) for each in lists.values()}) != 1:
            raise NodeFailedError
        ports: dict[str, list[Any]] = {port: [] for port in node.body.outputs}
        failed = None
        for row in zip(*lists.values(), strict=True):
            try:
                outputs = interpret(node.body, {**given, **dict(zip(lists, row, strict=True))}, self.tasks)
            except NodeFailedError as error:
                failed = error
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
