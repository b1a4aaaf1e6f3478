"""The rows that decide reads and writes: run, scope, step, attempt (engine.md, "Rows" and "States").

```text
run      pending -> running <-> paused -> cancelling -> ended(succeeded | failed | cancelled); halted waits for a person
scope    one evaluation of one graph; map scopes count their elements
step     blocked -> ready -> held (leased, running) -> ended;  waiting (timer, nested scopes)
attempt  leased -> running -> ended, by success, failure, loss, release, or a proof of stop
```
A row's key is (run), (run, path) or (run, path, number). Rows are frozen; a change is a new row.
"""

from enum import Enum

from msgspec import Struct

from tidemill.core.ids import Digest, Instant, Path, RunId, SessionId
from tidemill.core.requirements import Granted
from tidemill.core.shared_rows import Written
from tidemill.core.telling import Measure, Took


class Code(Enum):
    """Why something failed; decides whether it is tried again."""

    INVALID_INPUT = "invalid_input"
    PERMANENT = "permanent"
    TRANSIENT = "transient"
    TIMEOUT = "timeout"
    RESOURCE = "resource"
    INTERNAL = "internal"
    WORKER_LOST = "worker_lost"
    CANCELLED = "cancelled"


class Failure(Struct, frozen=True, gc=False, omit_defaults=True):
    """What is known of a failure. ``message`` is for anybody; ``type`` and ``traceback`` are for the operator."""

    code: Code
    message: str
    type: str = ""
    traceback: str = ""
    path: Path = ""
    retry_after_s: float | None = None
    violations: tuple[tuple[str, str], ...] = ()  # (JSON path, what is wrong)

    @property
    def text(self) -> str:
        """What it says, and its code once: the text of a failed child has it already."""
        said, code = self.message or self.type, f"({self.code.value})"
        return said if said.endswith(code) else f"{said} {code}"


class Adjustment(Struct, frozen=True, gc=False, omit_defaults=True):
    """A number of an input that its Clamp corrected."""

    path: str  # JSON path in the input of the task
    given: int | float
    used: int | float
    step: Path = ""  # of the run, whose task it was


EDITED = "~input"  # behind a step's path: where inputs lie that a fork was given for it
ADJUSTMENTS_KEPT = 20  # by the row of a run; those of a step are with the step


# Outcomes of a run ---------------------------------------------------------------------------------


class Succeeded(Struct, frozen=True, gc=False, tag="succeeded"):
    status: str = "success"


class Failed(Struct, frozen=True, gc=False, tag="failed"):
    failure: Failure


class Cancelled(Struct, frozen=True, gc=False, tag="cancelled"):
    reason: str = ""


Outcome = Succeeded | Failed | Cancelled
_OUTCOMES: dict[type, str] = {Succeeded: "succeeded", Failed: "failed", Cancelled: "cancelled"}


class Pending(Struct, frozen=True, gc=False, tag="pending"):
    """It begins later; until then it is nothing but its inputs."""

    start_at: Instant
    latest_at: Instant = 0  # of a debounced one: no further submission puts it off beyond this


class Running(Struct, frozen=True, gc=False, tag="running"):
    pass


class Paused(Struct, frozen=True, gc=False, tag="paused"):
    """Nothing new starts; what runs ends, and is recorded."""

    since_at: Instant
    by: str = ""
    reason: str = ""
    pending: Pending | None = None  # what it was, when it had not begun


class Phase(Enum):
    """Where a run is on its way to its end."""

    STOPPING = "stopping"
    UNDOING = "undoing"
    FINALLY = "finally"
    LAST = "last"


class Cancelling(Struct, frozen=True, gc=False, tag="cancelling"):
    """Each live step is being stopped; then the run ends with ``outcome``."""

    outcome: Outcome
    swept: bool = False  # all its steps were looked at
    phase: Phase = Phase.STOPPING
    asked: str = ""  # the id of the cancel that began it; sent again, it is the same one


class Ended(Struct, frozen=True, gc=False, tag="ended"):
    outcome: Outcome


class Halted(Struct, frozen=True, gc=False, tag="halted"):
    """A fault of ours; a person decides."""

    reason: str


