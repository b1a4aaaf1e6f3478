"""Reports about attempts, and what they do to the step: the fence, retries, losses, proofs of stop."""

from datetime import timedelta

from msgspec.structs import replace

from tidemill.core import caching, closing, limits, quarantine
from tidemill.core.commands import Acknowledge, AcknowledgeItems, AskToStop, SlotFreed, TurnAway
from tidemill.core.events import (
    AttemptFailed,
    AttemptLost,
    AttemptReleased,
    AttemptStarted,
    AttemptSucceeded,
    ItemsStreamed,
    ProgressMade,
)
from tidemill.core.graph import UNDO, TaskNode
from tidemill.core.ground import after
from tidemill.core.ids import Digest, Instant, Path, RunId
from tidemill.core.moves import Mover
from tidemill.core.naming import name_blobs
from tidemill.core.overlay import Draft
from tidemill.core.retry import (
    MAX_LOSSES,
    MAX_UNSTARTED,
    delay_after,
    failed_once_more,
    is_too_late,
    is_tried_again,
)
from tidemill.core.rows import Artifact, Entry, StreamItems, Timer, TimerKind
from tidemill.core.rules import OnLost
from tidemill.core.run import (
    ADJUSTMENTS_KEPT,
    Adjustment,
    Attempt,
    AttemptEnded,
    Code,
    End,
    Ended,
    Failure,
    Held,
    Ready,
    Started,
    Step,
    StepCancelled,
    StepSucceeded,
    Stopping,
    Waiting,
)
from tidemill.core.values import Streamed, Value, blobs_of, refs_in
from tidemill.core.wait_rows import Outcome

Told = AttemptSucceeded | AttemptFailed

GRACE = timedelta(seconds=10)
_RAN = {End.SUCCEEDED, End.FAILED}
_GIVEN_UP = {End.LOST, End.PRESUMED}  # nobody knows whether they did their work


class Report:
    """An attempt that is the latest of a step that is not final, and so may change it."""

    __slots__ = ("attempt", "draft", "mover", "node", "step")

    def __init__(self, draft: Draft, attempt: Attempt, step: Step) -> None:
        self.draft, self.attempt, self.step = draft, attempt, step
        run = draft.run(attempt.run)
        assert run is not None  # noqa: S101  # a step has a run
        self.mover = Mover(draft, run)
        _, _, node = self.mover.layout.node(attempt.path)
        assert isinstance(node, TaskNode)  # noqa: S101  # only tasks have attempts
        self.node = node

    def end(self, how: End, failure: Failure | None = None, told: Told | None = None) -> None:
        """Close the attempt; its slot is free."""
        attempt = self.attempt
        started_at = attempt.started_at
        if started_at is None and how in _RAN:  # its start and its end came in one frame
            started_at = attempt.leased_at
        state = AttemptEnded(how, self.draft.at, failure)
        took, measures = (None, attempt.measures) if told is None else (told.took, told.measures or attempt.measures)
        self.draft.put_attempt(replace(attempt, state=state, started_at=started_at, took=took, measures=measures))
        if attempt.is_live:
            self.draft.order(SlotFreed(attempt.session, attempt.run, attempt.path, attempt.number))
            limits.release(self.draft, attempt.limits)
        policy = self.mover.policy(self.node, attempt.implementation)
        if isinstance(attempt.state, Stopping):
            self.draft.timers_drop.append((attempt.run, attempt.path, TimerKind.STOP))
        if policy.timeout_s is not None:
            self.draft.timers_drop.append((attempt.run, attempt.path, TimerKind.TIMEOUT))

    def leave_queue(self) -> None:
        """The step was made ready again after this attempt, and nobody took it yet: take it out of the queue."""
        if isinstance(self.step.state, Ready):
            _leave_queue(self.draft, self.step)
        quarantine.close(self.mover, self.step, Outcome.STOPPED)

    def is_told_to_stop(self) -> bool:
        return isinstance(self.attempt.state, Stopping) or self.mover.is_dead_step(self.attempt.path)


def _leave_queue(draft: Draft, step: Step) -> None:
    key = (step.run, step.path)
    if key in draft.ready:
        del draft.ready[key]
    elif key in draft.over.ready:
        draft.unready.append(key)
    else:
        draft.left_by_key.append(key)


