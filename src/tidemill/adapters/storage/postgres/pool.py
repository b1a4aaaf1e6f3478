"""Several connections for short statements: queries, and logs in a pool of their own."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg

from tidemill.adapters.storage.postgres.access import Access, Purpose
from tidemill.adapters.storage.postgres.connection import Meter, Record, connect
from tidemill.adapters.storage.postgres.faults import FAILURES, told
from tidemill.adapters.storage.postgres.texts import written

_CLOSED = (
    asyncpg.PostgresConnectionError,
    asyncpg.AdminShutdownError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    ConnectionError,
)


class Pool:
    """Connections are made when they are needed, and again when they were lost."""

    def __init__(self, access: Access, purpose: Purpose, size: int, meter: Meter) -> None:
        self._access, self._purpose, self._size, self._meter = access, purpose, size, meter
        self._pool: Any = None

    async def open(self) -> None:
        async def one(*_: object, **__: object) -> Any:
            return await connect(self._access, self._purpose)

        self._pool = asyncpg.create_pool(
            min_size=0, max_size=self._size, connect=one, reset=_keep, max_inactive_connection_lifetime=600
        )
        await self._pool

    async def fetch(self, sql: str, *bound: object) -> list[Record]:
        """All rows of one statement, on whatever connection is free; once more if that one had been closed."""
        try:
            return await self._fetch(sql, bound)
        except _CLOSED:
            pass
        except FAILURES as error:
            raise told(error, self._access) from error
        try:
            return await self._fetch(sql, bound)
        except FAILURES as error:
            raise told(error, self._access) from error

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Any]:
        """A connection of the driver, in a transaction; the driver's errors become ours."""
        try:
            async with self._pool.acquire() as connection, connection.transaction():
                yield connection
        except FAILURES as error:
            raise told(error, self._access) from error

    async def close(self) -> None:
        if self._pool is not None:
            self._pool.terminate()

    async def _fetch(self, sql: str, bound: tuple[object, ...]) -> list[Record]:
        self._meter.statements += 1
        async with self._pool.acquire() as connection:
            rows: list[Record] = await connection.fetch(sql, *written(bound))
            return rows


async def _keep(_: object) -> None:
    """Nothing here changes a connection, so there is nothing to reset."""
