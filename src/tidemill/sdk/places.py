"""Places of a state machine, and what leads from one to the next: states, task DAGs, transitions, ends.

What a state's defaults, the conditions of transitions and the outputs of ends say stands in the graph of the machine:
there a stand-in is the latest output of a state, or an input of the run.
"""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar, cast

from msgspec import NODEFAULT, Struct

from tidemill.core.graph import Ending, Graph
from tidemill.core.terms import VALUE, Ref
from tidemill.sdk.errors import DefinitionError
from tidemill.sdk.plans import TypePlan
from tidemill.sdk.signature import Parameter, Signature, read_workflow
from tidemill.sdk.standin import Criterion, TraceError, condition_of, holds_standins
from tidemill.sdk.tracer import Captures, Tracer
from tidemill.sdk.workflow import Workflow

if TYPE_CHECKING:
    from tidemill.sdk.cel import Parsed
    from tidemill.sdk.machine import StateMachine

R_co = TypeVar("R_co", covariant=True)

Condition = bool  # what type checkers take a comparison of stand-ins for
Outcome = Literal["success", "failure"]


class MachineGraph(Tracer):
    """What stands in the graph of a machine: outputs of its states, and inputs of its runs."""

    def __init__(self, name: str) -> None:
        super().__init__(None, Captures())
        self.name = name

    def strange(self, ref: Ref) -> str:
        what = f"the output of {ref.node!r}" if ref.node else f"the input {ref.port!r}"
        return (
            f"{what} of the machine {self.name} is used inside a body or another machine; take it as a parameter with "
            f"it as the default, as in def state(value: Type = {ref.node or 'machine'}.output)"
        )


class End(Struct, frozen=True, eq=False):
    """The machine ends; made by ``machine.end``."""

    machine: "StateMachine"
    outcome: Ending
    output: Any = None
    status: str = ""


class Way(Struct, frozen=True, eq=False):
    """A transition as it was written. What the names of a text mean is known when the machine is built."""

    to: "Place | End | str"
    status: str = ""
    when: "Criterion | Parsed | None" = None
    max_visits: int | None = None


class Place:
    """A state or a task DAG of a machine: what a transition leaves, and leads to."""

    def __init__(self, machine: "StateMachine", name: str) -> None:
        self.machine, self.name = machine, name
        self.ways: list[Way] = []

    @property
    def body(self) -> Workflow[..., Any]:
        """What runs in a visit."""
        raise NotImplementedError

    @property
    def given(self) -> Mapping[str, Parameter]:
        """What its body takes, each with its default: none for an input of the run, or of the graph of the machine."""
        raise NotImplementedError

    @property
    def graph(self) -> Graph:
        """The graph of its body, with an output for each port that others may refer to."""
        return self.body.graph

    def visit_here(self, values: Mapping[str, Any]) -> tuple[Mapping[str, Any], str]:
        """Run its body on real values; give its outputs by port, and its status."""
        raise NotImplementedError

    def when(self, condition: Condition | str, /, *, to: "Place | End | str", max_visits: int | None = None) -> None:
        """Go there if the condition holds. Transitions are tried in the order in which they are written.

        Args:
            condition: a comparison of outputs and inputs of the machine; or such a condition as a text in CEL.
            to: a state, a DAG, an end; the name of one that is declared further down.
            max_visits: of what it leads to; past that the transition does not fit.
        """
        if isinstance(condition, str):
            self._lead(Way(to, "", read_condition(self, condition), max_visits))
            return
        criterion = condition_of(condition)
        if isinstance(criterion, bool):
            raise TraceError(f"{self}.when({criterion}) is known already; write .otherwise(to=…), or leave it out")
        if criterion.owner is not self.machine.scene:
            raise TraceError(f"{self}.when: {criterion!r} is of another machine, or of a body")
        self._lead(Way(to, "", criterion, max_visits))

    def on(self, status: str, /, *, to: "Place | End | str", max_visits: int | None = None) -> None:
        """Go there if the state ended with this status.

        Args:
            status: one that a task set; ``failure`` for any failure, or the code of one, as ``timeout``.
        """
        if not status:
            raise DefinitionError(f'{self}.on takes a status, as in .on("needs_review", to=…)')
        self._lead(Way(to, status, None, max_visits))

    def otherwise(self, *, to: "Place | End | str", max_visits: int | None = None) -> None:
        """Go there if no transition before this one fits; a state that failed needs `on`."""
        self._lead(Way(to, "", None, max_visits))

    def _lead(self, way: Way) -> None:
        to = way.to
        if not isinstance(to, Place | End | str):
            raise DefinitionError(f"{self} cannot lead to {to!r}; to= takes a state, a name of one, or machine.end(…)")
        if not isinstance(to, str) and to.machine is not self.machine:
            raise DefinitionError(f"{self} cannot lead to {to!r}: it belongs to the machine {to.machine.name}")
        if way.max_visits is not None and (isinstance(to, End) or way.max_visits < 1):
            raise DefinitionError(f"{self}: max_visits counts visits of a state, from 1")
        self.machine.changed()
        self.ways.append(way)

    def _reference(self, port: str, plan: TypePlan) -> Any:
        """A port of its latest output, in the graph of the machine."""
        return self.machine.scene.output(self.name, port, plan)

    def __repr__(self) -> str:
        return f"<{self.machine.name}: {self.name}>"


def read_condition(place: Place, text: str) -> "Parsed":
    """Raises TraceError: it does not parse."""
    from tidemill.sdk.cel import Parsed  # noqa: PLC0415  # for those who write text

    try:
        return Parsed(text)
    except TraceError as error:
        raise TraceError(f"machine {place.machine.name}: {place.name}.when: {error}") from None


class StateBody(Workflow[..., Any]):
    """The function of a state; whatever its type, it has one output."""

    kind = "state"


class State(Place, Generic[R_co]):
    """A state of a machine; made by ``@machine.state``."""

    def __init__(self, machine: "StateMachine", name: str, fn: Callable[..., R_co], names: Mapping[str, Any]) -> None:
        super().__init__(machine, name)
        self.fn = fn
        self.__doc__ = fn.__doc__
        self._body = StateBody(f"{machine.name}.{name}", fn, read_state, names)
        self._body.no_finally = (
            "finally_ stands in a workflow, and not in a part of a machine: write @machine.finally_ above a function "
            "of its own, whose parameters are inputs of the run"
        )
        self._body.read_early()
        self._declared = Workflow[..., Any](f"{machine.name}.{name}", fn, read_workflow, names)

    @property
    def body(self) -> Workflow[..., Any]:
        return self._body

    @property
    def given(self) -> Mapping[str, Parameter]:
        return self._declared.signature.parameters

    def visit_here(self, values: Mapping[str, Any]) -> tuple[Mapping[str, Any], str]:
        from tidemill.sdk.plain import with_status  # noqa: PLC0415  # brings asyncio, which no declaration needs

        value, status = with_status(lambda: self.fn(**values))
        return {VALUE: value}, status

    @property
    def output(self) -> R_co:
        """Its latest output: the default of a parameter, a part of a condition, or the output of an end."""
        return cast(R_co, self._reference(VALUE, self._body.signature.result))


def read_state(fn: Callable[..., Any], names: Mapping[str, Any]) -> Signature:
    """A workflow's signature with one output; what stands in the graph of the machine is no default of the body."""
    read = read_workflow(fn, names)
    parameters = {
        name: Parameter(name, each.plan, NODEFAULT if holds_standins(each.default) else each.default)
        for name, each in read.parameters.items()
    }
    return Signature(parameters, {VALUE: read.result}, read.result, read.body)
