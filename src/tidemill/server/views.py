"""Rows of the store as bodies of the API."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from msgspec import structs

from tidemill.core.ids import Instant, digest_text, text_of
from tidemill.core.rows import Emitted, GraphRow, Pause, Session, TaskRow
from tidemill.core.run import (
    Attempt,
    AttemptEnded,
    Cancelled,
    Cancelling,
    Ended,
    Failed,
    Failure,
    Halted,
    Paused,
    Quarantined,
    Run,
    RunState,
    Step,
    StepFailed,
    StepSucceeded,
    Succeeded,
    pending_of,
)
from tidemill.core.telling import Measure, Took
from tidemill.core.traces import trace_id
from tidemill.core.url_names import url_name
from tidemill.ports.logs import LogRow
from tidemill.wire.api import (
    AttemptView,
    EmittedView,
    GraphView,
    LogLineView,
    MeasureView,
    RunView,
    StepView,
    TaskView,
    WorkerView,
)
from tidemill.wire.control import PauseView


def time_text(at: Instant | None) -> str:
    """RFC 3339, in UTC; "" for None."""
    if at is None:
        return ""
    return datetime.fromtimestamp(at / 1_000_000, UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def ending(state: RunState) -> tuple[Failure | None, str, str]:
    """The failure, the reason, the custom status: of them what there is."""
    match state:
        case Ended(outcome=Failed(failure=failure)) | Cancelling(outcome=Failed(failure=failure)):
            return failure, "", ""
        case Ended(outcome=Cancelled(reason=reason)) | Cancelling(outcome=Cancelled(reason=reason)):
            return None, reason, ""
        case Halted(reason=reason) | Paused(reason=reason):
            return None, reason, ""
        case Ended(outcome=Succeeded(status=status)):
            return None, "", status
        case _:
            return None, "", ""


def run_view(run: Run) -> RunView:
    failure, reason, outcome = ending(run.state)
    return RunView(
        id=text_of(run.id),
        workflow=run.workflow,
        status=run.status,
        created_at=time_text(run.created_at),
        ended_at=time_text(run.ended_at),
        priority=run.priority,
        tags=run.tags,
        graph=digest_text(run.graph),
        live=run.live,
        done=run.done,
        failed=run.failed,
        failure=failure,
        reason=reason,
        outcome=outcome,
        adjustments=run.adjustments,
        parent=text_of(run.parent) if run.parent else "",
        events=run.emitted,
        trace_id=trace_id(run.id, run.trace),
        start_at=time_text(pending.start_at) if (pending := pending_of(run)) else "",
        paused_at=time_text(run.state.since_at) if isinstance(run.state, Paused) else "",
        paused_by=run.state.by if isinstance(run.state, Paused) else "",
        origin=text_of(run.fork.origin) if run.fork else "",
        breakpoints=run.breakpoints,
        deadline_at=time_text(run.deadline_at) if run.deadline_at else "",
    )


def step_view(step: Step, what: tuple[str, str], attempt: Attempt | None, elements: dict[str, int]) -> StepView:
    """``what``: kind of the node, and its task."""
    seen = None if attempt is None else attempt_view(attempt)
    return StepView(
        path=step.path,
        status=step.status,
        kind=what[0],
        task=what[1],
        attempts=step.latest,
        failure=step.state.failure if isinstance(step.state, (StepFailed, Quarantined)) else None,
        progress=seen.progress if seen else None,
        worker=seen.worker if seen else "",
        started_at=seen.started_at if seen else "",
        ended_at=seen.ended_at if seen else "",
        elements=elements,
        adjustments=step.state.adjustments if isinstance(step.state, StepSucceeded) else (),
    )


def attempt_view(attempt: Attempt) -> AttemptView:
    state = attempt.state
    status = state.end.value if isinstance(state, AttemptEnded) else str(state.__struct_config__.tag)
    return AttemptView(
        path=attempt.path,
        number=attempt.number,
        status=status,
        worker=attempt.worker,
        leased_at=time_text(attempt.leased_at),
        started_at=time_text(attempt.started_at),
        ended_at=time_text(state.ended_at) if isinstance(state, AttemptEnded) else "",
        failure=state.failure if isinstance(state, AttemptEnded) else None,
        progress=attempt.progress,
        implementation=attempt.implementation,
        granted=attempt.granted,
        items=attempt.streamed,
        events=attempt.emitted,
        queued_s=attempt.queued_us / 1_000_000,
        **_took(attempt.took),
        metrics=tuple(map(_measure_view, attempt.measures)),
        host=attempt.host,
        environment=attempt.environment,
    )


def _took(took: Took | None) -> dict[str, Any]:
    if took is None:
        return {}
    times = {"fetch_s": took.fetch_us, "run_s": took.run_us, "store_s": took.store_us}
    memory = {"peak_memory_bytes": took.peak_kib * 1024} if took.peak_kib else {}
    return {name: length_us / 1_000_000 for name, length_us in times.items()} | memory


def _measure_view(measure: Measure) -> MeasureView:
    if measure.count == 1:
        return MeasureView(measure.name, measure.last, measure.unit, 1, measure.last)
    return MeasureView(*structs.astuple(measure))


def line_view(number: int, row: LogRow) -> LogLineView:
    return LogLineView(number, row.path, row.number, time_text(row.at), row.level, row.logger, row.text)


def emitted_view(row: Emitted) -> EmittedView:
    return EmittedView(row.number, row.type, time_text(row.at), row.path, row.attempt, row.payload, row.message)


def worker_view(session: Session, held: int, left: Mapping[str, int], paused: Pause | None = None) -> WorkerView:
    """``left``: credit by pool."""
    return WorkerView(
        id=session.worker,
        instance=text_of(session.id),
        live=session.live,
        tasks=tuple(name for name, _ in session.tasks),
        started_at=time_text(session.started_at),
        seen_at=time_text(session.seen_at),
        total=session.pools.total,
        pools=session.pools.limits,
        held=held,
        labels=session.labels,
        host=session.host,
        pid=session.pid,
        version=session.version,
        offers=session.offers,
        free=left.get("", 0),
        free_pools={pool: count for pool, count in left.items() if pool},
        paused=pause_view(paused) if paused else None,
    )


def task_view(row: TaskRow, live: set[tuple[str, str]], paused: Pause | None = None) -> TaskView:
    key = (row.definition.name, row.definition.digest)
    announced_at = time_text(row.announced_at)
    held = pause_view(paused) if paused else None
    return TaskView(row.definition, row.worker, announced_at, key in live, url_name(row.definition.name), held)


def pause_view(pause: Pause) -> PauseView:
    return PauseView(pause.kind.value, pause.name, since=time_text(pause.since_at), by=pause.by, reason=pause.reason)


def graph_view(row: GraphRow) -> GraphView:
    return GraphView(digest_text(row.digest), row.name, time_text(row.created_at))
