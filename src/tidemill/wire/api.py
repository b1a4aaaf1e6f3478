"""Bodies of the client API, under /api/v1: JSON, and msgpack for our own client. Times are RFC 3339, ids are text."""

from typing import Any

from msgspec import Struct, field

from tidemill.core.definitions import TaskDefinition
from tidemill.core.graph import NodeOptions
from tidemill.core.requirements import NOTHING, Capability, Granted, Requirements
from tidemill.core.rules import OnActive
from tidemill.core.run import Adjustment, Failure
from tidemill.core.values import Argument, Value
from tidemill.wire.control import PauseView

MSGPACK, JSON = "application/msgpack", "application/json"
PROBLEM = "application/problem+json"
FRAMES = "application/vnd.tidemill.frames"  # four bytes of length, then msgpack; again and again
BATCH_LIMIT = 10_000  # submissions of one request


class Submission(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """A run to be: exactly one of ``task``, ``workflow`` (a published name) and ``graph`` (a digest text).

    ``input`` is plain data: one key per parameter, or the bare record of a task with one record parameter; ``values``
    is the same, encoded port by port. ``id`` makes a repetition harmless: with another body it is a conflict.
    """

    task: str = ""
    workflow: str = ""
    graph: str = ""
    input: Any = None
    values: dict[str, Value] | None = None
    id: str = ""
    priority: int = 0
    tags: dict[str, str] = field(default_factory=dict)
    options: NodeOptions = NodeOptions()  # of a single task; they stand above its own
    parent: str = ""  # the run whose task starts this one; it stops when that ends
    traceparent: str = ""  # of the W3C: the trace that the run belongs to; the header of POST /runs says the same
    key: str = ""  # the same key for the same target gives the same run; another body is a conflict
    key_lifetime_s: float = 7 * 86400.0  # how long after the run's end
    unique: str = ""  # one run of the target at a time has this
    on_active: OnActive = OnActive.RETURN  # what a submission gets meanwhile
    debounce_s: float = 0.0  # with a key: it begins after this wait, which a further submission begins anew
    debounce_max_s: float = 0.0  # from the first submission to the start; 0: ten times debounce_s
    delay_s: float = 0.0  # it begins so long after now
    start_at: str = ""  # or then, RFC 3339
    breakpoints: tuple[str, ...] = ()  # paths of steps that stop before they begin; without numbers: each of them
    run_timeout_s: float = 0.0  # a run that is not over so long after its begin fails with `timeout`; 0: no limit


class SubmitMany(Struct, frozen=True, forbid_unknown_fields=True):
    """``watch``: a token of the client's own; outcomes are then sent down the stream that it opened with it."""

    runs: tuple[Submission, ...]
    watch: str = ""


class Accepted(Struct, frozen=True):
    id: str
    status: str


class Problem(Struct, frozen=True, omit_defaults=True):
    """RFC 9457, with the violations of a bad input."""

    type: str  # a stable name: unknown_task, invalid_input, conflict, ...
    title: str
    status: int
    detail: str = ""
    nearest: tuple[str, ...] = ()
    violations: tuple[tuple[str, str], ...] = ()  # (JSON path, what is wrong)
    failure: Failure | None = None  # of a run whose result was asked for


class SubmitAnswer(Struct, frozen=True, omit_defaults=True):
    """Per submission, in order: accepted, or what is wrong with it."""

    accepted: Accepted | None = None
    problem: Problem | None = None


class SubmittedMany(Struct, frozen=True, omit_defaults=True):
    runs: tuple[SubmitAnswer, ...]
    is_watched: bool = True  # the watch is open at the server that answers; else it would not tell of these runs


class Finished(Struct, frozen=True, omit_defaults=True):
    """How a run ended. ``outputs`` is there when they were at hand; else read them from the run's result."""

    id: str
    status: str  # succeeded, failed, cancelled
    outputs: dict[str, Argument] | None = None
    failure: Failure | None = None
    outcome: str = ""  # the custom status of a success
    reason: str = ""
    adjustments: tuple[Adjustment, ...] = ()  # numbers that a Clamp corrected, the first 20 of a run


class RunView(Struct, frozen=True, omit_defaults=True):
    id: str
    workflow: str
    status: str
    created_at: str
    ended_at: str = ""
    priority: int = 0
    tags: dict[str, str] = field(default_factory=dict)
    graph: str = ""
    live: int = 0
    done: int = 0
    failed: int = 0
    failure: Failure | None = None
    reason: str = ""
    outcome: str = ""
    adjustments: tuple[Adjustment, ...] = ()  # numbers that a Clamp corrected, the first 20 of a run
    parent: str = ""  # the run whose task started it
    events: int = 0  # that its tasks told of
    trace_id: str = ""
    start_at: str = ""  # of one that has not begun
    paused_at: str = ""
    paused_by: str = ""
    origin: str = ""  # the run that it was forked from
    breakpoints: tuple[str, ...] = ()
    deadline_at: str = ""  # when it fails, if it is not over


class RunPage(Struct, frozen=True, omit_defaults=True):
    runs: tuple[RunView, ...]
    next: str = ""  # pass as ?before= for the next page; "" ends


class StepView(Struct, frozen=True, omit_defaults=True):
    path: str
    status: str
    kind: str = ""  # task, map, branch, call, constant
    task: str = ""
    attempts: int = 0
    failure: Failure | None = None
    progress: tuple[float, str, str] | None = None
    worker: str = ""
    started_at: str = ""
    ended_at: str = ""
    elements: dict[str, int] = field(default_factory=dict)  # of a map: length, open, done, failed; of a loop: rounds
    adjustments: tuple[Adjustment, ...] = ()  # numbers that a Clamp corrected


class StepPage(Struct, frozen=True, omit_defaults=True):
    steps: tuple[StepView, ...]
    next: str = ""  # pass as ?after=


class MeasureView(Struct, frozen=True, omit_defaults=True):
    """What an attempt measured under one name. ``least`` and ``most`` are there when it was measured more than once."""

    name: str
    last: float
    unit: str = ""
    count: int = 1
    sum: float = 0.0
    least: float | None = None
    most: float | None = None


class AttemptView(Struct, frozen=True, omit_defaults=True):
    path: str
    number: int
    status: str
    worker: str
    leased_at: str
    started_at: str = ""
    ended_at: str = ""
    failure: Failure | None = None
    progress: tuple[float, str, str] | None = None
    implementation: str = ""  # of the task's; "" is the plain one
    granted: Granted | None = None  # of its worker's resources
    items: int = 0  # of its stream; superseded when a later attempt has streamed
    events: int = 0  # that it told of
    queued_s: float | None = None
    fetch_s: float | None = None
    run_s: float | None = None
    store_s: float | None = None
    peak_memory_bytes: int | None = None  # of the process that ran it, since that began
    metrics: tuple[MeasureView, ...] = ()
    host: str = ""
    environment: str = ""  # digest of what its worker runs in: of the lock file's packages, or the image


class WorkerView(Struct, frozen=True, omit_defaults=True):
    id: str
    instance: str
    live: bool
    tasks: tuple[str, ...]
    started_at: str
    seen_at: str
    total: int
    pools: dict[str, int] = field(default_factory=dict)
    held: int = 0
    labels: dict[str, str] = field(default_factory=dict)
    host: str = ""
    pid: int = 0
    version: str = ""
    offers: Capability = Capability()
    free: int = 0  # attempts that it could be sent now
    free_pools: dict[str, int] = field(default_factory=dict)
    paused: PauseView | None = None


class WorkerAttempt(Struct, frozen=True, omit_defaults=True):
    """An attempt that a worker has. Of inputs, short values are shown, and of others the size; secrets are hidden."""

    run: str
    attempt: AttemptView  # as it was confirmed last
    task: str
    inputs: dict[str, str] = field(default_factory=dict)
    requires: Requirements = NOTHING


class WorkerDetail(Struct, frozen=True):
    """``attempts``: at most 200 of those that it has, oldest first."""

    worker: WorkerView
    attempts: tuple[WorkerAttempt, ...]


class TaskView(Struct, frozen=True):
    definition: TaskDefinition
    worker: str
    announced_at: str
    live: bool
    url_name: str = ""  # of the task, for /tasks/{name}
    paused: PauseView | None = None  # the task, or the queue that it is in


class GraphView(Struct, frozen=True):
    digest: str
    name: str
    created_at: str


class LogLineView(Struct, frozen=True):
    seq: int
    path: str
    number: int
    at: str
    level: str
    logger: str
    text: str


class WhyStep(Struct, frozen=True, omit_defaults=True):
    """Why one step waits, and the smallest change that would start it."""

    path: str
    status: str
    task: str = ""
    reasons: tuple[str, ...] = ()
    advice: str = ""


class WhyAnswer(Struct, frozen=True):
    run: str
    status: str
    steps: tuple[WhyStep, ...]
    reasons: tuple[str, ...] = ()  # why the run as a whole does not go on
    advice: str = ""


class Health(Struct, frozen=True):
    """``status``: ok; full (new work is turned away for now); unavailable (nothing can be written)."""

    status: str
    version: str
    store: str
    workers: int
    detail: str = ""


class Result(Struct, frozen=True, omit_defaults=True):
    """A success for people: ``value`` is the one output, or a record with one key per output port."""

    id: str
    status: str
    value: Any = None
    outcome: str = ""  # the custom status
    adjustments: tuple[Adjustment, ...] = ()  # numbers that a Clamp corrected, the first 20 of a run


class BulkBite(Struct, frozen=True, omit_defaults=True):
    """``runs`` are the first 20 of ``count``."""

    count: int
    runs: tuple[RunView, ...] = ()
    next: str = ""  # pass as ``before``; "" ends
    stay: dict[str, int] = {}  # of those to be removed: why, and how many


class WatchRuns(Struct, frozen=True):
    """Runs whose outcomes are to be sent down the stream that was opened with the token."""

    runs: tuple[str, ...]


class EventView(Struct, frozen=True, omit_defaults=True):
    """One line of a run's history. Of one beat, all have the beat's number; live ones have no number."""

    run: str
    kind: str
    at: str = ""
    path: str = ""
    attempt: int = 0
    detail: dict[str, Any] = field(default_factory=dict)
    number: int = 0


class EmittedView(Struct, frozen=True, omit_defaults=True):
    """An event that a task told of by ``ctx.emit``; ``number`` counts from 1 within the run."""

    number: int
    type: str
    at: str
    path: str
    attempt: int
    payload: Any = None
    message: str = ""


class EmittedPage(Struct, frozen=True):
    """``next``: pass as ?after= to go on; the same as before when there is nothing new."""

    events: tuple[EmittedView, ...]
    next: int


class EventPage(Struct, frozen=True):
    """``next``: pass as ?after= to go on; the same as before when there is nothing new."""

    events: tuple[EventView, ...]
    next: int


class StreamItem(Struct, frozen=True):
    """Item ``index`` of a stream; in msgpack ``item`` is as the task encoded it.

    ``epoch`` is the number of the attempt that made it.
    """

    index: int
    item: Any
    epoch: int = 1


class StreamRestart(Struct, frozen=True):
    """What was told before is superseded: the items of the epoch ``restart`` follow, from the first."""

    restart: int


class LogPage(Struct, frozen=True):
    lines: tuple[LogLineView, ...]
    next: int  # pass as ?after=


class ArtifactView(Struct, frozen=True):
    path: str
    name: str
    digest: str
    size: int
    media_type: str


class ArtifactList(Struct, frozen=True):
    artifacts: tuple[ArtifactView, ...]


class BlobView(Struct, frozen=True):
    digest: str
    size: int


class PublishedGraph(Struct, frozen=True):
    """``unverified``: tasks that no worker has announced yet."""

    digest: str
    name: str
    unverified: tuple[str, ...] = ()


class AttemptList(Struct, frozen=True):
    attempts: tuple[AttemptView, ...]


class WorkerList(Struct, frozen=True):
    workers: tuple[WorkerView, ...]


class TaskList(Struct, frozen=True):
    tasks: tuple[TaskView, ...]


class GraphList(Struct, frozen=True):
    graphs: tuple[GraphView, ...]
