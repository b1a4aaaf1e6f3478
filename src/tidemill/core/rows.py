"""Rows in bulk: what decide asks for, what the store answers, what a beat writes."""

from enum import Enum
from typing import Any

from msgspec import Struct, field

from tidemill.core.definitions import Pools, TaskDefinition
from tidemill.core.graph import NodeOptions
from tidemill.core.ids import Digest, Instant, Path, RunId, SessionId
from tidemill.core.notes import Note
from tidemill.core.recurrence import Terms
from tidemill.core.requirements import Capability, Requirements
from tidemill.core.run import Attempt, Run, Step
from tidemill.core.scopes import ScopeRow
from tidemill.core.served import Registered
from tidemill.core.shared_rows import Attributes, Kept, KeptKey, Posted, Shelf, ShelfKey
from tidemill.core.values import Value
from tidemill.core.wait_rows import Address, EventKey, Mailbox, SignalKey, SignalRow, WaitRow
from tidemill.core.webhooks import Delivery

Lane = bytes  # digest of all that decides fit; `core.lanes` makes it

StepKey = tuple[RunId, Path]
AttemptKey = tuple[RunId, Path, int]
ValueKey = tuple[RunId, Path, str]
ChunkKey = tuple[RunId, Path, str, int]  # ..., parameter of the map, number of the chunk


class Limit(Struct, frozen=True, gc=False):
    """How much of one limit is taken: a task's, for one value of its key."""

    key: bytes
    used: int = 0  # live attempts
    slots: int = 0  # attempts at once, as the last claim knew it
    next_at: Instant = 0  # of a rate: when the next start would come, were starts spread evenly


class Cached(Struct, frozen=True, gc=False):
    """A recorded result, for a task's version and one input."""

    key: bytes
    run: RunId  # that it comes from
    path: Path
    status: str
    outputs: dict[str, Value]
    made_at: Instant
    expires_at: Instant


class SubmitKey(Struct, frozen=True, gc=False):
    """The run that submissions with a key get; see `core.keys`."""

    name: bytes  # digest of the kind, the target and the text
    run: RunId
    submitted: Digest  # of the last submission
    made_at: Instant
    expires_at: Instant
    last: RunId  # the id that the last submission brought


class Keys(Struct):
    """Rows that a decision needs and has not seen. Each list may hold a key once."""

    runs: list[RunId] = field(default_factory=list)
    scopes: list[StepKey] = field(default_factory=list)
    steps: list[StepKey] = field(default_factory=list)
    attempts: list[AttemptKey] = field(default_factory=list)
    values: list[ValueKey] = field(default_factory=list)
    chunks: list[ChunkKey] = field(default_factory=list)
    blobs: list[Digest] = field(default_factory=list)
    limits: list[bytes] = field(default_factory=list)
    cached: list[bytes] = field(default_factory=list)
    schedules: list[str] = field(default_factory=list)
    submit_keys: list[bytes] = field(default_factory=list)
    waits: list[StepKey] = field(default_factory=list)
    mailboxes: list[Address] = field(default_factory=list)
    signals: list[SignalKey] = field(default_factory=list)
    told: list[EventKey] = field(default_factory=list)
    attributes: list[StepKey] = field(default_factory=list)
    shelves: list[ShelfKey] = field(default_factory=list)
    kept: list[KeptKey] = field(default_factory=list)

    def __bool__(self) -> bool:
        return any(getattr(self, name) for name in self.__struct_fields__)


