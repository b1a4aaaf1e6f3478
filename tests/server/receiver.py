"""A receiver of webhooks: a real server that keeps what it is sent and answers as it is told."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import msgspec
from aiohttp import web

WITHIN_S = 20.0


@dataclass(frozen=True)
class Got:
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return msgspec.json.decode(self.body)


@dataclass
class Receiver:
    """Answers 200, but for paths with answers of their own, which are used up one by one; the last one stays."""

    url: str = ""
    got: list[Got] = field(default_factory=list)
    answers: dict[str, list[web.Response | float]] = field(default_factory=dict)  # a number: seconds of silence
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.got.append(Got(request.path, dict(request.headers), await request.read()))
        self._news.set()
        mine = self.answers.get(request.path, [])
        told = (mine.pop(0) if len(mine) > 1 else mine[0]) if mine else web.Response()
        if isinstance(told, float):
            await asyncio.sleep(told)
            return web.Response()
        return web.Response(status=told.status, headers=told.headers, body=told.body)

    async def after(self, count: int, path: str = "") -> list[Got]:
        """Wait until this many have come, to a path or in all."""
        async with asyncio.timeout(WITHIN_S):
            while len(found := [each for each in self.got if not path or each.path == path]) < count:
                self._news.clear()
                await self._news.wait()
        return found


@asynccontextmanager
async def receiving(port: int = 0) -> AsyncIterator[Receiver]:
    receiver = Receiver()
    application = web.Application(client_max_size=1 << 24)
    application.router.add_route("*", "/{rest:.*}", receiver.answer)
    runner = web.AppRunner(application, shutdown_timeout=0.1, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    receiver.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield receiver
    finally:
        await runner.cleanup()
