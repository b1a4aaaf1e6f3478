from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.server.http import Http, speaking
from tests.server.mill import Mill, mill
from tests.server.tasks import media


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Mill]:
    async with mill(tmp_path, blob_limit=1_000_000) as running:
        yield running


@pytest.fixture
async def http(served: Mill) -> AsyncIterator[Http]:
    async with speaking(served.url) as made:
        yield made


@pytest.fixture
async def working(served: Mill, http: Http) -> AsyncIterator[Http]:
    """The same, with a worker that has the tasks of `tests.server.tasks`."""
    async with served.worker(media):
        yield http
