"""Requests with typed answers, tried again while the server is away."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import TypeVar
from urllib.parse import quote, urlencode

import msgspec

from tidemill.client.errors import NotTidemillError
from tidemill.client.transport import Transport, checked
from tidemill.core.errors import UnavailableError
from tidemill.wire.api import MSGPACK

T = TypeVar("T")

PREFIX = "/api/v1"
DELAYS_S = (0.05, 0.1, 0.2, 0.5, 1.0)
_HEADERS = {"accept": MSGPACK, "content-type": MSGPACK}
_encode = msgspec.msgpack.Encoder().encode


class Calls:
    """``patience_s``: how long a server that was there before may be away."""

    def __init__(self, transport: Transport, patience_s: float) -> None:
        self.transport, self._patience_s = transport, patience_s
        self.was_there = False  # once it was, it is worth waiting for

    async def get(self, path: str, answer: type[T], query: Mapping[str, object] | None = None) -> T:
        return await self.patiently(lambda: self._once("GET", path + query_text(query or {}), b"", answer))

    async def document(self, path: str) -> bytes:
        """The answer as it came."""
        return await self.patiently(lambda: self._raw("GET", path, b"", _HEADERS))

    async def post(self, path: str, body: object, answer: type[T]) -> T:
        """Only for what may be sent twice without harm."""
        data = _encode(body)
        return await self.patiently(lambda: self._once("POST", path, data, answer))

    async def put(self, path: str, body: object, answer: type[T]) -> T:
        data = _encode(body)
        return await self.patiently(lambda: self._once("PUT", path, data, answer))

    async def delete(self, path: str) -> None:
        await self.patiently(lambda: self._raw("DELETE", path, b"", _HEADERS))

    async def send(self, method: str, path: str, body: object, answer: type[T]) -> T:
        """With another method than POST; only for what may be sent twice without harm."""
        data = b"" if body is None else _encode(body)
        return await self.patiently(lambda: self._once(method, path, data, answer))

    async def put_json(self, path: str, document: bytes, answer: type[T]) -> T:
        headers = {**_HEADERS, "content-type": "application/json"}
        return await self.patiently(lambda: self._once("PUT", path, document, answer, headers))

    async def _once(
        self, method: str, path: str, body: bytes, answer: type[T], headers: dict[str, str] = _HEADERS
    ) -> T:
        data = await self._raw(method, path, body, headers)
        try:
            found: T = msgspec.msgpack.decode(data or b"\xc0", type=answer)
        except msgspec.MsgspecError:
            raise NotTidemillError(self.transport.url, 200) from None
        return found

    async def _raw(self, method: str, path: str, body: bytes, headers: Mapping[str, str]) -> bytes:
        async with self.transport.open(method, PREFIX + path, body or None, headers) as reply:
            await checked(reply, self.transport.url)
            return await reply.read()

    async def patiently(self, action: Callable[[], Awaitable[T]]) -> T:
        """Try again while the server is away, if it ever was there."""
        waited = 0.0
        tries = 0
        while True:
            try:
                found = await action()
            except UnavailableError:
                if waited >= self._patience_s or not self.was_there:
                    raise
            else:
                self.was_there = True
                return found
            delay = DELAYS_S[min(tries, len(DELAYS_S) - 1)]
            await asyncio.sleep(delay)
            waited += delay
            tries += 1


def query_text(query: Mapping[str, object]) -> str:
    """``?name=value`` of what is given; a tuple repeats its name."""
    given = {name: value for name, value in query.items() if value not in ("", None, ())}
    return "?" + urlencode(given, doseq=True) if given else ""


def escaped(part: str) -> str:
    """A part of a path, so that it stays one."""
    return quote(part, safe="")
