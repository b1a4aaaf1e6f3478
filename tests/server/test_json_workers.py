"""Workers that speak `tidemill.v1+json`, next to Python ones."""

import asyncio
import base64
import hashlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from tests.schemas import published
from tests.server.http import Http
from tests.server.mill import Mill, mill
from tests.server.stranger import Stranger, as_json, b64, plain, stranger, task
from tests.server.test_runs import RUNS, submit
from tidemill import Worker, map_over, stub, workflow
from tidemill.client.remote import AsyncClient

words = Worker("words")
Plain = list[Any] | dict[str, Any] | str | int | float | None


@words.task
def split(text: str) -> dict[str, Any]:
    return {"words": text.split(), "raw": text.encode()}


@words.task
def nothing() -> float:
    return float("nan")


@words.task
def many(count: int) -> dict[str, Any]:
    return {"name": "x" * count, "size": count}


@words.task
def join(parts: list[str], raw: bytes) -> str:
    return " ".join(parts) + f" {raw!r}"


@stub("foreign.look")
def look(parts: list[str], raw: bytes) -> dict[str, Any]: ...


@stub("foreign.take")
def take(value: Plain) -> Any: ...


@workflow
def around(text: str) -> str:
    parts = split(text)
    seen = look(parts["words"], parts["raw"])
    return join(seen["parts"], seen["raw"])


@workflow
def gathered(values: list[Any]) -> Any:
    return take.options(name="all")(map_over(take, values))


@workflow
def impossible() -> Any:
    return take(nothing())


@workflow
def field_of_large(count: int) -> Any:
    return take(many(count)["size"])


@workflow
def whole_of_large(count: int) -> Any:
    return take(many(count))


LOOK, TAKE = task("foreign.look", "parts", "raw"), task("foreign.take", "value")
COUNT = task("foreign.count", "upto", item={"type": "integer"})


@pytest.fixture
async def peer(served: Mill) -> AsyncIterator[Stranger]:
    async with stranger(served.url) as made:
        yield made


async def take_part(peer: Stranger, answer: Any = None) -> Any:
    """Take one attempt and give back its input; or the answer."""
    _, ref, _, inputs, *_ = await peer.hear("assign")
    given = {name: plain(each) for name, each in inputs.items()}
    value = given["value"] if answer is None else answer(given)
    await peer.say(["started", ref], ["succeeded", ref, {"value": as_json(value)}])
    assert (await peer.hear("ack"))[1] == [ref]
    return given


async def test_a_value_goes_to_a_foreign_worker_and_back_without_msgpack(served: Mill, peer: Stranger) -> None:
    """Field paths are followed, bytes are base64, and what comes back is read by type."""
    async with served.worker(words), AsyncClient(served.url) as client:
        await peer.hello(LOOK)
        run = await client.submit(around, "to be")
        given = await take_part(peer, lambda each: each)
        assert given == {"parts": ["to", "be"], "raw": base64.b64encode(b"to be").decode()}
        assert await run.result() == "to be b'to be'"


async def test_a_list_that_leaves_a_map_comes_as_one_document(served: Mill, peer: Stranger) -> None:
    async with AsyncClient(served.url) as client:
        await peer.hello(TAKE)
        run = await client.submit(gathered, [1, "two", None])
        assert [(await take_part(peer))["value"] for _ in range(3)] == [1, "two", None]
        assert await take_part(peer) == {"value": [1, "two", None]}
        assert await run.result() == [1, "two", None]


