"""A client over bad lines: it finds out by itself, tries again, and gives up nothing."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from tests.server.mill import Mill, mill
from tests.server.tasks import count, echo, media, sleepy
from tests.storm.proxy import End, Proxy, Weather
from tidemill import AsyncClient
from tidemill.client.transport import HttpTransport
from tidemill.core.ids import parse_run_id
from tidemill.server.streaming import Streams
from tidemill.server.tails import Tails

BOUND_S = 60.0
LARGE = bytes(range(256)) * 1000


@asynccontextmanager
async def lined(folder: Path) -> AsyncIterator[tuple[Mill, Proxy, AsyncClient]]:
    """A client that hears of the server by a proxy, and waits half a second for a word of it."""
    async with asyncio.timeout(BOUND_S), AsyncExitStack() as stack:
        server = await stack.enter_async_context(mill(folder))
        line = await stack.enter_async_context(Proxy([int(server.url.rpartition(":")[2])]))
        client = await stack.enter_async_context(AsyncClient(line.url, transport=HttpTransport(line.url, 0.5)))
        await client.workers()
        yield server, line, client


async def test_a_request_into_a_line_that_leads_nowhere_is_made_again(tmp_path: Path) -> None:
    async with lined(tmp_path) as (_, line, client):
        line.half_open(End.TARGET)
        assert list(await client.workers()) == []


async def test_a_large_value_is_submitted_and_fetched_while_the_server_is_away_for_a_while(tmp_path: Path) -> None:
    async with lined(tmp_path) as (server, line, client), server.worker(media):
        for _ in range(2):
            line.reset()
            away = asyncio.create_task(line.spell(Weather(refuses=True), 1))
            await asyncio.sleep(0)
            assert await (await client.submit(echo, LARGE)).result() == LARGE
            await away
        line.reset()
        away = asyncio.create_task(line.spell(Weather(refuses=True), 1))
        await asyncio.sleep(0)
        file = await client.upload(LARGE + b"!", name="large.bin")
        await away
        assert (await client.download(file, tmp_path)).read_bytes() == LARGE + b"!"


async def test_a_reader_of_a_stream_notices_that_its_line_leads_nowhere(tmp_path: Path) -> None:
    async with lined(tmp_path) as (server, line, client):
        async with server.worker(media):
            await client.submit(count, 1)
        run = await client.submit(count, 5)
        reading = asyncio.create_task(_items(client, run.id))
        await asyncio.sleep(0.1)  # it may have begun or not: either will do
        line.half_open(End.TARGET)
        async with server.worker(media):
            assert await reading == [0, 1, 2, 3, 4]


async def _items(client: AsyncClient, run: str) -> list[int]:
    return [item async for item in client.run(run, count).stream()]


async def test_a_busy_run_gives_signs_of_life_to_readers_of_a_quiet_stream(tmp_path: Path) -> None:
    """They are owed one every 5 s, and take more than 45 s without a byte for a broken line."""
    async with lined(tmp_path) as (server, _, client), server.worker(media):
        run = await client.submit(sleepy, 0.0)
        identity = parse_run_id(run.id)
        news = Tails(server.engine, None, Streams())._news(identity, 0.05)  # type: ignore[arg-type]
        waiting = asyncio.create_task(anext(news))
        await asyncio.sleep(0)
        seen = set()
        while len(seen) < 2:
            server.engine.feed.mention(_word(identity))
            seen.add(await waiting)
            waiting = asyncio.create_task(anext(news))
            await asyncio.sleep(0.01)
        waiting.cancel()
        assert seen == {True, False}


def _word(run: bytes) -> object:
    from tidemill.engine.feed import Ephemeral

    return Ephemeral(run, "progress", "", 1, {})  # type: ignore[arg-type]
