"""Blobs over HTTP: what clients and workers share. Nothing of the rest of the client is needed for it."""

import hashlib
from collections.abc import AsyncIterator
from urllib.parse import quote

from tidemill.client.transport import Body, HttpTransport, Transport, checked
from tidemill.core.ids import Digest, digest_text, text_of
from tidemill.ports.blobs import BlobDamagedError, BlobMissingError
from tidemill.wire.api import MSGPACK

OCTETS = {"content-type": "application/octet-stream"}
NOT_FOUND = 404


class HttpBlobs:
    """Blobs and long lists of one server. Raises UnavailableError for what may work later."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    async def has_blob(self, digest: bytes) -> bool:
        async with self._transport.open("HEAD", _path(digest), None, {}) as reply:
            if reply.status == NOT_FOUND:
                return False
            await checked(reply, self._transport.url)
            return True

    async def read_blob(self, digest: bytes, start: int = 0) -> AsyncIterator[bytes]:
        """Bytes from ``start`` on, not yet verified. Raises BlobMissingError."""
        headers = {"range": f"bytes={start}-"} if start else {}
        async with self._transport.open("GET", _path(digest), None, headers) as reply:
            if reply.status == NOT_FOUND:
                raise BlobMissingError(digest)
            await checked(reply, self._transport.url)
            async for chunk in reply.chunks():
                yield chunk

    async def fetch(self, digest: bytes) -> bytes:
        """A whole blob, verified. Raises BlobMissingError, BlobDamagedError."""
        data = b"".join([chunk async for chunk in self.read_blob(digest)])
        if hashlib.sha256(data).digest() != digest:
            raise BlobDamagedError(f"{digest_text(digest)} arrived with other bytes")
        return data

    async def write_blob(self, digest: bytes, size: int, data: Body) -> None:
        """Store a blob; the server verifies it. Raises InputError when the bytes are others."""
        headers = {**OCTETS, "content-length": str(size)}
        async with self._transport.open("PUT", _path(digest), data, headers) as reply:
            await checked(reply, self._transport.url)

    async def read_list(self, run: bytes, path: str, port: str) -> bytes:
        """A value of a step as one msgpack document."""
        where = f"/api/v1/runs/{text_of(run)}/values/{quote(path, safe='')}?port={quote(port, safe='')}"
        async with self._transport.open("GET", where, None, {"accept": MSGPACK}) as reply:
            await checked(reply, self._transport.url)
            return await reply.read()

    async def close(self) -> None:
        await self._transport.close()


def connect_blobs(url: str) -> HttpBlobs:
    return HttpBlobs(HttpTransport(url))


def _path(digest: bytes) -> str:
    return f"/api/v1/blobs/{digest_text(Digest(digest))}"