async def test_a_long_list_is_handed_over_as_one_blob(served: Mill, http: Http, peer: Stranger) -> None:
    async with AsyncClient(served.url) as client:
        await peer.hello(TAKE, total=700)
        run = await client.submit(gathered, list(range(600)))
        for _ in range(600):
            await take_part(peer, lambda given: str(given["value"]) * 30)
        _, ref, _, inputs, *_ = await peer.hear("assign")
        tag, (kind, digest, size, encoding, *_), fields = inputs["value"]
        assert (tag, kind, encoding, fields) == ("v", "b", "j", [])
        body = (await http.get(f"/api/v1/blobs/sha256:{base64.b64decode(digest).hex()}")).body
        assert len(body) == size
        assert hashlib.sha256(body).digest() == base64.b64decode(digest)
        assert json.loads(body)[7] == "7" * 30
        await peer.say(["succeeded", ref, {"value": as_json(len(json.loads(body)))}])
        assert await run.result() == 600


async def test_a_field_of_a_large_value_is_looked_up_here(served: Mill, peer: Stranger) -> None:
    async with served.worker(words), AsyncClient(served.url) as client:
        await peer.hello(TAKE)
        run = await client.submit(field_of_large, 100_000)
        assert await take_part(peer) == {"value": 100_000}
        assert await run.result() == 100_000


async def test_what_json_cannot_hold_fails_the_attempt_and_costs_no_slot(tmp_path: Path) -> None:
    async with (
        mill(tmp_path / "roomy") as roomy,
        roomy.worker(words),
        AsyncClient(roomy.url) as client,
        stranger(roomy.url) as peer,
    ):
        await peer.hello(TAKE, total=1)
        for flow, given, reason in (
            (impossible, (), "nan has no form in JSON"),
            (whole_of_large, (5_000_000,), "more than 4,194,304 bytes"),
        ):
            run = await client.submit(flow, *given)
            hearing = asyncio.create_task(peer.hear("assign"))  # answers the ping that comes instead
            with pytest.raises(Exception, match=reason):
                await run.result()
            hearing.cancel()
            await asyncio.gather(hearing, return_exceptions=True)
        run = await client.submit(field_of_large, 1)
        assert await take_part(peer) == {"value": 1}
        assert await run.result() == 1


async def test_a_result_that_is_no_json_fails_with_the_reason(served: Mill, http: Http, peer: Stranger) -> None:
    await peer.hello(TAKE)
    run = await submit(http, "foreign.take", value=1)
    _, ref, *_ = await peer.hear("assign")
    await peer.say(["succeeded", ref, {"value": ["i", b64(b"{'a': 1}"), "j"]}])
    answer = await http.get(f"{RUNS}/{run}/result?wait=10")
    assert answer.status == 409
    assert "the output 'value' is no JSON" in answer.json["detail"]


async def test_a_result_too_large_for_a_row_is_put_aside_by_the_server(
    served: Mill, http: Http, peer: Stranger
) -> None:
    await peer.hello(TAKE)
    run = await submit(http, "foreign.take", value=1)
    _, ref, *_ = await peer.hear("assign")
    await peer.say(["succeeded", ref, {"value": as_json("x" * 300_000)}])
    assert (await http.get(f"{RUNS}/{run}/result?wait=10")).json["value"] == "x" * 300_000


async def test_items_of_a_stream_are_json(served: Mill, http: Http, peer: Stranger) -> None:
    await peer.hello(COUNT)
    run = await submit(http, "foreign.count", upto=3)
    _, ref, *_ = await peer.hear("assign")
    await peer.say(["started", ref], ["chunk", ref, 0, [b64(b"0"), b64(b'{"n": 1}')]], ["chunk", ref, 2, [b64(b"2")]])
    while (await peer.hear("chunk_ack"))[2] < 3:
        pass
    await peer.say(["succeeded", ref, {"value": ["s", 1, 3]}])
    assert (await http.get(f"{RUNS}/{run}/result?wait=10")).json["value"] == [0, {"n": 1}, 2]


async def test_an_item_that_is_no_json_ends_the_session_with_the_reason(http: Http, peer: Stranger) -> None:
    await peer.hello(COUNT)
    await submit(http, "foreign.count", upto=3)
    _, ref, *_ = await peer.hear("assign")
    await peer.say(["chunk", ref, 0, [b64(b"nope")]])
    assert "an item is no JSON" in (await peer.hear("refused"))[1]


