"""Logs on PostgreSQL, in connections of their own: one transaction a batch, not waited for to be synced."""

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from msgspec.structs import astuple

from tidemill.adapters.storage.postgres.access import LOGS, Access
from tidemill.adapters.storage.postgres.connection import Meter
from tidemill.adapters.storage.postgres.pool import Pool
from tidemill.adapters.storage.postgres.texts import written
from tidemill.adapters.storage.statements import statements
from tidemill.adapters.storage.tails import BITE, AttemptKey, Tail, pack_log, sized, unpack_log
from tidemill.core.ids import Path, RunId
from tidemill.ports.faults import NO_FAULTS, Faults
from tidemill.ports.logs import LogRow

_CONNECTIONS = 2  # one writes at a time


class PostgresLogs:
    """Other servers may write logs of the same attempt: nothing of it is remembered here."""

    def __init__(self, access: Access, faults: Faults = NO_FAULTS) -> None:
        self._pool = Pool(access, LOGS, _CONNECTIONS, Meter())
        self._faults = faults
        self._sql = statements("postgres/sql/logs")
        self._turn = asyncio.Lock()

    async def open(self) -> None:
        await self._pool.open()

    async def append(self, rows: Sequence[LogRow]) -> Sequence[int]:
        if not rows:
            return ()
        async with self._turn, self._pool.transaction() as db:
            await db.execute("set local synchronous_commit = off")
            numbers = await self._append(db, rows)
            self._faults.reach("logs.commit.before")
        self._faults.reach("logs.commit.after")
        return numbers

    async def read(self, run: RunId, path: Path | None, after: int, limit: int) -> Sequence[tuple[int, LogRow]]:
        if path is None:
            found = await self._pool.fetch(self._sql["read_run"], run, after, limit)
        else:
            found = await self._pool.fetch(self._sql["read_step"], run, path, after, limit)
        return [(number, unpack_log(packed)) for number, packed in found]

    async def forget(self, run: RunId, limit: int) -> int:
        async with self._turn:
            gone = len(await self._pool.fetch(self._sql["forget"], run, limit))
            if 0 < gone < limit:
                await self._pool.fetch(self._sql["forget_kept"], run)
            return gone

    async def close(self) -> None:
        await self._pool.close()

    async def _append(self, db: Any, rows: Sequence[LogRow]) -> list[int]:
        cut = [sized(row) for row in rows]
        bound = [(row.run, row.path, row.number, size, pack_log(row)) for size, row in cut]
        numbers = [
            number for (number,) in await db.fetch(self._sql["append"], *written(list(zip(*bound, strict=True))))
        ]
        attempts: defaultdict[AttemptKey, list[tuple[int, int]]] = defaultdict(list)
        for row, number, (size, _) in zip(rows, numbers, cut, strict=True):
            attempts[row.run, row.path, row.number].append((number, size))
        for key, added in sorted(attempts.items()):
            await self._count(db, key, added, rows[-1].at)
        return numbers

    async def _count(self, db: Any, key: AttemptKey, added: list[tuple[int, int]], at: int) -> None:
        found = await db.fetch(self._sql["kept"], *written(key))
        kept = Tail(*found[0]) if found else Tail()
        kept.add(added)
        if kept.is_long:
            await self._shorten(db, key, kept, at)
        await db.execute(self._sql["keep"], *written(key), *astuple(kept))

    async def _shorten(self, db: Any, key: AttemptKey, kept: Tail, at: int) -> None:
        """Drop the oldest rows of the tail; the last of them becomes the row that counts."""
        gone = [kept.gap] if kept.gap else []
        while kept.is_long and (oldest := await db.fetch(self._sql["tail"], *written(key), kept.tail_first, BITE)):
            gone += kept.drop(oldest)
        *dropped, kept.gap = gone
        await db.execute(self._sql["drop"], dropped)
        await db.execute(self._sql["count"], pack_log(kept.row(key, at)), kept.gap)
