"""Plain HTTP, as a stranger would speak it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import aiohttp
import msgspec


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Any
    body: bytes

    @property
    def json(self) -> Any:
        return msgspec.json.decode(self.body)

    @property
    def problem(self) -> str:
        """The type of the problem that it is."""
        assert self.headers["content-type"] == "application/problem+json", self
        assert self.json["status"] == self.status
        return str(self.json["type"])


class Http:
    """Requests to one server. A dict or list is sent as JSON."""

    def __init__(self, url: str, session: aiohttp.ClientSession) -> None:
        self.url, self.session = url, session

    async def __call__(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        data = body if isinstance(body, bytes | None) else msgspec.json.encode(body)
        whole = data if data is None else BytesIO(data)
        if data is not None and "content-type" not in sent:
            sent["content-type"] = "application/json"
        async with self.session.request(method, self.url + path, data=whole, headers=sent) as response:
            return Answer(response.status, response.headers, await response.read())

    async def get(self, path: str, **headers: str) -> Answer:
        return await self("GET", path, **headers)

    async def post(self, path: str, body: Any, **headers: str) -> Answer:
        return await self("POST", path, body, **headers)


@asynccontextmanager
async def speaking(url: str) -> AsyncIterator[Http]:
    async with aiohttp.ClientSession(skip_auto_headers=["content-type"]) as session:
        yield Http(url, session)


async def until(is_so: Callable[[], Awaitable[object]]) -> None:
    """Ask again and again, for what the other side tells nobody of."""
    async with asyncio.timeout(20):
        while not await is_so():  # noqa: ASYNC110 - the other side has no event for it
            await asyncio.sleep(0.01)
