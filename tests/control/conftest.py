from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.cli.processes import MILL
from tests.cli.processes import Mill as Commands
from tests.server.http import Http, speaking
from tests.server.mill import Mill, mill
from tidemill.client.remote import AsyncClient


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Mill]:
    async with mill(tmp_path) as running:
        yield running


@pytest.fixture
async def http(served: Mill) -> AsyncIterator[Http]:
    async with speaking(served.url) as made:
        yield made


@pytest.fixture
async def client(served: Mill) -> AsyncIterator[AsyncClient]:
    async with AsyncClient(served.url) as made:
        yield made


@pytest.fixture
def commands(tmp_path: Path) -> Commands:
    """A folder with a worker in it, where commands are run."""
    (tmp_path / "mill.py").write_text(MILL)
    return Commands(tmp_path)
