"""A claim: the step is leased to a session, under a number that is its fence."""

from collections.abc import Mapping
from datetime import timedelta

from msgspec import Struct
from msgspec.structs import replace

from tidemill.core.decide import Needs, needs_of
from tidemill.core.errors import InputError
from tidemill.core.graph import TaskNode
from tidemill.core.ground import after, may_move
from tidemill.core.ids import Instant
from tidemill.core.inputs import inputs_of
from tidemill.core.limits import FREE, Admitted, Parked, TooSoon, Verdict, admit, park
from tidemill.core.match import Claim
from tidemill.core.moves import Mover
from tidemill.core.overlay import Draft, Overlay
from tidemill.core.pausing import placed
from tidemill.core.rows import Queued, Timer, TimerKind
from tidemill.core.run import (
    Attempt,
    Code,
    Failure,
    Halted,
    Held,
    Paused,
    Ready,
    Run,
    Step,
    StepCancelled,
    Waiting,
)
from tidemill.core.tables import GraphMissingError, RowsMissingError
from tidemill.core.values import Argument

MARGIN = timedelta(seconds=15)  # past a timeout that the worker enforces itself


class Leasing(Struct, frozen=True):
    """What a claim does, and what the worker is told."""

    draft: Draft
    attempt: Attempt | None  # None: the step is not to be had any more, and only leaves the queue
    run: Run | None = None
    inputs: dict[str, Argument] = {}
    timeout_s: float | None = None
    silence_s: float | None = None


def lease(overlay: Overlay, claim: Claim) -> Leasing | Needs:
    """Decide a claim; pure, like `decide`."""
    draft = Draft(overlay)
    try:
        return _lease(draft, claim)
    except (RowsMissingError, GraphMissingError) as missing:
        return needs_of(missing)


def _lease(draft: Draft, claim: Claim) -> Leasing:
    queued = claim.queued
    key = (queued.run, queued.path)
    step, run = draft.step(*key), draft.run(queued.run)
    if key in draft.over.ready:
        draft.unready.append(key)
    else:
        draft.left.append(queued)
    if run is None or step is None or not isinstance(step.state, Ready):
        return Leasing(draft, None)
    if isinstance(run.state, Halted):  # a person decides; until then nothing of it starts
        return Leasing(draft, None)
    mover = Mover(draft, run)
    if isinstance(run.state, Paused):  # its rows are on their way to where nobody takes them
        _put_aside(mover, step, queued)
        return Leasing(draft, None)
    if not may_move(run, queued.path):  # a sweep is on its way
        draft.put_step(replace(step, state=StepCancelled()))
        mover.count(live=-1)
        mover.gone()
        return Leasing(draft, None)
    _, _, node = mover.layout.node(queued.path)
    return _start(mover, step, node, claim) if isinstance(node, TaskNode) else Leasing(draft, None)


def _put_aside(mover: Mover, step: Step, queued: Queued) -> None:
    draft = mover.draft
    draft.unready.clear()  # it moves, and does not leave
    draft.ready[queued.run, queued.path] = placed(mover, step, queued)
    if queued.limit and not queued.home:
        draft.freed[queued.limit] = None  # it was let go on for a slot, which another may have


def _start(mover: Mover, step: Step, node: TaskNode, claim: Claim) -> Leasing:
    draft, queued = mover.draft, claim.queued
    try:
        inputs = dict(inputs_of(mover.resolver, queued.path, node))
        verdict = _admitted(draft, node, inputs, step.turn_at)
    except InputError as error:
        mover.count(live=-1)
        mover.node_failed(queued.path, Failure(Code.INVALID_INPUT, str(error), path=queued.path))
        mover.gone()
        return Leasing(draft, None)
    if not isinstance(verdict, Admitted):
        _put_off(mover, step, queued, verdict)
        return Leasing(draft, None)
    attempt = Attempt(
        run=queued.run,
        path=queued.path,
        number=step.latest + 1,
        session=claim.session,
        worker=claim.worker,
        task=node.task,
        leased_at=draft.at,
        limits=verdict.limits,
        implementation=claim.implementation,
        granted=claim.granted,
        host=claim.on[0],
        environment=claim.on[1],
        queued_us=draft.at - step.state.since_at if isinstance(step.state, Ready) else 0,
    )
    _supersede(mover, step, node)
    draft.put_attempt(attempt)
    draft.put_step(replace(step, state=Held(running=False), latest=attempt.number, turn_at=0))
    mover.note("attempt_leased", queued.path, attempt.number, worker=claim.worker)
    policy = mover.policy(node, claim.implementation)
    if policy.timeout_s is not None:
        due = after(draft.at, timedelta(seconds=policy.timeout_s) + MARGIN)
        draft.timers_put.append(Timer(queued.run, queued.path, TimerKind.TIMEOUT, due, attempt.number))
    return Leasing(draft, attempt, mover.run, inputs, policy.timeout_s, policy.silence_s)


def _admitted(draft: Draft, node: TaskNode, inputs: Mapping[str, Argument], turn_at: Instant) -> Verdict:
    definition = draft.catalog.find(node.task, node.schema)
    return FREE if definition is None else admit(draft, definition, inputs, turn_at)


def _put_off(mover: Mover, step: Step, queued: Queued, verdict: Parked | TooSoon) -> None:
    """It may not start yet, and waits for what would let it."""
    draft = mover.draft
    match verdict:
        case Parked(limit=limit):
            draft.unready.clear()  # it moves, and does not leave
            draft.ready[queued.run, queued.path] = park(queued, limit)
            mover.note("step_parked", queued.path)
        case TooSoon(until_at=until_at):
            draft.put_step(replace(step, state=Waiting(until_at), turn_at=until_at))
            draft.timers_put.append(Timer(queued.run, queued.path, TimerKind.RETRY, until_at, step.latest))
            mover.note("step_delayed", queued.path, until_at=until_at)


def _supersede(mover: Mover, step: Step, node: TaskNode) -> None:
    """From here on nothing of the attempt before counts: what it streamed is another epoch."""
    last = mover.draft.attempt(step.run, step.path, step.latest) if node.stream and step.latest else None
    if last is not None and last.streamed:
        mover.note("items_superseded", step.path, last.number, count=last.streamed)
