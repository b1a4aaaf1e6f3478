"""What tasks tell of: durable events, and metrics that never fail."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.server.http import speaking
from tests.server.mill import mill
from tests.server.test_live import messages
from tidemill import AsyncClient, Context, File, RunFailedError, TransientError, Worker
from tidemill.testing.local import local


@dataclass(frozen=True)
class PageDone:
    page: int
    words: int = 0


press = Worker("press")


@press.task(emits={"page_done": PageDone, "note": str}, retries=1)
def print_all(ctx: Context, pages: int, breaks: bool = False) -> int:
    ctx.emit("note", "begun")
    for page in range(pages):
        ctx.emit("page_done", PageDone(page, 7 * page), f"page {page} is done")
    if breaks and ctx.attempt == 1:
        raise TransientError("out of paper", retry_after=0.01)
    return pages


@press.task
async def freely(ctx: Context, payload: dict[str, int]) -> None:
    ctx.emit("anything", payload, "as it comes")
    ctx.emit("silence")


@press.stream
def both(ctx: Context, upto: int) -> Iterator[int]:
    for number in range(upto):
        ctx.emit("made", number)
        yield number


@press.task
def wrongly(ctx: Context, how: str, path: str) -> None:
    match how:
        case "name":
            ctx.emit("no name!")
        case "file":
            ctx.emit("saved", File(path))
        case "size":
            ctx.emit("large", "x" * 20_000)
        case "count":
            for number in range(1_001):
                ctx.emit("made", number)


@press.task(emits={"page_done": PageDone})
def undeclared(ctx: Context, other: bool) -> None:
    if other:
        ctx.emit("pages_done")
    ctx.emit("page_done", {"page": "seven"})


@press.task
def weigh(ctx: Context, values: list[float]) -> int:
    for value in values:
        ctx.metric("grams", value, "g")
    ctx.metric("pages", len(values))
    ctx.metric("no name!", 1)
    ctx.metric("nan", float("nan"))
    ctx.metric("text", "much")  # type: ignore[arg-type]  # it says so, and goes on
    return len(values)


@press.task
def many(ctx: Context) -> None:
    for number in range(200):
        ctx.metric(f"metric_{number}", number)


async def test_events_are_numbered_within_the_run_and_have_their_payload() -> None:
    async with local(press) as client:
        run = await client.submit(print_all, 3)
        told = [event async for event in run.emitted()]
        assert [(event.number, event.type, event.payload) for event in told] == [
            (1, "note", "begun"),
            *((page + 2, "page_done", {"page": page, "words": 7 * page}) for page in range(3)),
        ]
        assert (told[1].message, told[1].path, told[1].attempt) == ("page 0 is done", "print_all", 1)
        assert [event.number async for event in run.emitted("page_done", after=2)] == [3, 4]
        noted = [event async for event in run.events() if event.kind == "emitted"]
        assert [event.detail["event"] for event in noted] == [1, 2, 3, 4]
        assert (await run.view()).events == 4
        assert set(print_all.definition.emits) == {"page_done", "note"}
        free = await client.submit(freely, {"a": 1})
        assert [event.payload async for event in free.emitted()] == [{"a": 1}, None]
        assert await client.submit(freely, {}) is not None


async def test_events_of_a_failed_attempt_stay_and_those_of_the_next_follow() -> None:
    async with local(press) as client:
        run = await client.submit(print_all, 1, breaks=True)
        assert await run.result() == 1
        told = [(event.number, event.attempt, event.type) async for event in run.emitted()]
        assert told == [(1, 1, "note"), (2, 1, "page_done"), (3, 2, "note"), (4, 2, "page_done")]


async def test_a_stream_and_its_events_are_both_whole() -> None:
    async with local(press) as client:
        run = await client.submit(both, 700)
        assert [event.payload async for event in run.emitted()] == await run.result() == list(range(700))


async def test_an_event_that_is_not_as_declared_fails_where_it_is_told(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("a")
    wrong = {"name": "no type of an event", "file": "save it", "size": "16,384", "count": "make it a stream"}
    async with local(press) as client:
        for how, text in wrong.items():
            with pytest.raises(RunFailedError, match=text):
                await (await client.submit(wrongly, how, str(tmp_path / "a.txt"))).result()
        with pytest.raises(RunFailedError, match="did you mean 'page_done'"):
            await (await client.submit(undeclared, other=True)).result()
        with pytest.raises(RunFailedError, match="is no PageDone"):
            await (await client.submit(undeclared, other=False)).result()


async def test_metrics_are_in_the_record_of_the_attempt_and_wrong_ones_are_logged() -> None:
    async with local(press) as client:
        run = await client.submit(weigh, [1.5, 0.5, 2.5])
        assert await run.result() == 3
        (attempt,) = await run.attempts()
        grams, pages = attempt.metrics
        assert (grams.name, grams.last, grams.unit, grams.count, grams.sum) == ("grams", 2.5, "g", 3, 4.5)
        assert (grams.least, grams.most) == (0.5, 2.5)
        assert (pages.name, pages.last, pages.count) == ("pages", 3.0, 1)
        assert attempt.queued_s is not None
        assert attempt.run_s is not None
        assert attempt.fetch_s is not None
        assert attempt.store_s is not None
        assert attempt.peak_memory_bytes is not None
        assert attempt.peak_memory_bytes > 1024 * 1024
        lines = [line.text for line in await run.logs()]
        assert [line.split()[1] for line in lines] == ["'no", "'nan'", "'text'"]
        run = await client.submit(many)
        await run.result()
        (attempt,) = await run.attempts()
        assert len(attempt.metrics) == 64


async def test_events_and_metrics_are_told_over_http(tmp_path: Path) -> None:
    async with (
        mill(tmp_path) as served,
        served.worker(press) as worker,
        AsyncClient(served.url) as client,
        speaking(served.url) as http,
    ):
        run = await client.submit(print_all, 2)
        await run.result()
        emitted = f"/api/v1/runs/{run.id}/emitted"
        page = (await http.get(f"{emitted}?type=page_done&limit=1")).json
        assert [event["payload"] for event in page["events"]] == [{"page": 0, "words": 0}]
        assert (await http.get(f"{emitted}?after={page['next']}")).json["events"][0]["number"] == page["next"] + 1
        told = messages((await http.get(f"{emitted}?follow=true", last_event_id="1")).body)
        assert [(each["event"], each.get("id")) for each in told] == [("event", "2"), ("event", "3"), ("end", None)]
        await (await client.submit(weigh, [4.0, 5.0])).result()
        text = (await http.get("/metrics")).body.decode()
        assert 'tidemill_attempts_total{task="press.weigh",outcome="succeeded"} 1\n' in text
        assert 'tidemill_task_metric_sum{task="press.weigh",name="grams",unit="g"} 9.0\n' in text
        assert text.count("# TYPE tidemill_attempt_seconds_total counter\n") == 1
        assert "tidemill_workers_connected 1\n" in text
        assert {sample.name for sample in worker.tallies.samples()} >= {
            "tidemill_attempts_total",
            "tidemill_task_metric",
        }
