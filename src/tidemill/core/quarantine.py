"""Steps whose workers died under them too often: each waits for a person, who lets it go on or discards it."""

from typing import TYPE_CHECKING

from msgspec.structs import replace

from tidemill.core.graph import TaskNode
from tidemill.core.overlay import Draft
from tidemill.core.plan import scope_path
from tidemill.core.run import Failure, Quarantined, Step
from tidemill.core.wait_rows import Closed, Outcome, WaitKind, WaitRow

if TYPE_CHECKING:
    from tidemill.core.events import QuarantineJudged
    from tidemill.core.moves import Mover

TOLD = 300  # characters of the failure, in the list of what waits


def hold(mover: "Mover", step: Step, failure: Failure, task: str) -> None:
    """Let a step wait for a person; it stays alive, so its run does not end."""
    state = Quarantined(mover.draft.at, failure, task)
    held = replace(step, state=state)
    mover.draft.put_step(held)
    mover.draft.waits[step.run, step.path] = _row(mover, held, state)
    mover.note("step_quarantined", step.path, step.latest, message=failure.message)


def _row(mover: "Mover", step: Step, state: Quarantined) -> WaitRow:
    told = state.failure.message[:TOLD]
    return WaitRow(
        step.run, step.path, WaitKind.QUARANTINE, mover.run.workflow, state.since_at, state.task, question=told
    )


def close(mover: "Mover", step: Step, how: Outcome, who: str = "", choice: str = "") -> None:
    """It waits no more."""
    if isinstance(step.state, Quarantined):
        row = _row(mover, step, step.state)
        mover.draft.waits[step.run, step.path] = replace(row, closed=Closed(how, mover.draft.at, who, choice))


def judge(draft: Draft, mover: "Mover", event: "QuarantineJudged") -> None:
    """Do what a person said with the steps that are quarantined still; said again, it changes nothing."""
    for path in event.paths:
        step = draft.step(event.run, path)
        if step is None or not isinstance(step.state, Quarantined) or mover.is_dead(scope_path(path)):
            continue
        close(mover, step, Outcome.ANSWERED, event.by, event.verdict.value)
        _, _, node = mover.layout.node(path)
        if event.is_release and isinstance(node, TaskNode):
            mover.note("quarantine_released", path, step.latest, by=event.by)
            mover.make_ready(replace(step, losses=0, crashes=0), node)
        else:
            mover.note("quarantine_discarded", path, step.latest, by=event.by)
            mover.count(live=-1)
            mover.node_failed(path, step.state.failure, step.latest)
            mover.gone()
