"""The database that simulated servers share, their lines to it, and what holds its rows."""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import apsw

from tidemill.adapters.storage.errors import StoreMisusedError
from tidemill.adapters.storage.packing import unpack_session
from tidemill.adapters.storage.sqlite.connection import Schema, Synchronous, fetch, open_writer
from tidemill.adapters.storage.statements import statements
from tidemill.core.ids import Instant, RunId
from tidemill.core.rows import Session
from tidemill.ports.entropy import Entropy
from tidemill.ports.peers import Duty, Kind, Look, News
from tidemill.ports.store import HeldElsewhereError, QueueCount, StoreLostError
from tidemill.ports.threads import Threads
from tidemill.testing.simulation.chance import Chance
from tidemill.testing.simulation.processes import Process

OF_RUN = ("scopes", "steps", "attempts", "values", "chunks", "waits", "told", "attributes")
SHARED = ("limits", "cached", "schedules", "submit_keys", "mailboxes", "signals", "shelves", "kept")
CHECKED = ("runs", "limits", "schedules", "submit_keys", "mailboxes", "signals", "shelves", "kept")
GUARDED = ("scopes", "steps", "attempts")
EPOCHS = {
    Kind.TASKS: ("tasks",),
    Kind.GRAPHS: ("graphs",),
    Kind.LANES: ("lanes",),
    Kind.PAUSES: ("pauses", "pauses_drop"),
    Kind.REGISTERED: ("registered", "registered_drop"),
    Kind.SCHEDULES: ("schedules", "schedules_drop"),
}
ROW_FAULTS = (apsw.ConstraintError, apsw.MismatchError, apsw.TooBigError, OverflowError, TypeError, UnicodeEncodeError)
LEASE_US = 3_000_000
IDLE_S, LOCK_S, NO_ANSWER_S, POLL_S = 5.0, 1.0, 1.0, 0.001
LOST_WORDS = 0.1
_NOTES = "create table if not exists sim_note(number integer primary key, server blob, packed blob)"


class Database:
    """``now`` is its clock, ``time`` the world's."""

    def __init__(self, vfs: str, entropy: Entropy, now: Callable[[], Instant], time: Callable[[], float]) -> None:
        self.db = open_writer("tidemill.db", Schema.STORE, Synchronous.FULL, vfs)
        self.db.execute(_NOTES)
        self._queued: list[QueueCount] | None = None
        self.now, self.time = now, time
        self.is_strict = True  # who writes rows of a run must hold it
        self.id, self.secret = entropy.bytes(16), entropy.bytes(32)
        self.locks: dict[Any, Transaction] = {}
        self.beats: list[Transaction] = []
        self.writing: Transaction | None = None
        self.epochs = dict.fromkeys(Kind, 0)
        self.servers: dict[bytes, Instant] = {}  # until when each counts as alive
        self.duties: dict[Duty, tuple[bytes, Instant]] = dict.fromkeys(Duty, (b"", 0))
        self.ears: dict[bytes, SharedPeers] = {}

    def queue_counts(self) -> Sequence[QueueCount]:
        """Those of the last commit."""
        if self._queued is None:
            rows = fetch(self.db, statements("sqlite/sql/beat")["lane_counts"])
            self._queued = [QueueCount(lane, count) for lane, count in rows]
        return self._queued

    def begin_writing(self, beat: "Transaction") -> None:
        if self.writing is None:
            self.queue_counts()
            self.db.execute("begin immediate")
            self.writing = beat

    def commit(self) -> None:
        self.db.execute("commit")
        self._queued = None

    def tend(self) -> None:
        """End the transactions of servers that died, or that have said nothing for long."""
        for beat in [*self.beats]:
            if not beat.line.owner.alive or self.time() - beat.heard_at > IDLE_S:
                beat.cut()

    def is_alive(self, server: bytes) -> bool:
        return self.servers.get(server, 0) > self.now()

    def sessions(self) -> list[Session]:
        rows = fetch(self.db, "select packed from session where live = 1 order by id")
        return [unpack_session(packed) for (packed,) in rows]


