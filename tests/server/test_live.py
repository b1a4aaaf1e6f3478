"""What is told while it happens: events, logs, streams, files."""

import asyncio
from typing import Any

import msgspec
import pytest

from tests.server.http import Http, until
from tests.server.mill import Mill
from tests.server.test_runs import RUNS, submit


def messages(body: bytes) -> list[dict[str, Any]]:
    """Server-sent events: their fields, data decoded."""
    found = []
    for message in body.decode().split("\n\n"):
        fields = dict(line.split(": ", 1) for line in message.splitlines() if not line.startswith(":"))
        if "data" in fields:
            found.append({**fields, "data": msgspec.json.decode(fields["data"])})
    return found


@pytest.mark.feature("O3")
async def test_events_of_a_run_end_with_it_and_are_taken_up_without_gaps(working: Http) -> None:
    run = await submit(working, "media.sleepy", seconds=0.2)
    whole = messages((await working.get(f"{RUNS}/{run}/events")).body)
    assert whole[-1]["event"] == "end"
    assert whole[-1]["data"]["status"] == "succeeded"
    kept = [message for message in whole if message["event"] == "events"]
    assert len(kept) >= 2
    again = messages((await working.get(f"{RUNS}/{run}/events", last_event_id=kept[0]["id"])).body)
    assert [message["id"] for message in again[:-1]] == [message["id"] for message in kept[1:]]
    page = (await working.get(f"{RUNS}/{run}/events?follow=false")).json
    assert [event for message in kept for event in message["data"]] == page["events"]
    assert (await working.get(f"{RUNS}/{run}/events?follow=false&after={page['next']}")).json["events"] == []
    assert page["events"] == (await working.get("/api/v1/events?follow=false")).json["events"]


async def test_live_events_of_all_runs_begin_now(working: Http) -> None:
    before = await submit(working, "media.add", a=1)
    await working.get(f"{RUNS}/{before}/result?wait=10")
    async with working.session.get(working.url + "/api/v1/events") as stream:
        assert stream.headers["content-type"] == "text/event-stream"
        run = await submit(working, "media.add", a=2)
        async with asyncio.timeout(10):
            async for line in stream.content:
                if line.startswith(b"data: "):
                    assert msgspec.json.decode(line[6:])[0]["run"] == run
                    break


async def test_logs_are_read_and_followed(working: Http) -> None:
    run = await submit(working, "media.sleepy", seconds=0.5)
    followed = messages((await working.get(f"{RUNS}/{run}/logs?follow=true")).body)
    texts = [line["text"] for message in followed if message["event"] == "lines" for line in message["data"]]
    assert any("going to sleep" in text for text in texts)
    page = (await working.get(f"{RUNS}/{run}/logs?path=sleepy")).json
    assert [line["text"] for line in page["lines"]] == texts
    assert (await working.get(f"{RUNS}/{run}/logs?after={page['next']}")).json["lines"] == []
    assert (await working.get(f"{RUNS}/{run}/logs?path=other")).json["lines"] == []


@pytest.mark.feature("A6")
async def test_a_stream_is_read_from_any_offset_while_it_runs_and_after(working: Http) -> None:
    run = await submit(working, "media.count", upto=700)
    live = messages((await working.get(f"{RUNS}/{run}/stream")).body)
    assert [message["data"] for message in live[:-1]] == list(range(700))
    assert live[-1]["event"] == "end"
    assert live[690]["id"] == "1:691"
    resumed = messages((await working.get(f"{RUNS}/{run}/stream/count", last_event_id="1:691")).body)
    assert [message["data"] for message in resumed[:-1]] == list(range(691, 700))
    lines = (await working.get(f"{RUNS}/{run}/stream?from=697", accept="application/x-ndjson")).body.splitlines()
    told = [msgspec.json.decode(line) for line in lines]
    assert told == [{"index": each, "item": each, "epoch": 1} for each in (697, 698, 699)]
    assert (await working.get(f"{RUNS}/{run}/stream?epoch=2")).problem == "bad_request"


@pytest.mark.feature("C6")
async def test_a_published_file_is_listed_and_downloaded_where_it_can_do_no_harm(working: Http) -> None:
    blob = (await working.post("/api/v1/blobs", b"<script>", content_type="application/octet-stream")).json
    file = {"$file": blob["digest"], "size": blob["size"], "media_type": "text/html", "name": "x.html"}
    run = await submit(working, "media.shout", file=file)
    result = (await working.get(f"{RUNS}/{run}/result?wait=10")).json["value"]
    (listed,) = (await working.get(f"{RUNS}/{run}/artifacts")).json["artifacts"]
    assert (listed["name"], listed["digest"]) == ("loud.txt", result["$file"])
    answer = await working.get(f"{RUNS}/{run}/artifacts/loud.txt")
    assert answer.body == b"<SCRIPT>"
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-security-policy"].startswith("sandbox")


async def test_a_reader_that_leaves_is_forgotten(served: Mill, working: Http) -> None:
    run = await submit(working, "media.sleepy", seconds=30)
    paths = (f"{RUNS}/{run}/events", f"{RUNS}/{run}/logs?follow=true", "/api/v1/events", "/api/v1/watch/" + "a" * 16)
    for path in paths:
        answer = await working.session.get(working.url + path)
        await answer.content.readany()
        answer.close()

    async def is_forgotten() -> bool:
        return not served.engine.feed._readers and not served.engine._watches._by_token

    await until(is_forgotten)
    assert (await working("HEAD", f"{RUNS}/{run}/events")).status == 200
    await working.post(f"{RUNS}/{run}/cancel", {})
