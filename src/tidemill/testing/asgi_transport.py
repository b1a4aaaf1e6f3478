"""Requests straight into an application, without sockets. It may run on another loop than its callers."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, MutableMapping
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import unquote

from tidemill.client.errors import ServerUnreachableError
from tidemill.client.transport import Body

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]


class AsgiTransport:
    """A client's way to ``app``, which lives on ``loop``."""

    url = "http://127.0.0.1"

    def __init__(self, app: Application, loop: asyncio.AbstractEventLoop) -> None:
        self._app, self._loop = app, loop

    @asynccontextmanager
    async def open(self, method: str, path: str, body: Body, headers: Mapping[str, str]) -> AsyncIterator["AsgiReply"]:
        reply = AsgiReply(self.url, self._loop, await whole(body))
        answering = self._app(http_scope(method, path, headers), reply.receive, reply.send)
        try:
            future = asyncio.run_coroutine_threadsafe(_awaited(answering), self._loop)
        except RuntimeError:
            raise ServerUnreachableError(self.url, "it has been closed") from None
        future.add_done_callback(lambda _: reply.hear(None))
        try:
            await reply.begin()
            yield reply
        finally:
            reply.leave()

    async def close(self) -> None:
        """Nothing is held open between requests."""


class AsgiReply:
    """One request on its way: ``receive`` and ``send`` are called on the application's loop, the rest on ours."""

    def __init__(self, url: str, theirs: asyncio.AbstractEventLoop, body: bytes) -> None:
        self._url, self._theirs, self._ours = url, theirs, asyncio.get_running_loop()
        self._requests: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]
        self._left = asyncio.Event()
        self._heard: asyncio.Queue[Message | None] = asyncio.Queue()
        self.status = 0
        self.headers: Mapping[str, str] = {}

    async def receive(self) -> Message:
        if self._requests:
            return self._requests.pop()
        await self._left.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        self.hear(message)

    def hear(self, message: Message | None) -> None:
        """From any thread; None: there will be no more."""
        if not self._ours.is_closed():
            self._ours.call_soon_threadsafe(self._heard.put_nowait, message)

    def leave(self) -> None:
        if not self._theirs.is_closed():
            self._theirs.call_soon_threadsafe(self._left.set)

    async def begin(self) -> None:
        start = await self._heard.get()
        if start is None:
            raise ServerUnreachableError(self._url, "it gave no answer")
        self.status = start["status"]
        self.headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in start["headers"]}

    async def read(self) -> bytes:
        return b"".join([chunk async for chunk in self.chunks()])

    async def chunks(self) -> AsyncIterator[bytes]:
        while True:
            message = await self._heard.get()
            if message is None:
                raise ServerUnreachableError(self._url, "the answer broke off")
            if data := message.get("body", b""):
                yield data
            if not message.get("more_body"):
                return


def http_scope(method: str, path: str, headers: Mapping[str, str]) -> dict[str, Any]:
    path, _, query = path.partition("?")
    given = {"host": "127.0.0.1", **{name.lower(): value for name, value in headers.items()}}
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": unquote(path),
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "root_path": "",
        "headers": [(name.encode("latin-1"), value.encode("latin-1")) for name, value in given.items()],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 80),
    }


async def _awaited(answering: Awaitable[None]) -> None:
    await answering


async def whole(body: Body) -> bytes:
    if body is None or isinstance(body, bytes):
        return body or b""
    return b"".join([chunk async for chunk in body])