def report_of(draft: Draft, run: RunId, path: Path, number: int) -> Report | None:
    """The attempt that a report is about, if it may still change anything.

    One that was given up as lost may, as long as nobody overtook it.
    """
    attempt = draft.attempt(run, path, number)
    if attempt is None or (isinstance(attempt.state, AttemptEnded) and attempt.state.end is not End.LOST):
        return None
    step = draft.step(run, path)
    if step is None or step.is_final or step.latest != number:
        return None
    return Report(draft, attempt, step)


def _answer(draft: Draft, run: RunId, path: Path, number: int) -> None:
    """A report that changes nothing: acknowledged again if one of this attempt is recorded, else turned away."""
    attempt = draft.attempt(run, path, number)
    known = attempt.state if attempt else None
    recorded = isinstance(known, AttemptEnded) and known.end not in _GIVEN_UP
    draft.order(Acknowledge(run, path, number) if recorded else TurnAway(run, path, number))


def _note_late(draft: Draft, event: AttemptSucceeded) -> None:
    """The work was done, and is not what counts: the history of a run that goes on says so."""
    attempt, run = draft.attempt(event.run, event.path, event.number), draft.run(event.run)
    given_up = attempt is not None and isinstance(attempt.state, AttemptEnded) and attempt.state.end in _GIVEN_UP
    if given_up and run is not None and not isinstance(run.state, Ended):
        draft.note(event.run, Entry("result_overtaken", event.path, event.number))


def started(draft: Draft, event: AttemptStarted) -> None:
    report = report_of(draft, event.run, event.path, event.number)
    if report is None:
        draft.order(TurnAway(event.run, event.path, event.number))
        return
    attempt = report.attempt
    if isinstance(attempt.state, (Stopping, Started)) or not attempt.is_live:
        return
    draft.put_attempt(replace(attempt, state=Started(draft.at), started_at=draft.at))
    draft.put_step(replace(report.step, state=Held(running=True)))
    report.mover.note("attempt_started", event.path, event.number, worker=attempt.worker)


def succeeded(draft: Draft, event: AttemptSucceeded) -> None:
    report = report_of(draft, event.run, event.path, event.number)
    if report is None:
        _answer(draft, event.run, event.path, event.number)
        _note_late(draft, event)
        return
    fault = _fault_of(report, event.outputs)
    missing = [] if fault else _record_blobs(draft, event.run, event.outputs, event.artifacts)
    if missing:
        fault = Failure(Code.TRANSIENT, f"the server has no blob sha256:{missing[0].hex()}")
    if fault:
        failed(draft, AttemptFailed(event.run, event.path, event.number, fault))
        return
    report.leave_queue()
    report.end(End.SUCCEEDED, told=event)
    caching.keep(report.mover, event.path, report.node, event.status, event.outputs)
    for port, value in event.outputs.items():
        draft.values[event.run, event.path, port] = value
    mover = report.mover
    mover.count(live=-1, done=1)
    mover.note("step_succeeded", event.path, event.number, status=event.status)
    draft.order(Acknowledge(event.run, event.path, event.number))
    state = StepSucceeded(event.status, adjustments=_record_adjustments(mover, event))
    closing.remember(mover, event.path, report.node)
    if mover.is_dead_step(event.path):
        draft.put_step(replace(report.step, state=state))
        mover.gone()
    else:
        mover.node_done(event.path, state)


def _record_adjustments(mover: Mover, event: AttemptSucceeded) -> tuple[Adjustment, ...]:
    """What the worker corrected in the input: all with the step, the first of them with the run."""
    found = tuple(replace(each, step=event.path) for each in event.adjustments)
    if found and len(mover.run.adjustments) < ADJUSTMENTS_KEPT:
        kept = (*mover.run.adjustments, *found)[:ADJUSTMENTS_KEPT]
        mover.draft.put_run(replace(mover.run, adjustments=kept))
    return found


