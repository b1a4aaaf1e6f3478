"""Stores to test: `open_store` opens the same one again, each time it is called."""

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from tests.contracts.store.sqlite import open_sqlite
from tidemill.adapters.system.threads import ThreadPool
from tidemill.ports.store import Store

OpenStore = Callable[[], Awaitable[Store]]


@pytest.fixture
async def threads() -> AsyncIterator[ThreadPool]:
    pool = ThreadPool()
    yield pool
    pool.close()


@pytest.fixture(params=["sqlite", "sqlite-one-connection"])
async def open_store(request: pytest.FixtureRequest, tmp_path: Path, threads: ThreadPool) -> AsyncIterator[OpenStore]:
    opened: list[Store] = []

    async def open_again() -> Store:
        for store in opened:
            await store.close()
        opened[:] = [open_sqlite(request.param, tmp_path / "tidemill.db", threads)]
        return opened[0]

    yield open_again
    for store in opened:
        await store.close()


@pytest.fixture
async def store(open_store: OpenStore) -> Store:
    return await open_store()
