"""HTTP in the simulated world: a client's transport and the server's side of it, one link for each request.

What travels is what an ASGI server passes on: a request, then the messages of its answer.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any

import msgspec

from tidemill.client.errors import ServerUnreachableError
from tidemill.client.transport import Body
from tidemill.ports.link import Dialer, Link, LinkDownError
from tidemill.testing.asgi_transport import Application, Message, http_scope, whole

URL = "http://127.0.0.1"
ANSWER_S = 30.0  # a host that lost its power does not hang up; the system's keepalive finds out

_pack = msgspec.msgpack.encode
_unpack = msgspec.msgpack.decode


class Answering:
    """One request, answered by ``app`` on the server's side of a link."""

    def __init__(self, app: Application) -> None:
        self._app = app

    async def serve(self, link: Link) -> None:
        try:
            method, path, headers, body = _unpack(await link.receive())
        except LinkDownError:
            return
        requests: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

        async def receive() -> Message:
            if requests:
                return requests.pop()
            with suppress(LinkDownError):
                await link.receive()
            return {"type": "http.disconnect"}

        async def send(message: Message) -> None:
            try:
                await link.send(_pack(_heard(message)))
            except LinkDownError as error:
                raise OSError("the client is gone") from error

        try:
            await self._app(http_scope(method, path, headers), receive, send)
        except OSError:
            return


def _heard(message: Message) -> tuple[Any, ...]:
    if message["type"] == "http.response.start":
        return message["status"], [
            (name.decode("latin-1"), value.decode("latin-1")) for name, value in message["headers"]
        ]
    return message.get("body", b""), bool(message.get("more_body"))


class LinkTransport:
    """A client's way to the server."""

    url = URL

    def __init__(self, dialer: Dialer) -> None:
        self._dialer = dialer

    @asynccontextmanager
    async def open(self, method: str, path: str, body: Body, headers: Mapping[str, str]) -> AsyncIterator["LinkReply"]:
        request = _pack((method, path, dict(headers), await whole(body)))
        try:
            link = await self._dialer.dial()
        except LinkDownError as error:
            raise ServerUnreachableError(URL, str(error)) from None
        try:
            reply = LinkReply(link)
            await reply.begin(request)
            yield reply
        finally:
            await link.close()

    async def close(self) -> None:
        """Nothing is held open between requests."""


class LinkReply:
    def __init__(self, link: Link) -> None:
        self._link = link
        self.status = 0
        self.headers: Mapping[str, str] = {}

    async def begin(self, request: bytes) -> None:
        try:
            async with asyncio.timeout(ANSWER_S):
                await self._link.send(request)
                self.status, headers = _unpack(await self._link.receive())
        except (LinkDownError, TimeoutError) as error:
            raise ServerUnreachableError(URL, str(error) or "it does not answer") from None
        self.headers = {name.lower(): value for name, value in headers}

    async def read(self) -> bytes:
        return b"".join([chunk async for chunk in self.chunks()])

    async def chunks(self) -> AsyncIterator[bytes]:
        is_more = True
        while is_more:
            try:
                data, is_more = _unpack(await self._link.receive())
            except LinkDownError as error:
                raise ServerUnreachableError(URL, str(error)) from None
            if data:
                yield data