def _fault_of(report: Report, outputs: dict[str, Value]) -> Failure | None:
    """What is wrong with a result, so that nobody after it could read it."""
    for port in report.node.outputs:
        if port not in outputs:
            return Failure(Code.INTERNAL, f"the worker reported success without the output {port!r}")
    attempt = report.attempt
    for value in outputs.values():
        if isinstance(value, Streamed) and value != Streamed(attempt.number, attempt.streamed):
            told = f"{value.count} items of attempt {value.number}"
            return Failure(Code.INTERNAL, f"the result names {told}, and {attempt.streamed} came")
    return None


def _record_blobs(draft: Draft, run: RunId, values: dict[str, Value], artifacts: tuple[Artifact, ...]) -> list[Digest]:
    """Note which blobs the run names now; give those that are not there."""
    digests = blobs_of(values) + [artifact.digest for artifact in artifacts]
    if not digests:
        return []
    missing = draft.require_blobs(digests)
    if not missing:
        draft.blob_refs.update(dict.fromkeys((run, digest) for digest in digests))
        draft.artifacts += artifacts
    return missing


def failed(draft: Draft, event: AttemptFailed) -> None:
    report = report_of(draft, event.run, event.path, event.number)
    if report is None:
        _answer(draft, event.run, event.path, event.number)
        return
    _record_blobs(draft, event.run, {}, event.artifacts)
    draft.order(Acknowledge(event.run, event.path, event.number))
    failure = replace(event.failure, path=event.path)
    told = report.is_told_to_stop()
    report.leave_queue()
    report.end(event.proof or End.FAILED, failure, event)
    if told:
        _stopped(report)
    elif failure.code is Code.WORKER_LOST:
        _crash(report, failure)
    else:
        _fail(report, failure)


def _crash(report: Report, failure: Failure) -> None:
    """The process of its body died, and took nothing with it: a loss, though it need not run alone for that."""
    attempt, mover = report.attempt, report.mover
    step = replace(report.step, crashes=report.step.crashes + 1, avoid=attempt.worker)
    mover.note("attempt_lost", attempt.path, attempt.number, worker=attempt.worker, why=failure.message)
    if step.losses + step.crashes < MAX_LOSSES:
        mover.make_ready(step, report.node)
    else:
        _give_up(report, step, f"it was lost {step.losses + step.crashes} times; the last time {failure.message}")


def _fail(report: Report, failure: Failure) -> None:
    """Try again, or give up."""
    mover, draft = report.mover, report.draft
    policy = mover.policy(report.node, report.attempt.implementation)
    step = replace(failed_once_more(report.step, failure.code, draft.at, policy.rule), avoid=report.attempt.worker)
    due = after(draft.at, delay_after(step, failure, policy, draft.chance[0] / 255))
    if is_tried_again(step, failure, policy) and not is_too_late(step, due, policy.rule):
        _retry(report, step, failure, due)
        return
    draft.put_step(step)
    mover.count(live=-1)
    mover.node_failed(step.path, failure, report.attempt.number)
    mover.gone()


def _retry(report: Report, step: Step, failure: Failure, due: Instant) -> None:
    draft = report.draft
    draft.put_step(replace(step, state=Waiting(due)))
    draft.timers_put.append(Timer(step.run, step.path, TimerKind.RETRY, due, report.attempt.number))
    report.mover.note(
        "step_retries",
        step.path,
        report.attempt.number,
        code=failure.code.value,
        message=failure.message,
        delay_s=(due - draft.at) / 1_000_000,
    )


def _stopped(report: Report) -> None:
    """A proof of stop has come for an attempt that was told."""
    report.draft.put_step(replace(report.step, state=StepCancelled()))
    report.mover.count(live=-1)
    report.mover.note("step_cancelled", report.step.path, report.attempt.number)
    report.mover.gone()


def released(draft: Draft, event: AttemptReleased) -> None:
    """Handed back: ready again at once, and it does not count."""
    report = report_of(draft, event.run, event.path, event.number)
    if report is None or not report.attempt.is_live:
        _answer(draft, event.run, event.path, event.number)
        return
    draft.order(Acknowledge(event.run, event.path, event.number))
    told = report.is_told_to_stop()
    report.end(End.RELEASED)
    if told:
        _stopped(report)
        return
    report.mover.note("attempt_released", event.path, event.number, reason=event.reason)
    report.mover.make_ready(replace(report.step, avoid=report.attempt.worker), report.node)


