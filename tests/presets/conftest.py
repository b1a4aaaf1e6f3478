"""Real servers on loopback."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from aiohttp import web

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


@asynccontextmanager
async def serving(answers: dict[str, Answer], host: str = "127.0.0.1") -> AsyncIterator[str]:
    """The URL of a server that answers at these paths, whatever the method."""
    application = web.Application()
    for path, answer in answers.items():
        application.router.add_route("*", path, answer)
    runner = web.AppRunner(application, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, host, 0)
    await site.start()
    try:
        yield f"http://{host}:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()
