"""What a worker asks of the server beside the stream: blobs and long lists, over HTTP in production."""

from collections.abc import AsyncIterator
from typing import Protocol


class Fetcher(Protocol):
    """Raises UnavailableError for what may work later, InputError for what will not."""

    def read_blob(self, digest: bytes) -> AsyncIterator[bytes]:
        """The bytes of a blob, not yet verified. Raises BlobMissingError."""
        ...

    async def read_list(self, run: bytes, path: str, port: str) -> bytes:
        """A long list, encoded in msgpack."""
        ...

    async def has_blob(self, digest: bytes) -> bool: ...

    async def write_blob(self, digest: bytes, size: int, data: AsyncIterator[bytes]) -> None:
        """Store a blob; the server verifies it."""
        ...

    async def close(self) -> None: ...


class ServerFetcher:
    """The server's HTTP side. The HTTP client is imported when the first large value comes: it weighs 9 MiB."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._blobs: Fetcher | None = None

    def read_blob(self, digest: bytes) -> AsyncIterator[bytes]:
        return self._connected().read_blob(digest)

    async def read_list(self, run: bytes, path: str, port: str) -> bytes:
        return await self._connected().read_list(run, path, port)

    async def has_blob(self, digest: bytes) -> bool:
        return await self._connected().has_blob(digest)

    async def write_blob(self, digest: bytes, size: int, data: AsyncIterator[bytes]) -> None:
        await self._connected().write_blob(digest, size, data)

    async def close(self) -> None:
        if self._blobs is not None:
            await self._blobs.close()

    def _connected(self) -> Fetcher:
        if self._blobs is None:
            from tidemill.client.blobs import connect_blobs  # noqa: PLC0415 - see above

            self._blobs = connect_blobs(self._url)
        return self._blobs