RunState = Pending | Running | Paused | Cancelling | Ended | Halted
MOVING = (Running, Paused)  # results are taken, and open what waits for them
UNFINISHED = ("pending", "running", "paused", "cancelling", "halted")
STATUSES = (*UNFINISHED, "succeeded", "failed", "cancelled")


class Fork(Struct, frozen=True, gc=False):
    """Where a run takes results from. ``again`` and what lies below it runs anew, ``edited`` has inputs of its own."""

    origin: RunId
    graph: Digest  # of the origin
    again: tuple[Path, ...] = ()
    edited: tuple[Path, ...] = ()
    assume: bool = False  # a rehearsal: what is recorded stands, whatever its inputs


class Hidden(Enum):
    """Why nobody is shown a run: not all of its rows are there."""

    REMOVING = "removing"
    IMPORTING = "importing"


class Run(Struct, frozen=True, gc=False):
    id: RunId
    graph: Digest
    workflow: str
    state: RunState
    created_at: Instant
    submitted: Digest  # of the submission, to tell a repetition from a conflict
    priority: int = 0
    tags: dict[str, str] = {}
    live: int = 0  # steps that are ready, held or waiting: a run ends when none is
    done: int = 0
    failed: int = 0
    ended_at: Instant | None = None
    adjustments: tuple[Adjustment, ...] = ()  # the first of them
    parent: RunId | None = None  # whose task started it
    depth: int = 0  # how many parents stand above it
    has_children: bool = False
    emitted: int = 0  # events that its tasks told of, those that were not kept too
    trace: str = ""  # the traceparent that it was submitted with
    fork: Fork | None = None
    breakpoints: tuple[Path, ...] = ()  # steps that stop before they begin; `core.breaks` says which they mean
    is_stepped: bool = False  # each step stops
    has_leftovers: bool = False  # a part of it was stopped while the rest went on: the end looks for what is left
    keys: tuple[tuple[bytes, int], ...] = ()  # by which submissions find it, and for how long after its end
    orderings: int = 0  # how often its queued steps were put in another order or lane
    undos: int = 0  # steps that are taken back, should it not succeed
    hidden: Hidden | None = None
    hidden_at: Instant = 0  # of one that was imported, when it was
    longest: int = 0  # microseconds that it may take from its begin; 0: no limit
    deadline_at: Instant = 0  # when that is over, once it has begun

    @property
    def aged_at(self) -> Instant | None:
        """From when on its age counts for retention; None while it has not ended, or is hidden."""
        return None if self.hidden is not None or self.ended_at is None else max(self.ended_at, self.hidden_at)

    @property
    def has_begun(self) -> bool:
        return pending_of(self) is None

    @property
    def status(self) -> str:
        """The label that people and filters see."""
        if self.hidden is not None:
            return self.hidden.value
        match self.state:
            case Pending():
                return "pending"
            case Running():
                return "running"
            case Paused():
                return "paused"
            case Ended(outcome=outcome):
                return _OUTCOMES[type(outcome)]
            case Cancelling():
                return "cancelling"
            case Halted():
                return "halted"


def pending_of(run: Run) -> Pending | None:
    """What a run waits for that has not begun, paused or not."""
    match run.state:
        case Pending() as pending:
            return pending
        case Paused(pending=pending):
            return pending
        case _:
            return None


# Steps ---------------------------------------------------------------------------------------------


class Blocked(Struct, frozen=True, gc=False, tag="blocked"):
    missing: int  # upstream nodes not yet final


class Ready(Struct, frozen=True, gc=False, tag="ready"):
    """In the queue."""

    since_at: Instant


class Held(Struct, frozen=True, gc=False, tag="held"):
    """Its latest attempt is on a worker."""

    running: bool  # the worker said that it started


class Waiting(Struct, frozen=True, gc=False, tag="waiting"):
    """For a timer (a retry), or for scopes below it."""

    until_at: Instant | None = None  # None: for what it contains
    fetching: bool = False  # values that it looks into are being read


class AtBreakpoint(Struct, frozen=True, gc=False, tag="at_breakpoint"):
    """It has what it needs, and begins when somebody lets it."""

    since_at: Instant


