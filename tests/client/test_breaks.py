"""A server that goes away and comes back: nothing is lost, nothing runs twice."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.server.mill import Mill, mill
from tests.server.tasks import add, count, media
from tidemill.client.errors import ServerUnreachableError
from tidemill.client.remote import AsyncClient
from tidemill.client.transport import Body, HttpTransport, Reply


class Cutting(HttpTransport):
    """Loses the answers of some requests: they arrived, and the client cannot know."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.cuts = self.cuts_of_streams = self.cuts_of_watches = 0

    @asynccontextmanager
    async def open(self, method: str, path: str, body: Body, headers: dict[str, str]) -> AsyncIterator[Reply]:
        async with super().open(method, path, body, headers) as reply:
            if self.cuts and path.endswith("/batch"):
                self.cuts -= 1
                raise ServerUnreachableError(self.url, "cut")
            if self.cuts_of_watches and "/watch/" in path and method == "GET":
                self.cuts_of_watches -= 1
                yield Torn(reply, 0)
            elif self.cuts_of_streams and "/stream" in path:
                self.cuts_of_streams -= 1
                yield Torn(reply, 3000)
            else:
                yield reply


class Torn:
    """An answer that breaks off after some of it."""

    def __init__(self, reply: Reply, after: int) -> None:
        self._after = after
        self.status, self.headers, self.read, self._reply = reply.status, reply.headers, reply.read, reply

    async def chunks(self) -> AsyncIterator[bytes]:
        async for chunk in self._reply.chunks():
            if self._after:
                yield chunk[: self._after]
            raise ServerUnreachableError("here", "torn")


def port_of(running: Mill) -> int:
    return int(running.url.rpartition(":")[2])


async def test_a_result_outlives_a_restart_of_the_server(tmp_path: Path) -> None:
    async with mill(tmp_path) as first:
        url, port = first.url, port_of(first)
        client = AsyncClient(url)
        async with first.worker(media):
            await (await client.submit(add, 1)).result(10)
        waiting = await client.submit(add, 2)
        result = asyncio.create_task(waiting.result(30))
        await asyncio.sleep(0)
    async with mill(tmp_path, port=port) as second, second.worker(media):
        assert await result == 4
        assert await (await client.submit(add, 3)).result(10) == 5
        await client.close()


async def test_a_submit_whose_answer_was_lost_is_one_run(served: Mill) -> None:
    transport = Cutting(served.url)
    async with served.worker(media), AsyncClient(transport=transport) as client:
        await (await client.submit(add, 0)).result(10)
        transport.cuts = 2
        runs = await asyncio.gather(*(client.submit(add, each) for each in range(10)))
        assert await asyncio.gather(*(run.result(10) for run in runs)) == [each + 2 for each in range(10)]
        assert transport.cuts == 0
        assert len((await client.runs()).runs) == 11


async def test_a_stream_of_outcomes_that_breaks_before_its_first_word_holds_nobody_up(served: Mill) -> None:
    transport = Cutting(served.url)
    async with served.worker(media), AsyncClient(transport=transport) as client:
        assert (await client.health()).workers == 1
        transport.cuts_of_watches = 2
        assert await (await client.submit(add, 1)).result(10) == 3
        assert transport.cuts_of_watches == 0


@pytest.mark.promise("P10")
async def test_a_stream_goes_on_where_it_broke(served: Mill) -> None:
    transport = Cutting(served.url)
    async with served.worker(media), AsyncClient(transport=transport) as client:
        run = await client.submit(count, 3000)
        await run.result(20)
        transport.cuts_of_streams = 2
        assert [item async for item in run.stream()] == list(range(3000))
        assert transport.cuts_of_streams == 0


async def test_a_wait_that_nobody_ends_is_given_up_when_the_client_closes(served: Mill) -> None:
    client = AsyncClient(served.url)
    async with served.worker(media):
        await (await client.submit(add, 1)).result(10)
    run = await client.submit(add, 1)
    with pytest.raises(TimeoutError):
        await run.result(0.05)
    await client.close()


async def test_of_several_addresses_a_client_uses_one_that_answers(tmp_path: Path) -> None:
    async with (
        mill(tmp_path) as running,
        running.worker(media),
        AsyncClient(f"http://127.0.0.1:1,{running.url}") as client,
    ):
        assert await (await client.submit(add, 3)).result(10) == 5