class Rows(Struct):
    """Rows by key; None says that there is no such row."""

    runs: dict[RunId, Run | None] = field(default_factory=dict)
    scopes: dict[StepKey, ScopeRow | None] = field(default_factory=dict)
    steps: dict[StepKey, Step | None] = field(default_factory=dict)
    attempts: dict[AttemptKey, Attempt | None] = field(default_factory=dict)
    values: dict[ValueKey, Value | None] = field(default_factory=dict)
    chunks: dict[ChunkKey, bytes | None] = field(default_factory=dict)  # a msgpack or JSON list, see Chunk
    blobs: dict[Digest, int | None] = field(default_factory=dict)  # size in bytes; None: gone, or going
    limits: dict[bytes, Limit | None] = field(default_factory=dict)
    cached: dict[bytes, Cached | None] = field(default_factory=dict)
    schedules: dict[str, "Schedule | None"] = field(default_factory=dict)
    submit_keys: dict[bytes, SubmitKey | None] = field(default_factory=dict)
    waits: dict[StepKey, WaitRow | None] = field(default_factory=dict)
    mailboxes: dict[Address, Mailbox | None] = field(default_factory=dict)
    signals: dict[SignalKey, SignalRow | None] = field(default_factory=dict)
    told: dict[EventKey, "Emitted | None"] = field(default_factory=dict)  # the latest of its type
    attributes: dict[StepKey, Attributes | None] = field(default_factory=dict)
    shelves: dict[ShelfKey, Shelf | None] = field(default_factory=dict)
    kept: dict[KeptKey, Kept | None] = field(default_factory=dict)
    held: set[Any] = field(default_factory=set)  # held by another server: run ids, and (group, key) of shared rows


class Queued(Struct, frozen=True, gc=False):
    """A claimable step. Deleting its row is the claim."""

    lane: Lane
    order: int  # virtual time, fixed at enqueue; lower goes first
    run: RunId
    path: Path
    expires_at: Instant  # waiting in the queue ends
    limit: bytes = b""  # that it waits for, or was let go on by
    home: Lane = b""  # while it waits for a limit, or its run is paused: the lane that it goes back to


class LaneRow(Struct, frozen=True, gc=False):
    """A lane whose steps require more than their task does; those of tasks alone follow from what workers have."""

    id: Lane
    task: str
    schema: str
    alone: str
    requires: Requirements


class TimerKind(Enum):
    RETRY = "retry"
    TIMEOUT = "timeout"  # of one attempt
    STOP = "stop"  # bound of the wait for a proof of stop
    SWEEP = "sweep"  # stop what lives below ``path``, in bites
    FEED = "feed"  # open further elements of a map
    FETCH = "fetch"  # read a large value that the engine must look into
    WAKE = "wake"  # the instant that a step waits for
    WAIT = "wait"  # a step has waited for as long as it may
    CHILDREN = "children"  # runs that a task of the run started: remember them, or stop them
    START = "start"  # begin a run that was submitted for later
    DEADLINE = "deadline"  # a run has taken as long as it may
    REQUEUE = "requeue"  # put the queue rows of a run where they belong, in bites


class Timer(Struct, frozen=True, gc=False):
    """One per (run, path, kind). What must go on after a crash is a timer that is due at once."""

    run: RunId
    path: Path
    kind: TimerKind
    due_at: Instant
    number: int = 0  # the attempt that it is about; of a REQUEUE, which of the run's
    after: Path = ""  # how far a sweep, or a REQUEUE, has come


class Session(Struct, frozen=True, gc=False):
    """One instance of a worker process, with its one lease."""

    id: SessionId  # random per process
    worker: str  # the id that survives a restart
    lease_until_at: Instant
    started_at: Instant
    seen_at: Instant
    live: bool = True
    tasks: tuple[tuple[str, str], ...] = ()  # (name, digest)
    pools: Pools = Pools(total=1)
    labels: dict[str, str] = field(default_factory=dict)
    version: str = ""
    host: str = ""
    pid: int = 0
    offers: Capability = Capability()
    server: bytes = b""  # that it is connected to, where there are several
    environment: str = ""  # its digest


class History(Struct, frozen=True, gc=False):
    """What one beat did to one run, in order. The store numbers the rows; the number is the cursor of the feed."""

    run: RunId
    at: Instant
    events: tuple["Entry", ...]


