"""Blobs as files named by digest, in 256 folders by its first byte.

A blob is written to `parts/`, synced, renamed to its place, and its folder synced: a name that exists holds all of it.
What a crash left in `parts/` is removed at the next start.
"""

import errno
import hashlib
import logging
import re
from collections.abc import AsyncIterator, Callable, Sequence
from functools import partial
from itertools import count
from typing import TypeVar

from tidemill.core.ids import Digest
from tidemill.ports.blobs import BlobDamagedError, BlobMissingError, BlobRottenError
from tidemill.ports.disk import Disk
from tidemill.ports.faults import NO_FAULTS, Faults
from tidemill.ports.store import StoreFullError, StoreLostError
from tidemill.ports.threads import Threads

T = TypeVar("T")

_log = logging.getLogger("tidemill")

_PARTS = "parts/"
_HEX = re.compile(r"[0-9a-f]{64}")
_GATHER_BYTES = 1024 * 1024  # of a stream, before a thread is asked to write them: a hop costs as much as 100 KiB
_READ_BYTES = 1024 * 1024


class FolderBlobs:
    """``disk`` is one folder of its own. Open it before anybody writes: it removes what a crash left.

    ``owner`` is a name that no other process has had, where several share the folder: each has parts of its own, and
    removes nobody's.
    """

    def __init__(self, disk: Disk, threads: Threads, faults: Faults = NO_FAULTS, owner: str = "") -> None:
        self._disk, self._threads, self._faults = disk, threads, faults
        self._owner, self._numbers = owner, count(1)
        self._rotten: set[Digest] = set()
        if not owner:
            for name in disk.list(_PARTS):
                disk.delete(name)

    async def write(self, chunks: AsyncIterator[bytes], digest: Digest | None, limit: int) -> tuple[Digest, int]:
        part = _Part(self._disk, self._faults, f"{_PARTS}{self._owner}{next(self._numbers)}", limit)
        part.rotten = self._rotten
        try:
            async for chunk in chunks:
                if part.gather(chunk) >= _GATHER_BYTES:
                    await self._call("blob.write", part.append)
            await self._call("blob.write", partial(part.finish, digest))
        except BaseException:
            part.discard()
            raise
        return part.digest, part.size

    async def read(self, digest: Digest, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        name = _name(digest)
        await self._refuse_rotten(digest)
        is_whole = start == 0 and (end is None or end == self._disk.size(name))
        found = hashlib.sha256() if is_whole else None
        while end is None or start < end:
            size = _READ_BYTES if end is None else min(_READ_BYTES, end - start)
            data = await self._call("blob.read", partial(_read, self._disk, name, start, size, found))
            if data is None:
                raise BlobMissingError(digest)
            start += len(data)
            is_last = len(data) < size or start == end
            if is_last and found is not None and found.digest() != digest:
                raise self._rot(digest)
            if data:
                yield data
            if is_last:
                return

    async def size(self, digest: Digest) -> int | None:
        return None if digest in self._rotten else self._disk.size(_name(digest))

    async def stored(self, after: bytes, limit: int) -> Sequence[tuple[Digest, int]]:
        found: list[tuple[Digest, int]] = []
        for first in range(after[0] if after else 0, 256):
            found += await self._call("blob.list", partial(_stored, self._disk, first, after))
            if len(found) >= limit:
                break
        return found[:limit]

    async def delete(self, digest: Digest) -> None:
        await self._call("blob.delete", partial(self._delete, _name(digest)))

    def _delete(self, name: str) -> None:
        self._faults.reach("blob.delete.before")
        self._disk.delete(name)
        self._faults.reach("blob.delete.after")

    async def fetch(self, digest: Digest, limit: int) -> bytes:
        """Also checks it. Raises BlobMissingError, BlobRottenError, or BlobDamagedError (longer than the limit)."""
        await self._refuse_rotten(digest)
        found = hashlib.sha256()
        data = await self._call("blob.read", partial(_read, self._disk, _name(digest), 0, limit + 1, found))
        if data is None:
            raise BlobMissingError(digest)
        if len(data) > limit:
            raise BlobDamagedError(f"blob sha256:{digest.hex()} has more than {limit} bytes")
        if found.digest() != digest:
            raise self._rot(digest)
        return data

    async def _refuse_rotten(self, digest: Digest) -> None:
        if digest in self._rotten:
            if not await self._call("blob.read", partial(_is_right, self._disk, digest)):
                raise BlobRottenError(digest)
            self._rotten.discard(digest)  # somebody put back a copy

    def _rot(self, digest: Digest) -> BlobRottenError:
        """It counts as missing from now on, so that whoever has it may write it anew."""
        self._rotten.add(digest)
        _log.error("blob sha256:%s is damaged on disk: put back a copy of that file", digest.hex())
        return BlobRottenError(digest)

    async def _call(self, name: str, function: Callable[[], T]) -> T:
        try:
            return await self._threads.call(name, function)
        except OSError as error:
            if error.errno in {errno.ENOSPC, errno.EDQUOT}:
                raise StoreFullError(str(error)) from error
            raise StoreLostError(str(error)) from error


class _Part:
    """A blob on its way in; all but `gather` may block."""

    def __init__(self, disk: Disk, faults: Faults, name: str, limit: int) -> None:
        self._disk, self._faults, self._name, self._limit = disk, faults, name, limit
        self._gathered: list[bytes] = []
        self._gathered_bytes = 0
        self._hash = hashlib.sha256()
        self._is_written = False
        self.size = 0
        self.rotten: set[Digest] = set()  # what these name is written anew

    @property
    def digest(self) -> Digest:
        return Digest(self._hash.digest())

    def gather(self, chunk: bytes) -> int:
        """Keep a chunk for the next write; give the bytes kept."""
        self._gathered.append(chunk)
        self._gathered_bytes += len(chunk)
        if self.size + self._gathered_bytes > self._limit:
            raise BlobDamagedError(f"a blob may have {self._limit} bytes here, and more came")
        return self._gathered_bytes

    def append(self) -> None:
        self._write(self._take())

    def finish(self, wanted: Digest | None) -> None:
        """Write the rest, check it, and give it its name; a blob that is there already stays as it is."""
        data = self._take()
        if wanted is not None and self.digest != wanted:
            raise BlobDamagedError(f"sha256:{wanted.hex()} was announced, and sha256:{self.digest.hex()} came")
        if self._disk.size(_name(self.digest)) == self.size and self.digest not in self.rotten:
            self._disk.touch(_name(self.digest))
            self.discard()
            return
        if data or not self._is_written:
            self._write(data)
        self._faults.reach("blob.sync.before")
        self._disk.sync(self._name)
        self._faults.reach("blob.rename.before")
        self._disk.rename(self._name, _name(self.digest))
        self._is_written = False
        self.rotten.discard(self.digest)
        self._faults.reach("blob.rename.after")

    def discard(self) -> None:
        if self._is_written:
            self._disk.delete(self._name)
            self._is_written = False

    def _take(self) -> bytes:
        data = self._gathered[0] if len(self._gathered) == 1 else b"".join(self._gathered)
        self._gathered, self._gathered_bytes = [], 0
        self._hash.update(data)
        self.size += len(data)
        return data

    def _write(self, data: bytes) -> None:
        self._is_written = True
        self._faults.reach("blob.write.before")
        self._disk.write_part(self._name, data)
        self._faults.reach("blob.write.after")


def _name(digest: Digest) -> str:
    text = digest.hex()
    return f"{text[:2]}/{text}"


def _stored(disk: Disk, first: int, after: bytes) -> list[tuple[Digest, int]]:
    """What is in one of the folders; names that are not ours are passed over."""
    found = []
    for name in disk.list(f"{first:02x}/"):
        text = name[3:]
        if _HEX.fullmatch(text) and (digest := bytes.fromhex(text)) > after and (stamp := disk.stamp(name)) is not None:
            found.append((Digest(digest), stamp))
    return found


def _read(disk: Disk, name: str, start: int, size: int, found: "hashlib._Hash | None") -> bytes | None:
    try:
        data = disk.read(name, start, size)
    except FileNotFoundError:
        return None
    if found is not None:
        found.update(data)
    return data


def _is_right(disk: Disk, digest: Digest) -> bool:
    found, start = hashlib.sha256(), 0
    while data := _read(disk, _name(digest), start, _READ_BYTES, found):
        start += len(data)
    return found.digest() == digest
