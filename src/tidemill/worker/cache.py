"""Files by digest on this machine: each is fetched once, however many attempts want it, and verified."""

import asyncio
import hashlib
from functools import partial
from pathlib import Path

from tidemill.ports.blobs import BlobDamagedError
from tidemill.ports.disk import Disk
from tidemill.ports.threads import Threads
from tidemill.worker.fetcher import Fetcher

FOLDER = "files/"


class FileCache:
    """On the control loop.

    Args:
        root: where the Disk port writes.
    """

    def __init__(self, root: Path, disk: Disk, threads: Threads, fetcher: Fetcher) -> None:
        self._root, self._disk, self._threads, self._fetcher = root, disk, threads, fetcher
        self._present: set[bytes] = set()  # never iterated
        self._under_way: dict[bytes, asyncio.Lock] = {}

    def path_of(self, digest: bytes) -> str:
        return str(self._root / FOLDER / digest.hex())

    def holds(self, digest: bytes) -> bool:
        """Whether the file is here, as far as this process knows."""
        return digest in self._present

    async def fetch(self, digest: bytes) -> None:
        """Returns when the file is here. Raises BlobMissingError, BlobDamagedError, UnavailableError."""
        if digest in self._present:
            return
        lock = self._under_way.setdefault(digest, asyncio.Lock())
        async with lock:
            if digest in self._present:
                return
            name = FOLDER + digest.hex()
            if await self._threads.call("files.size", partial(self._disk.size, name)) is None:
                await self._download(digest, name)
            self._present.add(digest)
            self._under_way.pop(digest, None)

    async def _download(self, digest: bytes, name: str) -> None:
        part, found = f"{name}.part", hashlib.sha256()
        await self._threads.call("files.clear", partial(self._disk.delete, part))
        await self._threads.call("files.write", partial(self._disk.write_part, part, b""))
        async for chunk in self._fetcher.read_blob(digest):
            await self._threads.call("files.write", partial(_append, self._disk, part, chunk, found))
        if found.digest() != digest:
            await self._threads.call("files.clear", partial(self._disk.delete, part))
            raise BlobDamagedError(f"the file sha256:{digest.hex()} arrived with other bytes")
        await self._threads.call("files.rename", partial(self._disk.rename, part, name))


def _append(disk: Disk, name: str, chunk: bytes, found: "hashlib._Hash") -> None:
    found.update(chunk)
    disk.write_part(name, chunk)