async def test_an_empty_digest_is_filled_in_as_the_sdk_would(http: Http, peer: Stranger) -> None:
    await peer.hello(task("words.plain"))
    (known,) = (await http.get("/api/v1/tasks")).json["tasks"]
    assert known["definition"]["digest"].startswith("sha256:")
    definition = words.tasks["words.join"].definition
    again = task("words.join", inputs=definition.inputs, outputs=definition.outputs)
    async with stranger(http.url) as other:
        await other.hello({**again, "inputs": definition.inputs}, name="other")
        found = (await http.get("/api/v1/tasks/words.join")).json["tasks"]
    assert [each["definition"]["digest"] for each in found] == [definition.digest]


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"inputs": {"type": "object", "properties": {"a": {"type": "text"}}}}, "inputs"),
        ({"outputs": {"value": {"enum": 3}}}, "output value"),
        ({"item": {"$ref": "https://example.org/item"}}, "item"),
    ],
)
async def test_a_schema_that_is_none_is_told_to_its_worker(
    http: Http, peer: Stranger, change: dict[str, Any], place: str
) -> None:
    await peer.say(["hello", "1.0", "stranger", b64(bytes(16)), [task("foreign.bad") | change], {"total": 1}])
    _, reason, advice, final = await peer.hear("refused")
    assert reason.startswith(f"task foreign.bad, {place}: ")
    assert (advice, final) == ("schemas are JSON Schema, 2020-12, complete in themselves", True)
    assert (await http.get("/api/v1/tasks")).json["tasks"] == []


async def test_messages_and_fields_of_later_versions_are_passed_over(http: Http, peer: Stranger) -> None:
    await peer.hello(TAKE)
    await submit(http, "foreign.take", value=1)
    _, ref, *_ = await peer.hear("assign")
    await peer.say(["from_the_future", {"a": 1}], ["credit", {"": 9}, "to spare"])
    await peer.say(["succeeded", ref, {"value": as_json(1)}])
    assert (await peer.hear("ack"))[1] == [ref]


@pytest.mark.parametrize("text", ["{}", "[1]", '["hello"]', "[[]]", '[["hello", 1]]', "[" * 5000])
async def test_a_first_frame_that_is_none_is_refused_with_the_reason(peer: Stranger, text: str) -> None:
    await peer.socket.send_str(text)
    refused = await peer.hear("refused")
    assert "protocol" in refused[1] or "hello" in refused[1]


async def test_a_binary_frame_is_refused(peer: Stranger) -> None:
    await peer.socket.send_bytes(b"[]")
    assert (await peer.socket.receive()).data == 1003
    assert peer.socket.close_code == 1003


async def test_frames_are_as_the_published_schema_says(served: Mill, http: Http, peer: Stranger) -> None:
    await peer.hello(LOOK, TAKE, COUNT)
    await submit(http, "foreign.take", value=[1])
    await take_part(peer)
    run = await submit(http, "foreign.take", value="x" * 20_000)
    _, ref, *_ = await peer.hear("assign")
    await http.post(f"{RUNS}/{run}/cancel", {})
    assert (await peer.hear("cancel"))[1] == ref
    await peer.say(["failed", ref, {"code": "cancelled", "message": "told to"}, "stopped"])
    await peer.hear("ack")
    await peer.say(["heartbeat", 2], ["goodbye"])
    schema = published()["worker-1.json"]
    for way in ("to_server", "to_worker"):
        definition = "ToServer" if way == "to_server" else "ToWorker"
        check = jsonschema_rs.Draft202012Validator({**schema, "anyOf": [{"$ref": f"#/$defs/{definition}"}]})
        frames = [frame for direction, frame in peer.frames if direction == way]
        assert len(frames) > 3
        for frame in frames:
            check.validate(frame)
    assert {message[0] for _, frame in peer.frames for message in frame} > {"assign", "ack", "cancel", "welcome"}
