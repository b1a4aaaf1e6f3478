"""Arguments on their way to a server and outputs on their way back: what is large moves as a blob."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Protocol, TypeVar

from msgspec import Raw

from tidemill.client.blobs import HttpBlobs
from tidemill.client.transport import Body
from tidemill.core.bodies import Encoded, LocalFile
from tidemill.core.ids import digest_of
from tidemill.core.values import (
    INLINE_LIMIT_BYTES,
    Argument,
    Blob,
    Given,
    GivenList,
    GivenRecord,
    Inline,
    Remote,
    Value,
)

T = TypeVar("T")

CHUNK_BYTES = 1024 * 1024


class Patiently(Protocol):
    """Tries again while the server is away."""

    async def __call__(self, action: Callable[[], Awaitable[T]], /) -> T: ...


class Values:
    def __init__(self, blobs: HttpBlobs, patiently: Patiently) -> None:
        self._blobs, self._patiently = blobs, patiently

    async def send(self, encoded: Mapping[str, Encoded]) -> dict[str, Value]:
        """Upload what a request does not carry."""
        return {name: await self._sent(each) for name, each in encoded.items()}

    async def send_plain(self, encoded: Mapping[str, Encoded]) -> dict[str, Raw]:
        """Upload the files alone: plain data goes with the request, and the server keeps it as it likes."""
        for each in encoded.values():
            await self._send_files(each)
        return {name: Raw(each.data) for name, each in encoded.items()}

    async def _send_files(self, encoded: Encoded) -> None:
        for local in encoded.local:
            await self.send_file(local)

    async def _sent(self, encoded: Encoded) -> Value:
        await self._send_files(encoded)
        if len(encoded.data) <= INLINE_LIMIT_BYTES:
            return encoded.inline
        digest = digest_of(encoded.data)
        await self._store(digest, len(encoded.data), lambda: encoded.data)
        return Blob(digest, len(encoded.data), refs=encoded.refs)

    async def send_file(self, local: LocalFile) -> None:
        await self._store(local.digest, local.size, lambda: read_file(local.path))

    async def _store(self, digest: bytes, size: int, data: Callable[[], Body]) -> None:
        """Unless it is there."""

        async def store() -> None:
            if not await self._blobs.has_blob(digest):
                await self._blobs.write_blob(digest, size, data())

        await self._patiently(store)

    async def receive(self, run: bytes, outputs: Mapping[str, Argument]) -> dict[str, Argument]:
        """The same outputs with every value at hand."""
        return {port: await self._received(run, each) for port, each in outputs.items()}

    async def _received(self, run: bytes, argument: Argument) -> Argument:
        match argument:
            case Given(value=Inline()):
                return argument
            case Given(value=Blob(digest=digest, encoding=encoding, refs=refs), fields=fields):
                data = await self._patiently(lambda: self._blobs.fetch(digest))
                return Given(Inline(data, encoding, refs), fields)
            case GivenList(items=items):
                return GivenList(tuple([await self._received(run, item) for item in items]))
            case GivenRecord(fields=parts):
                return GivenRecord({name: await self._received(run, part) for name, part in parts.items()})
            case Remote(path=path, port=port, fields=fields):
                return Given(Inline(await self._patiently(lambda: self._blobs.read_list(run, path, port))), fields)
            case Given():
                raise TypeError(argument)


async def read_file(path: str) -> AsyncIterator[bytes]:
    with await asyncio.to_thread(open, path, "rb") as file:
        while chunk := await asyncio.to_thread(file.read, CHUNK_BYTES):
            yield chunk
