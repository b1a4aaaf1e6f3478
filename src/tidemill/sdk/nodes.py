"""How calls and words become nodes of the graph that is being traced."""

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from tidemill.core.conditions import text_of
from tidemill.core.fit import fits
from tidemill.core.graph import Arm as ArmNode
from tidemill.core.graph import (
    BranchNode,
    Case,
    ConstNode,
    ElementFailure,
    Final,
    Graph,
    JoinNode,
    LoopNode,
    MapNode,
    Node,
    OpNode,
    Rest,
    TaskNode,
    Undo,
)
from tidemill.core.terms import VALUE, Ref
from tidemill.sdk.definition import Definition, recording
from tidemill.sdk.errors import DoesNotFitError
from tidemill.sdk.expressions import argument_of, expression_of, kind_of
from tidemill.sdk.forms import union_of
from tidemill.sdk.options import Default
from tidemill.sdk.plans import TypePlan, plan_of
from tidemill.sdk.result import Failure
from tidemill.sdk.standin import (
    Criterion,
    Facts,
    Standin,
    TraceError,
    condition_of,
    element_kind,
    facts_of,
    holds_standins,
)
from tidemill.sdk.tracer import Captures, Tracer


class Arm(Struct, frozen=True):
    """One arm of a branch; without a condition it always holds. ``given`` is what its body takes."""

    name: str
    when: Criterion | None
    body: Callable[..., Any]
    given: tuple[Facts, ...] = ()


class Race(Struct, frozen=True):
    """How many bodies that run side by side must succeed, and what becomes of the rest then."""

    need: int
    rest: Rest
    single: bool = False  # the result is that of the first, not a list


