"""Identity: 16-byte time-ordered run and session ids, 32-byte digests, and their text forms.

Inside, ids stay bytes (a ``uuid.UUID`` costs 0.6 µs to make); text exists at the borders only.
"""

import hashlib
from typing import NewType

from tidemill.core.errors import InputError

RunId = NewType("RunId", bytes)
SessionId = NewType("SessionId", bytes)
Digest = NewType("Digest", bytes)
Instant = int  # microseconds since 1970, UTC; a name that holds one ends in `_at`
Path = str  # a step's place in its run, `pages[17]/embed`; "" is the run itself

_ID_SIZE = 16
_DIGEST_PREFIX = "sha256:"


class BadIdError(InputError):
    """A text that is no run id, session id or digest."""

    def __init__(self, text: str, wanted: str) -> None:
        super().__init__(f"{text[:80]!r} is not {wanted}")
        self.text = text


def uuid7(at: Instant, entropy: bytes, count: int = 0) -> bytes:
    """A time-ordered id (RFC 9562, version 7) from 16 random bytes.

    Args:
        count: 0 to 4095, distinct per id made from the same ``at``; keeps the order of making.
    """
    millis = (at // 1000).to_bytes(6, "big")
    tail = bytearray(entropy[:10])
    tail[0] = 0x70 | (count >> 8 & 0x0F)
    tail[1] = count & 0xFF
    tail[2] = 0x80 | (tail[2] & 0x3F)
    return millis + bytes(tail)


def text_of(identity: bytes) -> str:
    """The usual text of an id: 8-4-4-4-12 hexadecimal digits."""
    digits = identity.hex()
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def parse_run_id(text: str) -> RunId:
    """Read the text form of a run id, with or without hyphens."""
    return RunId(_unhex(text.replace("-", ""), _ID_SIZE, text, "a run id: 32 hexadecimal digits"))


def digest_of(data: bytes | bytearray | memoryview) -> Digest:
    return Digest(hashlib.sha256(data).digest())


def digest_text(digest: bytes) -> str:
    return _DIGEST_PREFIX + digest.hex()


def parse_digest(text: str) -> Digest:
    """Read ``sha256:`` and 64 hexadecimal digits."""
    return Digest(_unhex(text.removeprefix(_DIGEST_PREFIX), 32, text, "a digest: sha256: and 64 hexadecimal digits"))


def _unhex(digits: str, size: int, text: str, wanted: str) -> bytes:
    try:
        raw = bytes.fromhex(digits)
    except ValueError:
        raise BadIdError(text, wanted) from None
    if len(raw) != size:
        raise BadIdError(text, wanted)
    return raw
