"""Streams from a task to its readers: final values, epochs, back-pressure from the store."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import pytest

from tests.server.http import speaking, until
from tests.server.mill import mill
from tests.server.test_live import messages
from tidemill import (
    AsyncClient,
    Context,
    DefinitionError,
    Final,
    Numbered,
    Restarted,
    RunFailedError,
    Streamed,
    StreamRestartedError,
    TransientError,
    Worker,
    workflow,
)
from tidemill.adapters.system.threads import ThreadPool
from tidemill.core.ids import RunId, parse_run_id
from tidemill.ports.store import Queries
from tidemill.testing.local import local
from tidemill.wire.worker import UNACKNOWLEDGED_ITEMS

T = TypeVar("T")
tales = Worker("tales")


@dataclass(frozen=True)
class Summary:
    words: int
    last: str


@tales.stream
def tell(words: list[str]) -> Generator[str, None, Summary]:
    yield from words
    return Summary(len(words), words[-1])


@tales.stream(final=Summary)
async def tell_async(words: list[str]) -> AsyncIterator[str | Final[Summary]]:
    for word in words:
        yield word
    yield Final(Summary(len(words), words[-1]))


@tales.stream(final=int)
async def ends_early(words: list[str]) -> AsyncIterator[str | Final[int]]:
    for word in words:
        yield word


@tales.stream(final=int)
async def goes_on(words: list[str]) -> AsyncIterator[str | Final[int]]:
    for word in words:
        yield Final(len(word))


@tales.task
def shout(words: list[str], summary: Summary) -> str:
    return f"{summary.words} {summary.last}: {' '.join(words).upper()}"


@workflow
def loudly(words: list[str]) -> str:
    told = tell(words)
    return shout(told.items, told.final)


@workflow
def as_told(words: list[str]) -> Streamed[str, Summary]:
    return tell(words)


WORDS = ["once", "upon", "a", "time"]


@pytest.mark.feature("A7")
async def test_a_final_value_comes_with_the_items() -> None:
    async with local(tales) as client:
        for task in (tell, tell_async, as_told):
            run = await client.submit(task, WORDS)
            assert [word async for word in run.stream()] == WORDS
            assert await run.result() == Streamed(WORDS, Summary(4, "time"))
        assert await (await client.submit(loudly, WORDS)).result() == "4 time: ONCE UPON A TIME"
        named = await (await client.submit_named("tales.tell", {"words": WORDS})).result()
        assert named == {"items": WORDS, "final": {"words": 4, "last": "time"}}


def test_a_final_value_comes_outside_a_server_too() -> None:
    assert tell(WORDS) == tell_async(WORDS) == Streamed(WORDS, Summary(4, "time"))
    assert loudly(WORDS) == "4 time: ONCE UPON A TIME"
    assert tell.definition.signature == "(words: list[str]) -> Streamed[str, Summary]"
    assert set(tell.definition.outputs) == {"items", "final"}


async def test_a_stream_that_breaks_its_word_about_the_final_value_fails() -> None:
    async with local(tales) as client:
        with pytest.raises(RunFailedError, match=r"ended without a Final\[int\]"):
            await (await client.submit(ends_early, WORDS)).result()
        with pytest.raises(RunFailedError, match="went on after its Final"):
            await (await client.submit(goes_on, WORDS)).result()


def test_a_final_value_that_is_declared_only_once_is_refused() -> None:
    odd = Worker("odd")
    with pytest.raises(DefinitionError, match="says its type twice"):

        @odd.stream
        async def one(word: str) -> AsyncIterator[str | Final[int]]:
            yield word

    with pytest.raises(DefinitionError, match="says its type twice"):

        @odd.stream(final=str)
        async def other(word: str) -> AsyncIterator[str | Final[int]]:
            yield word

    with pytest.raises(DefinitionError, match="returns its final value"):

        @odd.stream
        def third(word: str) -> Iterator[str | Final[int]]:
            yield word


# Epochs -------------------------------------------------------------------------------------------------

flaky = Worker("flaky")
may_fail = threading.Event()


@flaky.stream(retries=1)
def counts(ctx: Context, upto: int) -> Iterator[str]:
    """The first attempt gives two items, waits until they were read, and fails."""
    for number in range(2 if ctx.attempt == 1 else upto):
        yield f"{number} of attempt {ctx.attempt}"
    if ctx.attempt == 1:
        may_fail.wait(10)
        raise TransientError("not now")


FIRST = ["0 of attempt 1", "1 of attempt 1"]
SECOND = ["0 of attempt 2", "1 of attempt 2", "2 of attempt 2"]


@pytest.fixture
def held() -> Iterator[threading.Event]:
    may_fail.clear()
    yield may_fail
    may_fail.set()


async def test_a_reader_is_told_that_a_second_attempt_streams_anew(held: threading.Event) -> None:
    async with local(flaky) as client:
        run = await client.submit(counts, 3)
        reading = run.stream()
        assert [await anext(reading), await anext(reading)] == FIRST
        held.set()
        with pytest.raises(StreamRestartedError, match="began anew with attempt 2"):
            await anext(reading)
        assert [item async for item in run.stream()] == SECOND == await run.result()
        kinds = [event.kind async for event in run.events()]
        assert kinds.count("items_superseded") == 1


async def test_a_reader_may_take_items_back_and_go_on(held: threading.Event) -> None:
    async with local(flaky) as client:
        run = await client.submit(counts, 3)
        shown: list[str] = []
        told: list[int] = []

        def start_over(restarted: Restarted) -> None:
            told.append(restarted.epoch)
            shown.clear()

        async for item in run.stream(on_restart=start_over):
            shown.append(item)
            if item == FIRST[1]:
                held.set()
        assert (shown, told) == (SECOND, [2])


async def test_each_item_has_its_place_and_a_late_reader_hears_of_the_newer_epoch(held: threading.Event) -> None:
    held.set()
    async with local(flaky) as client:
        run = await client.submit(counts, 3)
        await run.result()
        fresh = [Numbered(2, index, item) for index, item in enumerate(SECOND)]
        assert [each async for each in run.numbered()] == fresh
        assert [each async for each in run.numbered(1, path="counts")] == fresh[1:]
        assert [each async for each in run.numbered(2, epoch=1)] == [Restarted(2), *fresh]
        assert [each async for each in run.numbered(2, epoch=2)] == fresh[2:]


@pytest.mark.feature("A6")
async def test_http_says_restart_and_keeps_what_is_superseded(tmp_path: Path, held: threading.Event) -> None:
    async with mill(tmp_path) as served, served.worker(flaky), speaking(served.url) as http:
        accepted = await http.post("/api/v1/runs", {"task": "flaky.counts", "input": {"upto": 3}})
        stream = f"/api/v1/runs/{accepted.json['id']}/stream"
        async with http.session.get(served.url + stream) as answer:
            body = b""
            async for chunk in answer.content.iter_any():
                body += chunk
                if FIRST[1].encode() in body:
                    held.set()
        told = [(each["event"], each.get("id"), each["data"]) for each in messages(body)]
        assert told == [
            *(("item", f"1:{index + 1}", item) for index, item in enumerate(FIRST)),
            ("restart", "2:0", {"epoch": 2}),
            *(("item", f"2:{index + 1}", item) for index, item in enumerate(SECOND)),
            ("end", None, {"epoch": 2, "count": 3}),
        ]
        resumed = messages((await http.get(stream, last_event_id="1:2")).body)
        assert [each["event"] for each in resumed] == ["restart", "item", "item", "item", "end"]
        old = messages((await http.get(f"{stream}?attempt=1&from=1")).body)
        assert [each["data"] for each in old] == [FIRST[1], {"epoch": 1, "count": 2}]
        lines = (await http.get(f"{stream}?from=1&epoch=1", accept="application/x-ndjson")).body.splitlines()
        assert lines[0] == b'{"restart":2}'


# Back-pressure --------------------------------------------------------------------------------------------

endless = Worker("endless")
made: list[int] = []


@endless.stream
def numbers(upto: int) -> Iterator[int]:
    for number in range(upto):
        made.append(number)
        yield number


class SlowDisk(ThreadPool):
    """Commits wait while it is told to be slow; everything else goes on."""

    def __init__(self) -> None:
        super().__init__()
        self.goes_on = threading.Event()
        self.goes_on.set()
        self.stands = threading.Event()  # a commit waits, and none is behind it

    async def call(self, name: str, function: Callable[[], T]) -> T:
        def later() -> T:
            if not self.goes_on.is_set():
                self.stands.set()
            assert self.goes_on.wait(20)
            return function()

        return await super().call(name, later if name == "store.commit" else function)


@pytest.mark.feature("A6")
async def test_a_store_that_stands_still_holds_the_producer_back(tmp_path: Path) -> None:
    disk = SlowDisk()
    made.clear()
    async with mill(tmp_path, threads=disk) as served, served.worker(endless), AsyncClient(served.url) as client:
        run = await client.submit(numbers, 2000)
        reading = run.stream()
        first = await anext(reading)
        disk.goes_on.clear()
        assert await asyncio.to_thread(disk.stands.wait, 20)  # one that had begun before may still end
        await until(lambda: _is_full(served.engine.queries, parse_run_id(run.id)))
        for _ in range(20):
            await client.health()
        assert await _is_full(served.engine.queries, parse_run_id(run.id))
        assert len(made) < 2000
        disk.goes_on.set()
        assert [first] + [item async for item in reading] == list(range(2000)) == await run.result()


async def _is_full(queries: Queries, run: RunId) -> bool:
    """Whether the producer is exactly as far ahead of the store as it may be."""
    durable = sum(len(row.items) for row in await queries.stream(run, "numbers", 1, 0, 1000))
    assert len(made) <= durable + UNACKNOWLEDGED_ITEMS
    return len(made) == durable + UNACKNOWLEDGED_ITEMS
