"""Machines of states: a visit opens the graph of its state; when that is done, the first transition that fits is taken.

Functions over a `Mover`. A visit is a step, and a scope of the same path: ``write#2``. Its inputs are found when it
opens and stay with it, so that what later visits give does not change them.
"""

from typing import TYPE_CHECKING

from msgspec.structs import replace

from tidemill.core.branches import judged
from tidemill.core.errors import InputError
from tidemill.core.fill import LargeOperandError
from tidemill.core.graph import End, Ending, State, Transition
from tidemill.core.ids import Path
from tidemill.core.machine_paths import FAILURE, SUCCESS
from tidemill.core.maps import MAX_MOVES
from tidemill.core.plan import Place, visit_path
from tidemill.core.rows import Timer, TimerKind
from tidemill.core.run import Code, Failed, Failure, Step, StepFailed, StepSucceeded, Waiting
from tidemill.core.scopes import MachineScope, Scope, Visit

if TYPE_CHECKING:
    from tidemill.core.moves import Mover

VISITS_AT_MOST = 1000  # of a state whose transitions say nothing else


def begin_machine(mover: "Mover", path: Path) -> None:
    """Enter the first state of the machine whose scope is ``path``."""
    place = mover.layout.scope(path)
    mover.draft.put_scope(MachineScope(mover.id, path))
    _go(mover, path, mover.layout.start_of(place))


def _go(mover: "Mover", machine: Path, state: str) -> None:
    """Enter a state, and those that it leads to while nothing has to be waited for."""
    mover.entering.append((machine, state))
    if len(mover.entering) > 1:
        return
    while mover.entering:
        at, name = mover.entering[0]
        if mover.moves >= MAX_MOVES:
            mover.draft.put_scope(replace(mover.machine_scope(at), next=name))
            mover.draft.timers_put.append(Timer(mover.id, at, TimerKind.FEED, mover.draft.at))
        else:
            _enter(mover, at, name)
        mover.entering.pop(0)


def go_on(mover: "Mover", machine: Path) -> None:
    """A timer enters the state that one event was too short for."""
    scope = mover.machine_scope(machine)
    if scope.next:
        mover.draft.put_scope(replace(scope, next=""))
        _go(mover, machine, scope.next)


def _enter(mover: "Mover", machine: Path, state: str) -> None:
    scope = mover.machine_scope(machine)
    number = scope.visits.get(state, 0) + 1
    path = visit_path(machine, state, number)
    mover.set_step(Step(mover.id, path, Waiting()))
    mover.note("state_entered", path)
    inputs = mover.layout.states_of(mover.layout.scope(machine))[state].inputs
    mover.draft.put_scope(replace(scope, visits={**scope.visits, state: number}))
    visit = Visit(sum(scope.visits.values()) + 1, mover.draft.at)
    try:
        given = {name: mover.resolver.resolve(machine, source) for name, source in inputs.items()}
    except InputError as error:
        text = f"the input of the state {state!r}: {error}"
        mover.open_dead(path, Failure(Code.INVALID_INPUT, text, path=path), visit)
    else:
        mover.open_scope(path, given, visit)


def visit_done(mover: "Mover", path: Path) -> None:
    """All nodes of a visit are done: take the first transition that fits."""
    place = mover.layout.scope(path)
    scope = mover.machine_scope(place.outer)
    if scope.done.get(place.arm) != place.index:
        mover.draft.put_scope(replace(scope, done={**scope.done, place.arm: place.index}))
    status = mover.resolver.status_of_body(path)
    mover.set_step(replace(mover.step(path), state=StepSucceeded(status)))  # conditions may ask for it
    try:
        number = _fitting(mover, place, status)
    except LargeOperandError as error:
        if mover.fetched:  # what was asked for has come
            stop_visit(mover, place, Failure(Code.INTERNAL, str(error), path=path))
        else:
            mover.fetch(path)
    except InputError as error:
        stop_visit(mover, place, Failure(Code.INVALID_INPUT, str(error), path=path))
    else:
        mover.fetched = {}
        _leave(mover, place, number, status)


def _fitting(mover: "Mover", place: Place, status: str) -> int | None:
    """The number of the first transition that fits a state which ended well."""
    assert isinstance(place.node, State)  # noqa: S101  # asked of visits only
    judge = judged(mover, place.outer)
    for number, each in enumerate(place.node.transitions):
        fits = each.status == status if each.status else each.when is None or judge(each.when)
        if fits and _may(mover, place, each):
            return number
    return None


def _may(mover: "Mover", place: Place, transition: Transition) -> bool:
    """Whether the state that a transition leads to may be visited again."""
    if isinstance(transition.to, End) or transition.max_visits is None:
        return True
    return mover.machine_scope(place.outer).visits.get(transition.to, 0) < transition.max_visits


