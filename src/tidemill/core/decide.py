"""The only place that knows how a run moves: rows and an event in, changed rows and commands out.

`decide` is pure. It works on a draft over the beat's overlay; when it meets a row that is not loaded, it says which
and is asked again from the start. Instants and chance come with the overlay.
"""

from collections.abc import Iterable
from datetime import timedelta
from typing import assert_never

from msgspec import Struct
from msgspec.structs import replace

from tidemill.core import (
    attempts,
    attributes,
    breaks,
    children,
    emitting,
    pausing,
    quarantine,
    signalling,
    submitting,
    sweep,
    waits,
)
from tidemill.core.branches import judge
from tidemill.core.chunks import unpack
from tidemill.core.commands import FetchLists, FetchOperands, Requeue, Sweep
from tidemill.core.errors import InputError
from tidemill.core.events import (
    ApprovalGiven,
    AttemptFailed,
    AttemptLost,
    AttemptReleased,
    AttemptStarted,
    AttemptSucceeded,
    AttributesChanged,
    CancelRequested,
    ChildrenGone,
    Continued,
    Event,
    EventsEmitted,
    FetchFailed,
    ItemsStreamed,
    ListFetched,
    MeasuresTaken,
    OperandsFetched,
    PauseRequested,
    ProgressMade,
    QuarantineJudged,
    QueuedFound,
    QueueExpired,
    Report,
    ResumeRequested,
    RunChanged,
    RunSubmitted,
    SignalSent,
    StepsFound,
    TimerDue,
    Wish,
)
from tidemill.core.fill import Filler
from tidemill.core.graph import BranchNode, LoopNode, MapNode, OpNode, State, TaskNode, WaitNode
from tidemill.core.ground import after, may_move
from tidemill.core.ids import Digest, Path, RunId
from tidemill.core.loops import round_done, turn
from tidemill.core.machines import go_on, stop_visit, visit_done
from tidemill.core.mapping import look_at_lists
from tidemill.core.maps import begin_fetched_map, feed_map
from tidemill.core.moves import Mover
from tidemill.core.naming import name_blobs
from tidemill.core.operating import begin_operation
from tidemill.core.overlay import Draft, Overlay
from tidemill.core.plan import element_path, expressions_of, operands_in, scope_path
from tidemill.core.rows import Keys, Timer, TimerKind
from tidemill.core.run import Code, Ended, Failure, Halted, Ready, Waiting
from tidemill.core.scopes import LoopScope, MachineScope
from tidemill.core.tables import GraphMissingError, RowsMissingError
from tidemill.core.terms import Operand
from tidemill.core.values import blobs_of

Looking = BranchNode | State | LoopNode | WaitNode | OpNode  # what looks into values by itself
ANSWER_WITHIN = timedelta(seconds=10)


class Needs(Struct, frozen=True):
    """Rows to load before the event can be decided."""

    keys: Keys
    graphs: tuple[Digest, ...] = ()


def needs_of(missing: RowsMissingError | GraphMissingError) -> Needs:
    if isinstance(missing, GraphMissingError):
        return Needs(Keys(), (missing.digest,))
    return Needs(missing.keys)


def decide(overlay: Overlay, event: Event) -> Draft | Needs:
    """Decide one event; the draft says what changes, and lays itself into nothing."""
    draft = Draft(overlay)
    try:
        _dispatch(draft, event)
    except (RowsMissingError, GraphMissingError) as missing:
        return needs_of(missing)
    return draft


def _dispatch(draft: Draft, event: Event) -> None:  # noqa: C901  # one match over a union
    match event:
        case RunSubmitted():
            submitting.submitted(draft, event)
        case TimerDue():
            _due(draft, event)
        case QueueExpired():
            _queue_expired(draft, event)
        case ListFetched() | OperandsFetched() | FetchFailed():
            _fetched(draft, event)
        case ChildrenGone(run=run):
            draft.timers_drop.append((run, "", TimerKind.CHILDREN))
        case (
            CancelRequested()
            | PauseRequested()
            | ResumeRequested()
            | RunChanged()
            | Continued()
            | AttributesChanged()
            | QuarantineJudged()
        ):
            _wish(draft, event)
        case SignalSent() | ApprovalGiven():
            signalling.reached(draft, event)
        case StepsFound():
            sweep.sweep(draft, event)
        case QueuedFound():
            pausing.requeue(draft, event)
        case _:
            _report(draft, event)


