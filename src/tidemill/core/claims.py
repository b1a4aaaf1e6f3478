"""A claim: the step is leased to a session, under a number that is its fence."""

from datetime import timedelta

from msgspec import Struct
from msgspec.structs import replace

from tidemill.core.decide import Needs, needs_of
from tidemill.core.errors import InputError
from tidemill.core.fill import Filler
from tidemill.core.graph import TaskNode
from tidemill.core.ground import after
from tidemill.core.match import Claim
from tidemill.core.moves import Mover
from tidemill.core.overlay import Draft, GraphMissingError, Overlay, RowsMissingError
from tidemill.core.rows import Timer, TimerKind
from tidemill.core.run import Attempt, Code, Failure, Halted, Held, Ready, Run, Running, StepCancelled
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
    if not isinstance(run.state, Running):  # a sweep is on its way
        draft.put_step(replace(step, state=StepCancelled()))
        mover.count(live=-1)
        mover.gone()
        return Leasing(draft, None)
    _, _, node = mover.layout.node(queued.path)
    if not isinstance(node, TaskNode):
        return Leasing(draft, None)
    try:
        inputs = _inputs(mover, queued.path, node)
    except InputError as error:
        mover.count(live=-1)
        mover.node_failed(queued.path, Failure(Code.INVALID_INPUT, str(error), path=queued.path))
        mover.gone()
        return Leasing(draft, None)
    attempt = Attempt(
        run=queued.run,
        path=queued.path,
        number=step.latest + 1,
        session=claim.session,
        worker=claim.worker,
        task=node.task,
        leased_at=draft.at,
    )
    draft.put_attempt(attempt)
    draft.put_step(replace(step, state=Held(running=False), latest=attempt.number))
    mover.note("attempt_leased", queued.path, attempt.number, worker=claim.worker)
    policy = mover.policy(node)
    if policy.timeout_s is not None:
        due = after(draft.at, timedelta(seconds=policy.timeout_s) + MARGIN)
        draft.timers_put.append(Timer(queued.run, queued.path, TimerKind.TIMEOUT, due, attempt.number))
    return Leasing(draft, attempt, run, inputs, policy.timeout_s, policy.silence_s)


def _inputs(mover: Mover, path: str, node: TaskNode) -> dict[str, Argument]:
    filler = Filler(mover.resolver)
    scope = path.rpartition("/")[0]
    filled = {name: filler.fill(mover.resolver.resolve(scope, each)) for name, each in node.inputs.items()}
    return {name: argument for name, argument in filled.items() if argument is not None}
