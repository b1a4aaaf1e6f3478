"""Arrays of bytes, texts and numbers to the database and back, in its binary form.

The driver looks at each element to find out whether it is an array itself, which costs five times what we need: a fifth
of a server's CPU. It lets only scalar types have a codec by its public way, so this takes the way below it; where a
version of the driver has none, its own codecs do the same more slowly.
"""

import struct
from collections.abc import Callable, Iterator, Sequence
from typing import Any

_head = struct.Struct(">iiIii")  # dimensions, has nulls, type of the elements, length, index of the first
_size = struct.Struct(">i").pack
_long = struct.Struct(">iq").pack
_long_of = struct.Struct(">q").unpack
_NULL = _size(-1)


def _bytes_parts(items: Sequence[bytes | None]) -> Iterator[bytes]:
    for each in items:
        if each is None:
            yield _NULL
        else:
            yield _size(len(each))
            yield each


def _text_parts(items: Sequence[str | None]) -> Iterator[bytes]:
    return _bytes_parts([None if each is None else each.encode() for each in items])


def _long_parts(items: Sequence[int | None]) -> Iterator[bytes]:
    return (_NULL if each is None else _long(8, each) for each in items)


def _encoder(element: int, parts: Callable[[Any], Iterator[bytes]]) -> Callable[[Sequence[Any]], bytes]:
    def encode(items: Sequence[Any]) -> bytes:
        if not items:
            return _head.pack(0, 0, element, 0, 0)[:12]
        return b"".join((_head.pack(1, int(None in items), element, len(items), 1), *parts(items)))

    return encode


def _decoder(read: Callable[[bytes], Any]) -> Callable[[bytes], list[Any]]:
    def decode(data: bytes) -> list[Any]:
        found: list[Any] = []
        at = 20
        while at < len(data):
            size = int.from_bytes(data[at : at + 4], "big", signed=True)
            found.append(None if size < 0 else read(data[at + 4 : at + 4 + size]))
            at += 4 + max(size, 0)
        return found

    return decode


# The type, by its number and name, and how it is written and read.
_TYPES: Sequence[tuple[int, str, Callable[[Any], bytes], Callable[[bytes], Any]]] = (
    (1001, "_bytea", _encoder(17, _bytes_parts), _decoder(bytes)),
    (1009, "_text", _encoder(25, _text_parts), _decoder(lambda data: data.decode())),
    (1016, "_int8", _encoder(20, _long_parts), _decoder(lambda data: _long_of(data)[0])),
)


def quicken(connection: Any) -> None:
    """Let a connection of the driver send arrays in this way."""
    try:
        add = connection._protocol.get_settings().add_python_codec  # noqa: SLF001 -- there is no other way
    except AttributeError:
        return
    for number, name, encode, decode in _TYPES:
        add(number, name, "pg_catalog", [], "scalar", encode, decode, "binary")