def _report(draft: Draft, event: Report) -> None:  # noqa: C901  # one match over a union
    """What a worker says of an attempt, or its silence."""
    match event:
        case AttemptSucceeded():
            attempts.succeeded(draft, event)
        case AttemptStarted():
            attempts.started(draft, event)
        case AttemptFailed():
            attempts.failed(draft, event)
        case ItemsStreamed():
            attempts.streamed(draft, event)
        case EventsEmitted():
            emitting.emitted(draft, event)
        case MeasuresTaken():
            emitting.measured(draft, event)
        case ProgressMade():
            attempts.progressed(draft, event)
        case AttemptReleased():
            attempts.released(draft, event)
        case AttemptLost():
            attempts.lost(draft, event)
        case _:
            assert_never(event)


def _wish(draft: Draft, event: Wish) -> None:  # noqa: C901  # one match over a union
    """What somebody wants of a run."""
    match event:
        case CancelRequested():
            sweep.cancel(draft, event)
        case PauseRequested():
            pausing.pause(draft, event)
        case ResumeRequested():
            pausing.resume(draft, event)
        case RunChanged():
            pausing.change(draft, event)
        case Continued():
            if (mover := _mover(draft, event.run)) is not None:
                breaks.go_on(mover, event)
        case QuarantineJudged():
            if (run := draft.run(event.run)) is not None and not isinstance(run.state, (Ended, Halted)):
                quarantine.judge(draft, Mover(draft, run), event)
        case AttributesChanged():
            attributes.changed(draft, event)
        case _:
            assert_never(event)


def _fetched(draft: Draft, event: ListFetched | OperandsFetched | FetchFailed) -> None:
    match event:
        case ListFetched():
            _lists_fetched(draft, event)
        case OperandsFetched():
            _operands_fetched(draft, event)
        case FetchFailed():
            _fetch_failed(draft, event)


# Timers --------------------------------------------------------------------------------------------


def _due(draft: Draft, event: TimerDue) -> None:  # noqa: C901  # one match over an enum
    timer = event.timer
    draft.timers_drop.append((timer.run, timer.path, timer.kind))
    match timer.kind:
        case TimerKind.RETRY:
            _retry_due(draft, timer.run, timer.path)
        case TimerKind.STOP:
            attempts.presumed(draft, timer.run, timer.path, timer.number)
        case TimerKind.TIMEOUT:
            attempts.timed_out(draft, timer.run, timer.path, timer.number)
        case TimerKind.FEED:
            _feed(draft, timer.run, timer.path)
        case TimerKind.SWEEP:
            _ask_again_later(draft, timer)
            draft.order(Sweep(timer.run, timer.path, timer.after))
        case TimerKind.FETCH:
            _fetch(draft, timer)
        case TimerKind.START:
            if not submitting.start_due(draft, timer.run):
                draft.timers_drop.pop()  # it was put off in this beat
        case TimerKind.REQUEUE:
            if pausing.is_overtaken(draft, timer):
                draft.timers_drop.pop()
                return
            _ask_again_later(draft, timer)
            draft.order(Requeue(timer.run, timer.number, timer.after))
        case TimerKind.WAKE | TimerKind.WAIT:
            _wait_due(draft, timer)
        case TimerKind.DEADLINE:
            submitting.deadline_due(draft, timer.run)
        case TimerKind.CHILDREN:
            if children.remember(draft, timer.run):
                _ask_again_later(draft, timer)
        case _:
            assert_never(timer.kind)


def _ask_again_later(draft: Draft, timer: Timer) -> None:
    """The shell was asked; should its answer get lost, it is asked again."""
    draft.timers_drop.pop()
    draft.timers_put.append(replace(timer, due_at=after(draft.at, ANSWER_WITHIN)))


def _mover(draft: Draft, run: RunId, path: Path = "") -> Mover | None:
    """None when the run moves no more."""
    row = draft.run(run)
    return Mover(draft, row) if row is not None and may_move(row, path) else None


def _retry_due(draft: Draft, run: RunId, path: Path) -> None:
    mover = _mover(draft, run, path)
    step = draft.step(run, path)
    if mover is None or step is None or not isinstance(step.state, Waiting):
        return
    _, _, node = mover.layout.node(path)
    if isinstance(node, TaskNode):
        mover.make_ready(step, node)


def _wait_due(draft: Draft, timer: Timer) -> None:
    mover = _mover(draft, timer.run, timer.path)
    if mover is not None:
        (waits.woke if timer.kind is TimerKind.WAKE else waits.late)(mover, timer.path)


def _queue_expired(draft: Draft, event: QueueExpired) -> None:
    queued = event.queued
    step = draft.step(queued.run, queued.path)
    if (queued.run, queued.path) in draft.over.ready:  # moved in this beat: the old row leaves already
        draft.unready.append((queued.run, queued.path))
    else:
        draft.left.append(queued)
    mover = _mover(draft, queued.run, queued.path)
    if mover is None or step is None or not isinstance(step.state, Ready):
        return
    waited = (draft.at - step.state.since_at) / 1_000_000
    failure = Failure(Code.TIMEOUT, f"no worker took it in {waited:.0f} s", path=queued.path)
    mover.count(live=-1)
    mover.node_failed(queued.path, failure)


