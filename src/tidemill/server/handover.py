"""Values on their way to and from a worker that speaks JSON: whatever is hard to read is made plain here.

An input is handed over as one JSON document, in the frame while it is small and as a blob when it is not. So such a
worker follows no field path, puts no list together and reads no msgpack. The price is bounded by `LIMIT_BYTES`.
"""

import math
import re
from collections.abc import AsyncIterator, Mapping
from typing import Any

import msgspec

from tidemill.core.chunks import pick, plain
from tidemill.core.errors import InputError
from tidemill.core.ids import Digest, RunId, digest_of
from tidemill.core.rows import Keys
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
    Value,
    refs_in,
)
from tidemill.engine.engine import Engine
from tidemill.engine.reader import ValueTooLargeError
from tidemill.ports.blobs import Blobs
from tidemill.wire.worker import FRAME_VALUES_BYTES

LIMIT_BYTES = 4 * 1024 * 1024  # of what is decoded for one input
_NO_NUMBER = re.compile(rb"\xcb[\x7f\xff][\xf0-\xff]|\xca[\x7f\xff][\x80-\xff]")  # NaN or infinity, maybe

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode
_pack = msgspec.msgpack.Encoder().encode
_UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)


class NotJsonError(InputError):
    """What a worker sent as JSON is none, or a value has no form in JSON."""


class Handover:
    """For all workers that speak JSON."""

    def __init__(self, engine: Engine, blobs: Blobs) -> None:
        self._engine, self._blobs = engine, blobs

    async def inputs(self, run: bytes, given: Mapping[str, Argument]) -> dict[str, Argument]:
        """Each as a value in JSON without a field path. Raises InputError, and UnavailableError."""
        handed: dict[str, Argument] = {}
        room = FRAME_VALUES_BYTES
        for name, argument in given.items():
            value = await self._handed(RunId(run), name, argument, room)
            room -= len(value.data) if isinstance(value, Inline) else 0
            handed[name] = Given(value)
        return handed

    async def _handed(self, run: RunId, name: str, argument: Argument, room: int) -> Inline | Blob:
        match argument:
            case Given(value=Inline(encoding=Encoding.JSON) as value, fields=()) if len(value.data) <= room:
                return value
            case Given(value=Blob(encoding=Encoding.JSON) as blob, fields=()):
                return blob
            case _:
                pass
        try:
            data = _encode(await self._plain(run, argument))
        except RecursionError:
            raise NotJsonError(f"the input {name!r} is nested too deep") from None
        except ValueTooLargeError:
            raise ValueTooLargeError(
                f"the input {name!r} has more than {LIMIT_BYTES:,} bytes, and a worker that speaks JSON takes no more "
                f"unless it was made as JSON: hand it a File"
            ) from None
        return await self._value(data, min(room, INLINE_LIMIT_BYTES))

    async def outputs(self, given: Mapping[str, Value]) -> dict[str, Value]:
        """What a worker reports, with files found and what is large put aside. Raises NotJsonError."""
        return {port: await self._output(port, value) for port, value in given.items()}

    async def _output(self, port: str, value: Value) -> Value:
        if not isinstance(value, Inline) or value.encoding is not Encoding.JSON:
            return value
        try:
            _decode(value.data)
        except _UNREADABLE as error:
            raise NotJsonError(f"the output {port!r} is no JSON: {error}") from None
        return await self._value(value.data, INLINE_LIMIT_BYTES)

    async def _value(self, data: bytes, room: int) -> Inline | Blob:
        refs = refs_in(data, Encoding.JSON)
        if len(data) <= room:
            return Inline(data, Encoding.JSON, refs)
        digest, size = await self._blobs.write(_once(data), digest_of(data), len(data))
        await self._engine.blob_stored(digest, size)
        return Blob(digest, size, Encoding.JSON, refs)

    async def _plain(self, run: RunId, argument: Argument) -> Any:
        match argument:
            case Given(value=Inline(data=data, encoding=encoding), fields=fields):
                return _picked(data, encoding, fields)
            case Given(value=Blob(digest=digest, size=size, encoding=encoding), fields=fields):
                if size > LIMIT_BYTES:
                    raise ValueTooLargeError(f"{size} bytes")
                return _picked(await self._blobs.fetch(Digest(digest), size), encoding, fields)
            case GivenList(items=items):
                return [await self._plain(run, item) for item in items]
            case GivenRecord(fields=parts):
                return {name: await self._plain(run, part) for name, part in parts.items()}
            case Remote(path=path, port=port, fields=fields):
                return _picked(await self._list(run, path, port), Encoding.MSGPACK, fields)
            case _:
                raise TypeError(argument)

    async def _list(self, run: RunId, path: str, port: str) -> bytes:
        row = (await self._engine.queries.rows(Keys(runs=[run]))).runs.get(run)
        if row is None:
            raise NotJsonError("the run is gone")
        reader = self._engine.reader
        return await reader.whole(reader.read(row, path, port), LIMIT_BYTES)


def item_of(data: bytes) -> bytes:
    """A stream's item, from JSON as it is kept. Raises NotJsonError."""
    try:
        return _pack(_decode(data))
    except _UNREADABLE as error:
        raise NotJsonError(f"an item is no JSON: {error}") from None


def _picked(data: bytes, encoding: Encoding, fields: tuple[str | int, ...]) -> Any:
    value = pick(plain(data, encoding), fields)
    if encoding is Encoding.MSGPACK and _NO_NUMBER.search(data):
        _refuse_no_number(value)
    return value


def _refuse_no_number(value: Any) -> None:
    if isinstance(value, float) and not math.isfinite(value):
        raise NotJsonError(f"{value} has no form in JSON, which this worker speaks")
    for each in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        _refuse_no_number(each)


async def _once(data: bytes) -> AsyncIterator[bytes]:
    yield data
