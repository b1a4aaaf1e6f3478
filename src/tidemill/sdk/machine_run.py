"""A machine called plainly, on real values: what the engine does is held to this."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from tidemill.core.chunks import NoSuchFieldError
from tidemill.core.conditions import holds
from tidemill.core.graph import End, Ending, Transition
from tidemill.core.machine_paths import FAILURE
from tidemill.core.machines import VISITS_AT_MOST
from tidemill.core.run import Code
from tidemill.core.terms import Calc, Constant, ListExpr, Operand, RecordExpr, Ref, Size, StatusOf
from tidemill.sdk import places
from tidemill.sdk.errors import PermanentError
from tidemill.sdk.failures import classify
from tidemill.sdk.file import File
from tidemill.sdk.forms import is_named_tuple
from tidemill.sdk.kinds import FILE_FIELDS, keys_of, record_names
from tidemill.sdk.plans import plan_of
from tidemill.sdk.standin import Standin, facts_of, holds_standins

if TYPE_CHECKING:
    from tidemill.sdk.machine import StateMachine

_anything = plan_of(Any)


def walk(machine: "StateMachine", bound: Mapping[str, Any]) -> Any:
    """The output of the end that the machine comes to.

    Raises:
        PermanentError: it comes to an end in failure, or no transition fits. What a state raised and no transition
            takes is raised as it is.
    """
    walker = _Walker(machine, bound)
    state = machine.built.start
    try:
        while True:
            way = walker.visit(state)
            if isinstance(way.to, places.End):
                return walker.result(state, way.to)
            state = way.to if isinstance(way.to, str) else way.to.name
    finally:
        walker.close()


class _Walker:
    def __init__(self, machine: "StateMachine", bound: Mapping[str, Any]) -> None:
        parameters = machine.signature.parameters.values()
        self._machine = machine
        self._inputs = {each.name: each.default for each in parameters if not each.is_required} | dict(bound)
        self._outputs: dict[str, Mapping[str, Any]] = {}  # of the latest visit that ended well, by port
        self._statuses: dict[str, str] = {}
        self._visits: dict[str, int] = {}
        self._why = ""  # the failure of the latest visit

    def visit(self, state: str) -> places.Way:
        """Run a state; give the transition that it leaves by."""
        place = self._machine.places[state]
        self._visits[state] = self._visits.get(state, 0) + 1
        values = {
            name: filled(each.default, self._value) if holds_standins(each.default) else self._inputs[name]
            for name, each in place.given.items()
        }
        try:
            outputs, status = place.visit_here(values)
        except Exception as error:
            failure = classify(error, told_to_stop=False)
            self._statuses[state] = failure.code.value if failure.code is Code.TIMEOUT else FAILURE
            self._why = failure.message
            taken = self._first(state, lambda each: each.status in (failure.code.value, FAILURE))
            if taken is None:
                raise
            return taken
        self._outputs[state], self._statuses[state] = outputs, status
        self._why = ""
        taken = self._first(state, lambda each: self._fits(each, status))
        if taken is None:
            seen = ", ".join(f"{name} {count} times" for name, count in self._visits.items())
            raise PermanentError(
                f"the state {state!r} ended with the status {status!r}, and none of its transitions fits; "
                f"visited so far: {seen}"
            )
        return taken

    def _fits(self, transition: Transition, status: str) -> bool:
        if transition.status:
            return transition.status == status
        return transition.when is None or holds(transition.when, self._look)

    def _first(self, state: str, fits: Callable[[Transition], bool]) -> places.Way | None:
        """The first transition that fits and may be taken."""
        ways = zip(self._machine.places[state].ways, self._machine.built.states[state].transitions, strict=True)
        taken = next(((way, each) for way, each in ways if fits(each) and self._may(each)), None)
        if taken is None:
            return None
        way, transition = taken
        to = transition.to
        bounded = isinstance(to, End) or transition.max_visits is not None
        if not bounded and self._visits.get(str(to), 0) >= VISITS_AT_MOST:
            visited = f"the state {to!r} was visited {VISITS_AT_MOST} times"
            raise PermanentError(f"{visited}, and would be again: give max_visits")
        return way

    def _may(self, each: Transition) -> bool:
        return isinstance(each.to, End) or each.max_visits is None or self._visits.get(each.to, 0) < each.max_visits

    def close(self) -> None:
        """What runs at the end."""
        if (last := self._machine.last) is not None:
            last.visit_here({name: self._inputs[name] for name in last.given})

    def result(self, state: str, end: places.End) -> Any:
        if end.outcome is Ending.FAILURE:
            raise PermanentError(end.status or self._why or f"the state {state!r} led to an end in failure")
        return filled(end.output, self._value)

    def _value(self, ref: Ref) -> Any:
        value = self._outputs.get(ref.node, {}).get(ref.port) if ref.node else self._inputs[ref.port]
        for field in ref.fields:
            value = part_of(value, field)
        return value

    def _look(self, operand: Operand) -> Any:
        """The plain form of an operand of a condition."""
        match operand:
            case Ref():
                return _anything.plain(self._value(operand))
            case Constant(value=value):
                return value
            case Size(of=of):
                return len(self._look(of))
            case StatusOf(of=of):
                return self._statuses.get(of, "")
            case ListExpr(items=items):
                return [self._look(item) for item in items]
            case RecordExpr(fields=fields):
                return {name: self._look(part) for name, part in fields.items()}
            case Calc():
                raise TypeError("a calculation is looked through")


def filled(value: Any, look: Callable[[Ref], Any]) -> Any:
    """A literal in which each stand-in has become the value that it stands for."""
    if isinstance(value, Standin):
        expression = facts_of(value).expression
        if isinstance(expression, Constant):
            return facts_of(value).plan.of_plain(expression.value)
        if not isinstance(expression, Ref):
            raise TypeError(f"{value!r} is no value")
        return look(expression)
    if not holds_standins(value):
        return value
    if isinstance(value, dict):
        return {key: filled(each, look) for key, each in value.items()}
    if isinstance(value, list | tuple):
        parts = [filled(each, look) for each in value]
        return type(value)(*parts) if is_named_tuple(type(value)) else type(value)(parts)
    return type(value)(**{name: filled(getattr(value, name), look) for name in record_names(value)})


def part_of(value: Any, field: str | int) -> Any:
    """A part of a real value by its key in the wire form. Raises NoSuchFieldError."""
    try:
        if isinstance(value, File):
            return next(getattr(value, name) for name, (key, _) in FILE_FIELDS.items() if key == field)
        if isinstance(value, Mapping) or (isinstance(value, Sequence) and isinstance(field, int)):
            return value[field]  # type: ignore[index]  # a list's is an int
        return next(getattr(value, name) for name, (key, _) in keys_of(type(value)).items() if key == field)
    except (LookupError, StopIteration):
        raise NoSuchFieldError(field) from None
