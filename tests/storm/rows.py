"""The tables of a store, read from outside, once nobody uses it any more."""

import asyncio
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol


class Rows(Protocol):
    def read(self, sql: str) -> Iterator[tuple[Any, ...]]: ...

    def close(self) -> None: ...


class SqliteRows:
    def __init__(self, file: Path) -> None:
        self._connection = sqlite3.connect(file, check_same_thread=False)

    def read(self, sql: str) -> Iterator[tuple[Any, ...]]:
        return iter(self._connection.execute(sql))

    def close(self) -> None:
        self._connection.close()


class PostgresRows:
    """Called from a thread that runs no loop."""

    def __init__(self, url: str) -> None:
        self._url = url

    def read(self, sql: str) -> Iterator[tuple[Any, ...]]:
        return iter(asyncio.run(self._fetch(sql)))

    async def _fetch(self, sql: str) -> list[tuple[Any, ...]]:
        import asyncpg

        connection = await asyncpg.connect(self._url, server_settings={"search_path": "tidemill"})
        try:
            return [tuple(row) for row in await connection.fetch(sql)]
        finally:
            await connection.close()

    def close(self) -> None:
        pass
