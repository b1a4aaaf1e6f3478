"""How requests reach a server: over HTTP, or (in tests) straight into an application."""

import errno
import re
from collections import deque
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Protocol

import aiohttp
import msgspec
from yarl import URL

from tidemill.client.errors import BadAddressError, NotTidemillError, ServerUnreachableError, error_of
from tidemill.wire.api import PROBLEM, Problem

Body = bytes | AsyncIterator[bytes] | None

CONNECT_S = 5.0
SILENCE_S = 45.0  # without a byte: whoever sends for long says something every 5 s
CHUNK_BYTES = 256 * 1024
_ADDRESS = re.compile(r"https?://[^/\s?#]", re.IGNORECASE)
_problem = msgspec.json.Decoder(Problem).decode


class Reply(Protocol):
    """An answer whose body is read once, whole or in pieces."""

    @property
    def status(self) -> int: ...

    @property
    def headers(self) -> Mapping[str, str]:
        """Names in lower case."""
        ...

    async def read(self) -> bytes: ...

    def chunks(self) -> AsyncIterator[bytes]:
        """Raises ServerUnreachableError when the answer ends before its end."""
        ...


class Transport(Protocol):
    @property
    def url(self) -> str: ...

    def open(
        self, method: str, path: str, body: Body, headers: Mapping[str, str]
    ) -> AbstractAsyncContextManager[Reply]:
        """Send a request. ``path`` is escaped already. Raises ServerUnreachableError."""
        ...

    async def close(self) -> None: ...


class HttpTransport:
    """One pool of connections, opened with the first request. Raises BadAddressError.

    Args:
        url: of several servers with one store the addresses, with commas between: when one cannot be reached, the next
            request goes to the one after it.
        silence_s: after so long without a byte the server, or the way to it, is taken for gone.
    """

    def __init__(self, url: str, silence_s: float = SILENCE_S) -> None:
        untyped: object = url
        if not isinstance(untyped, str) or not all(map(_ADDRESS.match, untyped.split(","))):
            raise BadAddressError(untyped)
        self._urls = deque(each.rstrip("/") for each in url.split(","))
        self._silence_s = silence_s
        self._session: aiohttp.ClientSession | None = None

    @property
    def url(self) -> str:
        return self._urls[0]

    @asynccontextmanager
    async def open(self, method: str, path: str, body: Body, headers: Mapping[str, str]) -> AsyncIterator[Reply]:
        session = self._session or self._connect()
        if isinstance(body, bytes) and len(body) > CHUNK_BYTES:
            headers = {**headers, "content-length": str(len(body))}
            body = _in_pieces(body)
        for rest in reversed(range(len(self._urls))):
            url = self.url
            asked = session.request(
                method, URL(url + path, encoded=True), data=body, headers=headers, allow_redirects=False
            )
            try:
                async with asked as response:
                    yield _HttpReply(url, response)
                    return
            except aiohttp.ClientError as error:
                if url == self.url:  # not so if another request has gone on already
                    self._urls.rotate(-1)
                if not (rest and isinstance(error, aiohttp.ClientConnectorError)):  # nothing was sent: ask the next
                    raise ServerUnreachableError(url, _reason_of(error)) from None

    def _connect(self) -> aiohttp.ClientSession:
        timeout = aiohttp.ClientTimeout(total=None, connect=None, sock_connect=CONNECT_S, sock_read=self._silence_s)
        self._session = aiohttp.ClientSession(
            timeout=timeout, auto_decompress=False, read_bufsize=2 * CHUNK_BYTES, cookie_jar=aiohttp.DummyCookieJar()
        )
        return self._session

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None


async def _in_pieces(data: bytes) -> AsyncIterator[bytes]:
    """So that no write holds up the loop."""
    for start in range(0, len(data), CHUNK_BYTES):
        yield data[start : start + CHUNK_BYTES]


class _HttpReply:
    def __init__(self, url: str, response: aiohttp.ClientResponse) -> None:
        self._url, self._response = url, response
        self.status = response.status

    @property
    def headers(self) -> Mapping[str, str]:
        return {name.lower(): value for name, value in self._response.headers.items()}

    async def read(self) -> bytes:
        return await self._response.read()

    async def chunks(self) -> AsyncIterator[bytes]:
        try:
            async for chunk in self._response.content.iter_chunked(CHUNK_BYTES):
                yield chunk
        except aiohttp.ClientError as error:
            raise ServerUnreachableError(self._url, _reason_of(error)) from None


def _reason_of(error: aiohttp.ClientError) -> str:
    match error:
        case aiohttp.ClientConnectorDNSError(host=host):
            return f"there is no host {host}"
        case aiohttp.ClientConnectorError(os_error=cause):
            is_refused = cause.errno in (errno.ECONNREFUSED, None)  # none: several addresses, each refused
            return "nothing listens there" if is_refused else f"cannot connect ({cause.strerror or cause})"
        case aiohttp.ConnectionTimeoutError():
            return f"no connection within {CONNECT_S:.0f} s"
        case aiohttp.SocketTimeoutError():
            return "it says nothing"
        case aiohttp.ClientResponseError():
            return "what listens there does not speak HTTP"
        case _:
            return "the connection broke"


async def checked(reply: Reply, url: str) -> Reply:
    """The reply if it is a success. Raises what its problem stands for."""
    if reply.status < 300:
        return reply
    body = await reply.read()
    if not reply.headers.get("content-type", "").startswith(PROBLEM):
        raise NotTidemillError(url, reply.status)
    try:
        problem = _problem(body)
    except msgspec.MsgspecError:
        raise NotTidemillError(url, reply.status) from None
    raise error_of(problem)