class Entry(Struct, frozen=True, gc=False, omit_defaults=True):
    """One line of a run's history."""

    kind: str
    path: Path = ""
    number: int = 0
    detail: dict[str, Any] = field(default_factory=dict)


class StreamItems(Struct, frozen=True, gc=False):
    """Items ``first`` to ``first + len(items) - 1`` of one attempt's stream, each encoded."""

    run: RunId
    path: Path
    number: int
    first: int
    items: tuple[bytes, ...]


class Emitted(Struct, frozen=True, gc=False):
    """An event that a task told of its run; ``number`` counts from 1 within the run."""

    run: RunId
    number: int
    at: Instant
    path: Path
    attempt: int
    type: str
    payload: Any = None
    message: str = ""


class Artifact(Struct, frozen=True, gc=False):
    """A file that a step published in its run, under ``path/name``."""

    run: RunId
    path: Path
    name: str
    digest: Digest
    size: int
    media_type: str


class GraphRow(Struct, frozen=True, gc=False):
    digest: Digest
    document: bytes  # canonical JSON
    name: str
    created_at: Instant


class TaskRow(Struct, frozen=True, gc=False):
    definition: TaskDefinition
    worker: str
    announced_at: Instant


class Call(Struct, frozen=True, gc=False):
    """What a schedule starts: exactly one of ``task``, ``workflow`` and ``graph``, by name, as it is when it fires."""

    task: str = ""
    workflow: str = ""
    graph: str = ""
    input: bytes = b"null"  # JSON, with its words for the instant (docs/guide/schedules.md)
    priority: int = 0
    tags: dict[str, str] = {}
    options: NodeOptions = NodeOptions()


class Backfill(Struct, frozen=True, gc=False):
    """Instants of a range for which there is no run yet, a few at a time."""

    from_at: Instant
    until_at: Instant
    cursor_at: Instant  # all up to it are dealt with
    at_once: int = 1
    running: tuple[RunId, ...] = ()


class Schedule(Struct, frozen=True, gc=False):
    """A rule that starts runs. ``version`` counts every write, ``revision`` those of people."""

    name: str
    id: bytes  # made with it: one that is removed and made anew is another one
    terms: Terms
    call: Call
    created_at: Instant
    changed_at: Instant
    cursor_at: Instant  # every due instant up to it is dealt with
    due_at: Instant | None = None  # the next one
    next_at: Instant | None = None  # when that fires; None: it is paused, or nothing comes any more
    paused_at: Instant | None = None
    reason: str = ""  # of the pause
    running: tuple[RunId, ...] = ()  # may have ended since
    waiting: tuple[Instant, ...] = ()  # for a run before them to end
    backfill: Backfill | None = None
    lines: int = 0  # of its history, ever
    version: int = 1
    revision: int = 1

    @property
    def is_busy(self) -> bool:
        """Whether the end of a run may start another."""
        return bool(self.waiting or self.backfill)


class FireKind(Enum):
    """What became of a due instant."""

    STARTED = "started"
    WAITS = "waits"
    SKIPPED = "skipped"
    MISSED = "missed"
    REFUSED = "refused"  # its target or input is wrong now
    THERE = "there"  # it has a run already


class Cause(Enum):
    RULE = "rule"
    TRIGGER = "trigger"
    BACKFILL = "backfill"


class Fire(Struct, frozen=True, gc=False, omit_defaults=True):
    """One line of a schedule's history, by ``number`` from 1. The last FIRES_KEPT stay."""

    schedule: bytes
    number: int
    kind: FireKind
    cause: Cause
    due_at: Instant
    at: Instant
    run: RunId | None = None
    detail: str = ""
    last_at: Instant = 0  # of several that were missed: the last one's
    count: int = 1


FIRES_KEPT = 500


class PauseKind(Enum):
    TASK = "task"
    QUEUE = "queue"
    WORKER = "worker"


