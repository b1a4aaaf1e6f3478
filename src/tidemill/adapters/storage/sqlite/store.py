"""The durable store on SQLite: one writing connection, one reading connection, one open beat."""

from collections.abc import Sequence
from enum import Enum, auto
from pathlib import Path

import apsw
from msgspec import Struct

from tidemill.adapters.storage.errors import StoreMisusedError
from tidemill.adapters.storage.sqlite.backfill import fill_all
from tidemill.adapters.storage.sqlite.beat import SqliteBeat
from tidemill.adapters.storage.sqlite.connection import Schema, Synchronous, fetch, open_reader, open_writer
from tidemill.adapters.storage.sqlite.counting import Meter
from tidemill.adapters.storage.sqlite.lock import FileLock
from tidemill.adapters.storage.sqlite.mark import Mark
from tidemill.adapters.storage.sqlite.queries import SqliteQueries
from tidemill.adapters.storage.sqlite.writer import Writer
from tidemill.adapters.storage.statements import statements
from tidemill.core.ids import Instant, RunId
from tidemill.ports.entropy import Entropy
from tidemill.ports.faults import NO_FAULTS, Faults
from tidemill.ports.peers import ALONE, Alone
from tidemill.ports.store import Counts, QueueCount
from tidemill.ports.threads import Threads


class Measure(Enum):
    NOTHING = auto()
    COUNTS = auto()


class SqliteOptions(Struct, frozen=True):
    """``vfs`` names a file system of SQLite, for simulations: without shared memory there is one connection only."""

    synchronous: Synchronous = Synchronous.FULL
    vfs: str | None = None
    measure: Measure = Measure.NOTHING


_DEFAULT = SqliteOptions()


class SqliteStore(SqliteQueries):
    """Use it on one event loop. Nobody else may write the file, and a lock beside it sees to that."""

    def __init__(
        self,
        path: str | Path,
        threads: Threads,
        entropy: Entropy,
        faults: Faults = NO_FAULTS,
        options: SqliteOptions = _DEFAULT,
    ) -> None:
        """Open the file, or make it. Raises StoreRefusedError or StoreLostError."""
        self._lock = None if options.vfs else FileLock(str(path))
        try:
            self._mark = _mark(str(path), options)
            db = open_writer(str(path), Schema.STORE, options.synchronous, options.vfs, faults)
            self._reader = None if options.vfs else open_reader(str(path))
            self._id = _kept(db, "id", entropy.bytes(16))
            self._secret = _kept(db, "secret", entropy.bytes(32))
            fill_all(db)
            self._meter = _meter(options.measure, db, self._reader)
            self._writer = Writer(db, threads, faults, self._mark)
            self._writer.refresh()
        except BaseException:
            self._release()
            raise
        self._beat: SqliteBeat | None = None
        super().__init__(self._connection)

    @property
    def id(self) -> bytes:
        return self._id

    @property
    def secret(self) -> bytes:
        return self._secret

    @property
    def peers(self) -> Alone:
        return ALONE

    async def begin(self, now: Instant, wait_for: RunId | None = None) -> SqliteBeat:
        if self._beat is not None:
            raise StoreMisusedError("a beat is open already")
        await self._writer.settled()
        self._writer.refresh()
        self._beat = SqliteBeat(self._writer, now, self._ended)
        return self._beat

    async def queue_counts(self) -> Sequence[QueueCount]:
        return [QueueCount(lane, waiting) for lane, waiting in self._writer.lanes.committed()]

    def counts(self) -> Counts:
        """What was done since the store was opened, if it was told to measure that."""
        if self._meter is None:
            raise StoreMisusedError("the store was opened with Measure.NOTHING")
        return self._meter.counts()

    async def close(self) -> None:
        await self._writer.settled()
        self._writer.rollback()
        if self._reader is not None:
            self._reader.close()
        if self._mark is not None:
            self._mark.close()
        self._writer.close()
        self._release()

    async def _connection(self) -> apsw.Connection:
        return self._reader or await self._writer.quiet()

    def _ended(self) -> None:
        self._beat = None

    def _release(self) -> None:
        if self._lock is not None:
            self._lock.release()
            self._lock = None


def _kept(db: apsw.Connection, name: str, made: bytes) -> bytes:
    """What the store has under a name; ``made`` where it has nothing yet."""
    sql = statements("sqlite/sql/open")
    db.execute(sql["make"], (name, made))
    kept: bytes = fetch(db, sql["kept"], (name,))[0][0]
    return kept


def _mark(path: str, options: SqliteOptions) -> Mark | None:
    """With NORMAL a power cut may take what a mark says was there."""
    if options.vfs:
        return None
    if options.synchronous is Synchronous.FULL:
        return Mark(path)
    Path(f"{path}.mark").unlink(missing_ok=True)
    return None


def _meter(measure: Measure, *connections: apsw.Connection | None) -> Meter | None:
    if measure is Measure.NOTHING:
        return None
    meter = Meter()
    for db in connections:
        if db is not None:
            meter.watch(db)
    return meter