class Line:
    """One server's way to the database."""

    def __init__(self, database: Database, owner: Process, chance: Chance, is_cut: Callable[[], bool]) -> None:
        self.database, self.owner, self._chance, self._is_cut = database, owner, chance, is_cut

    async def reach(self, beat: "Transaction | None" = None) -> None:
        """Returns when the database does what is asked. Raises StoreLostError."""
        await asyncio.sleep(self._chance() * 0.002)
        if self._is_cut():
            await asyncio.sleep(NO_ANSWER_S)
            raise StoreLostError("the database does not answer")
        self.database.tend()
        while self.database.writing not in (None, beat):
            await asyncio.sleep(POLL_S)
            self.database.tend()

    def delay(self) -> float:
        return self._chance() * 0.01

    def loses_a_word(self) -> bool:
        return self._is_cut() or self._chance() < LOST_WORDS


class Transaction:
    """What one beat holds, from its begin to its end."""

    def __init__(self, line: Line, threads: Threads, server: bytes) -> None:
        self.line, self._database, self._threads, self._server = line, line.database, threads, server
        self.at, self.heard_at = self._database.now(), self._database.time()
        self._absent: set[tuple[str, Any]] = set()
        self._raised: list[Kind] = []
        self._is_open, self._is_cut = True, False
        self._database.beats.append(self)

    def _hold(self, *key: Any) -> bool:
        """Whether it is ours now."""
        return self._database.locks.setdefault(key, self) is self

    def _hold_run(self, run: RunId) -> bool:
        """Whether nobody else has it; a run that is not there cannot be held."""
        if not fetch(self._database.db, "select 1 from run where id = ?", (run,)):
            return True
        return self._hold("run", run)

    def _must_hold(self, runs: Iterable[RunId]) -> None:
        for run in runs:
            if not self._hold_run(run):
                raise HeldElsewhereError(run)

    async def wait_for(self, run: RunId) -> None:
        until = self._database.time() + LOCK_S
        while not self._hold_run(run) and self._database.time() < until:
            await asyncio.sleep(POLL_S)
            self._database.tend()
        self.at = self._database.now()

    def _release(self) -> None:
        database = self._database
        database.locks = {key: beat for key, beat in database.locks.items() if beat is not self}
        if self in database.beats:
            database.beats.remove(self)
        if database.writing is self:
            database.writing = None
        self._is_open = False

    def cut(self) -> None:
        """The database ends it."""
        if self._database.writing is self and self._database.db.in_transaction:
            self._database.db.execute("rollback")
        self._is_cut = True
        self._release()

    async def _ask(self) -> apsw.Connection:
        if not self._is_open and not self._is_cut:
            raise StoreMisusedError("the beat has ended")
        await self.line.reach(self)
        if self._is_cut:
            raise StoreLostError("the database ended the transaction")
        self.heard_at = self._database.time()
        return self._database.db


class SharedPeers:
    """What the servers know of each other. Words are lost at times."""

    def __init__(self, line: Line, server: bytes) -> None:
        self.id, self._line, self._database = server, line, line.database
        self._heard: asyncio.Queue[News] = asyncio.Queue()
        self._database.ears[server] = self

    async def look(self) -> Look:
        await self._line.reach()
        database, now = self._database, self._database.now()
        database.servers[self.id] = now + LEASE_US
        for duty, (holder, until_at) in database.duties.items():
            if holder == self.id or until_at <= now:
                database.duties[duty] = self.id, now + LEASE_US

        def first(sql: str, *bound: object) -> Any:
            return fetch(database.db, sql, bound)[0][0]

        return Look(
            at=now,
            others=sum(each != self.id and database.is_alive(each) for each in database.servers),
            duties=frozenset(duty for duty, (holder, _) in database.duties.items() if holder == self.id),
            epochs=dict(database.epochs),
            written=first("select coalesce(max(number), 0) from history"),
            next_due_at=first("select min(due_at) from timer"),
            queued=bool(first("select exists (select 1 from queue)")),
            noted=bool(first("select exists (select 1 from sim_note where server = ?)", self.id)),
            orphans=any(not database.is_alive(each.server) for each in database.sessions()),
        )

    async def tell(self, news: News) -> None:
        await self._line.reach()
        for server, peer in self._database.ears.items():
            if server != self.id and not self._line.loses_a_word():
                asyncio.get_running_loop().call_later(self._line.delay(), peer._heard.put_nowait, news)

    async def heard(self) -> Sequence[News]:
        return [await self._heard.get()]

    async def leave(self) -> None:
        self._database.servers.pop(self.id, None)
