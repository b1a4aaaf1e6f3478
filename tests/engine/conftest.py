from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.engine.bench import Bench
from tests.engine.peer import Mill
from tidemill.adapters.system.threads import ThreadPool


@pytest.fixture
async def mill(tmp_path: Path) -> AsyncIterator[Mill]:
    async with Mill(tmp_path).opened() as mill:
        yield mill


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    threads = ThreadPool()
    bench = Bench(tmp_path, threads)
    yield bench
    await bench.store.close()
    threads.close()
