"""Files up and down: by digest, so that nothing moves twice, and verified."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path

from tidemill.client.blobs import HttpBlobs
from tidemill.client.values import Patiently, read_file
from tidemill.core.errors import InputError, UnavailableError
from tidemill.core.ids import digest_of, digest_text, parse_digest
from tidemill.ports.blobs import BlobDamagedError
from tidemill.sdk.file import File, stored, to_upload

Progress = Callable[[int, int], None]  # bytes done, bytes in all

TRIES, RETRY_S = 5, 0.5


class Files:
    def __init__(self, blobs: HttpBlobs, patiently: Patiently) -> None:
        self._blobs, self._patiently = blobs, patiently

    async def upload(self, source: str | Path | bytes, name: str, progress: Progress | None) -> File:
        if isinstance(source, bytes):
            file = stored(digest=digest_text(digest_of(source)), size=len(source), name=name)
            await self._send(file, lambda: _once(source), progress)
            return file
        local = await asyncio.to_thread(_measured, Path(source), name)
        await self._send(local, lambda: read_file(str(source)), progress)
        return stored(digest=local.digest, size=local.size, media_type=local.media_type, name=local.name)

    async def _send(self, file: File, data: Callable[[], AsyncIterator[bytes]], progress: Progress | None) -> None:
        digest = parse_digest(file.digest)
        tell = progress or (lambda _done, _all: None)

        async def store() -> None:
            if not await self._blobs.has_blob(digest):
                await self._blobs.write_blob(digest, file.size, _counted(data(), file.size, tell))

        await self._patiently(store)
        tell(file.size, file.size)

    async def download(self, file: File, to: Path, progress: Progress | None) -> Path:
        """The part that is there already is kept in ``NAME.part`` until all of it is."""
        target = await asyncio.to_thread(_target, file, to)
        part = target.with_name(target.name + ".part")
        tell = progress or (lambda _done, _all: None)
        for left in reversed(range(TRIES)):
            try:
                await self._fetch(file, part, tell)
                break
            except UnavailableError:
                if not left:
                    raise
                await asyncio.sleep(RETRY_S)
        await asyncio.to_thread(_finish, file, part, target)
        return target

    async def _fetch(self, file: File, part: Path, tell: Progress) -> None:
        done = await asyncio.to_thread(_done, part, file.size)
        if done == file.size:
            return
        with await asyncio.to_thread(part.open, "ab") as out:
            async for chunk in self._blobs.read_blob(parse_digest(file.digest), done):
                await asyncio.to_thread(out.write, chunk)
                done += len(chunk)
                tell(done, file.size)


def _measured(path: Path, name: str) -> File:
    if not path.is_file():
        raise InputError(f"there is no file {str(path)!r}")
    file = File(path, name=name)
    if to_upload(file) is None:
        raise InputError(f"{str(path)!r} cannot be read")
    return file


def _target(file: File, to: Path) -> Path:
    return to / (Path(file.name).name or parse_digest(file.digest).hex()) if to.is_dir() else to


def _done(part: Path, size: int) -> int:
    """How much of a download is there; one that is too long is none of this file."""
    part.touch()
    done = part.stat().st_size
    if done > size:
        part.write_bytes(b"")
        return 0
    return done


def _finish(file: File, part: Path, target: Path) -> None:
    with part.open("rb") as data:
        found = hashlib.file_digest(data, "sha256").digest()
    if found != parse_digest(file.digest):
        part.unlink()
        raise BlobDamagedError(f"{file.name or file.digest} arrived with other bytes; try again")
    part.replace(target)


async def _once(data: bytes) -> AsyncIterator[bytes]:
    yield data


async def _counted(data: AsyncIterator[bytes], size: int, tell: Progress) -> AsyncIterator[bytes]:
    done = 0
    async for chunk in data:
        yield chunk
        done += len(chunk)
        tell(done, size)
