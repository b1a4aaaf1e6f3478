"""One beat: reads on the writing connection, one transaction from the first save to the commit."""

from collections.abc import Callable, Collection, Mapping, Sequence

import apsw

from tidemill.adapters.storage.errors import StoreMisusedError
from tidemill.adapters.storage.packing import (
    BINDINGS,
    history_bindings,
    queue_bindings,
    queue_key,
    queued_of,
    stale_fires,
    tag_bindings,
    unpack_attempt,
    unpack_step,
    unpack_timer,
)
from tidemill.adapters.storage.sqlite.connection import fetch, fetch_each, lost
from tidemill.adapters.storage.sqlite.leaving import come_and_go
from tidemill.adapters.storage.sqlite.reading import load_rows
from tidemill.adapters.storage.sqlite.writer import Writer
from tidemill.adapters.storage.statements import statements
from tidemill.core.ids import Instant, Path, RunId, SessionId
from tidemill.core.notes import Note
from tidemill.core.rows import Changes, Keys, Lane, Queued, Rows, Session, Timer
from tidemill.core.run import Attempt, Step
from tidemill.core.webhooks import KEPT
from tidemill.ports.store import ClaimLostError, RowRefusedError

_ROW_FAULTS = (
    apsw.ConstraintError,
    apsw.MismatchError,
    apsw.TooBigError,
    OverflowError,  # an integer of more than 64 bits
    TypeError,
    UnicodeEncodeError,  # a lone surrogate
)


