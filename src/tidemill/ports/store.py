"""The durable store. One contract suite (tests/contracts/store) runs on every adapter.

A beat is one transaction. `begin` opens it, `load`, `heads`, `due` and `expired` read in it, `save` writes, and
`commit` makes it durable (fsync) or raises and leaves nothing. One beat is open at a time on one server.
Queries read committed rows only, at any time, beside a beat.

Several servers may share a store (docs/design/orchestrators.md). Then a beat holds what it has read, run by run, until
it ends, and it waits for nobody: what the beat of another server holds is left out, and said to be held.
"""

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from typing import Protocol

from msgspec import Struct

from tidemill.core.errors import InternalError, UnavailableError
from tidemill.core.ids import Digest, Instant, Path, RunId, SessionId
from tidemill.core.notes import Note
from tidemill.core.rows import (
    Artifact,
    Changes,
    Emitted,
    Fire,
    GraphRow,
    History,
    Keys,
    Lane,
    LaneRow,
    Pause,
    Queued,
    Rows,
    Schedule,
    Session,
    StreamItems,
    TaskRow,
    Timer,
)
from tidemill.core.run import Attempt, Run, Step
from tidemill.core.scopes import ScopeRow
from tidemill.core.served import Registered
from tidemill.core.shared_rows import Attributes, Kept, Posted
from tidemill.core.values import Value
from tidemill.core.wait_rows import WaitKind, WaitRow
from tidemill.core.webhooks import Delivery
from tidemill.ports.faults import durable
from tidemill.ports.keeping import Keeping
from tidemill.ports.peers import Alone, Peers


class StoreLostError(UnavailableError):
    """The commit's outcome is unknown, or the disk refuses: nothing was acknowledged."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"the store cannot write: {reason}")
        self.reason = reason


class StoreFullError(StoreLostError):
    """No space is left on the store's disk."""


class RowRefusedError(InternalError):
    """A row that the store cannot hold; nothing of its beat was written."""


class HeldElsewhereError(UnavailableError):
    """The beat of another server holds what this one needs: roll it back, and try again soon."""

    def __init__(self, run: RunId | None = None) -> None:
        super().__init__("another server works on the same rows; try again")
        self.run = run


class Beat(Protocol):
    @property
    def at(self) -> Instant:
        """When it began, as its caller said, whose clock keeps to that of the store where it has one (`Look.at`)."""
        ...

    async def load(self, keys: Keys) -> Rows:
        """The rows for all of ``keys``; a key without a row is there with None.

        What another server holds is in ``held`` and nowhere else: runs by id, with all that is theirs; rows that runs
        share as (name of the list in ``keys``, key).
        """
        ...

    @property
    def passed_over(self) -> bool:
        """Whether `heads` found lanes in which nothing was to be had, although something waits there."""
        ...

    async def mine(self, sessions: Sequence[SessionId]) -> Collection[SessionId]:
        """Those that are live and hang on this server; they do so until the beat ends."""
        ...

    async def elsewhere(self, worker: str) -> Sequence[Session]:
        """Live sessions of a worker that hang on other servers, or on none that is alive; held until the beat ends."""
        ...

    async def orphans(self, limit: int) -> Sequence[Session]:
        """Live sessions of servers that are not alive any more; held until the beat ends."""
        ...

    async def seated(self, sessions: Sequence[SessionId]) -> Mapping[SessionId, bytes]:
        """The servers that these live sessions hang on."""
        ...

    async def notes(self, limit: int) -> Sequence[Note]:
        """What others left for this server, oldest first; with the commit they are gone."""
        ...

    async def heads(self, lanes: Sequence[Lane], limit: int) -> Sequence[Queued]:
        """Up to ``limit`` queued steps of each lane, lowest order first. What another server holds is passed over."""
        ...

    async def due(self, at: Instant, limit: int) -> Sequence[Timer]:
        """Timers due at or before ``at``, earliest first. They stay until a change drops or replaces them."""
        ...

    async def expired(self, at: Instant, limit: int) -> Sequence[Queued]:
        """Queued steps whose wait has ended, earliest first."""
        ...

    async def steps_after(self, run: RunId, path: Path, limit: int) -> Sequence[Step]:
        """Steps of a run with a path greater than ``path``, in order of path (by bytes); "" starts."""
        ...

    async def queued(self, steps: Sequence[tuple[RunId, Path]]) -> Sequence[Queued]:
        """The queue rows of these steps, those that have one."""
        ...

    async def queued_after(self, run: RunId, path: Path, limit: int) -> Sequence[Queued]:
        """Queue rows of a run with a path greater than ``path``, in order of path (by bytes); "" starts."""
        ...

    async def children(self, parent: RunId, limit: int) -> Sequence[RunId]:
        """Runs with this parent that are not final, oldest first."""
        ...

    async def forked(self, origins: Sequence[RunId]) -> Sequence[RunId]:
        """Those of ``origins`` from which a run that is not final takes results."""
        ...

    async def held_by(self, sessions: Sequence[SessionId]) -> Sequence[Attempt]:
        """Live attempts of these sessions, in order of (session, run, path)."""
        ...

    @durable("store.save.before")
    async def save(self, changes: Changes) -> Sequence[int]:
        """Write; give the feed number of each ``changes.history`` row, in order.

        Raises:
            HeldElsewhereError: a row that was not there has been made by another server.
            ClaimLostError: a row of ``queue_drop`` is not there.
            BlobGoneError: a blob of ``blob_refs`` is not there or going, or one of ``blobs`` is going.
            RowRefusedError: a row is at fault; without it the rest can be saved.
            StoreLostError: the disk is. After each of the four, nothing of the beat is written.
        """
        ...

    @durable("store.commit.before", "store.commit.after")
    async def commit(self) -> None:
        """Make it durable. Raises StoreLostError, and then the beat is gone."""
        ...

    async def rollback(self) -> None: ...