class Pause(Struct, frozen=True, gc=False):
    """Nothing new starts of a task, from a queue, on a worker; what runs goes on."""

    kind: PauseKind
    name: str
    since_at: Instant
    by: str = ""
    reason: str = ""


class Changes(Struct):
    """All that one beat writes. Rows with a key replace what was there."""

    runs: list[Run] = field(default_factory=list)
    scopes: list[ScopeRow] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    attempts: list[Attempt] = field(default_factory=list)
    values: dict[ValueKey, Value] = field(default_factory=dict)
    chunks: dict[ChunkKey, bytes] = field(default_factory=dict)
    queue_put: list[Queued] = field(default_factory=list)
    queue_drop: list[Queued] = field(default_factory=list)  # must be there: a missing one fails the beat
    timers_put: list[Timer] = field(default_factory=list)
    timers_drop: list[tuple[RunId, Path, TimerKind]] = field(default_factory=list)
    streams: list[StreamItems] = field(default_factory=list)
    artifacts: list[Artifact] = field(default_factory=list)
    emitted: list[Emitted] = field(default_factory=list)
    blobs: dict[Digest, int] = field(default_factory=dict)
    blob_refs: list[tuple[RunId, Digest]] = field(default_factory=list)
    history: list[History] = field(default_factory=list)
    sessions: list[Session] = field(default_factory=list)
    tasks: list[TaskRow] = field(default_factory=list)
    graphs: list[GraphRow] = field(default_factory=list)
    limits: list[Limit] = field(default_factory=list)
    cached: list[Cached] = field(default_factory=list)
    lanes: list[LaneRow] = field(default_factory=list)
    schedules: list[Schedule] = field(default_factory=list)
    schedules_drop: list[Schedule] = field(default_factory=list)  # with their history
    fires: list[Fire] = field(default_factory=list)
    submit_keys: list[SubmitKey] = field(default_factory=list)
    values_drop: list[ValueKey] = field(default_factory=list)  # goes before ``values``
    outbox: list[Delivery] = field(default_factory=list)
    sent: list[Delivery] = field(default_factory=list)  # what became of them; those that are gone stay gone
    registered: list[Registered] = field(default_factory=list)
    registered_drop: list[tuple[str, str]] = field(default_factory=list)  # (kind, name); after the puts of a beat
    waits: list[WaitRow] = field(default_factory=list)
    mailboxes: list[Mailbox] = field(default_factory=list)
    mailboxes_drop: list[Address] = field(default_factory=list)
    signals: list[SignalRow] = field(default_factory=list)
    tagged: dict[RunId, dict[str, str]] = field(default_factory=dict)  # all tags that a run has now, to find it by
    pauses: list[Pause] = field(default_factory=list)
    pauses_drop: list[Pause] = field(default_factory=list)
    attributes: list[Attributes] = field(default_factory=list)
    shelves: list[Shelf] = field(default_factory=list)
    kept_drop: list[KeptKey] = field(default_factory=list)  # goes before ``kept``
    kept: list[Kept] = field(default_factory=list)
    posted: list[Posted] = field(default_factory=list)
    extended: list[Session] = field(default_factory=list)  # written only while they hang on the server that they name
    notes: list[Note] = field(default_factory=list)
    # What follows is for retention, collection and import: see ports/keeping.py.
    sweep: dict[RunId, int] = field(default_factory=dict)  # runs being removed, and how many of their rows go now
    blobs_at: dict[Digest, Instant] = field(default_factory=dict)  # when the bytes of ``blobs`` came
    blobs_leave: dict[Digest, Instant] = field(default_factory=dict)  # marked if unnamed, and untouched since then
    blobs_claim: dict[Digest, int] = field(default_factory=dict)  # a marked row is made, if there is none
    blobs_drop: list[Digest] = field(default_factory=list)  # rows that are marked go

    def __bool__(self) -> bool:
        return any(getattr(self, name) for name in self.__struct_fields__)