class Trace(Tracer):
    """A tracer that calls of tasks, workflows and words are recorded in."""

    def __init__(self, outer: Tracer | None, captures: Captures) -> None:
        super().__init__(outer, captures)
        self.used: list[Definition[..., Any]] = outer.used if isinstance(outer, Trace) else []
        self.final: Final | None = None
        self.no_finally = ""  # why `finally_` cannot stand here

    def record(self, definition: Definition[..., Any], bound: Mapping[str, Any]) -> Any:
        """A task or workflow that was called becomes a node; what comes back stands for its result."""
        name, signature = definition.node_name, definition.signature
        self.claim(name, f'give this use one, {name}.options(name="…")')
        inputs = {
            param: argument_of(self, value, signature.parameters[param].plan, f"{name}({param})")
            for param, value in bound.items()
        }
        self.nodes[name] = self._used(definition, definition.node_of(inputs))
        self.used += [definition, *getattr(definition, "used", ())]
        ports = {port: self.output(name, port, plan) for port, plan in signature.outputs.items()}
        return ports[VALUE] if signature.tuple_type is None else signature.tuple_type(**ports)

    def _used(self, definition: Definition[..., Any], node: Node) -> Node:
        """A node with what its use says of failures, and of what it waits for."""
        name, policy = definition.node_name, definition.on_failure
        if isinstance(node, ConstNode):
            return node
        if isinstance(policy, Default) and holds_standins(policy.value):
            raise TraceError(
                f"{name}: the default of its on_failure is known when the workflow is written, and no result"
            )
        try:
            rescue = definition.rescue
        except DoesNotFitError as error:
            raise TraceError(f"{name}: the default of its on_failure does not fit its result: {error}") from None
        node = replace(node, after=self._nodes_of(definition.node_after, name), rescue=rescue)
        if definition.undo is not None:
            self.used += [definition.undo] if isinstance(definition.undo, Definition) else []
            return _with_undo(node, definition.undo, name)
        return node

    def at_the_end(self, body: Callable[[], Any]) -> None:
        """What `finally_` was given."""
        if self.outer is not None:
            raise TraceError("finally_ stands in the workflow itself, not in a body inside it: move it out of the body")
        if self.no_finally:
            raise TraceError(self.no_finally)
        if self.final is not None:
            raise TraceError("a workflow has one finally_; let its body do all")
        captures = Captures()
        inner = Trace(self, captures)
        with inner.recorded():
            body()
        strange = [each for each in captures.inputs.values() if not isinstance(each, Ref) or each.node]
        if strange:
            raise TraceError(
                f"finally_ uses {text_of(strange[0])}, and takes inputs of the workflow and constants only: "
                "nothing else is sure to be there when it runs"
            )
        self.final = Final(inner.graph({}, {}, {}), captures.inputs)

    def _nodes_of(self, values: Sequence[Any], name: str) -> tuple[str, ...]:
        """The nodes whose results these are."""
        found: dict[str, None] = {}
        for value in values:
            facts = facts_of(value) if isinstance(value, Standin) else None
            if facts is None or not isinstance(facts.expression, Ref) or not facts.expression.node:
                raise TraceError(f"{name}: after takes results of steps, not {value!r}")
            if facts.owner is not self:
                raise TraceError(
                    f"{name}: it can only wait for steps of its own body, and {facts.text} is none of them"
                )
            found[facts.expression.node] = None
        return tuple(found)

    def branch(self, name: str, word: str, arms: Sequence[Arm]) -> Standin:
        self.claim(name, f'give this one another, {word}(…, name="…")')
        given = {arm.name: _parameters_of(arm.body, len(arm.given)) for arm in arms}
        captures = Captures(tuple(param for params in given.values() for param in params))
        cases, kinds = [], []
        for arm in arms:
            params = dict(zip(given[arm.name], arm.given, strict=True))
            captures.inputs |= {param: self.operand(facts) for param, facts in params.items()}
            body, kind = self._body(arm.body, {param: facts.plan for param, facts in params.items()}, captures)
            cases.append(Case(arm.name, None if arm.when is None else self.condition(arm.when), body))
            kinds.append(kind)
        self.nodes[name] = BranchNode(tuple(cases), captures.inputs)
        return self.output(name, VALUE, plan_of(union_of(list(dict.fromkeys(kinds)))))

    def map(
        self, name: str, body: Callable[..., Any], lists: Sequence[Any], *, window: int, on_failure: ElementFailure
    ) -> Standin:
        name = self.claim(name or _name_of(body, "map"), 'give this one another, map_over(…, name="…")')
        params = _parameters_of(body, len(lists))
        kinds = [_element_kind_of(each) for each in lists]
        over = {
            param: expression_of(self, each, list[kind], f"{name}({param})")  # type: ignore[valid-type]
            for param, each, kind in zip(params, lists, kinds, strict=True)
        }
        captures = Captures(tuple(params))
        graph, kind = self._body(body, dict(zip(params, map(plan_of, kinds), strict=True)), captures)
        self.nodes[name] = MapNode(over, graph, captures.inputs, window, on_failure)
        if on_failure is ElementFailure.COLLECT:
            kind = union_of([kind, Failure])
        return self.output(name, VALUE, plan_of(list[kind]))  # type: ignore[valid-type]

    def loop(
        self, name: str, body: Callable[..., Any], start: Any, *, until: Callable[[Any], Any], limit: int
    ) -> Standin:
        name = self.claim(name or _name_of(body, "loop"), 'give this one another, loop(…, name="…")')
        (param,) = _parameters_of(body, 1)
        plan = body.signature.parameters[param].plan if isinstance(body, Definition) else plan_of(kind_of(start))
        expression = argument_of(self, start, plan, f"{name}({param})")
        captures = Captures((param,))
        inner = Trace(self, captures)
        with inner.recorded():
            value = body(inner.input(param, plan))
            output = argument_of(inner, value, plan, f"the result of a round of {name}, with which another starts,")
            criterion = condition_of(until(value))
        if isinstance(criterion, bool):
            raise TraceError(f"{name}: until is always {criterion}; let it compare what a round gives")
        condition = inner.condition(criterion)
        graph = inner.graph({VALUE: output}, {VALUE: plan.schema}, {})
        self.nodes[name] = LoopNode(param, expression, graph, condition, limit, captures.inputs)
        return self.output(name, VALUE, plan)

    def join(self, name: str, word: str, arms: Sequence[Callable[[], Any]], how: Race) -> Standin:
        name = self.claim(name or word, f'give this one another, {word}(…, name="…")')
        if not 1 <= how.need <= len(arms):
            raise TraceError(f"{name} needs {how.need} of {len(arms)} bodies: from 1 to all of them")
        captures = Captures()
        traced = [self._body(arm, {}, captures) for arm in arms]
        names = _names_of_arms(arms, [graph for graph, _ in traced])
        made = tuple(ArmNode(each, graph) for each, (graph, _) in zip(names, traced, strict=True))
        self.nodes[name] = JoinNode(made, how.need, how.rest, how.single, captures.inputs)
        kind = union_of(list(dict.fromkeys(kind for _, kind in traced)))
        return self.output(name, VALUE, plan_of(kind if how.single else list[kind]))  # type: ignore[valid-type]

    def operate(self, name: str, op: str, operands: Mapping[str, Any], kind: Any) -> Standin:
        """An operation of `tidemill.ops`."""
        self.claim(name, f'give this one another, ops.{op}(…, name="…")')
        inputs = {
            param: expression_of(self, value, kind_of(value), f"{name}({param})") for param, value in operands.items()
        }
        plan = plan_of(kind)
        self.nodes[name] = OpNode(op, inputs, plan.schema)
        return self.output(name, VALUE, plan)

    @contextmanager
    def recorded(self) -> Iterator[None]:
        """Calls of tasks and words become nodes of this graph."""
        token = recording.set(self)
        try:
            yield
        finally:
            recording.reset(token)

    def _body(self, fn: Callable[..., Any], params: Mapping[str, TypePlan], captures: Captures) -> tuple[Graph, Any]:
        """Trace a body, once; give its graph, and the type of its result."""
        inner = Trace(self, captures)
        standins = [inner.input(param, plan) for param, plan in params.items()]
        with inner.recorded():
            value = fn(*standins)
        kind = kind_of(value)
        output = expression_of(inner, value, kind, "the result of the body")
        return inner.graph({VALUE: output}, {VALUE: plan_of(kind).schema}, {}), kind


