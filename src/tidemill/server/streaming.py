"""Answers that go on: server-sent events, outcomes, bytes of any length. They end when the client leaves."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from enum import Enum
from typing import TypeVar

import msgspec
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

T = TypeVar("T")

EVENTS = "text/event-stream"
KEEP_ALIVE_S = 5.0
_json = msgspec.json.Encoder()


class Streams:
    """Makes streaming answers, and ends those that are open when the server stops."""

    def __init__(self) -> None:
        self._closing = asyncio.Event()

    def close(self) -> None:
        self._closing.set()

    def answer(
        self, chunks: AsyncIterator[bytes], media_type: str, headers: Mapping[str, str] | None = None, status: int = 200
    ) -> "StreamAnswer":
        """A document that has an end: cut short, it is broken off."""
        whole = {"content-type": media_type, "cache-control": "no-store", **(headers or {})}
        return StreamAnswer(chunks, whole, status, self._closing)

    def live(self, chunks: AsyncIterator[bytes], media_type: str) -> "StreamAnswer":
        """Events without an end: whoever reads them comes back and goes on, so a server that stops ends them."""
        answer = self.answer(chunks, media_type)
        answer.cut = Cut.ENDS
        return answer


class Cut(Enum):
    """What a server that stops does to an answer that it is sending."""

    BREAKS = "breaks"
    ENDS = "ends"


class StreamAnswer(Response):
    """Sends chunks while the client listens.

    A fault in the middle breaks the connection, so that nobody takes a part for all.
    """

    def __init__(
        self, chunks: AsyncIterator[bytes], headers: Mapping[str, str], status: int, closing: asyncio.Event
    ) -> None:
        self.status_code = status
        self.background = None
        self.raw_headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
        self._chunks, self._closing = chunks, closing
        self.cut = Cut.BREAKS

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        if scope["method"] == "HEAD":
            await send({"type": "http.response.body", "body": b"", "more_body": False})
            return
        writing = asyncio.create_task(self._write(send))
        leaving = [asyncio.create_task(_left(receive)), asyncio.create_task(self._closing.wait())]
        try:
            await asyncio.wait({writing, *leaving}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (writing, *leaving):
                task.cancel()
            await asyncio.gather(writing, *leaving, return_exceptions=True)
        if not writing.cancelled() and (error := writing.exception()) is not None:
            raise error
        if writing.cancelled() and self._closing.is_set() and self.cut is Cut.ENDS:
            await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _write(self, send: Send) -> None:
        try:
            async for chunk in self._chunks:
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
        finally:
            await _closed(self._chunks)
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def beating(source: AsyncIterator[T], every_s: float = KEEP_ALIVE_S) -> AsyncIterator[T | None]:
    """The items of ``source``, and None after each length of silence."""

    async def step() -> T:
        return await anext(source)

    waiting: asyncio.Task[T] | None = None
    try:
        while True:
            waiting = waiting or asyncio.create_task(step())
            done, _ = await asyncio.wait({waiting}, timeout=every_s)
            if not done:
                yield None
                continue
            try:
                item = waiting.result()
            except StopAsyncIteration:
                return
            waiting = None
            yield item
    finally:
        if waiting is not None:
            waiting.cancel()
            await asyncio.gather(waiting, return_exceptions=True)
        await _closed(source)


async def _closed(source: AsyncIterator[object]) -> None:
    """A generator that is not run to its end gives back what it holds now, not when it is collected."""
    close = getattr(source, "aclose", None)
    if close is not None:
        await close()


def sse(event: str, data: object, number: int | str | None = None) -> bytes:
    """One server-sent event; ``number`` is what a client says to go on from here."""
    head = f"id: {number}\n" if number is not None else ""
    return b"%sevent: %s\ndata: %s\n\n" % (head.encode(), event.encode(), _json.encode(data))


SILENCE = b": still here\n\n"
