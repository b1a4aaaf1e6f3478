"""`StateMachine`: states whose bodies are traced functions or task DAGs, and ordered transitions between them.

It is built when it is first used, so that a transition may name what is declared further down.
"""

import functools
from collections.abc import Callable, Iterator, Mapping
from difflib import get_close_matches
from typing import Any, NoReturn, TypeVar, overload

from msgspec import NODEFAULT

from tidemill.core import graph as ir
from tidemill.core.build import check
from tidemill.core.definitions import TaskDefinition
from tidemill.core.fit import fits
from tidemill.core.graph import FORMAT, Ending, MachineNode, NodeOptions
from tidemill.core.terms import VALUE, Condition, Input, Ref
from tidemill.sdk.declaring import check_name, local_names
from tidemill.sdk.definition import Task
from tidemill.sdk.errors import DefinitionError
from tidemill.sdk.expressions import argument_of, expression_of, kind_of
from tidemill.sdk.forms import union_of
from tidemill.sdk.places import End, MachineGraph, Outcome, Place, State, Way
from tidemill.sdk.plans import TypePlan, plan_of
from tidemill.sdk.schemas import closed_document
from tidemill.sdk.signature import Body, Parameter, Signature
from tidemill.sdk.standin import Standin, TraceError, facts_of, holds_standins
from tidemill.sdk.workflow import Workflow

R = TypeVar("R")
T = TypeVar("T")


class StateDecorator:
    def __init__(self, machine: "StateMachine", name: str) -> None:
        self._machine, self._name = machine, name

    def __call__(self, body: Callable[..., R], /) -> State[R]:
        return self._machine.add_state(State(self._machine, self._name, body, local_names(depth=2)))