class ClaimLostError(UnavailableError):
    """Somebody else took a queued step first."""


class BlobGoneError(UnavailableError):
    """A blob that is named is not there any more: decide again, on rows read anew."""


GraphCursor = tuple[Instant, Digest]  # when a graph was made, and its digest
NEWEST: GraphCursor = ((1 << 63) - 1, Digest(b"\xff" * 33))  # before it stand all


class RunFilter(Struct, frozen=True):
    """What a list of runs shows; empty means all but hidden ones. Newest first.

    ``before`` is the last id of the page before.
    """

    statuses: tuple[str, ...] = ()
    workflow: str = ""
    before: RunId | None = None
    limit: int = 50
    parent: RunId | None = None  # beside it only ``before`` counts
    tags: tuple[tuple[str, str], ...] = ()  # (name, text); a run has all of them
    created_before_at: Instant = 0


class RunsFound(Struct, frozen=True):
    """``rest_before``: pass as ``before`` to go on; None when there are no more, and not when a page is short."""

    runs: Sequence[Run]
    rest_before: RunId | None


class WaitFilter(Struct, frozen=True):
    """Open waits, by run and path; empty means all. ``after`` is the last of the page before."""

    kinds: tuple[WaitKind, ...] = ()
    workflow: str = ""
    run: RunId | None = None  # beside it only ``after`` and ``open_only`` count
    open_only: bool = True
    after: tuple[RunId, Path] | None = None
    limit: int = 50


class QueueCount(Struct, frozen=True):
    lane: Lane
    waiting: int


