"""Rows as bytes with a checksum, so that what rots on a disk is noticed: neither SQLite nor a file system looks.

A sealed row is the byte C1, which begins no msgpack, the row in msgpack, and the CRC-32 of both. Rows of older stores
have no seal, and are read without the look.
"""

from binascii import crc32
from collections.abc import Callable
from types import UnionType
from typing import Any, TypeVar, overload

import msgspec

from tidemill.core.errors import InternalError

T = TypeVar("T")

_SEAL = 0xC1
_RESIDUE = 0x2144DF1C  # the CRC-32 of anything with its own CRC-32 behind it
_encode = msgspec.msgpack.Encoder().encode


class RowDamagedError(InternalError):
    """A row is not what was written."""

    def __init__(self, what: str) -> None:
        super().__init__(
            f"a {what} in the store is not as it was written: the disk or a program changed it; stop the server and "
            "run `tidemill store check`"
        )


def seal(row: Any) -> bytes:
    data = b"\xc1" + _encode(row)
    return data + crc32(data).to_bytes(4, "little")


def is_whole(packed: bytes) -> bool:
    """Whether a row is as it was written, as far as that can be seen: of one without a seal, whether it is msgpack."""
    if crc32(packed) == _RESIDUE or packed[:1] == b"\xc1":
        return crc32(packed) == _RESIDUE
    try:
        msgspec.msgpack.decode(packed)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return False
    return True


@overload
def opener(kind: type[T]) -> Callable[[bytes], T]: ...


@overload
def opener(kind: UnionType) -> Callable[[bytes], Any]: ...


def opener(kind: Any) -> Callable[[bytes], Any]:
    """What reads rows of one kind. Raises RowDamagedError."""
    decode = msgspec.msgpack.Decoder(kind).decode
    name = getattr(kind, "__name__", "value").lower()

    def unseal(packed: bytes) -> Any:
        try:
            if crc32(packed) == _RESIDUE:
                return decode(packed[1:-4])
            if packed[0] != _SEAL:
                return decode(packed)
        except (msgspec.MsgspecError, UnicodeDecodeError, IndexError):
            pass
        raise RowDamagedError(name)

    return unseal