class Quarantined(Struct, frozen=True, gc=False, tag="quarantined"):
    """Its workers died under it too often: a person lets it go on, or discards it."""

    since_at: Instant
    failure: Failure
    task: str


class StepSucceeded(Struct, frozen=True, gc=False, tag="succeeded"):
    status: str = "success"
    arm: str = ""  # of a branch: the case that was taken; of a visit: the state that came next
    adjustments: tuple[Adjustment, ...] = ()  # of a task's input


class StepFailed(Struct, frozen=True, gc=False, tag="failed"):
    failure: Failure


class StepCancelled(Struct, frozen=True, gc=False, tag="cancelled"):
    pass


class StepSkipped(Struct, frozen=True, gc=False, tag="skipped"):
    """Left out: what it needs comes from a step that failed and might."""

    because: Path


StepOpen = Blocked | Ready | Held | Waiting | AtBreakpoint | Quarantined
StepState = StepOpen | StepSucceeded | StepFailed | StepCancelled | StepSkipped
FINAL = (StepSucceeded, StepFailed, StepCancelled, StepSkipped)


class Step(Struct, frozen=True, gc=False):
    run: RunId
    path: Path
    state: StepState
    latest: int = 0  # number of the latest attempt; the fence
    failures: int = 0  # attempts that count against the retries
    losses: int = 0  # attempts that were running on a worker that died
    avoid: str = ""  # the worker that failed it last
    crashes: int = 0  # attempts whose own process died, and not their worker
    turn_at: Instant = 0  # the start that a rate has reserved for it
    failed_codes: dict[str, int] = {}  # how often by codes that have a number of tries of their own
    first_failed_at: Instant = 0

    @property
    def is_final(self) -> bool:
        return isinstance(self.state, FINAL)

    @property
    def status(self) -> str:
        match self.state:
            case Held(running=True):
                return "running"
            case Held():
                return "leased"
            case state:
                return state.__struct_config__.tag  # type: ignore[return-value]  # each has a text tag


# Attempts ------------------------------------------------------------------------------------------


class Leased(Struct, frozen=True, gc=False, tag="leased"):
    pass


class Started(Struct, frozen=True, gc=False, tag="running"):
    started_at: Instant


class Stopping(Struct, frozen=True, gc=False, tag="stopping"):
    """The worker was told to cancel it; ``until_at`` bounds the wait for its proof."""

    until_at: Instant


class End(Enum):
    """How an attempt ended; the last four are proofs of a stop."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    LOST = "lost"
    RELEASED = "released"
    STOPPED = "stopped"  # the worker said so
    KILLED = "killed"
    PRESUMED = "presumed"  # its lease ended
    ABANDONED = "abandoned"  # a thread that cannot be killed


class AttemptEnded(Struct, frozen=True, gc=False, tag="ended"):
    end: End
    ended_at: Instant
    failure: Failure | None = None


AttemptState = Leased | Started | Stopping | AttemptEnded


class Attempt(Struct, frozen=True, gc=False):
    run: RunId
    path: Path
    number: int  # from 1
    session: SessionId
    worker: str
    task: str
    leased_at: Instant
    state: AttemptState = Leased()
    started_at: Instant | None = None
    progress: tuple[float, str, str] | None = None  # fraction 0..1, stage, message
    streamed: int = 0  # items recorded so far
    emitted: int = 0  # events recorded so far
    queued_us: int = 0  # how long its step had waited to be taken
    took: Took | None = None
    measures: tuple[Measure, ...] = ()
    limits: tuple[bytes, ...] = ()  # of which it has a slot
    implementation: str = ""  # which of the task's; "" is the plain one
    granted: Granted | None = None  # of its worker's resources, where the task requires some
    wrote: int = 0  # the number of its last write to a store or channel
    written: Written = Written()  # the answer to that
    host: str = ""
    environment: str = ""  # its digest, of its worker's

    @property
    def is_live(self) -> bool:
        return not isinstance(self.state, AttemptEnded)


class Lost(Enum):
    """Why an attempt's worker no longer holds it."""

    LEASE_EXPIRED = "lease_expired"
    NOT_LISTED = "not_listed"  # a hello of its worker, or two heartbeats, did not name it