class Queries(Keeping, Protocol):
    """Reads of committed rows; each is bounded by its ``limit``."""

    async def rows(self, keys: Keys) -> Rows: ...

    async def runs(self, which: RunFilter) -> Sequence[Run]:
        """One page; ``tags`` and ``created_before_at`` are for `find`."""
        ...

    async def find(self, which: RunFilter) -> RunsFound:
        """One page, however few of all runs it is about: it looks at 1,000 runs at most.

        With tags these are runs that have the first of them.
        """
        ...

    async def pauses(self) -> Sequence[Pause]: ...

    async def unfinished(self, after: RunId | None, limit: int) -> Sequence[Run]:
        """Runs that are not final, oldest first, for recovery at start."""
        ...

    async def steps(self, run: RunId, after: Path, limit: int) -> Sequence[Step]:
        """In order of path; "" starts."""
        ...

    async def children(self, parent: RunId) -> int:
        """How many runs have this parent."""
        ...

    async def queued(self, run: RunId, paths: Sequence[Path]) -> Sequence[Queued]:
        """The queue rows of these steps, those that have one."""
        ...

    async def scopes(self, run: RunId, after: Path, limit: int) -> Sequence[ScopeRow]: ...

    async def attempts(self, run: RunId, path: Path | None, limit: int) -> Sequence[Attempt]:
        """Of one step, or (None) of the run; by path, then number."""
        ...

    async def values(self, run: RunId, path: Path) -> dict[str, Value]:
        """Each port of one step; path "" gives the run's inputs."""
        ...

    async def stream(self, run: RunId, path: Path, number: int, first: int, limit: int) -> Sequence[StreamItems]:
        """Rows that hold item ``first`` and what follows, in order; at most ``limit`` rows."""
        ...

    async def artifacts(self, run: RunId) -> Sequence[Artifact]: ...

    async def emitted(self, run: RunId, kind: str, after: int, limit: int) -> Sequence[Emitted]:
        """Events that tasks told of, of one type or ("") of all, with a number greater than ``after``, in order."""
        ...

    async def attributes(self, run: RunId, after: Path, limit: int) -> Sequence[Attributes]:
        """Of a run's steps, by path, with a path greater than ``after``; those of the run itself come by key."""
        ...

    async def kept(self, owner: bytes, name: str, prefix: str, after: str, limit: int) -> Sequence[Kept]:
        """Values of a store whose key begins with ``prefix`` and is greater than ``after``, by key (by bytes)."""
        ...

    async def posted(self, owner: bytes, name: str, after: int, limit: int) -> Sequence[Posted]:
        """Items of a channel with a number greater than ``after``, in order."""
        ...

    async def feed(self, after: int, run: RunId | None, limit: int) -> Sequence[tuple[int, History]]:
        """History rows with a number greater than ``after``, in order, of one run or (None) of all."""
        ...

    async def sessions(self, limit: int) -> Sequence[Session]:
        """Live ones first, then by ``seen_at``, newest first."""
        ...

    async def tasks(self) -> Sequence[TaskRow]:
        """The latest announcement of each (name, digest, implementation), by name, newest first within one."""
        ...

    async def lanes(self) -> Sequence[LaneRow]:
        """All that were ever made, by id."""
        ...

    async def graphs(self, limit: int, before: GraphCursor = NEWEST) -> Sequence[GraphRow]:
        """Newest first, those older than ``before``."""
        ...

    async def graph(self, digest: Digest) -> GraphRow | None: ...

    async def registered(self) -> Sequence[Registered]:
        """All that operators registered, by kind and name."""
        ...

    async def deliveries(self, hook: str, before: bytes | None, limit: int) -> Sequence[Delivery]:
        """Of one webhook, newest first, with an id below ``before``."""
        ...

    async def delivery(self, id: bytes) -> Delivery | None: ...  # noqa: A002  # its name

    async def due_deliveries(self, hook: str, limit: int) -> Sequence[Delivery]:
        """Those of one webhook that are not delivered and not given up, by the time when they are due."""
        ...

    async def queue_counts(self) -> Sequence[QueueCount]: ...

    async def waits(self, which: WaitFilter) -> Sequence[WaitRow]:
        """Steps that wait; those of one run that waited, too, if they are asked for."""
        ...

    async def next_due(self) -> Instant | None:
        """When the earliest timer is due."""
        ...

    async def schedules(self, after: str, limit: int) -> Sequence[Schedule]:
        """By name; "" starts."""
        ...

    async def schedules_due(self, at: Instant, limit: int) -> Sequence[Schedule]:
        """Those whose next fire is at or before ``at``, earliest first. Costs nothing for those that are not."""
        ...

    async def schedules_busy(self, after: str, limit: int) -> Sequence[Schedule]:
        """Those of which something waits for the end of a run, by name."""
        ...

    async def next_fire(self) -> Instant | None:
        """When the earliest schedule fires."""
        ...

    async def fires(self, schedule: bytes, before: int, limit: int) -> Sequence[Fire]:
        """Lines of a schedule's history with a number below ``before``, newest first."""
        ...


class Store(Queries, Protocol):
    @property
    def id(self) -> bytes:
        """16 bytes, made with the store; a worker tells by it that it talks to another one."""
        ...

    @property
    def secret(self) -> bytes:
        """32 bytes that nobody else knows, made with the store: what this server signs is signed with them."""
        ...

    @property
    def peers(self) -> Peers | Alone:
        """The way to other servers on it."""
        ...

    async def begin(self, now: Instant, wait_for: RunId | None = None) -> Beat:
        """Open a beat. First, while nothing is held, wait a little until ``wait_for`` is held by nobody else."""
        ...

    async def close(self) -> None: ...


class Counts(Struct, frozen=True):
    """What a store has done since it was opened; cost laws are asserted on differences of these."""

    statements: int
    rows_written: int
    vm_steps: int


Feed = AsyncIterator[tuple[int, History]]
