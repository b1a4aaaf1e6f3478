"""The one writing connection, and its turns.

```text
idle -> reading -> writing -> committing (in a thread; nobody may touch the connection) -> idle
                           -> idle (rollback)
```
Row statements run on the loop's thread: in a thread of their own each row would hand the interpreter lock over, which
costs a hundred times more beside a busy loop. Only COMMIT, which waits for the disk, goes to a thread.
"""

import asyncio
import contextlib

import apsw

from tidemill.adapters.storage.errors import StoreMisusedError
from tidemill.adapters.storage.sqlite.connection import fetch, lost
from tidemill.adapters.storage.sqlite.lanes import LaneCounts
from tidemill.adapters.storage.sqlite.mark import Mark
from tidemill.adapters.storage.statements import statements
from tidemill.ports.faults import Faults
from tidemill.ports.threads import Threads

_CHECKPOINT_PAGES = 1000  # of the log, 4 MiB: copied back without waiting for readers
_TRUNCATE_PAGES = 16_000  # readers kept it growing: wait for them, and cut it


class Writer:
    def __init__(self, db: apsw.Connection, threads: Threads, faults: Faults, mark: Mark | None = None) -> None:
        self._db, self._threads, self._faults, self._mark = db, threads, faults, mark
        self.last = mark.number if mark is not None else 0  # of the history, once this transaction is committed
        self.lanes = LaneCounts()
        self._is_stale = True
        self._is_writing = False
        self._committing: asyncio.Task[None] | None = None
        self._quiet = asyncio.Event()
        self._quiet.set()
        self._log_pages = 0
        db.set_wal_hook(self._note_log)

    @property
    def db(self) -> apsw.Connection:
        """For use until the next `await`."""
        if self._committing is not None:
            raise StoreMisusedError("the connection was used during a commit")
        return self._db

    def refresh(self) -> None:
        """Count the lanes again, if a failed commit left the counts in doubt."""
        if self._is_stale:
            self.lanes.load(
                (lane, count) for lane, count in fetch(self.db, statements("sqlite/sql/beat")["lane_counts"])
            )
            self._is_stale = False

    def begin_reading(self) -> apsw.Connection:
        """Open a transaction, if none is open: alone, each statement would lock and unlock the file (2 µs)."""
        db = self.db
        if not db.in_transaction:
            db.execute("begin")
        return db

    def begin_writing(self) -> apsw.Connection:
        db = self.db
        if not self._is_writing:
            self._faults.reach("store.save.before")
            if not db.in_transaction:
                db.execute("begin immediate")
            self._is_writing = True
            self._quiet.clear()
        return db

    def rollback(self) -> None:
        """Leave the transaction, if one is open. SQLite itself leaves it on some errors of the disk."""
        if self.db.in_transaction:
            with contextlib.suppress(apsw.Error):
                self._db.execute("rollback")
        self.lanes.rollback()
        self.last = self._mark.number if self._mark is not None else 0
        self._is_writing = False
        self._quiet.set()

    async def commit(self) -> None:
        """Make it durable, or raise StoreLostError with the transaction left.

        A caller that is cancelled meanwhile leaves the commit to end by itself; `settled` waits for it.
        """
        if not self._is_writing:
            self.rollback()
            return
        self._committing = asyncio.ensure_future(self._commit_in_thread())
        try:
            await asyncio.shield(self._committing)
        except (apsw.Error, OSError) as error:
            raise lost(error) from error

    async def settled(self) -> None:
        """Wait until no commit is under way."""
        if self._committing is not None:
            await asyncio.wait([self._committing])

    async def quiet(self) -> apsw.Connection:
        """Wait until no transaction is open, so that only committed rows are seen; use it until the next `await`."""
        while not self._quiet.is_set():
            await self._quiet.wait()
        return self.db

    def close(self) -> None:
        self._db.set_wal_hook(None)
        self._db.close()

    async def _commit_in_thread(self) -> None:
        """Ends with the connection free again, before anybody who waits for it goes on."""
        try:
            await self._threads.call("store.commit", self._commit)
        except BaseException:
            self._committing = None
            self.rollback()
            self._is_stale = True
            raise
        self._committing = None
        self.lanes.commit()
        self._is_writing = False
        self._quiet.set()

    def _commit(self) -> None:
        self._faults.reach("store.commit.before")
        self._db.execute("commit")
        self._faults.reach("store.commit.after")
        if self._mark is not None:
            self._mark.note(self._log_pages, self.last)
        if self._log_pages >= _CHECKPOINT_PAGES:
            self._checkpoint()

    def _checkpoint(self) -> None:
        mode = apsw.SQLITE_CHECKPOINT_PASSIVE
        if self._log_pages >= _TRUNCATE_PAGES:
            mode = apsw.SQLITE_CHECKPOINT_TRUNCATE
        self._faults.reach("store.checkpoint.before")
        with contextlib.suppress(apsw.Error):  # the commit stands; the next one tries again
            self._db.wal_checkpoint(mode=mode)
        self._faults.reach("store.checkpoint.after")

    def _note_log(self, _db: apsw.Connection, _name: str, pages: int) -> int:
        self._log_pages = pages
        return apsw.SQLITE_OK
