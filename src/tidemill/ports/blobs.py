"""Bytes by digest. Written before the row that names them; verified on the way in."""

from collections.abc import AsyncIterator, Sequence
from typing import Protocol

from tidemill.core.errors import InputError
from tidemill.core.ids import Digest
from tidemill.ports.faults import durable


class BlobMissingError(InputError):
    def __init__(self, digest: bytes) -> None:
        super().__init__(f"no blob sha256:{digest.hex()}")
        self.digest = digest


class BlobDamagedError(InputError):
    """What arrived is not what its digest or size says."""


class BlobRottenError(BlobMissingError, BlobDamagedError):
    """What is stored under a digest is something else: as good as missing, until it is written anew."""

    def __init__(self, digest: bytes) -> None:
        InputError.__init__(self, f"blob sha256:{digest.hex()} is damaged on disk")
        self.digest = digest


class Blobs(Protocol):
    @durable("blob.write.before", "blob.rename.before", "blob.rename.after")
    async def write(self, chunks: AsyncIterator[bytes], digest: Digest | None, limit: int) -> tuple[Digest, int]:
        """Store a stream of bytes durably; give its digest and size.

        Args:
            digest: what it must be; None takes what comes.
            limit: bytes; more raises BlobDamagedError and leaves nothing.
        """
        ...

    def read(self, digest: Digest, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        """Bytes ``start`` to ``end`` (exclusive). Raises BlobMissingError.

        When it is all of them, they are checked: BlobRottenError comes before the last ones.
        """
        ...

    async def size(self, digest: Digest) -> int | None:
        """None when there is no such blob, or one that was found to be damaged."""
        ...

    async def stored(self, after: bytes, limit: int) -> Sequence[tuple[Digest, int]]:
        """Digests of what is stored that are greater than ``after``, in order, each with a stamp.

        Whoever writes a blob, there already or not, gives it another stamp.
        """
        ...

    @durable("blob.delete.before", "blob.delete.after")
    async def delete(self, digest: Digest) -> None:
        """No error when it is gone already. It may come back after a crash."""
        ...

    async def fetch(self, digest: Digest, limit: int) -> bytes:
        """All of a blob of at most ``limit`` bytes."""
        ...
