"""Logs in a SQLite file of their own: one transaction a batch, not synced (the last second may be lost).

Of each attempt the first half MiB is kept for ever, and of what follows the last half; a row counts what is missing.
"""

import asyncio
import contextlib
from collections import OrderedDict, defaultdict
from collections.abc import Sequence
from pathlib import Path

import apsw
import msgspec

from tidemill.adapters.storage.errors import StoreDamagedError
from tidemill.adapters.storage.sqlite.connection import Schema, Synchronous, fetch, lost, open_writer
from tidemill.adapters.storage.statements import statements
from tidemill.adapters.storage.tails import BITE, AttemptKey, Tail, pack_log, sized, unpack_log
from tidemill.core.ids import Path as StepPath
from tidemill.core.ids import RunId
from tidemill.ports.faults import NO_FAULTS, Faults
from tidemill.ports.logs import LogRow
from tidemill.ports.store import StoreLostError
from tidemill.ports.threads import Threads

_REMEMBERED = 1024  # attempts whose state stays in memory


class SqliteLogs:
    """``vfs`` as in SqliteOptions."""

    def __init__(self, path: str | Path, threads: Threads, vfs: str | None = None, faults: Faults = NO_FAULTS) -> None:
        self._db = open_writer(str(path), Schema.LOGS, Synchronous.NORMAL, vfs)
        self._db.wal_autocheckpoint(1000)
        self._threads, self._faults = threads, faults
        self._sql = statements("sqlite/sql/logs")
        self._turn = asyncio.Lock()  # of the connection
        self._kept: OrderedDict[AttemptKey, Tail] = OrderedDict()

    async def append(self, rows: Sequence[LogRow]) -> Sequence[int]:
        if not rows:
            return ()
        async with self._turn:
            try:
                self._db.execute("begin immediate")
                numbers = self._append(rows)
                await self._commit()
            except (apsw.Error, OSError, StoreDamagedError) as error:
                raise _lost(error) from error
            finally:
                self._leave()
        return numbers

    async def read(self, run: RunId, path: StepPath | None, after: int, limit: int) -> Sequence[tuple[int, LogRow]]:
        async with self._turn:
            if path is None:
                found = fetch(self._db, self._sql["read_run"], (run, after, limit))
            else:
                found = fetch(self._db, self._sql["read_step"], (run, path, after, limit))
        return [(number, unpack_log(packed)) for number, packed in found]

    async def forget(self, run: RunId, limit: int) -> int:
        async with self._turn:
            if not fetch(self._db, self._sql["read_run"], (run, -1, 1)):
                return 0
            try:
                self._db.execute("begin immediate")
                self._db.execute(self._sql["forget"], (run, limit))
                gone = self._db.changes()
                if gone < limit:
                    self._db.execute(self._sql["forget_kept"], (run,))
                await self._commit()
            except (apsw.Error, OSError, StoreDamagedError) as error:
                raise _lost(error) from error
            finally:
                self._leave()
        for key in [key for key in self._kept if key[0] == run]:
            del self._kept[key]
        return gone

    async def close(self) -> None:
        async with self._turn:
            self._db.close()

    async def _commit(self) -> None:
        committing = asyncio.ensure_future(self._threads.call("logs.commit", self._commit_now))
        try:
            await asyncio.shield(committing)
        except asyncio.CancelledError:
            await asyncio.wait([committing])  # nobody may touch the connection before
            raise

    def _commit_now(self) -> None:
        self._faults.reach("logs.commit.before")
        self._db.execute("commit")
        self._faults.reach("logs.commit.after")

    def _leave(self) -> None:
        if self._db.in_transaction:
            self._kept.clear()  # it counted rows that are not there
            with contextlib.suppress(apsw.Error):
                self._db.execute("rollback")

    def _append(self, rows: Sequence[LogRow]) -> range:
        cut = [sized(row) for row in rows]
        bound = [(row.run, row.path, row.number, size, pack_log(row)) for size, row in cut]
        self._db.executemany(self._sql["append"], bound)
        last = self._db.last_insert_rowid()
        numbers = range(last - len(rows) + 1, last + 1)
        attempts: defaultdict[AttemptKey, list[tuple[int, int]]] = defaultdict(list)
        for row, number, (size, _) in zip(rows, numbers, cut, strict=True):
            attempts[row.run, row.path, row.number].append((number, size))
        for key, added in attempts.items():
            self._count(key, added, rows[-1].at)
        return numbers

    def _count(self, key: AttemptKey, added: list[tuple[int, int]], at: int) -> None:
        kept = self._load(key)
        kept.add(added)
        if kept.is_long:
            self._shorten(key, kept, at)
        self._db.execute(self._sql["keep"], (*key, *msgspec.structs.astuple(kept)))

    def _load(self, key: AttemptKey) -> Tail:
        if key in self._kept:
            self._kept.move_to_end(key)
            return self._kept[key]
        found = fetch(self._db, self._sql["kept"], key)
        kept = self._kept[key] = Tail(*found[0]) if found else Tail()
        if len(self._kept) > _REMEMBERED:
            self._kept.popitem(last=False)
        return kept

    def _shorten(self, key: AttemptKey, kept: Tail, at: int) -> None:
        """Drop the oldest rows of the tail; the last of them becomes the row that counts."""
        gone = [kept.gap] if kept.gap else []
        while kept.is_long and (oldest := fetch(self._db, self._sql["tail"], (*key, kept.tail_first, BITE))):
            gone += kept.drop(oldest)
        *dropped, kept.gap = gone
        self._db.executemany(self._sql["drop"], [(number,) for number in dropped])
        self._db.execute(self._sql["count"], (pack_log(kept.row(key, at)), kept.gap))


def _lost(error: Exception) -> StoreLostError:
    """Lines may be lost: a file of logs that is damaged stops nothing."""
    found = lost(error)
    return found if isinstance(found, StoreLostError) else StoreLostError(str(error))