def _leave(mover: "Mover", place: Place, number: int | None, status: str) -> None:
    """Take a transition from a visit that ended well."""
    path = place.step
    if number is None:
        stop_visit(mover, place, Failure(Code.PERMANENT, _stuck(mover, place, status), path=path))
        return
    to = _target(place, number)
    name = to if isinstance(to, str) else ""
    mover.set_step(replace(mover.step(path), state=StepSucceeded(status, arm=name)))
    _close(mover, path, status, name)
    _take(mover, place, number, "")


def _close(mover: "Mover", path: Path, status: str, to: str) -> None:
    """Keep when and how a visit ended, and what came next."""
    mover.note("state_left", path, status=status, to=to)
    scope = mover.draft.scope(mover.id, path)
    if isinstance(scope, Scope) and scope.visit is not None:
        closed = replace(scope.visit, closed_at=mover.draft.at, status=status, next=to)
        mover.draft.put_scope(replace(scope, visit=closed))


def _target(place: Place, number: int) -> str | End:
    assert isinstance(place.node, State)  # noqa: S101  # as above
    return place.node.transitions[number].to


def _take(mover: "Mover", place: Place, number: int, why: str) -> None:
    to = _target(place, number)
    machine = place.outer
    if isinstance(to, End):
        _end(mover, place, number, why)
    elif mover.machine_scope(machine).visits.get(to, 0) >= _most(place, number):
        text = f"the state {to!r} was visited {_most(place, number)} times, and would be again: give max_visits"
        stop_visit(mover, place, Failure(Code.PERMANENT, text, path=place.step))
    else:
        _go(mover, machine, to)


def _most(place: Place, number: int) -> int:
    assert isinstance(place.node, State)  # noqa: S101  # as above
    return place.node.transitions[number].max_visits or VISITS_AT_MOST


def _end(mover: "Mover", place: Place, number: int, why: str) -> None:
    end = _target(place, number)
    assert isinstance(end, End)  # noqa: S101  # its caller looked
    machine = place.outer
    mover.draft.put_scope(replace(mover.machine_scope(machine), end=(place.arm, number)))
    if end.outcome is Ending.SUCCESS:
        _done(mover, machine, end.status)
        return
    said = end.status or why or f"the state {place.arm!r} led to an end in failure"
    _failed(mover, machine, Failure(Code.PERMANENT, said, path=place.step))


def visit_failed(mover: "Mover", place: Place, failure: Failure) -> None:
    """A visit has failed: a transition by status may take it; else the machine has failed."""
    assert isinstance(place.node, State)  # noqa: S101  # as above
    path = place.step
    mover.set_step(replace(mover.step(path), state=StepFailed(failure)))
    statuses = (failure.code.value, FAILURE)
    fitting = (
        number
        for number, each in enumerate(place.node.transitions)
        if each.status in statuses and _may(mover, place, each)
    )
    number = next(fitting, None)
    if number is None:
        _close(mover, path, failure.code.value, "")
        _failed(mover, place.outer, failure)
        return
    to = _target(place, number)
    _close(mover, path, failure.code.value, to if isinstance(to, str) else "")
    mover.stop_below(path)
    _take(mover, place, number, failure.message)


def stop_visit(mover: "Mover", place: Place, failure: Failure) -> None:
    """No transition can be taken."""
    mover.note("step_failed", place.step, code=failure.code.value, message=failure.message)
    mover.set_step(replace(mover.step(place.step), state=StepFailed(failure)))
    mover.count(failed=1)
    _close(mover, place.step, failure.code.value, "")
    _failed(mover, place.outer, failure)


def _stuck(mover: "Mover", place: Place, status: str) -> str:
    """Why no transition fits, with the statuses that were seen."""
    assert isinstance(place.node, State)  # noqa: S101  # as above
    scope = mover.machine_scope(place.outer)
    seen = ", ".join(f"{name} {count} time{'s' if count > 1 else ''}" for name, count in scope.visits.items())
    ways = [each.status or ("its condition" if each.when is not None else "any") for each in place.node.transitions]
    spent = [str(each.to) for each in place.node.transitions if not _may(mover, place, each)]
    more = f"; {', '.join(spent)} may not be visited again" if spent else ""
    return (
        f"the state {place.arm!r} ended with the status {status!r}, and none of its transitions fits "
        f"(they are for {', '.join(ways)}{more}); visited so far: {seen}"
    )


def _done(mover: "Mover", path: Path, status: str) -> None:
    """A machine came to an end in success."""
    if path:
        mover.node_done(path, StepSucceeded(status or SUCCESS))
    else:
        mover.end_well(status)


def _failed(mover: "Mover", path: Path, failure: Failure) -> None:
    if path:
        mover.node_failed(path, failure)
    else:
        mover.end_run(Failed(failure))