def lost(draft: Draft, event: AttemptLost) -> None:
    """Its worker died or went silent. Only a running attempt counts as a loss."""
    report = report_of(draft, event.run, event.path, event.number)
    if report is None or not report.attempt.is_live:
        return
    attempt, step, mover = report.attempt, report.step, report.mover
    told = report.is_told_to_stop()
    report.end(End.PRESUMED if told else End.LOST)
    if told:
        _stopped(report)
        return
    ran = attempt.started_at is not None or step.latest - step.failures - step.losses > MAX_UNSTARTED
    step = replace(step, losses=step.losses + ran, avoid=attempt.worker)
    mover.note("attempt_lost", event.path, event.number, worker=attempt.worker, why=event.why.value)
    if step.losses + step.crashes < MAX_LOSSES:
        mover.make_ready(step, report.node)
        return
    _give_up(report, step, f"{step.losses} workers died while they ran it; the last was {attempt.worker}")


def _give_up(report: Report, step: Step, message: str) -> None:
    """It was lost too often."""
    failure = Failure(Code.WORKER_LOST, message, path=step.path)
    if report.draft.over.on_lost is OnLost.QUARANTINE and not step.path.endswith(UNDO):
        quarantine.hold(report.mover, step, failure, report.node.task)
        return
    report.draft.put_step(step)
    report.mover.count(live=-1)
    report.mover.node_failed(step.path, failure, report.attempt.number)
    report.mover.gone()


def stop(draft: Draft, mover: Mover, step: Step, reason: str) -> None:
    """Tell the worker that holds a step to stop it; its proof, or the end of its lease, ends the wait."""
    attempt = draft.attempt(step.run, step.path, step.latest)
    if attempt is None or not attempt.is_live or isinstance(attempt.state, Stopping):
        return
    until = after(draft.at, GRACE * 3)
    draft.put_attempt(replace(attempt, state=Stopping(until)))
    draft.timers_put.append(Timer(step.run, step.path, TimerKind.STOP, until, attempt.number))
    draft.order(AskToStop(attempt.session, step.run, step.path, attempt.number, reason))
    mover.note("stop_asked", step.path, attempt.number, worker=attempt.worker)


def presumed(draft: Draft, run: RunId, path: Path, number: int) -> None:
    """No proof of stop came in time."""
    report = report_of(draft, run, path, number)
    if report is not None and isinstance(report.attempt.state, Stopping):
        report.end(End.PRESUMED)
        _stopped(report)


def timed_out(draft: Draft, run: RunId, path: Path, number: int) -> None:
    """The worker did not end it in time by itself: give it up, and tell the worker."""
    report = report_of(draft, run, path, number)
    if report is None or not report.attempt.is_live:
        return
    draft.order(AskToStop(report.attempt.session, run, path, number, "out of time"))
    told = report.is_told_to_stop()
    failure = Failure(Code.TIMEOUT, "the attempt did not end in time", path=path)
    report.end(End.PRESUMED if told else End.FAILED, failure)
    if told:
        _stopped(report)
    else:
        _fail(report, failure)


def streamed(draft: Draft, event: ItemsStreamed) -> None:
    """Record items once each; what came again is passed over, a gap is not taken.

    As with a late result, those of an attempt that was given up count while nobody overtook it.
    """
    report = report_of(draft, event.run, event.path, event.number)
    if report is None:
        draft.order(TurnAway(event.run, event.path, event.number))
        return
    attempt = report.attempt
    known = attempt.streamed - event.first
    if 0 <= known < len(event.items):
        items = event.items[known:]
        if files := [digest for item in items for digest in refs_in(item)]:
            name_blobs(draft, event.run, files)
        draft.streams.append(StreamItems(event.run, event.path, event.number, attempt.streamed, items))
        attempt = replace(attempt, streamed=attempt.streamed + len(items))
        draft.put_attempt(attempt)
        report.mover.note("items", event.path, event.number, upto=attempt.streamed)
    draft.order(AcknowledgeItems(event.run, event.path, event.number, attempt.streamed))


def progressed(draft: Draft, event: ProgressMade) -> None:
    """Keep the latest word of a live attempt."""
    attempt = draft.attempt(event.run, event.path, event.number)
    if attempt is not None and attempt.is_live:
        draft.put_attempt(replace(attempt, progress=event.progress))
