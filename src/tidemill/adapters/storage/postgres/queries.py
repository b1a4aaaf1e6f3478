"""Reads of committed rows on PostgreSQL."""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from tidemill.adapters.storage.packing import Bound, no_rows, queued_of
from tidemill.adapters.storage.postgres.loading import load_statement, take, wanted_of
from tidemill.adapters.storage.postgres.pool import Pool
from tidemill.adapters.storage.postgres.saving import numbered
from tidemill.adapters.storage.postgres.texts import read
from tidemill.adapters.storage.queries import PackedQueries
from tidemill.adapters.storage.statements import statements
from tidemill.core.ids import Path, RunId
from tidemill.core.rows import Keys, Queued, Rows
from tidemill.ports.store import QueueCount

_WITH_TEXTS = ("values", "workflow", "queued", "part_")  # not only packed rows


class PostgresQueries(PackedQueries):
    def __init__(self, pool: Pool) -> None:
        super().__init__("\0")
        self._pool = pool

    async def rows(self, keys: Keys) -> Rows:
        rows, wanted = no_rows(keys), wanted_of(keys)
        if wanted:
            text, bound = load_statement(wanted, locking=False)
            take(rows, wanted, await self._pool.fetch(text, *bound))
        return rows

    async def queued(self, run: RunId, paths: Sequence[Path]) -> Sequence[Queued]:
        return [queued_of(row) for row in await self._fetch("queued", ([run] * len(paths), paths))]

    async def queue_counts(self) -> Sequence[QueueCount]:
        return [QueueCount(lane, waiting) for lane, waiting in await self._fetch("queue_counts")]

    async def _fetch(self, name: str, bindings: Bound = ()) -> list[Any]:
        rows = await self._pool.fetch(_queries()[name], *bindings)
        return [read(row) for row in rows] if name.startswith(_WITH_TEXTS) else rows


@cache
def _queries() -> Mapping[str, str]:
    shared = {**statements("sql/queries"), **statements("sql/keeping")}
    return {**{name: numbered(text) for name, text in shared.items()}, **statements("postgres/sql/queries")}
