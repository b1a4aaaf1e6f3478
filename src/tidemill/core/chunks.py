"""Lists that feed a map lie in chunks of 256 elements, so that opening an element reads one row."""

from collections.abc import Callable, Iterable, Sequence
from operator import getitem
from typing import Any

import msgspec
from msgspec import Struct

from tidemill.core.errors import InputError
from tidemill.core.nesting import TooDeepError, read_plain
from tidemill.core.values import CHUNK_ELEMENTS, INLINE_LIMIT_BYTES, Blob, Encoding, FieldPath, Inline

_raw_msgpack = msgspec.msgpack.Decoder(list[msgspec.Raw]).decode
_raw_json = msgspec.json.Decoder(list[msgspec.Raw]).decode
_encode = msgspec.msgpack.Encoder().encode
_UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, TooDeepError)


class Chunk(Struct, frozen=True, array_like=True):
    """Up to ``CHUNK_ELEMENTS`` elements; one too large to lie here is a blob."""

    encoding: Encoding
    elements: list[bytes | Blob]


_chunk = msgspec.msgpack.Decoder(Chunk).decode


class UnreadableError(InputError):
    """Bytes that are no value of their encoding."""

    def __init__(self, reason: object) -> None:
        super().__init__(f"the value cannot be read: {reason}")


class NoSuchFieldError(InputError):
    """A field path leads nowhere in the value that is there."""

    def __init__(self, field: str | int) -> None:
        super().__init__(f"there is no {field!r} here")
        self.field = field


class NotAListError(InputError):
    def __init__(self, found: str) -> None:
        super().__init__(f"map_over needs a list, and got {found}")


class TooLargeError(InputError):
    """An element is too large to lie in a chunk; the shell stores it as a blob."""


def elements_of(data: bytes, encoding: Encoding, fields: FieldPath) -> Sequence[bytes]:
    """Each element of an encoded list, encoded.

    Raises:
        NotAListError: what is there is something else.
        UnreadableError, NoSuchFieldError: there is nothing.
    """
    if fields:
        data, encoding = _encode(pick(plain(data, encoding), fields)), Encoding.MSGPACK
    decode = _raw_msgpack if encoding is Encoding.MSGPACK else _raw_json
    try:
        return [bytes(raw) for raw in decode(data)]
    except _UNREADABLE:
        raise NotAListError(_kind(plain(data, encoding))) from None


def encoding_after(encoding: Encoding, fields: FieldPath) -> Encoding:
    """The encoding of the elements that `elements_of` gives."""
    return Encoding.MSGPACK if fields else encoding


def pack(elements: Sequence[bytes | Blob], encoding: Encoding) -> Iterable[bytes]:
    """Chunk after chunk, encoded. Raises TooLargeError for bytes over the inline limit."""
    if any(isinstance(each, bytes) and len(each) > INLINE_LIMIT_BYTES for each in elements):
        raise TooLargeError("an element is larger than a row may hold")
    for start in range(0, len(elements), CHUNK_ELEMENTS):
        yield _encode(Chunk(encoding, list(elements[start : start + CHUNK_ELEMENTS])))


def unpack(data: bytes) -> Sequence[Inline | Blob]:
    chunk = _chunk(data)
    encoding = chunk.encoding
    return [Inline(each, encoding) if isinstance(each, bytes) else each for each in chunk.elements]


def plain(data: bytes, encoding: Encoding) -> object:
    """Decode without a type: what conditions and lengths look at. Raises UnreadableError."""
    try:
        return read_plain(data, encoding)
    except _UNREADABLE as error:
        raise UnreadableError(error) from None


_PART: dict[type, Callable[[Any, Any], object]] = {dict: getitem, list: getitem}  # a text has no parts


def pick(value: object, fields: FieldPath) -> object:
    """Follow a field path. Raises NoSuchFieldError where it leads nowhere."""
    for field in fields:
        try:
            value = _PART[type(value)](value, field)
        except (LookupError, TypeError):
            raise NoSuchFieldError(field) from None
    return value


def _kind(value: object) -> str:
    match value:
        case None:
            return "null"
        case dict():
            return "a record"
        case str():
            return "a text"
        case _:
            return f"{type(value).__name__}"
