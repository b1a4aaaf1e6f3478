"""Between the words of the worker protocol and the core's own."""

from collections.abc import Sequence
from datetime import timedelta

import msgspec

from tidemill.core.claims import Leasing
from tidemill.core.events import (
    AttemptFailed,
    AttemptSucceeded,
    EventsEmitted,
)
from tidemill.core.ids import Digest, Instant, RunId, SessionId
from tidemill.core.rows import Artifact, AttemptKey, Session
from tidemill.core.telling import EMISSION_LIMIT_BYTES, MEASURES_OF_ATTEMPT
from tidemill.core.version import VERSION
from tidemill.engine.together import EngineSettings
from tidemill.wire.worker import (
    PROTOCOL,
    Assign,
    AttemptRef,
    BadMessageError,
    Event,
    Failed,
    Hello,
    Published,
    Succeeded,
    Welcome,
)

_pack = msgspec.msgpack.Encoder().encode


def session_of(hello: Hello, at: Instant, started_at: Instant, lease_us: int) -> Session:
    """The row of a worker that says hello."""
    return Session(
        id=SessionId(hello.instance),
        worker=hello.worker,
        lease_until_at=at + lease_us,
        started_at=started_at,
        seen_at=at,
        tasks=tuple(dict.fromkeys((task.name, task.digest) for task in hello.tasks)),
        pools=hello.pools,
        labels=hello.labels,
        version=hello.version,
        host=hello.host,
        pid=hello.pid,
        offers=hello.offers,
        environment=hello.environment,
    )


def failed_of(message: Failed) -> AttemptFailed:
    ref = message.attempt
    return AttemptFailed(
        run=RunId(ref.run),
        path=ref.path,
        number=ref.number,
        failure=message.failure,
        proof=message.proof,
        artifacts=_artifacts(ref, message.artifacts),
        took=message.took,
        measures=message.measures[:MEASURES_OF_ATTEMPT],
    )


def emitted_of(message: Event) -> EventsEmitted:
    """Raises BadMessageError for a payload that is too large."""
    ref = message.attempt
    for each in message.emissions:
        if len(_pack(each)) > EMISSION_LIMIT_BYTES + 4096:
            raise BadMessageError(f"an event of type {each.type[:64]!r} is over {EMISSION_LIMIT_BYTES:,} bytes")
    return EventsEmitted(RunId(ref.run), ref.path, ref.number, message.first, message.emissions)


def key_of(ref: AttemptRef) -> AttemptKey:
    return RunId(ref.run), ref.path, ref.number


def assignment_of(leasing: Leasing) -> Assign:
    attempt, run = leasing.attempt, leasing.run
    assert attempt is not None and run is not None  # noqa: S101, PT018  # the engine tells of no others
    return Assign(
        attempt=AttemptRef(attempt.run, attempt.path, attempt.number),
        task=attempt.task,
        inputs=leasing.inputs,
        workflow=run.workflow,
        timeout_s=leasing.timeout_s,
        silence_s=leasing.silence_s,
        priority=run.priority,
        tags=run.tags,
        deadline_at=run.deadline_at or None,
        implementation=attempt.implementation,
        granted=attempt.granted,
        trace=run.trace,
        parent=run.parent or b"",
    )


def succeeded_of(message: Succeeded) -> AttemptSucceeded:
    ref = message.attempt
    return AttemptSucceeded(
        run=RunId(ref.run),
        path=ref.path,
        number=ref.number,
        outputs=message.outputs,
        status=message.status,
        artifacts=_artifacts(ref, message.artifacts),
        adjustments=message.adjustments,
        took=message.took,
        measures=message.measures[:MEASURES_OF_ATTEMPT],
    )


def _artifacts(ref: AttemptRef, published: Sequence[Published]) -> tuple[Artifact, ...]:
    return tuple(
        Artifact(RunId(ref.run), ref.path, each.name, Digest(each.digest), each.size, each.media_type)
        for each in published
    )


def microseconds(delay: timedelta) -> int:
    return delay // timedelta(microseconds=1)


def welcome_of(
    settings: EngineSettings, store: bytes, keep: Sequence[AttemptKey], stale: Sequence[AttemptKey]
) -> Welcome:
    return Welcome(
        protocol=PROTOCOL,
        store=store,
        lease_s=settings.lease.total_seconds(),
        heartbeat_s=settings.heartbeat.total_seconds(),
        keep=tuple(AttemptRef(*key) for key in keep),
        stale=tuple(AttemptRef(*key) for key in stale),
        version=VERSION,
        ping_s=settings.heartbeat.total_seconds(),
    )
