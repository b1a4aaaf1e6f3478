"""Large values, lists and files on their way between an attempt and the server's blobs."""

import asyncio
import itertools
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from functools import partial
from typing import TypeVar

from tidemill.core.bodies import Encoded, LocalFile
from tidemill.core.errors import UnavailableError
from tidemill.core.ids import RunId, digest_of, text_of
from tidemill.core.values import (
    INLINE_LIMIT_BYTES,
    Argument,
    Blob,
    Given,
    GivenList,
    GivenRecord,
    Inline,
    Remote,
    Value,
    refs_in,
)
from tidemill.ports.blobs import BlobDamagedError, BlobMissingError
from tidemill.ports.faults import NO_FAULTS, Faults
from tidemill.ports.files import Files
from tidemill.sdk.errors import PermanentError
from tidemill.wire.worker import FRAME_VALUES_BYTES
from tidemill.worker.fetcher import Fetcher

log = logging.getLogger(__name__)
T = TypeVar("T")

CHUNK_BYTES = 1024 * 1024
_DELAYS_S = (0.1, 0.5, 2.0, 5.0, 10.0)


def is_at_hand(inputs: Mapping[str, Argument]) -> bool:
    """Whether nothing has to be fetched: the usual case, so it is asked first."""
    for argument in inputs.values():
        if type(argument) is not Given or type(argument.value) is not Inline or argument.value.refs:
            return False
    return True


def is_small(outputs: Mapping[str, Encoded]) -> bool:
    """Whether nothing has to be uploaded: the usual case."""
    size = 0
    for encoded in outputs.values():
        size += len(encoded.data)
        if len(encoded.data) > INLINE_LIMIT_BYTES or encoded.local:
            return False
    return size <= FRAME_VALUES_BYTES


class InputGoneError(PermanentError):
    """Bytes that an input names are not there any more: to try again would find nothing either."""

    def __init__(self, name: str, run: bytes, error: BlobMissingError) -> None:
        super().__init__(f"the input {name!r} of run {text_of(RunId(run))} cannot be read from the server: {error}")


class Exchange:
    """On the control loop."""

    def __init__(self, files: Files, fetcher: Fetcher, faults: Faults = NO_FAULTS) -> None:
        self._files, self._fetcher, self._faults = files, fetcher, faults

    async def fetch(self, run: bytes, inputs: Mapping[str, Argument]) -> dict[str, Argument]:
        """The same arguments with every value inline, and the files that they name on this machine."""
        found: dict[str, Argument] = {}
        for name, argument in inputs.items():
            try:
                found[name] = await self._fetch(run, argument)
            except BlobMissingError as error:
                raise InputGoneError(name, run, error) from error
        return found

    async def _fetch(self, run: bytes, argument: Argument) -> Argument:
        match argument:
            case Given(value=value, fields=fields):
                return Given(await self._fetch_value(value), fields)
            case GivenList(items=items):
                return GivenList(tuple([await self._fetch(run, item) for item in items]))
            case GivenRecord(fields=parts):
                return GivenRecord({name: await self._fetch(run, part) for name, part in parts.items()})
            case Remote(path=path, port=port, fields=fields):
                data = await patiently(lambda: self._fetcher.read_list(run, path, port))
                await self._fetch_files(refs_in(data))
                return Given(Inline(data), fields)

    async def _fetch_value(self, value: Inline | Blob) -> Inline:
        await self._fetch_files(value.refs)
        if isinstance(value, Inline):
            return value
        return Inline(await patiently(lambda: self._read_value(value.digest)), value.encoding, value.refs)

    async def _fetch_files(self, digests: tuple[bytes, ...]) -> None:
        for digest in digests:
            await patiently(partial(self._fetch_file, digest))

    async def _fetch_file(self, digest: bytes) -> None:
        if self._files.find(digest) is None:
            await self._files.fetch(digest, self._fetcher.read_blob(digest))

    async def _read_value(self, digest: bytes) -> bytes:
        data = b"".join([chunk async for chunk in self._fetcher.read_blob(digest)])
        if digest_of(data) != digest:
            raise BlobDamagedError(f"the value sha256:{digest.hex()} arrived with other bytes")
        return data

    async def store(self, outputs: Mapping[str, Encoded]) -> dict[str, Value]:
        """Upload what a report cannot carry; tries for ever. Its caller sets the limit."""
        for encoded in outputs.values():
            for local in encoded.local:
                await self.upload(local)
        room = FRAME_VALUES_BYTES
        values: dict[str, Value] = {}
        for port, encoded in outputs.items():
            if len(encoded.data) > min(INLINE_LIMIT_BYTES, room):
                values[port] = await self._store_value(encoded)
            else:
                values[port] = encoded.inline
                room -= len(encoded.data)
        return values

    async def _store_value(self, encoded: Encoded) -> Blob:
        digest = digest_of(encoded.data)
        await without_end(lambda: self._write(digest, len(encoded.data), _in_chunks(encoded.data)))
        return Blob(digest, len(encoded.data), refs=encoded.refs)

    async def upload(self, local: LocalFile) -> None:
        """Tries for ever while the server is away. Raises InputError for a file that has changed since."""
        await without_end(lambda: self._write(local.digest, local.size, self._files.read(local.path)))

    async def _write(self, digest: bytes, size: int, data: AsyncIterator[bytes]) -> None:
        if not await self._fetcher.has_blob(digest):
            self._faults.reach("upload.before")
            await self._fetcher.write_blob(digest, size, data)
            self._faults.reach("upload.after")


async def _in_chunks(data: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(data), CHUNK_BYTES):
        yield data[start : start + CHUNK_BYTES]


async def patiently(action: Callable[[], Awaitable[T]]) -> T:
    """Try a few times while the server is away; then the attempt fails with what it said."""
    for delay_s in _DELAYS_S[:-1]:
        try:
            return await action()
        except UnavailableError as error:
            log.warning("fetching: %s; again in %s s", error, delay_s)
            await asyncio.sleep(delay_s)
    return await action()


async def without_end(action: Callable[[], Awaitable[None]]) -> None:
    """Try until it works or cannot work: what was made is not given up."""
    for tries in itertools.count():
        try:
            await action()
            break
        except UnavailableError as error:
            delay_s = _DELAYS_S[min(tries, len(_DELAYS_S) - 1)]
            log.warning("uploading: %s; again in %s s", error, delay_s)
            await asyncio.sleep(delay_s)
