"""Plain data as stored values, and back."""

from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any

import msgspec

from tidemill.core.chunks import pick, plain
from tidemill.core.ids import BadIdError, Digest, Path, digest_of, parse_digest
from tidemill.core.nesting import NESTING_LIMIT, TooDeepError, read_plain
from tidemill.core.run import Run
from tidemill.core.terms import Input
from tidemill.core.values import (
    INLINE_LIMIT_BYTES,
    Argument,
    Blob,
    Encoding,
    Given,
    GivenList,
    GivenRecord,
    Inline,
    Remote,
)
from tidemill.engine.engine import Engine
from tidemill.engine.reader import ValueTooLargeError
from tidemill.ports.blobs import Blobs
from tidemill.server.problems import invalid

PLAIN_LIMIT_BYTES = 16 * 1024 * 1024  # of a value that is shown as JSON
FILE_KEY = "$file"  # of a reference to a file, {"$file": "sha256:…", "size": …}

_encode_json = msgspec.json.Encoder(order="deterministic").encode
_encode_msgpack = msgspec.msgpack.Encoder(order="deterministic").encode


def decode_plain(data: bytes, encoding: Encoding, name: str) -> Any:
    """Raises RequestError when the bytes are not of their encoding."""
    try:
        return read_plain(data, encoding)
    except TooDeepError as error:
        raise invalid("invalid_input", ((f"$.{name}", str(error)),)) from None
    except (msgspec.MsgspecError, UnicodeDecodeError, ValueError) as error:
        raise invalid("invalid_input", ((f"$.{name}", f"is no {encoding.name.lower()}: {error}"),)) from None


class Uploads:
    """Stores plain data as a value: in the row when it is small, as a blob when it is not."""

    def __init__(self, engine: Engine, blobs: Blobs, limit: int) -> None:
        self._engine, self._blobs, self._limit = engine, blobs, limit

    async def store(self, value: Any) -> Inline | Blob:
        holds_bytes, refs = _look(value)
        encoding = Encoding.MSGPACK if holds_bytes else Encoding.JSON
        data = _encode_msgpack(value) if holds_bytes else _encode_json(value)
        if len(data) <= INLINE_LIMIT_BYTES:
            return Inline(data, encoding, refs)
        digest, size = await self._blobs.write(_once(data), digest_of(data), self._limit)
        await self._engine.blob_stored(digest, size)
        return Blob(digest, size, encoding, refs)


class Plains:
    """Outputs of a run as plain data, for those who read JSON."""

    def __init__(self, engine: Engine, blobs: Blobs, limit: int = PLAIN_LIMIT_BYTES) -> None:
        self._reader, self._blobs, self._limit = engine.reader, blobs, limit

    async def outputs(self, run: Run) -> dict[str, Any]:
        """Raises ValueTooLargeError."""
        return await self.of(run, await self._reader.outputs(run))

    async def of(self, run: Run, arguments: Mapping[str, Argument]) -> dict[str, Any]:
        """Arguments as plain data. Raises ValueTooLargeError."""
        return {name: await self._plain(run, each) for name, each in arguments.items()}

    async def expression(self, run: Run, path: Path, expression: Input) -> Any:
        """What stands in the graph around a step. Raises ValueTooLargeError, or InputError when it leads nowhere."""
        return await self._plain(run, await self._reader.expression(run, path, expression))

    async def _plain(self, run: Run, argument: Argument) -> Any:
        match argument:
            case Given(value=Inline(data=data, encoding=encoding), fields=fields):
                return pick(plain(data, encoding), fields)
            case Given(value=Blob(digest=digest, size=size, encoding=encoding), fields=fields):
                if size > self._limit:
                    raise ValueTooLargeError(f"an output has {size} bytes")
                return pick(plain(await self._blobs.fetch(Digest(digest), size), encoding), fields)
            case GivenList(items=items):
                return [await self._plain(run, item) for item in items]
            case GivenRecord(fields=parts):
                return {name: await self._plain(run, part) for name, part in parts.items()}
            case Remote(path=path, port=port, fields=fields):
                pieces = self._reader.read(run, path, port)
                data = await self._reader.whole(pieces, self._limit)
                return pick(plain(data, Encoding.MSGPACK), fields)
            case Given():
                raise TypeError(argument)


async def _once(data: bytes) -> AsyncIterator[bytes]:
    yield data


def _look(value: Any) -> tuple[bool, tuple[bytes, ...]]:
    """Whether there are bytes inside, and the digests of the files that are named."""
    holds_bytes, refs = False, dict[bytes, None]()
    for each in walk(value):
        if isinstance(each, bytes):
            holds_bytes = True
        elif isinstance(each, dict) and isinstance(named := each.get(FILE_KEY), str):
            try:
                refs[parse_digest(named)] = None
            except BadIdError:
                continue  # the schema let it pass, so it is a record that looks like a file
    return holds_bytes, tuple(refs)


def walk(value: Any, depth: int = 0) -> Iterator[Any]:
    """Each value inside, lists and records too. Raises RequestError when it is too deep."""
    if depth > NESTING_LIMIT:
        raise invalid("invalid_input", (("$", f"is nested deeper than {NESTING_LIMIT} levels"),))
    yield value
    if isinstance(value, dict):
        for each in value.values():
            yield from walk(each, depth + 1)
    elif isinstance(value, list):
        for each in value:
            yield from walk(each, depth + 1)
