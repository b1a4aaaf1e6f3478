from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.server.mill import Mill, mill
from tests.server.tasks import media
from tidemill.client.remote import AsyncClient


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Mill]:
    async with mill(tmp_path) as running:
        yield running


@pytest.fixture
async def client(served: Mill) -> AsyncIterator[AsyncClient]:
    """A client, and a worker that has the tasks of `tests.server.tasks`."""
    async with served.worker(media), AsyncClient(served.url) as made:
        yield made
