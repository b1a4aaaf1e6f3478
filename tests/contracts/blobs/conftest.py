from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from tidemill.adapters.storage.folder.blobs import FolderBlobs
from tidemill.adapters.system.disk import OsDisk
from tidemill.adapters.system.threads import ThreadPool
from tidemill.ports.blobs import Blobs

OpenBlobs = Callable[[], Blobs]


@pytest.fixture(params=["folder"])
async def open_blobs(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[OpenBlobs]:
    """Opens the same blobs again, each time it is called."""
    threads = ThreadPool()
    yield lambda: FolderBlobs(OsDisk(tmp_path / "blobs"), threads)
    threads.close()


@pytest.fixture
def blobs(open_blobs: OpenBlobs) -> Blobs:
    return open_blobs()
