"""Facts that decide takes. Each touches one run."""

from enum import Enum
from typing import Any

from msgspec import Struct

from tidemill.core.ids import Digest, Instant, Path, RunId
from tidemill.core.rows import Artifact, Queued, Timer
from tidemill.core.rules import NO_RULE, SubmitRule
from tidemill.core.run import Adjustment, End, Failure, Fork, Lost
from tidemill.core.telling import Emission, Measure, Took
from tidemill.core.values import Inline, Value
from tidemill.core.wait_rows import Address


class AttemptSucceeded(Struct, frozen=True, gc=False):
    run: RunId
    path: Path
    number: int
    outputs: dict[str, Value]
    status: str = "success"
    artifacts: tuple[Artifact, ...] = ()
    adjustments: tuple[Adjustment, ...] = ()
    took: Took | None = None
    measures: tuple[Measure, ...] = ()


class AttemptStarted(Struct, frozen=True, gc=False):
    run: RunId
    path: Path
    number: int


class RunSubmitted(Struct, frozen=True, gc=False):
    run: RunId
    graph: Digest
    workflow: str
    inputs: dict[str, Value]
    submitted: Digest
    priority: int = 0
    tags: dict[str, str] = {}
    parent: RunId | None = None
    trace: str = ""  # the traceparent that came with it
    start_at: Instant = 0  # it begins then, if that is later than now
    rule: SubmitRule = NO_RULE
    fork: Fork | None = None
    edits: dict[Path, dict[str, Value]] = {}  # inputs of steps of a fork
    breakpoints: tuple[Path, ...] = ()
    longest: int = 0  # microseconds that it may take from its begin; 0: no limit


class AttemptFailed(Struct, frozen=True, gc=False):
    """``proof`` says how it was stopped, when it was."""

    run: RunId
    path: Path
    number: int
    failure: Failure
    proof: End | None = None
    artifacts: tuple[Artifact, ...] = ()
    took: Took | None = None
    measures: tuple[Measure, ...] = ()


class AttemptReleased(Struct, frozen=True, gc=False):
    """Handed back by its worker."""

    run: RunId
    path: Path
    number: int
    reason: str = ""


class AttemptLost(Struct, frozen=True, gc=False):
    run: RunId
    path: Path
    number: int
    why: Lost


class ItemsStreamed(Struct, frozen=True, gc=False):
    run: RunId
    path: Path
    number: int
    first: int
    items: tuple[bytes, ...]


class EventsEmitted(Struct, frozen=True, gc=False):
    """A task told of something; ``first`` is the number of the first one within the attempt, from 0."""

    run: RunId
    path: Path
    number: int
    first: int
    emissions: tuple[Emission, ...]


class MeasuresTaken(Struct, frozen=True, gc=False):
    run: RunId
    path: Path
    number: int
    measures: tuple[Measure, ...]


class ProgressMade(Struct, frozen=True, gc=False):
    run: RunId
    path: Path
    number: int
    progress: tuple[float, str, str]


class TimerDue(Struct, frozen=True, gc=False):
    timer: Timer

    @property
    def run(self) -> RunId:
        return self.timer.run


class QueueExpired(Struct, frozen=True, gc=False):
    """A step waited in the queue for as long as it may."""

    queued: Queued

    @property
    def run(self) -> RunId:
        return self.queued.run


class CancelRequested(Struct, frozen=True, gc=False):
    """With ``ends_closing`` also what a run takes back, or does at its end, is stopped.

    ``id``: the same when it is sent again, which then changes nothing.
    """

    run: RunId
    reason: str = ""
    ends_closing: bool = False
    id: str = ""


class PauseRequested(Struct, frozen=True, gc=False):
    run: RunId
    by: str = ""
    reason: str = ""


class ResumeRequested(Struct, frozen=True, gc=False):
    run: RunId
    by: str = ""


class RunChanged(Struct, frozen=True, gc=False):
    """Somebody wants another priority (None: as it is), more tags, or fewer."""

    run: RunId
    priority: int | None = None
    tags: dict[str, str] = {}
    untag: tuple[str, ...] = ()


class AttributesChanged(Struct, frozen=True):
    """Somebody outside sets and removes attributes of a run, or (``path``) of a step."""

    run: RunId
    path: Path
    values: dict[str, Any]
    remove: tuple[str, ...] = ()


class QueuedFound(Struct, frozen=True, gc=False):
    """One bite of a run's queue rows, by path; ``number`` says for which of its orderings."""

    run: RunId
    number: int
    rows: tuple[Queued, ...]
    rest_after: Path  # "" when this was the last bite


class StepsFound(Struct, frozen=True, gc=False):
    """One bite of a sweep: steps below ``prefix``, and the queue rows of those that have one."""

    run: RunId
    prefix: Path
    paths: tuple[Path, ...]
    queued: tuple[Queued, ...]
    rest_after: Path  # "" when this was the last bite


class SignalSent(Struct, frozen=True, gc=False):
    """A message from outside; its sender, or the server, gave it the id."""

    address: Address
    id: str
    value: Value
    digest: Digest  # of the payload

    @property
    def run(self) -> RunId:
        return self.address.run


class ApprovalGiven(Struct, frozen=True, gc=False):
    """A person decided what the step at ``path`` asks."""

    run: RunId
    path: Path
    choice: str
    comment: str = ""
    who: str = ""


class Continued(Struct, frozen=True, gc=False):
    """Steps at a breakpoint may begin. ``breakpoints`` replaces those of the run; None leaves them."""

    run: RunId
    paths: tuple[Path, ...] = ()
    is_stepped: bool = False  # the next ones stop
    breakpoints: tuple[Path, ...] | None = None


class Verdict(Enum):
    """What becomes of a step that is quarantined."""

    RELEASE = "release"
    DISCARD = "discard"


class QuarantineJudged(Struct, frozen=True, gc=False):
    """A person said what becomes of steps; those that are not quarantined are passed over."""

    run: RunId
    paths: tuple[Path, ...]
    verdict: Verdict
    by: str = ""

    @property
    def is_release(self) -> bool:
        return self.verdict is Verdict.RELEASE


class ChildrenGone(Struct, frozen=True, gc=False):
    """No child of a run that has ended is alive any more."""

    run: RunId


class ListFetched(Struct, frozen=True, gc=False):
    """The lists of the map at ``path``, split: per parameter its length, and some of its chunks by number.

    Bites come in order; ``done`` marks the last.
    """

    run: RunId
    path: Path
    lengths: dict[str, int]
    chunks: dict[str, dict[int, bytes]]
    done: bool


class OperandsFetched(Struct, frozen=True, gc=False):
    """Values that the branch at ``path`` looks at and that are too large to lie in a row, by their place."""

    run: RunId
    path: Path
    values: dict[tuple[Path, str], Inline]


class FetchFailed(Struct, frozen=True, gc=False):
    """What the map or branch at ``path`` must look into cannot be read, or is no list."""

    run: RunId
    path: Path
    failure: Failure


Report = (
    AttemptSucceeded
    | AttemptStarted
    | AttemptFailed
    | AttemptReleased
    | AttemptLost
    | ItemsStreamed
    | EventsEmitted
    | MeasuresTaken
    | ProgressMade
)
Wish = (
    CancelRequested | PauseRequested | ResumeRequested | RunChanged | Continued | AttributesChanged | QuarantineJudged
)
Event = (
    Report
    | Wish
    | RunSubmitted
    | TimerDue
    | QueueExpired
    | QueuedFound
    | StepsFound
    | SignalSent
    | ApprovalGiven
    | ChildrenGone
    | ListFetched
    | OperandsFetched
    | FetchFailed
)
