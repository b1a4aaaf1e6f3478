"""The last phases of a run: what it did is taken back, unless it succeeded, and what runs at its end runs.

```text
stopping ─(each live step has its proof)─► undoing, the latest first ─► finally ─► ended
                                                └───────── a cancel ────────┴─► last: a sweep ─► ended
```
Both use the way of any task: lanes, attempts, retries. Where a run is in this, its row says: how many steps are still
to be taken back, and the phase. So a server that dies goes on where it was. Functions over a `Mover`.
"""

from typing import TYPE_CHECKING

from msgspec.structs import replace

from tidemill.core.graph import FINALLY, UNDO, TaskNode
from tidemill.core.ids import Path
from tidemill.core.rows import Timer, TimerKind
from tidemill.core.run import (
    Blocked,
    Cancelled,
    Cancelling,
    Failed,
    Failure,
    Outcome,
    Phase,
    Step,
    StepFailed,
    StepState,
    Succeeded,
)
from tidemill.core.scopes import UndoRow

if TYPE_CHECKING:
    from tidemill.core.moves import Mover

_LONGEST = 4000  # characters of what is told of the end of a run
_NAMED = 10  # steps that are told by their names


def remember(mover: "Mover", path: Path, node: TaskNode) -> None:
    """A step has succeeded whose node says how it is taken back."""
    if node.undo is None:
        return
    number = mover.run.undos + 1
    mover.draft.put_run(replace(mover.run, undos=number))
    mover.draft.put_scope(UndoRow(mover.id, _place(number), path))


def _place(number: int) -> Path:
    return f"{UNDO}/{number}"


def close(mover: "Mover") -> None:
    """All has stopped that lived: do what is next before the end."""
    state = mover.run.state
    if not isinstance(state, Cancelling) or mover.run.live:
        return
    if state.phase in (Phase.STOPPING, Phase.UNDOING):
        if not isinstance(state.outcome, Succeeded) and mover.run.undos:
            _undo_next(mover)
        elif mover.layout.workflow.final is not None:
            _enter(mover, Phase.FINALLY)
            mover.note("finally_opened", FINALLY)
            mover.open_scope(FINALLY)
        else:
            mover.finish()
    elif state.phase is Phase.LAST:
        mover.finish()


def _enter(mover: "Mover", phase: Phase) -> None:
    run = mover.run
    assert isinstance(run.state, Cancelling)  # noqa: S101  # asked of those only
    mover.draft.put_run(replace(run, state=replace(run.state, phase=phase)))


def _undo_next(mover: "Mover") -> None:
    number = mover.run.undos
    step = _undoing(mover, number)
    _enter(mover, Phase.UNDOING)
    mover.draft.put_run(replace(mover.run, undos=number - 1))
    path = step + UNDO
    _, _, node = mover.layout.node(path)
    assert isinstance(node, TaskNode)  # noqa: S101  # as an undo is
    mover.note("undo_began", path)
    mover.make_ready(Step(mover.id, path, Blocked(0)), node)


def undone(mover: "Mover", path: Path, state: StepState) -> None:
    """A step was taken back, or could not be: that is told, and the others go on."""
    mover.set_step(replace(mover.step(path), state=state))
    if isinstance(state, StepFailed):
        _tell(mover, f"{path.removesuffix(UNDO)!r} could not be undone: {state.failure.message}")
    close(mover)


def final_done(mover: "Mover") -> None:
    """What runs at the end is done."""
    if mover.run.has_leftovers:
        _sweep_all(mover)
    else:
        _enter(mover, Phase.LAST)
        close(mover)


def _sweep_all(mover: "Mover") -> None:
    """Whatever is still open is stopped, what runs at the end too; then the run ends."""
    _enter(mover, Phase.LAST)
    run = mover.run
    assert isinstance(run.state, Cancelling)  # noqa: S101  # as it was before
    mover.draft.put_run(replace(run, state=replace(run.state, swept=False)))
    mover.draft.timers_put.append(Timer(mover.id, "", TimerKind.SWEEP, mover.draft.at))


def final_failed(mover: "Mover", failure: Failure) -> None:
    """What runs at the end has failed: so has the run, if it had not already. What still runs in it is stopped."""
    run = mover.run
    assert isinstance(run.state, Cancelling)  # noqa: S101  # nothing of it runs before
    if isinstance(run.state.outcome, Succeeded):
        told = replace(failure, message=f"what runs at the end failed: {failure.message}")
        mover.draft.put_run(replace(run, state=replace(run.state, outcome=Failed(told))))
    else:
        _tell(mover, f"what runs at the end failed: {failure.message}")
    _sweep_all(mover)


def cut_short(mover: "Mover", reason: str) -> None:
    """Somebody cancels a run that is closing: what runs is stopped, nothing more is done, and what is left is told."""
    run = mover.run
    assert isinstance(run.state, Cancelling)  # noqa: S101  # asked of those only
    told = _left_undone(mover) if run.state.phase is Phase.UNDOING else "what runs at the end was cancelled"
    if isinstance(run.state.outcome, Succeeded):
        mover.draft.put_run(replace(run, state=replace(run.state, outcome=Cancelled(reason))))
    _tell(mover, told)
    _sweep_all(mover)


def _left_undone(mover: "Mover") -> str:
    """In words: what the last steps that could be taken back are, and that they were not."""
    count = mover.run.undos
    numbers = range(count, max(count - _NAMED, 0), -1)
    names = [repr(_undoing(mover, number)) for number in numbers] + [f"{count - _NAMED} more"] * (count > _NAMED)
    parts = [f"the undo of {_undoing(mover, count + 1)!r} was cancelled"]
    parts += [f"not undone: {', '.join(names)}"] * bool(names)
    parts += ["what runs at the end did not run"] * (mover.layout.workflow.final is not None)
    return "; ".join(parts)


def _undoing(mover: "Mover", number: int) -> Path:
    """The step that is, or would be, taken back under this number."""
    row = mover.draft.scope(mover.id, _place(number))
    assert isinstance(row, UndoRow)  # noqa: S101  # written when it was counted
    return row.step


def _tell(mover: "Mover", text: str) -> None:
    run = mover.run
    assert isinstance(run.state, Cancelling)  # noqa: S101  # asked while it closes
    outcome = _with(run.state.outcome, text)
    mover.draft.put_run(replace(run, state=replace(run.state, outcome=outcome)))


def _with(outcome: Outcome, text: str) -> Outcome:
    match outcome:
        case Failed(failure=failure):
            return Failed(replace(failure, message=f"{failure.message}; {text}"[:_LONGEST]))
        case Cancelled(reason=reason):
            return Cancelled(f"{reason}; {text}".removeprefix("; ")[:_LONGEST])
        case _:
            return outcome
