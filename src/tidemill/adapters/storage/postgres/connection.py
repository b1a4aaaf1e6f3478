"""One connection for one use: told its limits, made anew after a loss, and counted."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Any

import asyncpg
from msgspec import Struct

from tidemill.adapters.storage.postgres.access import Access, Purpose
from tidemill.adapters.storage.postgres.arrays import quicken
from tidemill.adapters.storage.postgres.faults import FAILURES, told, why
from tidemill.adapters.storage.postgres.texts import written
from tidemill.ports.store import Counts, StoreLostError

Record = Any  # of asyncpg: a row, by place
_CONNECT_S = 10.0
_STATEMENTS = 500  # prepared ones kept by each connection: more than there are
_FIRST_S, _LONGEST_S = 0.05, 1.0  # between attempts to connect

Prepared = Callable[[Any], Awaitable[None]]


class Meter(Struct):
    """What was asked of the database, for the cost laws."""

    statements: int = 0
    rows_written: int = 0

    def counts(self) -> Counts:
        return Counts(self.statements, self.rows_written, 0)


async def connect(access: Access, purpose: Purpose) -> Any:
    """A new connection; the driver's own errors."""
    connection = await asyncpg.connect(
        access.url,
        timeout=_CONNECT_S,
        command_timeout=purpose.statement_s + 5,  # the server's own bound comes first, if it still hears us
        statement_cache_size=_STATEMENTS,
        max_cached_statement_lifetime=0,
        max_cacheable_statement_size=0,
        server_settings={"application_name": f"tidemill {purpose.name}"},
    )
    try:
        await connection.execute(access.session(purpose))
        quicken(connection)
    except BaseException:
        connection.terminate()
        raise
    return connection


class Line:
    """A connection that nobody else uses. Its user calls `ready` first, and after each loss again."""

    def __init__(self, access: Access, purpose: Purpose, meter: Meter, prepare: Prepared | None = None) -> None:
        self._access, self._purpose, self._meter, self._prepare = access, purpose, meter, prepare
        self._connection: Any = None
        self._failures = 0
        self._again_at = 0.0

    @property
    def is_open(self) -> bool:
        return self._connection is not None and not self._connection.is_closed()

    async def ready(self) -> None:
        """Connect, if there is no connection; a little later after each failure. Raises StoreLostError."""
        if self.is_open:
            return
        await asyncio.sleep(max(0.0, self._again_at - asyncio.get_running_loop().time()))
        try:
            self._connection = await connect(self._access, self._purpose)
            if self._prepare is not None:
                await self._prepare(self._connection)
        except FAILURES as error:
            self.drop()
            pause = min(_LONGEST_S, _FIRST_S * 2**self._failures)
            self._failures = min(self._failures + 1, 10)
            self._again_at = asyncio.get_running_loop().time() + pause
            raise StoreLostError(why(error, self._access)) from error
        self._failures = 0

    async def fetch(self, sql: str, *bound: object) -> list[Record]:
        """All rows of one prepared statement."""
        self._meter.statements += 1
        try:
            rows: list[Record] = await self._open().fetch(sql, *written(bound))
        except FAILURES as error:
            raise self._told(error) from error
        return rows

    async def run(self, sql: str) -> None:
        """Something that answers nothing: begin, commit, rollback."""
        self._meter.statements += 1
        try:
            await self._open().execute(sql)
        except FAILURES as error:
            raise self._told(error) from error

    def drop(self) -> None:
        """Give it up as it is; what was open in it is rolled back by the database."""
        if self._connection is not None:
            self._connection.terminate()
            self._connection = None

    async def close(self) -> None:
        if self.is_open:
            with contextlib.suppress(*FAILURES):
                await self._connection.close(timeout=2.0)
        self.drop()

    def _open(self) -> Any:
        if not self.is_open:
            raise StoreLostError(f"{self._access.shown}: the connection was lost")
        return self._connection

    def _told(self, error: Exception) -> Exception:
        mapped = told(error, self._access)
        if isinstance(mapped, StoreLostError) and not isinstance(error, asyncpg.PostgresError):
            self.drop()
        return mapped
