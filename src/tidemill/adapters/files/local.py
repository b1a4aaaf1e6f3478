"""A worker's files under one folder: `files/` by digest, fetched once; `attempts/` private folders and saved copies."""

import asyncio
import hashlib
import os
import shutil
from collections.abc import AsyncIterator, Callable
from functools import partial
from pathlib import Path
from typing import BinaryIO, TypeVar

from tidemill.core.bodies import LocalFile
from tidemill.core.ids import Digest, digest_of
from tidemill.ports.blobs import BlobDamagedError
from tidemill.ports.faults import NO_FAULTS, Faults
from tidemill.ports.threads import Threads

T = TypeVar("T")

CHUNK_BYTES = 1024 * 1024


class LocalFiles:
    """The async methods belong to one loop; the others may be called in any thread."""

    def __init__(self, root: Path, threads: Threads, faults: Faults = NO_FAULTS) -> None:
        self._root, self._threads, self._faults = root, threads, faults
        self._present: dict[bytes, str] = {}
        self._under_way: dict[bytes, asyncio.Lock] = {}

    def find(self, digest: bytes) -> str | None:
        if digest not in self._present:
            path = self._root / "files" / digest.hex()
            if not path.exists():
                return None
            self._present[digest] = str(path)  # brought here by another process of this worker
        return self._present[digest]

    async def fetch(self, digest: bytes, data: AsyncIterator[bytes]) -> None:
        """Many may want one file at once: the first brings it, the others wait."""
        async with self._under_way.setdefault(digest, asyncio.Lock()):
            if digest not in self._present:
                path = self._root / "files" / digest.hex()
                if not await self._call(path.exists):
                    await self._download(digest, path, data)
                self._present[digest] = str(path)
        self._under_way.pop(digest, None)

    async def _download(self, digest: bytes, path: Path, data: AsyncIterator[bytes]) -> None:
        part, found = path.with_suffix(".part"), hashlib.sha256()
        await self._call(partial(_empty, part))
        async for chunk in data:
            self._faults.reach("files.write.before")
            await self._call(partial(_append, part, chunk, found))
        if found.digest() != digest:
            await self._call(part.unlink)
            raise BlobDamagedError(f"the file sha256:{digest.hex()} arrived with other bytes")
        await self._call(partial(self._name, part, path))

    def _name(self, part: Path, path: Path) -> None:
        """What has the name is whole, also after a power cut."""
        self._faults.reach("files.sync.before")
        _sync(part)
        self._faults.reach("files.rename.before")
        part.rename(path)
        self._faults.reach("files.rename.after")

    def folder(self, name: str) -> str:
        path = self._home(name) / "files"
        path.mkdir(parents=True, exist_ok=True)
        return str(path)

    def copy_bytes(self, name: str, data: bytes, media_type: str) -> LocalFile:
        digest = digest_of(data)
        path = self._home(name) / "saved" / digest.hex()
        _empty(path)
        path.write_bytes(data)
        return LocalFile(str(path), digest, len(data), media_type)

    def copy_file(self, name: str, path: str, media_type: str) -> LocalFile:
        part, found = self._home(name) / "saved" / f"{digest_of(path.encode()).hex()}.part", hashlib.sha256()
        _empty(part)
        with Path(path).open("rb") as file:
            while chunk := file.read(CHUNK_BYTES):
                _append(part, chunk, found)
        copy = part.rename(part.with_name(found.hexdigest()))
        return LocalFile(str(copy), Digest(found.digest()), copy.stat().st_size, media_type)

    async def read(self, path: str) -> AsyncIterator[bytes]:
        file: BinaryIO = await self._call(lambda: Path(path).open("rb"))  # noqa: SIM115
        try:
            while chunk := await self._call(partial(file.read, CHUNK_BYTES)):
                yield chunk
        finally:
            file.close()

    def remove(self, name: str) -> None:
        shutil.rmtree(self._home(name), ignore_errors=True)

    def remove_all(self) -> None:
        shutil.rmtree(self._root / "attempts", ignore_errors=True)

    def _home(self, name: str) -> Path:
        return self._root / "attempts" / name

    async def _call(self, function: Callable[[], T]) -> T:
        return await self._threads.call("files", function)


def _empty(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"")


def _append(path: Path, chunk: bytes, found: "hashlib._Hash") -> None:
    found.update(chunk)
    with path.open("ab") as file:
        file.write(chunk)


def _sync(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())