# Large values --------------------------------------------------------------------------------------


def _feed(draft: Draft, run: RunId, path: Path) -> None:
    mover = _mover(draft, run, path)
    if mover is None or mover.is_dead(scope_path(path)) or (path and mover.step(path).is_final):
        return
    match draft.scope(run, path):
        case MachineScope():
            go_on(mover, path)
        case LoopScope():
            turn(mover, path)
        case _:
            feed_map(mover, path)


def _fetching(draft: Draft, run: RunId, path: Path) -> Mover | None:
    """The mover, when the map or branch at ``path`` still waits for what is fetched: answers may come twice."""
    mover = _mover(draft, run, path)
    step = draft.step(run, path) if mover else None
    return mover if step is not None and isinstance(step.state, Waiting) and step.state.fetching else None


def _fetch(draft: Draft, timer: Timer) -> None:
    run, path = timer.run, timer.path
    mover = _fetching(draft, run, path)
    if mover is None:
        return
    _ask_again_later(draft, timer)
    _, _, node = mover.layout.node(path)
    if isinstance(node, MapNode):
        draft.order(FetchLists(run, path, look_at_lists(mover.resolver, path, node).fetch))
    elif isinstance(node, Looking):
        draft.order(FetchOperands(run, path, _large_operands(mover, path, node)))


def _operands_of(mover: Mover, path: Path, node: Looking) -> tuple[Path, Iterable[Operand]]:
    """What a step looks into, and the scope that it stands in."""
    match node:
        case LoopNode(until=until):
            return element_path(path, mover.resolver.loop_scope(path).round), operands_in(until)
        case BranchNode(cases=arms) | State(transitions=arms):
            return scope_path(path), (each for arm in arms if arm.when is not None for each in operands_in(arm.when))
        case WaitNode() | OpNode():
            return scope_path(path), expressions_of(node)


def _large_operands(mover: Mover, path: Path, node: Looking) -> tuple[tuple[Path, str], ...]:
    filler = Filler(mover.resolver)
    scope, operands = _operands_of(mover, path, node)
    found: dict[tuple[Path, str], None] = {}
    for operand in operands:
        try:
            found.update(dict.fromkeys(filler.large_in(scope, operand)))
        except InputError:
            continue  # it leads nowhere; the judge will say so, should it come to it
    return tuple(found)


def _lists_fetched(draft: Draft, event: ListFetched) -> None:
    mover = _fetching(draft, event.run, event.path)
    if mover is None:
        draft.timers_drop.append((event.run, event.path, TimerKind.FETCH))
        return
    elements = (each for chunks in event.chunks.values() for chunk in chunks.values() for each in unpack(chunk))
    if name_blobs(draft, event.run, blobs_of({str(number): each for number, each in enumerate(elements)})):
        failure = Failure(Code.TRANSIENT, "elements of the list were removed before they were used")
        _fetch_failed(draft, FetchFailed(event.run, event.path, failure))
        return
    for param, chunks in event.chunks.items():
        for number, chunk in chunks.items():
            draft.chunks[event.run, event.path, param, number] = chunk
    if not event.done:
        return
    draft.timers_drop.append((event.run, event.path, TimerKind.FETCH))
    _, _, node = mover.layout.node(event.path)
    if isinstance(node, MapNode):
        begin_fetched_map(mover, event.path, node, event.lengths)


def _operands_fetched(draft: Draft, event: OperandsFetched) -> None:
    draft.timers_drop.append((event.run, event.path, TimerKind.FETCH))
    mover = _fetching(draft, event.run, event.path)
    if mover is None:
        return
    _, _, node = mover.layout.node(event.path)
    mover.fetched = event.values
    if isinstance(node, BranchNode):
        judge(mover, event.path, node)
    elif isinstance(node, LoopNode):
        at = element_path(event.path, mover.resolver.loop_scope(event.path).round)
        round_done(mover, mover.layout.scope(at), at)
    elif isinstance(node, State):
        visit_done(mover, event.path)
    elif isinstance(node, WaitNode):
        waits.begin_wait(mover, event.path, node)
    elif isinstance(node, OpNode):
        begin_operation(mover, event.path, node)


def _fetch_failed(draft: Draft, event: FetchFailed) -> None:
    draft.timers_drop.append((event.run, event.path, TimerKind.FETCH))
    mover = _fetching(draft, event.run, event.path)
    if mover is None:
        return
    failure = replace(event.failure, path=event.path)
    _, _, node = mover.layout.node(event.path)
    if isinstance(node, State):
        stop_visit(mover, mover.layout.scope(event.path), failure)
    else:
        mover.node_failed(event.path, failure)
