"""What the folder adapter does besides."""

import asyncio
import errno
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.contracts.blobs.conftest import OpenBlobs
from tests.contracts.blobs.test_blobs import LIMIT, read, stream
from tidemill.adapters.storage.folder.blobs import FolderBlobs
from tidemill.adapters.system.disk import OsDisk
from tidemill.adapters.system.threads import ThreadPool
from tidemill.core.ids import digest_of
from tidemill.ports.blobs import BlobDamagedError, BlobRottenError
from tidemill.ports.store import StoreFullError, StoreLostError


class BadDisk(OsDisk):
    def __init__(self, root: Path, fault: int) -> None:
        super().__init__(root)
        self.fault = fault

    def sync(self, name: str) -> None:
        if self.fault:
            raise OSError(self.fault, "the disk says no")
        super().sync(name)


def files(root: Path) -> list[str]:
    return sorted(path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file())


async def test_only_whole_blobs_have_a_name_and_parts_are_swept(open_blobs: OpenBlobs, tmp_path: Path) -> None:
    part = tmp_path / "blobs" / "parts" / "7"
    part.parent.mkdir(parents=True)
    part.write_bytes(b"left by a crash")
    digest, _ = await open_blobs().write(stream(b"abc"), None, LIMIT)
    assert files(tmp_path / "blobs") == [f"{digest.hex()[:2]}/{digest.hex()}"]


async def test_a_refused_stream_leaves_no_part(open_blobs: OpenBlobs, tmp_path: Path) -> None:
    with pytest.raises(BlobDamagedError):
        await open_blobs().write(stream(b"x" * 1_500_000, b"y"), digest_of(b""), LIMIT)
    assert files(tmp_path / "blobs") == []


async def test_damage_on_disk_is_noticed_by_fetch(open_blobs: OpenBlobs, tmp_path: Path) -> None:
    blobs = open_blobs()
    digest, _ = await blobs.write(stream(b"abc"), None, LIMIT)
    (tmp_path / "blobs" / digest.hex()[:2] / digest.hex()).write_bytes(b"abd")
    with pytest.raises(BlobDamagedError):
        await blobs.fetch(digest, LIMIT)


@pytest.mark.parametrize(("fault", "error"), [(errno.ENOSPC, StoreFullError), (errno.EIO, StoreLostError)])
async def test_a_disk_that_refuses_leaves_nothing_and_can_be_used_again(
    tmp_path: Path, fault: int, error: type[Exception]
) -> None:
    threads = ThreadPool()
    disk = BadDisk(tmp_path, fault)
    blobs = FolderBlobs(disk, threads)
    with pytest.raises(error):
        await blobs.write(stream(b"abc"), None, LIMIT)
    assert files(tmp_path) == []
    disk.fault = 0
    assert await blobs.write(stream(b"abc"), None, LIMIT) == (digest_of(b"abc"), 3)
    threads.close()


@pytest.mark.parametrize("size", [3, 1 << 20, 3_000_000])
async def test_what_is_damaged_on_disk_is_given_to_nobody_until_it_is_written_anew(
    open_blobs: OpenBlobs, tmp_path: Path, size: int
) -> None:
    blobs, data = open_blobs(), bytes(size)
    digest, _ = await blobs.write(stream(data), None, LIMIT)
    path = tmp_path / "blobs" / digest.hex()[:2] / digest.hex()
    path.write_bytes(data[:-1] + b"x")
    for end in (None, size):
        with pytest.raises(BlobRottenError, match=digest.hex()):
            await read(blobs, digest, 0, end)
    assert await blobs.size(digest) is None
    assert await blobs.write(stream(data), digest, LIMIT) == (digest, size)
    assert await read(blobs, digest) == data
    assert await blobs.size(digest) == size


async def test_a_copy_that_is_put_back_is_taken(open_blobs: OpenBlobs, tmp_path: Path) -> None:
    blobs = open_blobs()
    digest, _ = await blobs.write(stream(b"abc"), None, LIMIT)
    path = tmp_path / "blobs" / digest.hex()[:2] / digest.hex()
    path.write_bytes(b"abd")
    with pytest.raises(BlobRottenError):
        await blobs.fetch(digest, LIMIT)
    path.write_bytes(b"abc")
    assert await blobs.fetch(digest, LIMIT) == b"abc"


async def test_processes_that_share_a_folder_do_not_write_into_each_others_parts(tmp_path: Path) -> None:
    threads = ThreadPool()
    disk, data = OsDisk(tmp_path), [bytes([number]) * 3_000_000 for number in range(2)]
    first = FolderBlobs(disk, threads, owner="a-")
    gate = asyncio.Event()

    async def slowly() -> AsyncIterator[bytes]:
        yield data[0][:2_000_000]
        await gate.wait()
        yield data[0][2_000_000:]

    writing = asyncio.create_task(first.write(slowly(), None, 1 << 24))
    while not disk.list("parts/"):  # noqa: ASYNC110  # nobody tells of it
        await asyncio.sleep(0.001)
    second = FolderBlobs(disk, threads, owner="b-")

    async def at_once() -> AsyncIterator[bytes]:
        yield data[1]

    other, _ = await second.write(at_once(), None, 1 << 24)
    gate.set()
    one, _ = await writing
    assert [await second.fetch(digest, 1 << 24) for digest in (one, other)] == data
    assert disk.list("parts/") == []
    threads.close()