class SqliteBeat:
    def __init__(self, writer: Writer, at: Instant, ended: Callable[[], None]) -> None:
        self._writer, self.at, self._ended = writer, at, ended
        self._sql = statements("sqlite/sql/beat")
        self._is_open = True

    passed_over = False

    async def load(self, keys: Keys) -> Rows:
        return load_rows(self._db(), keys)

    async def heads(self, lanes: Sequence[Lane], limit: int) -> Sequence[Queued]:
        self._check_open()
        counts = self._writer.lanes
        if waiting := [(lane, limit) for lane in lanes if not counts.is_empty(lane)]:
            return [queued_of(row) for row in fetch_each(self._db(), self._sql["heads"], waiting)]
        return []

    async def due(self, at: Instant, limit: int) -> Sequence[Timer]:
        return [unpack_timer(packed) for (packed,) in fetch(self._db(), self._sql["due"], (at, limit))]

    async def expired(self, at: Instant, limit: int) -> Sequence[Queued]:
        return [queued_of(row) for row in fetch(self._db(), self._sql["expired"], (at, limit))]

    async def steps_after(self, run: RunId, path: Path, limit: int) -> Sequence[Step]:
        rows = fetch(self._db(), self._sql["steps_after"], (run, path, limit))
        return [unpack_step(packed) for (packed,) in rows]

    async def queued(self, steps: Sequence[tuple[RunId, Path]]) -> Sequence[Queued]:
        return [queued_of(row) for row in fetch_each(self._db(), self._sql["queued"], steps)]

    async def queued_after(self, run: RunId, path: Path, limit: int) -> Sequence[Queued]:
        return [queued_of(row) for row in fetch(self._db(), self._sql["queued_after"], (run, path, limit))]

    async def children(self, parent: RunId, limit: int) -> Sequence[RunId]:
        return [run for (run,) in fetch(self._db(), self._sql["children"], (parent, limit))]

    async def forked(self, origins: Sequence[RunId]) -> Sequence[RunId]:
        return [run for (run,) in fetch_each(self._db(), self._sql["forked"], [(run,) for run in origins])]

    async def held_by(self, sessions: Sequence[SessionId]) -> Sequence[Attempt]:
        many = [(session,) for session in sorted(sessions)]
        return [unpack_attempt(packed) for (packed,) in fetch_each(self._db(), self._sql["held_by"], many)]

    async def mine(self, sessions: Sequence[SessionId]) -> Collection[SessionId]:
        return sessions

    async def elsewhere(self, worker: str) -> Sequence[Session]:
        return ()

    async def orphans(self, limit: int) -> Sequence[Session]:
        return ()

    async def seated(self, sessions: Sequence[SessionId]) -> Mapping[SessionId, bytes]:
        return {}

    async def notes(self, limit: int) -> Sequence[Note]:
        return ()

    async def save(self, changes: Changes) -> Sequence[int]:
        self._check_open()
        try:
            return self._save(self._writer.begin_writing(), changes)
        except BaseException as error:
            self._writer.rollback()
            if isinstance(error, _ROW_FAULTS):
                raise RowRefusedError(str(error)) from error
            if isinstance(error, (apsw.Error, OSError)):
                raise lost(error) from error
            raise

    async def commit(self) -> None:
        self._check_open()
        self._end()
        await self._writer.commit()

    async def rollback(self) -> None:
        await self._writer.settled()
        if self._is_open:
            self._writer.rollback()
            self._end()

    def _db(self) -> apsw.Connection:
        self._check_open()
        return self._writer.begin_reading()

    def _check_open(self) -> None:
        if not self._is_open:
            raise StoreMisusedError("the beat has ended")

    def _end(self) -> None:
        self._is_open = False
        self._ended()

    def _save(self, db: apsw.Connection, changes: Changes) -> Sequence[int]:
        sql = statements("sqlite/sql/save")
        for name, bind in BINDINGS:
            if getattr(changes, name):
                db.executemany(sql[name], bind(changes))
        come_and_go(db, changes)
        if changes.tagged:
            db.executemany(sql["tagged_drop"], [(run,) for run in changes.tagged])
            db.executemany(sql["tagged"], tag_bindings(changes.tagged))
        self._sweep(db, changes)
        if changes.queue_drop:
            self._drop(db, changes.queue_drop)
        if changes.queue_put:
            self._put(db, changes.queue_put)
        if not changes.history:
            return ()
        db.executemany(sql["history"], history_bindings(changes))
        self._writer.last = last = db.last_insert_rowid()
        return range(last - len(changes.history) + 1, last + 1)

    def _sweep(self, db: apsw.Connection, changes: Changes) -> None:
        """Rows of bounded tables whose time is over go when others come."""
        sql = statements("sqlite/sql/save")
        if changes.cached:
            db.execute(sql["cached_sweep"], (max(row.made_at for row in changes.cached),))
        if changes.fires or changes.schedules_drop:
            db.executemany(sql["fires_sweep"], stale_fires(changes))
        if changes.submit_keys:
            db.execute(sql["submit_keys_sweep"], (max(row.made_at for row in changes.submit_keys),))
        for hook in {row.hook for row in (*changes.outbox, *changes.sent) if row.due_at is None}:
            db.execute(sql["outbox_sweep"], (hook, KEPT))
        gone = [(name,) for kind, name in changes.registered_drop if kind == "webhook"]
        if gone:
            db.executemany(sql["outbox_drop"], gone)
        if changes.signals:
            db.execute(sql["signals_sweep"], (max(row.sent_at for row in changes.signals),))

    def _drop(self, db: apsw.Connection, rows: Sequence[Queued]) -> None:
        before = db.total_changes()
        db.executemany(statements("sqlite/sql/save")["queue_drop"], [queue_key(row) for row in rows])
        if (missing := len(rows) - (db.total_changes() - before)) > 0:
            raise ClaimLostError(f"{missing} of {len(rows)} queued steps are gone")
        self._writer.lanes.remove(row.lane for row in rows)

    def _put(self, db: apsw.Connection, rows: Sequence[Queued]) -> None:
        sql = statements("sqlite/sql/save")
        lanes = self._writer.lanes
        db.execute("savepoint put")
        try:
            db.executemany(sql["queue_put"], [queue_bindings(row) for row in rows])
        except apsw.ConstraintError:  # a step that is queued already moves to its new place
            db.execute("rollback to put")
            for row in rows:
                lanes.remove(lane for (lane,) in fetch(db, sql["queue_take"], (row.run, row.path)))
                db.execute(sql["queue_put"], queue_bindings(row))
                lanes.add((row.lane,))
        else:
            lanes.add(row.lane for row in rows)
        db.execute("release put")