class StateMachine(Workflow[..., Any]):
    """States, and where each leads: the first transition that fits is taken.

    It is submitted, called and nested like a workflow. Its result is the output of the end that it came to.

    Args:
        doc: what it is for, for `tidemill run --help`.
    """

    kind = "machine"

    def __init__(self, name: str, /, *, doc: str = "") -> None:
        for part in name.split("."):
            check_name(part, "machine")
        super().__init__(name, _no_function, _no_signature, {})
        self.__doc__ = doc
        self.scene = MachineGraph(name)
        self.places: dict[str, Place] = {}
        self._start: Place | None = None
        self._inputs: dict[str, TypePlan] = {}
        self._previous: list[tuple[str, TypePlan]] = []

    # Declaring -------------------------------------------------------------------------------------

    @overload
    def state(self, body: Callable[..., R], /) -> State[R]: ...
    @overload
    def state(self, name: str, /) -> StateDecorator: ...
    def state(self, first: Callable[..., R] | str, /) -> "State[R] | StateDecorator":
        """Declare a state: ``@machine.state``, or ``@machine.state("name")``. The first one is the start.

        The body is traced like a workflow's. A parameter without a default is an input of the run, as is one with a
        plain default; ``draft: Draft = write.output`` takes what another state gave last.
        """
        if isinstance(first, str):
            return StateDecorator(self, first)
        return self.add_state(State(self, first.__name__, first, local_names(depth=2)))

    def add_state(self, place: State[R]) -> State[R]:
        self.add_place(place)
        return place

    def add_place(self, place: Place) -> None:
        check_name(place.name, "state")
        if place.name in self.places:
            raise DefinitionError(f"the machine {self.name} has a state {place.name!r} already; give one another name")
        self.changed()
        self.places[place.name] = place

    def start(self, state: Place, /) -> None:
        """Begin here, and not in the state that was declared first."""
        if state.machine is not self:
            raise DefinitionError(f"{state!r} is no state of the machine {self.name}")
        self.changed()
        self._start = state

    def previous(self, state: str, output: type[T], /) -> T | None:
        """The latest output of a state that is declared further down; None before there was one.

        Args:
            output: its type, which is compared with that of the state when the machine is built.
        """
        self._previous.append((state, plan_of(output)))
        return self.scene.output(state, VALUE, plan_of(union_of([output, type(None)])))  # type: ignore[return-value]

    def input(self, name: str, kind: type[T], /) -> T:
        """An input of the run, for conditions, ends and DAGs; the same as a parameter of this name."""
        plan = plan_of(kind)
        self._check_same(name, self._inputs.setdefault(name, plan), plan)
        self.changed()
        return self.scene.input(name, plan)  # type: ignore[return-value]

    def end(self, outcome: Outcome, /, *, output: object = None, status: str = "") -> End:
        """Where a transition may lead: the run ends.

        Args:
            output: the result of the run: an output of a state, an input, or a literal with some inside.
            status: of a success, what the run's status shows; of a failure, what its message says.
        """
        if outcome not in ("success", "failure"):
            raise DefinitionError(f'{self.name}.end takes "success" or "failure", not {outcome!r}')
        if outcome == "failure" and output is not None:
            raise DefinitionError(f"{self.name}.end: a failed run has no output; say what is wrong in status=")
        return End(self, Ending(outcome), output, status)

    def changed(self) -> None:
        """What was built of it so far is out of date."""
        for name in ("compiled", "signature", "built"):
            vars(self).pop(name, None)

    # Building --------------------------------------------------------------------------------------

    @functools.cached_property
    def signature(self) -> Signature:
        """Raises DefinitionError."""
        parameters = dict(self._parameters())
        kinds = list(dict.fromkeys(self._kinds_of_ends()))
        result = plan_of(union_of(kinds) if kinds else type(None))
        return Signature(parameters, {VALUE: result}, result, Body.SYNC)

    @functools.cached_property
    def built(self) -> ir.Workflow:
        if self._is_tracing:
            raise TraceError(f"machine {self.name} contains itself; let a state lead back instead")
        if not self.places:
            raise TraceError(f"machine {self.name} has no state; declare one with @{self.name}.state")
        self._is_tracing = True
        try:
            return self._built()
        finally:
            self._is_tracing = False

    def _built(self) -> ir.Workflow:
        signature = self.signature
        self._check_previous()
        start = self._start or next(iter(self.places.values()))
        states = {name: self._state(place) for name, place in self.places.items()}
        inputs = {name: closed_document(each.plan.schema) for name, each in signature.parameters.items()}
        optional = {
            n: each.plan.plain(each.default) for n, each in signature.parameters.items() if not each.is_required
        }
        types = {VALUE: signature.result.schema}
        workflow = ir.Workflow(FORMAT, self.name, start.name, states, inputs, types, optional)
        problems = check(workflow, self._known())
        if problems:
            raise TraceError(f"machine {self.name}: " + "; ".join(problem.text for problem in problems))
        return workflow

    def _known(self) -> dict[str, TaskDefinition]:
        """Tasks that say which statuses they set."""
        used = (each for place in self.places.values() for each in place.body.used)
        return {each.name: each.definition for each in used if isinstance(each, Task) and each.statuses}

    @property
    def graph(self) -> ir.Graph:
        return self.built.shape

    def node_of(self, inputs: dict[str, Input]) -> MachineNode:  # type: ignore[override]  # of another kind
        if self.node_options != NodeOptions():
            raise TraceError(
                f"machine {self.name}: a machine in a graph has no options but its name; set them on tasks"
            )
        flow = self.built
        return MachineNode(self.name, inputs, flow.start, flow.states, flow.inputs, flow.types, flow.optional)

    def run_here(self, bound: dict[str, Any]) -> Any:
        from tidemill.sdk.machine_run import walk  # noqa: PLC0415  # for plain calls alone

        return walk(self, bound)

    def _parameters(self) -> Iterator[tuple[str, Parameter]]:
        found: dict[str, Parameter] = {}
        for place in self.places.values():
            for each in place.given.values():
                if holds_standins(each.default):
                    continue
                known = found.setdefault(each.name, each)
                self._check_same(each.name, known.plan, each.plan)
                if known.default is not each.default and known.default != each.default:
                    raise DefinitionError(
                        f"machine {self.name}: the input {each.name!r} has one default in one state and another (or "
                        "none) in the next; an input has one, so write the same in each"
                    )
        for name, plan in self._inputs.items():
            self._check_same(name, found.setdefault(name, Parameter(name, plan, NODEFAULT)).plan, plan)
        yield from found.items()

    def _check_same(self, name: str, one: TypePlan, other: TypePlan) -> None:
        if one.schema != other.schema:
            raise DefinitionError(
                f"machine {self.name}: the input {name!r} is {one.name} in one place and {other.name} in another; "
                "it is one input, so give one of them another name"
            )

    def _check_previous(self) -> None:
        for name, plan in self._previous:
            if name not in self.places:
                near = get_close_matches(name, self.places, 1)
                hint = f"; did you mean {near[0]!r}?" if near else f"; there is {', '.join(self.places)}"
                raise TraceError(f"machine {self.name}: previous({name!r}, …) names no state{hint}")
            gives = self.places[name].body.signature.result
            misfit = fits(gives.schema, plan.schema)
            if misfit is not None:
                said = f"machine {self.name}: previous({name!r}, {plan.name})"
                raise TraceError(f"{said}, and {name} gives {gives.name}: {misfit.text}")

    def _state(self, place: Place) -> ir.State:
        inputs: dict[str, Input] = {}
        for name, each in place.given.items():
            if holds_standins(each.default):
                inputs[name] = argument_of(self.scene, each.default, each.plan, f"{self.name}: {place.name}({name})")
            else:
                inputs[name] = Ref("", name)
        return ir.State(place.body.graph, inputs, tuple(self._transition(place, way) for way in place.ways))

    def _transition(self, place: Place, way: Way) -> ir.Transition:
        to = way.to
        if isinstance(to, End):
            end = ir.End(to.outcome, to.status, self._outputs_of(to))
            return ir.Transition(end, way.status, self._condition(place, way))
        name = to if isinstance(to, str) else to.name
        return ir.Transition(name, way.status, self._condition(place, way), way.max_visits)

    def _condition(self, place: Place, way: Way) -> Condition | None:
        if way.when is None:
            return None
        if isinstance(way.when, str):
            raise TraceError(f"{place}: a condition as text")
        return self.scene.condition(way.when)

    def _outputs_of(self, end: End) -> dict[str, Input]:
        if end.outcome is Ending.FAILURE:
            return {}
        kind = self.signature.result.kind
        if isinstance(end.output, Standin):  # its own type fits the union of all
            return {VALUE: self.scene.operand(facts_of(end.output))}
        return {VALUE: expression_of(self.scene, end.output, kind, f"{self.name}.end(output)")}

    def _kinds_of_ends(self) -> Iterator[Any]:
        for place in self.places.values():
            for way in place.ways:
                if isinstance(way.to, End) and way.to.outcome is Ending.SUCCESS:
                    yield kind_of(way.to.output)


def _no_function() -> NoReturn:
    raise DefinitionError("a machine has no function of its own")


def _no_signature(_: Callable[..., Any], __: Mapping[str, Any]) -> NoReturn:
    raise DefinitionError("a machine has no function of its own")
