"""A machine as it was written, turned into the document of a workflow."""

from collections.abc import Callable, Iterator
from difflib import get_close_matches
from functools import partial
from typing import TYPE_CHECKING, Any

from msgspec import NODEFAULT
from msgspec.structs import replace

from tidemill.core import graph as ir
from tidemill.core.build import check
from tidemill.core.definitions import TaskDefinition
from tidemill.core.fit import fits
from tidemill.core.graph import FORMAT, Ending
from tidemill.core.terms import VALUE, Condition, Input, Ref
from tidemill.sdk.definition import Task
from tidemill.sdk.errors import DefinitionError
from tidemill.sdk.expressions import argument_of, expression_of, kind_of
from tidemill.sdk.forms import union_of
from tidemill.sdk.places import End, Place, Way
from tidemill.sdk.plans import TypePlan, plan_of
from tidemill.sdk.schemas import closed_document
from tidemill.sdk.signature import Body, Parameter, Signature
from tidemill.sdk.standin import Criterion, Standin, TraceError, facts_of, holds_standins

if TYPE_CHECKING:
    from tidemill.sdk.machine import StateMachine


def signature_of(machine: "StateMachine") -> Signature:
    """What runs of a machine take, and the union of what its ends give. Raises DefinitionError."""
    kinds = list(dict.fromkeys(_kinds_of_ends(machine)))
    result = plan_of(union_of(kinds) if kinds else type(None))
    return Signature(dict(_parameters(machine)), {VALUE: result}, result, Body.SYNC)


def build(machine: "StateMachine", start: Place) -> ir.Workflow:
    """Raises TraceError: with all that is wrong, each with its place."""
    signature = machine.signature
    _check_previous(machine)
    states = {name: _state(machine, place) for name, place in machine.places.items()}
    parameters = signature.parameters.items()
    inputs = {name: closed_document(each.plan.schema) for name, each in parameters}
    optional = {name: each.plan.plain(each.default) for name, each in parameters if not each.is_required}
    types = {VALUE: signature.result.schema}
    workflow = ir.Workflow(FORMAT, machine.name, start.name, states, inputs, types, optional, _final(machine))
    problems = check(workflow, _announced(machine))
    if problems:
        raise TraceError(f"machine {machine.name}: " + "; ".join(problem.text for problem in problems))
    return workflow


def check_same(machine: "StateMachine", name: str, one: TypePlan, other: TypePlan) -> None:
    """Raises DefinitionError for an input of two types."""
    if one.schema != other.schema:
        raise DefinitionError(
            f"machine {machine.name}: the input {name!r} is {one.name} in one place and {other.name} in another; "
            "it is one input, so give one of them another name"
        )


def _announced(machine: "StateMachine") -> dict[str, TaskDefinition]:
    """Tasks that say which statuses they set."""
    used = (each for place in _bodies(machine) for each in place.body.used)
    return {each.name: each.definition for each in used if isinstance(each, Task) and each.statuses}


def _bodies(machine: "StateMachine") -> Iterator[Place]:
    """What takes inputs of the run."""
    yield from machine.places.values()
    if machine.last is not None:
        yield machine.last


def _parameters(machine: "StateMachine") -> Iterator[tuple[str, Parameter]]:
    found: dict[str, Parameter] = {}
    for place in _bodies(machine):
        for each in place.given.values():
            if holds_standins(each.default):
                continue
            known = found.setdefault(each.name, each)
            check_same(machine, each.name, known.plan, each.plan)
            if known.default is not each.default and known.default != each.default:
                raise DefinitionError(
                    f"machine {machine.name}: the input {each.name!r} has one default in one state and another (or "
                    "none) in the next; an input has one, so write the same in each"
                )
    for name, plan in machine.inputs.items():
        check_same(machine, name, found.setdefault(name, Parameter(name, plan, NODEFAULT)).plan, plan)
    yield from found.items()


def _check_previous(machine: "StateMachine") -> None:
    for name, plan in machine.asked_back:
        if name not in machine.places:
            near = get_close_matches(name, machine.places, 1)
            hint = f"; did you mean {near[0]!r}?" if near else f"; there is {', '.join(machine.places)}"
            raise TraceError(f"machine {machine.name}: previous({name!r}, …) names no state{hint}")
        gives = machine.places[name].body.signature.result
        misfit = fits(gives.schema, plan.schema)
        if misfit is not None:
            said = f"machine {machine.name}: previous({name!r}, {plan.name})"
            raise TraceError(f"{said}, and {name} gives {gives.name}: {misfit.text}")


def _state(machine: "StateMachine", place: Place) -> ir.State:
    inputs: dict[str, Input] = {}
    for name, each in place.given.items():
        if holds_standins(each.default):
            inputs[name] = argument_of(machine.scene, each.default, each.plan, f"{place.name}({name})")
        else:
            inputs[name] = Ref("", name)
    ways = tuple(_transition(machine, place, way) for way in place.ways)
    return ir.State(place.graph, inputs, ways)


def _final(machine: "StateMachine") -> ir.Final | None:
    if machine.last is None:
        return None
    body = replace(machine.last.graph, outputs={}, types={}, optional={})
    return ir.Final(body, {name: Ref("", name) for name in machine.last.given})


def _transition(machine: "StateMachine", place: Place, way: Way) -> ir.Transition:
    to = way.to
    if isinstance(to, End):
        end = ir.End(to.outcome, to.status, _outputs_of(machine, to))
        return ir.Transition(end, way.status, _condition(machine, place, way))
    name = to if isinstance(to, str) else to.name
    return ir.Transition(name, way.status, _condition(machine, place, way), way.max_visits)


def _condition(machine: "StateMachine", place: Place, way: Way) -> Condition | None:
    if way.when is None:
        return None
    if isinstance(way.when, Criterion):
        return machine.scene.condition(way.when)
    try:
        return machine.scene.condition(way.when.condition(_names(machine)))
    except TraceError as error:
        raise TraceError(f"machine {machine.name}: {place.name}.when: {error}") from None


def _names(machine: "StateMachine") -> dict[str, Callable[[], Any]]:
    """What a condition as text may name: outputs of states, and inputs of the run."""
    scene, parameters = machine.scene, machine.signature.parameters
    inputs = {name: partial(scene.input, name, each.plan) for name, each in parameters.items()}
    return inputs | {name: partial(getattr, place, "output") for name, place in machine.places.items()}


def _outputs_of(machine: "StateMachine", end: End) -> dict[str, Input]:
    if end.outcome is Ending.FAILURE:
        return {}
    if isinstance(end.output, Standin):  # its own type is a member of the union
        return {VALUE: machine.scene.operand(facts_of(end.output))}
    kind = machine.signature.result.kind
    return {VALUE: expression_of(machine.scene, end.output, kind, f"{machine.name}.end(output)")}


def _kinds_of_ends(machine: "StateMachine") -> Iterator[Any]:
    for place in machine.places.values():
        for way in place.ways:
            if isinstance(way.to, End) and way.to.outcome is Ending.SUCCESS:
                yield kind_of(way.to.output)
