"""Values as the orchestrator sees them: opaque bytes with an encoding, by digest when large.

`docs/design/values.md` has the table of types, wire forms and schemas. Three families live here:

- a *value* is what a port holds in the store: `Inline`, `Blob` or `Streamed`;
- a *source* says where a node's input comes from, as paths into a run (`core.resolve` makes it);
- an *argument* is a source with its values filled in, as it travels to a worker.
"""

import re
from collections.abc import Mapping
from enum import Enum

from msgspec import Struct

from tidemill.core.ids import Digest, Path

INLINE_LIMIT_BYTES = 16 * 1024
CHUNK_ELEMENTS = 256
MIN_INT, MAX_INT = -(2**63), 2**64 - 1  # what msgpack can hold

FieldPath = tuple[str | int, ...]  # into a decoded value: a key of a record, an index of a list


class Encoding(Enum):
    MSGPACK = "m"
    JSON = "j"


class Inline(Struct, frozen=True, gc=False, array_like=True, tag="i"):
    """Encoded bytes, at most ``INLINE_LIMIT_BYTES``. ``refs`` are the digests of the files named inside."""

    data: bytes
    encoding: Encoding = Encoding.MSGPACK
    refs: tuple[bytes, ...] = ()


class Blob(Struct, frozen=True, gc=False, array_like=True, tag="b"):
    """Encoded bytes that lie in blob storage under their sha256."""

    digest: bytes
    size: int
    encoding: Encoding = Encoding.MSGPACK
    refs: tuple[bytes, ...] = ()


class Streamed(Struct, frozen=True, gc=False, array_like=True, tag="s"):
    """A list whose items an attempt streamed; they lie in the store by (run, path, number)."""

    number: int
    count: int


Value = Inline | Blob | Streamed


# The wire form of a file, in msgpack and in JSON. Neither pattern can occur inside a text: there the byte before `$`
# would be no UTF-8, and the quotes would be escaped.
_FILES = {
    Encoding.MSGPACK: re.compile(rb"\xa5\$file\xd9\x47sha256:([0-9a-f]{64})"),
    Encoding.JSON: re.compile(rb'"\$file"\s*:\s*"sha256:([0-9a-f]{64})"'),
}


def refs_in(data: bytes, encoding: Encoding = Encoding.MSGPACK) -> tuple[bytes, ...]:
    """The digests of the files named in an encoded value, found without decoding it."""
    if b"$file" not in data:
        return ()
    return tuple(dict.fromkeys(bytes.fromhex(found.decode()) for found in _FILES[encoding].findall(data)))


def blobs_of(values: Mapping[str, Value]) -> list[Digest]:
    """Digests that values name: their own bytes, and the files inside."""
    found: dict[Digest, None] = {}
    for value in values.values():
        if isinstance(value, Blob):
            found[Digest(value.digest)] = None
        for digest in getattr(value, "refs", ()):
            found[Digest(digest)] = None
    return list(found)


# Sources -------------------------------------------------------------------------------------------


class Output(Struct, frozen=True, gc=False, tag="output"):
    """A stored value of a step's port; path "" holds the inputs of the run."""

    path: Path
    port: str
    fields: FieldPath = ()


class Element(Struct, frozen=True, gc=False, tag="element"):
    """One element of a list that was split into chunks for the map at ``path``."""

    path: Path
    param: str
    index: int
    fields: FieldPath = ()


class Fixed(Struct, frozen=True, gc=False, tag="fixed"):
    """A constant of the graph, in JSON."""

    data: bytes
    fields: FieldPath = ()


class ListOf(Struct, frozen=True, tag="list"):
    items: tuple["Source", ...]


class RecordOf(Struct, frozen=True, tag="record"):
    fields: dict[str, "Source"]


class Gathered(Struct, frozen=True, gc=False, tag="gathered"):
    """The output list of the map at ``path``: one port of each element, in order."""

    path: Path
    port: str
    length: int
    fields: FieldPath = ()


Source = Output | Element | Fixed | ListOf | RecordOf | Gathered


# Arguments -----------------------------------------------------------------------------------------


class Given(Struct, frozen=True, gc=False, array_like=True, tag="v"):
    """A value, and the field of it that is meant."""

    value: Inline | Blob
    fields: FieldPath = ()


class GivenList(Struct, frozen=True, array_like=True, tag="l"):
    items: tuple["Argument", ...]


class GivenRecord(Struct, frozen=True, array_like=True, tag="r"):
    fields: dict[str, "Argument"]


class Remote(Struct, frozen=True, gc=False, array_like=True, tag="g"):
    """A list too long for a frame: the worker reads it from the server, by the step's path and port."""

    path: Path
    port: str
    fields: FieldPath = ()


Argument = Given | GivenList | GivenRecord | Remote
