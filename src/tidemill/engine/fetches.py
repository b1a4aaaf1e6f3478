"""Large values that decide must look into: read beside the beats, and handed back as events."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Sequence

from tidemill.core.chunks import NotAListError, elements_of, pack
from tidemill.core.commands import FetchLists, FetchOperands
from tidemill.core.errors import InputError, UnavailableError
from tidemill.core.events import Event, FetchFailed, ListFetched, OperandsFetched
from tidemill.core.ids import Digest, Path, RunId
from tidemill.core.rows import Keys
from tidemill.core.run import Code, Failure, Run
from tidemill.core.values import CHUNK_ELEMENTS, INLINE_LIMIT_BYTES, Blob, Encoding, Inline, refs_in
from tidemill.engine.reader import Reader
from tidemill.ports.blobs import Blobs
from tidemill.ports.store import Queries

LIST_LIMIT_BYTES = 1 << 30
OPERAND_LIMIT_BYTES = 64 * 1024
BITE_BYTES = 4 * 1024 * 1024

_log = logging.getLogger("tidemill.engine")

Fetch = FetchLists | FetchOperands
Send = Callable[[Event], None]
Stored = Callable[[Digest, int], "asyncio.Future[None]"]


class Fetches:
    """Does one fetch after the other; a crash forgets them, and their timers ask again."""

    def __init__(self, queries: Queries, reader: Reader, blobs: Blobs) -> None:
        self._queries, self._reader, self._blobs = queries, reader, blobs
        self._orders: asyncio.Queue[Fetch] = asyncio.Queue()
        self._waiting: set[tuple[RunId, Path]] = set()  # a fetch may outlast its timer

    def put(self, order: Fetch) -> None:
        if (order.run, order.path) not in self._waiting:
            self._waiting.add((order.run, order.path))
            self._orders.put_nowait(order)

    async def work(self, send: Send, stored: Stored) -> None:
        """Until cancelled. Each answer is sent as an event."""
        while True:
            order = await self._orders.get()
            try:
                await self._fetch(order, send, stored)
            except UnavailableError:
                continue  # the timer asks again
            except InputError as error:
                send(FetchFailed(order.run, order.path, Failure(Code.INVALID_INPUT, str(error))))
            except Exception as error:  # noqa: BLE001  # the outermost line of one fetch: the others go on
                _log.exception("what %r looks into cannot be read", order.path)
                send(FetchFailed(order.run, order.path, Failure(Code.INTERNAL, f"{type(error).__name__}: {error}")))
            finally:
                self._waiting.discard((order.run, order.path))

    async def _fetch(self, order: Fetch, send: Send, stored: Stored) -> None:
        run = (await self._queries.rows(Keys(runs=[order.run]))).runs[order.run]
        if run is None:
            return
        if isinstance(order, FetchOperands):
            values = {}
            for path, port in order.places:
                pieces = self._reader.read(run, path, port)
                values[path, port] = Inline(await self._reader.whole(pieces, OPERAND_LIMIT_BYTES))
            send(OperandsFetched(order.run, order.path, values))
            return
        await self._lists(run, order, send, stored)

    async def _lists(self, run: Run, order: FetchLists, send: Send, stored: Stored) -> None:
        lengths: dict[str, int] = {}
        chunks: dict[str, dict[int, bytes]] = {}
        for param, source in order.lists.items():
            data = await self._reader.whole(self._reader.document(run, source), LIST_LIMIT_BYTES)
            elements = elements_of(data, Encoding.MSGPACK, ())
            lengths[param] = len(elements)
            packed = await self._pack(elements, stored)
            *bites, chunks[param] = _bites(packed)
            for bite in bites:
                send(ListFetched(order.run, order.path, {}, {param: bite}, done=False))
        if not lengths:
            raise NotAListError("nothing")
        send(ListFetched(order.run, order.path, lengths, chunks, done=True))

    async def _pack(self, elements: Sequence[bytes], stored: Stored) -> list[bytes]:
        packed: list[bytes] = []
        for start in range(0, len(elements), CHUNK_ELEMENTS):
            some = [await self._element(each, stored) for each in elements[start : start + CHUNK_ELEMENTS]]
            packed += pack(some, Encoding.MSGPACK)
        return packed

    async def _element(self, data: bytes, stored: Stored) -> bytes | Blob:
        if len(data) <= INLINE_LIMIT_BYTES:
            return data
        digest, size = await self._blobs.write(_once(data), None, len(data))
        await stored(digest, size)
        return Blob(digest, size, refs=refs_in(data))


def _bites(chunks: Sequence[bytes]) -> list[dict[int, bytes]]:
    """Chunks by number, in portions that a beat takes; at least one."""
    bites: list[dict[int, bytes]] = [{}]
    size = 0
    for number, chunk in enumerate(chunks):
        if size + len(chunk) > BITE_BYTES and bites[-1]:
            bites.append({})
            size = 0
        bites[-1][number] = chunk
        size += len(chunk)
    return bites


async def _once(data: bytes) -> AsyncIterator[bytes]:
    yield data
