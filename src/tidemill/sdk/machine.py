"""`StateMachine`: states whose bodies are traced functions or task DAGs, and ordered transitions between them.

It is built when it is first used, so that a transition may name what is declared further down.
"""

import functools
from collections.abc import Callable, Mapping
from typing import Any, NoReturn, ParamSpec, TypeVar, overload

from tidemill.core import graph as ir
from tidemill.core.graph import Ending, MachineNode, NodeOptions
from tidemill.core.terms import VALUE, Input
from tidemill.sdk.dag import DagState
from tidemill.sdk.declaring import check_name, local_names
from tidemill.sdk.errors import DefinitionError
from tidemill.sdk.forms import union_of
from tidemill.sdk.machine_build import build, check_same, signature_of
from tidemill.sdk.places import End, MachineGraph, Outcome, Place, State
from tidemill.sdk.plans import TypePlan, plan_of
from tidemill.sdk.signature import Signature
from tidemill.sdk.standin import TraceError, holds_standins
from tidemill.sdk.worker import Worker
from tidemill.sdk.workflow import Workflow

P = ParamSpec("P")
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
        self.last: State[Any] | None = None  # what `finally_` was given
        self.inputs: dict[str, TypePlan] = {}  # that `input` said
        self.asked_back: list[tuple[str, TypePlan]] = []  # what `previous` said of states

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

    def dag(self, name: str, /, *, worker: Worker | None = None, **inputs: Any) -> DagState:
        """Declare a state whose body is a DAG of tasks, joined by the names of their parameters.

        Args:
            worker: whose tasks the plain functions under ``@dag.task`` become.
            inputs: what its steps may take by name: outputs of states, inputs of the run, literals.
        """
        state = DagState(self, name, inputs, worker)
        self.add_place(state)
        return state

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
        self.asked_back.append((state, plan_of(output)))
        return self.scene.output(state, VALUE, plan_of(union_of([output, type(None)])))  # type: ignore[return-value]

    def input(self, name: str, kind: type[T], /) -> T:
        """An input of the run, for conditions, ends and DAGs; the same as a parameter of this name."""
        plan = plan_of(kind)
        check_same(self, name, self.inputs.setdefault(name, plan), plan)
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

    def finally_(self, body: Callable[P, R], /) -> Callable[P, R]:
        """Run the body when the run is over, in success, failure or a cancel, and after what is undone.

        It is traced like a state's. Its parameters are inputs of the run; nothing else is sure to be there. If it
        fails, so does the run. ``@machine.finally_`` gives the function back as it is.
        """
        if self.last is not None:
            raise DefinitionError(f"the machine {self.name} has a finally_ already; let its body do all")
        last = State(self, getattr(body, "__name__", "finally_"), body, local_names(depth=2))
        for name, each in last.given.items():
            if holds_standins(each.default):
                raise DefinitionError(
                    f"{self.name}.finally_: {name!r} is an output of a state, or a part of an input; it takes inputs "
                    "of the run and constants only, since nothing else is sure to be there when it runs"
                )
        self.changed()
        self.last = last
        return body

    def changed(self) -> None:
        """What was built of it so far is out of date."""
        for name in ("compiled", "signature", "built"):
            vars(self).pop(name, None)

    # Building --------------------------------------------------------------------------------------

    @functools.cached_property
    def signature(self) -> Signature:
        """Raises DefinitionError."""
        return signature_of(self)

    @functools.cached_property
    def built(self) -> ir.Workflow:
        if self._is_tracing:
            raise TraceError(f"machine {self.name} contains itself; let a state lead back instead")
        if not self.places:
            raise TraceError(f"machine {self.name} has no state; declare one with @{self.name}.state")
        self._is_tracing = True
        try:
            return build(self, self._start or next(iter(self.places.values())))
        finally:
            self._is_tracing = False

    @property
    def graph(self) -> ir.Graph:
        return self.built.shape

    def node_of(self, inputs: dict[str, Input]) -> MachineNode:  # type: ignore[override]  # of another kind
        if self.node_options != NodeOptions():
            raise TraceError(
                f"machine {self.name}: a machine in a graph has no options but its name; set them on tasks"
            )
        if self.last is not None:
            raise TraceError(f"machine {self.name} has a finally_, which runs at the end of a run: it cannot be a part")
        flow = self.built
        return MachineNode(self.name, inputs, flow.start, flow.states, flow.inputs, flow.types, flow.optional)

    def run_here(self, bound: dict[str, Any]) -> Any:
        from tidemill.sdk.machine_run import walk  # noqa: PLC0415  # for plain calls alone

        return walk(self, bound)


def _no_function() -> NoReturn:
    raise DefinitionError("a machine has no function of its own")


def _no_signature(_: Callable[..., Any], __: Mapping[str, Any]) -> NoReturn:
    raise DefinitionError("a machine has no function of its own")
