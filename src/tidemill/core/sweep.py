"""Cancel, in bites: what is ready leaves the queue, what waits stops waiting, what runs is told to stop."""

from msgspec.structs import replace

from tidemill.core import closing, mail, quarantine, waits
from tidemill.core.attempts import stop
from tidemill.core.events import CancelRequested, StepsFound
from tidemill.core.graph import FINALLY, UNDO, WaitNode
from tidemill.core.ids import Path
from tidemill.core.moves import Mover
from tidemill.core.overlay import Draft
from tidemill.core.rows import Queued, Timer, TimerKind
from tidemill.core.run import (
    MOVING,
    AtBreakpoint,
    Blocked,
    Cancelled,
    Cancelling,
    Halted,
    Held,
    Pending,
    Phase,
    Quarantined,
    Ready,
    Run,
    Step,
    StepCancelled,
    Waiting,
)
from tidemill.core.wait_rows import Outcome


def cancel(draft: Draft, event: CancelRequested) -> None:
    """Begin to stop a run; of one that is closing, stop that, if this is asked for."""
    run = draft.run(event.run)
    if run is None:
        return
    mover, state = Mover(draft, run), run.state
    if isinstance(state, (*MOVING, Pending, Halted)):
        mover.note("cancel_requested", reason=event.reason)
        mover.end_run(Cancelled(event.reason))
    elif isinstance(state, Cancelling) and event.ends_closing and state.phase in (Phase.UNDOING, Phase.FINALLY):
        if event.id and event.id == state.asked:
            return
        mover.note("cancel_requested", reason=event.reason)
        closing.cut_short(mover, event.reason)
    else:
        return
    state = mover.run.state
    if isinstance(state, Cancelling):
        draft.put_run(replace(mover.run, state=replace(state, asked=event.id)))


def sweep(draft: Draft, event: StepsFound) -> None:
    run = draft.run(event.run)
    if run is None:
        return
    mover = Mover(draft, run)
    queued = {row.path: row for row in event.queued}
    steps = [step for path in event.paths if (step := draft.step(event.run, path)) is not None]
    mail.require(draft, event.run, [step.path for step in steps if _is_wait(mover, step)])
    for step in steps:
        if _lies_below(step.path, event.prefix) and not _is_spared(run, step.path, event.prefix):
            _sweep_step(draft, mover, step, queued.get(step.path))
    if event.rest_after:
        timer = Timer(event.run, event.prefix, TimerKind.SWEEP, draft.at, after=event.rest_after)
        draft.timers_put.append(timer)
        return
    draft.timers_drop.append((event.run, event.prefix, TimerKind.SWEEP))
    if not event.prefix:
        mover.swept()


def _is_wait(mover: Mover, step: Step) -> bool:
    return isinstance(step.state, Waiting) and isinstance(mover.layout.node(step.path)[2], WaitNode)


def _is_spared(run: Run, path: Path, prefix: Path) -> bool:
    """What belongs to the end of a run is not stopped with what it ends."""
    belongs = path.endswith(UNDO) or (path.startswith(FINALLY) and not prefix.startswith(FINALLY))
    return belongs and not (isinstance(run.state, Cancelling) and run.state.phase is Phase.LAST)


def _lies_below(path: str, prefix: str) -> bool:
    return not prefix or path.startswith((prefix + "/", prefix + "["))


def _sweep_step(draft: Draft, mover: Mover, step: Step, queued: Queued | None) -> None:
    match step.state:
        case Ready():
            key = (step.run, step.path)
            if key in draft.over.ready:  # of this beat, or moved in it: then the old row leaves already
                draft.unready.append(key)
            elif queued is not None:
                draft.left.append(queued)
            draft.put_step(replace(step, state=StepCancelled()))
            mover.count(live=-1)
        case Waiting():
            _stop_waiting(draft, mover, step, step.state)
        case Blocked() | AtBreakpoint():
            draft.put_step(replace(step, state=StepCancelled()))
        case Quarantined():
            quarantine.close(mover, step, Outcome.STOPPED)
            draft.put_step(replace(step, state=StepCancelled()))
            mover.count(live=-1)
        case Held():
            stop(draft, mover, step, "the run is being cancelled")
        case _:
            pass


def _stop_waiting(draft: Draft, mover: Mover, step: Step, state: Waiting) -> None:
    if _is_wait(mover, step):
        waits.stop_wait(mover, step.path)
    elif state.until_at is not None:
        draft.timers_drop.append((step.run, step.path, TimerKind.RETRY))
        mover.count(live=-1)
    draft.timers_drop += [(step.run, step.path, TimerKind.FETCH), (step.run, step.path, TimerKind.FEED)]
    draft.put_step(replace(step, state=StepCancelled()))
