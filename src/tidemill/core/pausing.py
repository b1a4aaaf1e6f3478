"""Pause, resume, and changes of queued work. What lies in the queue follows in bites.

```text
pause ─► no step is leased any more ─► its queue rows go to a lane that no worker offers
resume ─► they go back to their lanes        priority ─► they get new places
```
A bite puts rows where the run's row says that they belong, so it may be repeated. A timer of kind REQUEUE carries on
after a crash; its number tells one that a later change has overtaken.
"""

from msgspec.structs import replace

from tidemill.core.events import PauseRequested, QueuedFound, ResumeRequested, RunChanged
from tidemill.core.graph import TaskNode
from tidemill.core.ids import Path, RunId
from tidemill.core.lanes import paused_lane, place_in_lane
from tidemill.core.moves import Mover
from tidemill.core.overlay import Draft
from tidemill.core.rows import Entry, Queued, Timer, TimerKind
from tidemill.core.run import MOVING, Ended, Paused, Pending, Ready, Run, Running, Step
from tidemill.core.submitting import wait_again


def pause(draft: Draft, event: PauseRequested) -> None:
    """Let nothing more of a run start; one that is paused, ends or has ended stays as it is."""
    run = draft.run(event.run)
    if run is None or not isinstance(run.state, (Running, Pending)):
        return
    pending = run.state if isinstance(run.state, Pending) else None
    state = Paused(draft.at, event.by, event.reason, pending)
    draft.note(run.id, Entry("run_paused", detail={"by": event.by, "reason": event.reason}))
    _reorder(draft, replace(run, state=state))


def resume(draft: Draft, event: ResumeRequested) -> None:
    run = draft.run(event.run)
    if run is None or not isinstance(run.state, Paused):
        return
    draft.note(run.id, Entry("run_resumed", detail={"by": event.by}))
    if run.state.pending is not None:
        wait_again(draft, replace(run, state=run.state.pending))
    else:
        _reorder(draft, replace(run, state=Running()))


def change(draft: Draft, event: RunChanged) -> None:
    """Another priority, other tags; a run that has ended stays as it is."""
    run = draft.run(event.run)
    if run is None or isinstance(run.state, Ended):
        return
    tags = {name: text for name, text in run.tags.items() if name not in event.untag} | event.tags
    priority = run.priority if event.priority is None else event.priority
    if (tags, priority) == (run.tags, run.priority):
        return
    draft.note(run.id, Entry("run_changed", detail={"priority": priority, "tags": tags}))
    changed = replace(run, tags=tags, priority=priority)
    if tags != run.tags:
        draft.tagged[run.id] = tags
    if priority == run.priority:
        draft.put_run(changed)
    else:
        _reorder(draft, changed)


def _reorder(draft: Draft, run: Run) -> None:
    """Have the queue rows of a run put where they belong now."""
    if not run.has_begun or not isinstance(run.state, MOVING):
        draft.put_run(run)
        return
    run = replace(run, orderings=run.orderings + 1)
    draft.put_run(run)
    draft.timers_put.append(Timer(run.id, "", TimerKind.REQUEUE, draft.at, run.orderings))


def is_overtaken(draft: Draft, timer: Timer) -> bool:
    """Whether the timer of a later change has taken the place of this one, in the beat that finds it due."""
    run = draft.run(timer.run)
    return run is not None and timer.number != run.orderings


def requeue(draft: Draft, event: QueuedFound) -> None:
    """One bite of the rows of a run."""
    run = draft.run(event.run)
    if run is None or event.number != run.orderings:
        return
    draft.timers_drop.append((run.id, "", TimerKind.REQUEUE))
    if not isinstance(run.state, MOVING):
        return  # a sweep takes them out
    mover = Mover(draft, run)
    for row in event.rows:
        step = None if _has_moved(draft, run.id, row.path) else draft.step(run.id, row.path)
        if step is not None and isinstance(step.state, Ready):
            _move(mover, row, placed(mover, step, row))
    if event.rest_after:
        draft.timers_put.append(Timer(run.id, "", TimerKind.REQUEUE, draft.at, event.number, event.rest_after))


def _has_moved(draft: Draft, run: RunId, path: Path) -> bool:
    """Whether this beat has put its row elsewhere already, or takes it out."""
    key, over = (run, path), draft.over
    return key in over.left or key in over.left_by_key or key in over.ready


def _move(mover: Mover, row: Queued, moved: Queued) -> None:
    if moved != row:
        mover.draft.left.append(row)
        mover.draft.ready[row.run, row.path] = moved


def placed(mover: Mover, step: Step, row: Queued) -> Queued:
    """Where the row of a ready step belongs, by its run's state and priority."""
    node = mover.layout.node(row.path)[2]
    if isinstance(node, TaskNode) and isinstance(step.state, Ready):
        row = replace(row, order=place_in_lane(step.state.since_at, mover.policy(node).priority))
    lane = paused_lane(mover.id)
    if isinstance(mover.run.state, Paused):
        return row if row.lane == lane else replace(row, lane=lane, home=row.home or row.lane)
    return replace(row, lane=row.home, home=b"") if row.lane == lane else row
