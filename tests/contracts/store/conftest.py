"""Stores to test: `open_store` opens the same one again, each time it is called."""

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from tests.contracts.store.postgres import a_postgres
from tests.contracts.store.simulated import simulated
from tests.contracts.store.sqlite import open_sqlite
from tidemill.adapters.system.threads import ThreadPool
from tidemill.ports.store import Store

OpenStore = Callable[[], Awaitable[Store]]

# What only SQLite promises: what it keeps in memory costs nothing to look at, and its own counts.
on_sqlite = pytest.mark.parametrize("open_store", ["sqlite", "sqlite-one-connection"], indirect=True)

# What counts its statements.
measured = pytest.mark.parametrize("open_store", ["sqlite", "sqlite-one-connection", "postgres"], indirect=True)


@pytest.fixture
async def threads() -> AsyncIterator[ThreadPool]:
    pool = ThreadPool()
    yield pool
    pool.close()


@pytest.fixture(params=["sqlite", "sqlite-one-connection", "postgres", "simulated"])
async def open_store(request: pytest.FixtureRequest, tmp_path: Path, threads: ThreadPool) -> AsyncIterator[OpenStore]:
    opened: list[Store] = []
    url = request.getfixturevalue("postgres_url") if request.param == "postgres" else ""
    opens: dict[str, OpenStore] = {"postgres": lambda: a_postgres(url), "simulated": simulated(threads)}

    async def on_sqlite() -> Store:
        return open_sqlite(request.param, tmp_path / "tidemill.db", threads)

    async def open_again() -> Store:
        for store in opened:
            await store.close()
        opened[:] = [await opens.get(request.param, on_sqlite)()]
        return opened[0]

    yield open_again
    for store in opened:
        await store.close()


@pytest.fixture
async def store(open_store: OpenStore) -> Store:
    return await open_store()
