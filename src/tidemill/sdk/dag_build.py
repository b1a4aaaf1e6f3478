"""A DAG as a graph, and the same on real values."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypedDict, get_origin

from msgspec import Struct
from msgspec.structs import replace

from tidemill.core.graph import BranchNode, Case, ConstNode, Graph, Schema
from tidemill.core.terms import VALUE, AllOf, AnyOf, Condition, Constant, Input, IsTrue, Not, RecordExpr, Ref
from tidemill.sdk.dag_join import AnyStep, Joined, Link, Offer, links
from tidemill.sdk.definition import Definition
from tidemill.sdk.expressions import expression_of, recorded
from tidemill.sdk.forms import union_of
from tidemill.sdk.kinds import bare, keys_of
from tidemill.sdk.nodes import Trace
from tidemill.sdk.plans import TypePlan, plan_of
from tidemill.sdk.schemas import closed_document
from tidemill.sdk.standin import Facts, Standin, child, facts_of
from tidemill.sdk.steps import Combined, Step
from tidemill.sdk.tracer import Captures

if TYPE_CHECKING:
    from tidemill.sdk.dag import Nodes

_typed_dict: Any = TypedDict  # of fields that are known here only
RAN = "_ran"  # a port of a step that may be skipped: whether it was not


class Built(Struct, frozen=True, eq=False):
    """``graph`` has an output for each step, by its name, besides that of the DAG."""

    graph: Graph
    result: TypePlan
    plans: dict[str, TypePlan]
    used: tuple[Definition[..., Any], ...]


def build_dag(nodes: "Nodes") -> Built:
    """Raises TraceError: a circle, a clash of names, a missing one, a result that does not fit."""
    building = _Building(nodes)
    for link in links(nodes).values():
        building.add(link)
    return building.built(nodes.results())


class _Building:
    def __init__(self, nodes: "Nodes") -> None:
        self._nodes, self._trace = nodes, Trace(None, Captures())
        self._inputs = {name: self._trace.input(name, plan) for name, plan in nodes.inputs.items()}
        self._trace.inputs = {name: closed_document(schema) for name, schema in self._trace.inputs.items()}
        self._given: dict[AnyStep, Any] = {}  # what stands for the result: a stand-in, or a NamedTuple of some
        self._skippable: set[AnyStep] = set()

    def add(self, link: Link) -> None:
        step, found = link.step, link.found
        guards: list[Condition] = [IsTrue(Ref(each.name, RAN)) for each in link.guards]
        if step.when is not None:
            guards.append(_condition(step.when))
        after = tuple(each.name for each in found.after)
        if guards:
            self._add_branch(step, found, guards[0] if len(guards) == 1 else AllOf(tuple(guards)))
        else:
            self._given[step] = self._recorded(self._trace, step, found)
        node = self._trace.nodes[step.name]
        if after and not isinstance(node, ConstNode):
            self._trace.nodes[step.name] = replace(node, after=after)

    def _recorded(self, trace: Trace, step: AnyStep, found: Joined) -> Any:
        return trace.record(step.task.options(name=step.name), self._bound(trace, step, found))

    def _bound(self, trace: Trace, step: AnyStep, found: Joined) -> dict[str, Any]:
        taken = {name: self._value(step, name, offer) for name, offer in found.taken.items()}
        if not found.merged:
            return taken
        plan = step.task.signature.parameters[found.merged].plan
        if (get_origin(plan.kind) or plan.kind) is dict:
            return {found.merged: taken}
        return {found.merged: Standin(Facts(recorded(trace, plan.kind, taken), plan, trace))}

    def _value(self, step: AnyStep, name: str, offer: Offer) -> Any:
        if offer.parent is None:
            return self._inputs[offer.name]
        value = self._given[offer.parent]
        if isinstance(value, Standin):
            value = _field(facts_of(value), offer.part) if offer.part else value
        elif offer.part:
            value = getattr(value, offer.part)
        return value

    def _add_branch(self, step: AnyStep, found: Joined, when: Condition) -> None:
        """One arm runs the step, the other gives null."""
        self._trace.claim(step.name, "give this one another")
        captures, signature = Captures(), step.task.signature
        inner = Trace(self._trace, captures)
        result = self._recorded(inner, step, found)
        plans = {VALUE: signature.result, **(signature.outputs if signature.tuple_type else {})}
        outputs: dict[str, Input] = {RAN: Constant(value=True)}
        for port, plan in plans.items():
            part = result if port == VALUE else getattr(result, port)
            outputs[port] = expression_of(inner, part, plan.kind, f"{step.name}.{port}")
        types: dict[str, Schema] = {RAN: {"type": "boolean"}} | {port: plan.schema for port, plan in plans.items()}
        run = inner.graph(outputs, types, {})
        skipped = Graph(
            inputs={},
            nodes={},
            outputs={port: Constant(value=False if port == RAN else None) for port in types},
            types={port: {"type": "boolean" if port == RAN else "null"} for port in types},
        )
        cases = (Case("run", when, run), Case("skipped", None, skipped))
        self._trace.nodes[step.name] = BranchNode(cases, captures.inputs)
        self._skippable.add(step)
        ports = {port: self._trace.output(step.name, port, plan) for port, plan in plans.items()}
        self._given[step] = (
            ports[VALUE]
            if signature.tuple_type is None
            else signature.tuple_type(**{port: ports[port] for port in signature.outputs})
        )

    def built(self, results: list[AnyStep]) -> Built:
        plans = {step.name: self._plan(step) for step in self._given}
        outputs = {step.name: self._output(step) for step in self._given}
        if len(results) == 1:
            result, whole = plans[results[0].name], outputs[results[0].name]
        else:
            names = [each.name for each in results]
            result = plan_of(_typed_dict(self._nodes.name, {name: plans[name].kind for name in names}))
            whole = RecordExpr({name: outputs[name] for name in names})
        types = {VALUE: result.schema, **{name: plan.schema for name, plan in plans.items()}}
        graph = self._trace.graph({VALUE: whole, **outputs}, types, {})
        return Built(graph, result, plans, tuple(self._trace.used))

    def _plan(self, step: AnyStep) -> TypePlan:
        result = step.task.signature.result
        return plan_of(union_of([result.kind, type(None)])) if step in self._skippable else result

    def _output(self, step: AnyStep) -> Input:
        if step in self._skippable:
            return Ref(step.name)
        return expression_of(self._trace, self._given[step], step.task.signature.result.kind, step.name)


def _field(facts: Facts, name: str) -> Any:
    return child(facts, *keys_of(bare(facts.plan.kind))[name])


def _condition(step: Step[bool]) -> Condition:
    if not isinstance(step, Combined):
        return IsTrue(Ref(step.name))
    parts = tuple(_condition(each) for each in step.parts)
    match step.name:
        case "not":
            return Not(parts[0])
        case "and":
            return AllOf(parts)
        case _:
            return AnyOf(parts)


# Plainly -------------------------------------------------------------------------------------------


def plain_dag(nodes: "Nodes", inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Run all steps here; give the outputs that the graph would, a skipped step's as None."""
    given: dict[AnyStep, Any] = {}
    ran: set[AnyStep] = set()
    for step, link in links(nodes).items():
        given[step] = None
        if all(each in ran for each in link.guards) and (step.when is None or _holds(step.when, given)):
            ran.add(step)
            given[step] = step.task(**_plainly(step, link.found, given, inputs))
    results = nodes.results()
    value = given[results[0]] if len(results) == 1 else {each.name: given[each] for each in results}
    return {VALUE: value, **{step.name: each for step, each in given.items()}}


def _plainly(step: AnyStep, found: Joined, given: Mapping[AnyStep, Any], inputs: Mapping[str, Any]) -> dict[str, Any]:
    taken = {name: _part(offer, given, inputs) for name, offer in found.taken.items()}
    if not found.merged:
        return taken
    kind = step.task.signature.parameters[found.merged].plan.kind
    return {found.merged: (get_origin(kind) or kind)(**taken)}


def _part(offer: Offer, given: Mapping[AnyStep, Any], inputs: Mapping[str, Any]) -> Any:
    if offer.parent is None:
        return inputs[offer.name]
    value = given[offer.parent]
    if not offer.part or value is None:
        return value
    return value[offer.part] if isinstance(value, Mapping) else getattr(value, offer.part)


def _holds(step: Step[bool], given: Mapping[AnyStep, Any]) -> bool:
    if not isinstance(step, Combined):
        return next(value is True for each, value in given.items() if each is step)
    parts = [_holds(each, given) for each in step.parts]
    return {"not": not parts[0], "and": all(parts)}.get(step.name, any(parts))
