"""Reads of committed rows on SQLite."""

from collections.abc import Awaitable, Callable, Sequence

import apsw

from tidemill.adapters.storage.packing import Bound, queued_of
from tidemill.adapters.storage.queries import PackedQueries
from tidemill.adapters.storage.sqlite.connection import Row, fetch, fetch_each
from tidemill.adapters.storage.sqlite.reading import load_rows
from tidemill.adapters.storage.statements import statements
from tidemill.core.ids import Path, RunId
from tidemill.core.rows import Keys, Queued, Rows


class SqliteQueries(PackedQueries):
    """``connect`` gives a connection that sees committed rows and is ours until the next `await`."""

    def __init__(self, connect: Callable[[], Awaitable[apsw.Connection]]) -> None:
        super().__init__("\0")
        self._connect = connect
        self._queries = {**statements("sql/queries"), **statements("sql/keeping")}

    async def rows(self, keys: Keys) -> Rows:
        db = await self._connect()
        with db:  # one moment for all of them
            found = load_rows(db, keys)
        return found  # noqa: RET504 -- `with db` may swallow, says its type

    async def queued(self, run: RunId, paths: Sequence[Path]) -> Sequence[Queued]:
        db, sql = await self._connect(), statements("sqlite/sql/beat")["queued"]
        return [queued_of(row) for row in fetch_each(db, sql, [(run, path) for path in paths])]

    async def _fetch(self, name: str, bindings: Bound = ()) -> list[Row]:
        return fetch(await self._connect(), self._queries[name], bindings)
