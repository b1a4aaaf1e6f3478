"""What comes piece by piece: items of streams, events, log lines, pages of steps. Broken streams are taken up again."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from urllib.parse import quote

import msgspec
from msgspec import Struct

from tidemill.client.calls import PREFIX, Calls, escaped, query_text
from tidemill.client.outcomes import frames_of
from tidemill.client.transport import checked
from tidemill.core.errors import UnavailableError
from tidemill.wire.api import (
    FRAMES,
    MSGPACK,
    EmittedPage,
    EmittedView,
    EventView,
    LogLineView,
    LogPage,
    StepPage,
    StepView,
)

RETRIES, RETRY_S = 20, 0.5


class Part(Struct):
    """An item of a stream; or, with ``restart``, the news that items of another epoch follow."""

    index: int = -1
    item: msgspec.Raw = msgspec.Raw()
    epoch: int = 0
    restart: int = 0


class Place(Struct, frozen=True):
    """Where a reader begins: the ``offset`` in ``epoch`` (0: the current one), or in one ``attempt`` only."""

    offset: int = 0
    epoch: int = 0
    attempt: int = 0


_parts = msgspec.msgpack.Decoder(list[Part]).decode
_events = msgspec.json.Decoder(list[EventView]).decode
_told = msgspec.json.Decoder(EmittedView).decode
_event = msgspec.json.Decoder(EventView).decode


class Tails:
    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    async def items(self, run: str, path: str, place: Place) -> AsyncIterator[Part]:
        """Encoded items of a stream from ``offset`` on, each once in its epoch, until there will be no more."""
        left = RETRIES
        stream = f"/runs/{escaped(run)}/stream" + (f"/{quote(path)}" if path else "")
        while True:
            try:
                query = {"from": place.offset, "epoch": place.epoch, "attempt": place.attempt}
                async for frame in self._frames(stream + query_text(query)):
                    for each in _parts(frame):
                        yield each
                        place = msgspec.structs.replace(place, offset=each.index + 1, epoch=each.restart or each.epoch)
                        left = RETRIES
                return
            except UnavailableError:
                left -= 1
                if not left:
                    raise
            await asyncio.sleep(RETRY_S)

    async def _frames(self, path: str) -> AsyncIterator[bytes]:
        transport = self._calls.transport
        async with transport.open("GET", PREFIX + path, None, {"accept": f"{MSGPACK}, {FRAMES}"}) as reply:
            await checked(reply, transport.url)
            async for frame in frames_of(reply.chunks()):
                yield frame

    async def events(self, run: str, after: int) -> AsyncIterator[EventView]:
        left = RETRIES
        while True:
            try:
                async for kind, data in self._messages(f"/runs/{escaped(run)}/events?after={after}"):
                    if kind == "end":
                        return
                    for each in _events(data) if kind == "events" else [_event(data)]:
                        yield each
                        after, left = max(after, each.number), RETRIES
            except UnavailableError:
                left -= 1
                if not left:
                    raise
            await asyncio.sleep(RETRY_S)

    async def emitted(self, run: str, kind: str, after: int) -> AsyncIterator[EmittedView]:
        left = RETRIES
        while True:
            query = query_text({"type": kind, "after": after, "follow": "true"})
            try:
                async for name, data in self._messages(f"/runs/{escaped(run)}/emitted{query}"):
                    if name == "end":
                        return
                    each = _told(data)
                    yield each
                    after, left = each.number, RETRIES
            except UnavailableError:
                left -= 1
                if not left:
                    raise
            await asyncio.sleep(RETRY_S)

    async def emitted_so_far(self, run: str, kind: str, after: int) -> AsyncIterator[EmittedView]:
        while True:
            query = {"type": kind, "after": after, "limit": 1000}
            page = await self._calls.get(f"/runs/{escaped(run)}/emitted", EmittedPage, query)
            for event in page.events:
                yield event
            if not page.events:
                return
            after = page.next

    async def _messages(self, path: str) -> AsyncIterator[tuple[str, bytes]]:
        """Server-sent events: (kind, data)."""
        transport = self._calls.transport
        async with transport.open("GET", PREFIX + path, None, {"accept": "text/event-stream"}) as reply:
            await checked(reply, transport.url)
            rest = b""
            async for chunk in reply.chunks():
                *whole, rest = (rest + chunk).split(b"\n\n")
                for message in whole:
                    fields = dict(line.partition(b": ")[::2] for line in message.split(b"\n"))
                    if b"data" in fields:
                        yield fields.get(b"event", b"").decode(), fields[b"data"]

    async def logs(self, run: str, wanted: Mapping[str, str | None], after: int) -> AsyncIterator[LogLineView]:
        while True:
            query = {**wanted, "after": after, "limit": 1000}
            page = await self._calls.get(f"/runs/{escaped(run)}/logs", LogPage, query)
            for line in page.lines:
                yield line
            if page.next == after:
                return
            after = page.next

    async def steps(self, run: str) -> AsyncIterator[StepView]:
        after = ""
        while True:
            page = await self._calls.get(f"/runs/{escaped(run)}/steps", StepPage, {"after": after, "limit": 1000})
            for step in page.steps:
                yield step
            if not page.next:
                return
            after = page.next