def _element_kind_of(items: Any) -> Any:
    if isinstance(items, Standin):
        return element_kind(facts_of(items))
    if not isinstance(items, list | tuple):
        raise TypeError(f"map_over takes lists, not {type(items).__name__}")
    kinds = list(dict.fromkeys(map(kind_of, items)))
    return union_of(kinds) if kinds else Any


def _name_of(body: Callable[..., Any], word: str) -> str:
    """A map or loop is named as the task or function that it runs; one of a lambda as its word."""
    while isinstance(body, partial):
        body = body.func
    if isinstance(body, Definition):
        return body.node_name
    name = getattr(body, "__name__", word)
    return word if name == "<lambda>" else name


def _with_undo(node: Node, undo: Callable[[Any], object], name: str) -> Node:
    """A task's node with the task that takes its output back."""
    if not isinstance(node, TaskNode) or set(node.outputs) != {VALUE}:
        raise TraceError(f"{name}: undo is for a task with one result; give it to the tasks inside a workflow")
    made = undo.node_of({}) if isinstance(undo, Definition) else None
    if not isinstance(undo, Definition) or not isinstance(made, TaskNode):
        raise TraceError(f"{name}: undo is a task, and {undo!r} is none")
    params = list(undo.signature.parameters.values())
    if not params or any(each.is_required for each in params[1:]):
        raise TraceError(f"{name}: its undo {undo.name} takes one value, the result that it takes back")
    param = params[0]
    misfit = fits(node.outputs[VALUE], param.plan.schema)
    if misfit is not None:
        raise TraceError(f"{name}: its undo {undo.name} takes {param.plan.name}: {misfit.text}")
    return replace(node, undo=Undo(made.task, param.name, made.schema, made.takes, made.outputs, made.options))


def _names_of_arms(arms: Sequence[Callable[[], Any]], graphs: Sequence[Graph]) -> list[str]:
    """An arm is named as its function, one of a lambda as the step that its result comes from."""
    names: list[str] = []
    for arm, graph in zip(arms, graphs, strict=True):
        output = graph.outputs[VALUE]
        base = _name_of(arm, output.node if isinstance(output, Ref) and output.node else "arm")
        name, count = base, 1
        while name in names:
            count += 1
            name = f"{base}-{count}"
        names.append(name)
    return names


def _parameters_of(body: Callable[..., Any], count: int) -> list[str]:
    inner: Any = body
    args, given = 0, set[str]()
    while isinstance(inner, partial):
        inner, args, given = inner.func, args + len(inner.args), given | set(inner.keywords)
    if isinstance(inner, Definition):
        names = [each.name for each in inner.signature.parameters.values() if each.by_position][args:]
        names = [name for name in names if name not in given]
    else:
        names = list(inspect.signature(body).parameters)
    if len(names) < count:
        raise TypeError(f"the body is given {count} arguments, and {_name_of(body, 'it')} takes {len(names)}")
    return names[:count]
