"""A tar as a stream, both ways: nothing is held but the member at hand. `tarfile` knows the headers."""

import tarfile
from collections.abc import AsyncIterator

from msgspec import Struct

from tidemill.core.errors import InputError

BLOCK = 512
END = bytes(2 * BLOCK)
PIECE = 1024 * 1024


class BadArchiveError(InputError):
    """What arrived is no such file, or not all of it."""


class Member(Struct):
    name: str
    size: int


def header(name: str, size: int) -> bytes:
    info = tarfile.TarInfo(name)
    info.size, info.mode = size, 0o600
    return info.tobuf(tarfile.GNU_FORMAT)


def padding(size: int) -> bytes:
    return bytes(-size % BLOCK)


class Reader:
    """Members in order; the bytes of one are read before the next one is asked for."""

    def __init__(self, chunks: AsyncIterator[bytes]) -> None:
        self._chunks, self._held = chunks, bytearray()

    async def next(self) -> Member | None:
        """The next one; None at the end of the archive. Raises BadArchiveError."""
        block = await self._take(BLOCK)
        if block == bytes(BLOCK):
            return None
        try:
            info = tarfile.TarInfo.frombuf(block, "utf-8", "strict")
        except (tarfile.HeaderError, UnicodeDecodeError, ValueError) as error:
            raise BadArchiveError(f"it is no tar, or damaged: {error}") from None
        if not info.isreg() or info.size < 0:
            raise BadArchiveError(f"{info.name[:100]!r} is no plain file")
        return Member(info.name, info.size)

    async def pieces(self, member: Member) -> AsyncIterator[bytes]:
        left = member.size
        while left:
            piece = await self._take(min(left, PIECE))
            left -= len(piece)
            yield piece
        await self._take(-member.size % BLOCK)

    async def whole(self, member: Member, limit: int) -> bytes:
        if member.size > limit:
            raise BadArchiveError(f"{member.name!r} has {member.size:,} bytes, and may have {limit:,}")
        return b"".join([piece async for piece in self.pieces(member)])

    async def _take(self, size: int) -> bytes:
        while len(self._held) < size:
            try:
                self._held += await anext(self._chunks)
            except StopAsyncIteration:
                raise BadArchiveError("it ends too early: it is half a file") from None
        data = bytes(self._held[:size])
        del self._held[:size]
        return data
