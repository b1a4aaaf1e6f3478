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
