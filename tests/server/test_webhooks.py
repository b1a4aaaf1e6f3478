"""Webhooks that the server sends: who is told, signed, again after a failure, never to private addresses."""

import asyncio
import base64
import hashlib
import hmac
import logging
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from tests.server.http import Http, speaking, until
from tests.server.mill import mill
from tests.server.receiver import Got, Receiver, receiving
from tests.server.tasks import media

SECRET = "whsec_" + base64.b64encode(b"t" * 32).decode()
OTHER = "a plain text of some length"


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as made:
        yield made


async def register(http: Http, name: str, url: str, **spec: Any) -> Any:
    answer = await http("PUT", f"/api/v1/webhooks/{name}", {"url": url, "secrets": [SECRET], **spec})
    assert answer.status in (200, 201), answer
    return answer.json


async def run(http: Http, task: str, given: Any = None, **more: Any) -> str:
    answer = await http.post("/api/v1/runs", {"task": task, "input": given, **more})
    assert answer.status == 201, answer
    identity = answer.json["id"]
    await http.get(f"/api/v1/runs/{identity}/result?wait=20")
    return str(identity)


async def log(http: Http, name: str) -> list[Any]:
    return list((await http.get(f"/api/v1/webhooks/{name}/deliveries")).json["deliveries"])


async def ended(http: Http, name: str) -> list[Any]:
    async def all_ended() -> bool:
        return all(each["status"] != "due" for each in await log(http, name))

    await until(all_ended)
    return await log(http, name)


def signature(got: Got, key: bytes) -> str:
    """As the standard says it, written down once more."""
    signed = f"{got.headers['webhook-id']}.{got.headers['webhook-timestamp']}.".encode() + got.body
    return "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()


@pytest.mark.feature("E11")
async def test_an_outcome_is_told_and_signed_with_each_secret(working: Http, receiver: Receiver) -> None:
    await register(working, "chat", receiver.url + "/in", secrets=[SECRET, OTHER])
    identity = await run(working, "media.add", {"a": 1}, tags={"team": "tide"})
    (got,) = await receiver.after(1)
    event = got.json
    assert (event["type"], event["run"], event["workflow"], event["status"], event["outcome"]) == (
        "run.succeeded",
        identity,
        "media.add",
        "succeeded",
        "success",
    )
    assert (event["tags"], event["results"], event["link"]) == (
        {"team": "tide"},
        {"value": 3},
        f"{working.url}/runs/{identity}",
    )
    assert event["created_at"] < event["ended_at"]
    assert got.headers["Content-Type"] == "application/json"
    assert got.headers["webhook-signature"].split() == [signature(got, b"t" * 32), signature(got, OTHER.encode())]
    (entry,) = await ended(working, "chat")
    assert (entry["status"], entry["run"], entry["tried"][0]["status"]) == ("delivered", identity, 200)
    assert entry["id"] == got.headers["webhook-id"]


async def test_a_failure_is_told_without_its_traceback(working: Http, receiver: Receiver) -> None:
    await register(working, "chat", receiver.url)
    await run(working, "media.broken", {"text": "no flour"})
    (got,) = await receiver.after(1)
    assert (got.json["type"], got.json["failure"]["message"]) == ("run.failed", "InputError: no flour")
    assert "traceback" not in got.json["failure"]
    assert "results" not in got.json


async def test_a_cancelled_run_is_told(working: Http, receiver: Receiver) -> None:
    await register(working, "chat", receiver.url, events=["run.cancelled"])
    await run(working, "media.add", {"a": 1})
    answer = await working.post("/api/v1/runs", {"task": "media.sleepy", "input": {"seconds": 60}})
    await working.post(f"/api/v1/runs/{answer.json['id']}/cancel", {"reason": "enough"})
    (got,) = await receiver.after(1)
    assert (got.json["type"], got.json["reason"], got.json["run"]) == ("run.cancelled", "enough", answer.json["id"])


async def test_filters_choose_by_event_name_and_tags(working: Http, receiver: Receiver) -> None:
    await register(working, "names", receiver.url + "/names", workflows=["media.a*", "other"])
    await register(working, "tags", receiver.url + "/tags", tags={"team": "tide"})
    await register(working, "failed", receiver.url + "/failed", events=["run.failed", "run.halted"])
    await run(working, "media.price", {"name": "x"})
    await run(working, "media.add", {"a": 1}, tags={"team": "ebb"})
    tagged = await run(working, "media.lenient", {"a": 1}, tags={"team": "tide", "more": "x"})
    failed = await run(working, "media.broken", {"text": "no flour"})
    got = [*await receiver.after(1, "/names"), *await receiver.after(1, "/tags"), *await receiver.after(1, "/failed")]
    assert [each.json.get("workflow") for each in got] == ["media.add", "media.lenient", "media.broken"]
    assert [each.json["run"] for each in got[1:]] == [tagged, failed]
    assert [len(await log(working, name)) for name in ("names", "tags", "failed")] == [1, 1, 1]


async def test_large_results_are_left_out_with_a_word(working: Http, receiver: Receiver) -> None:
    await register(working, "chat", receiver.url)
    for size in (9_000, 14_000, 60_000):
        await run(working, "media.echo", {"data": "A" * size})
    by_size = [each.json for each in await receiver.after(3)]
    assert sorted("results" in each for each in by_size) == [False, True, True]
    assert {each.get("results_left_out", "") for each in by_size} == {"", "too_large"}


async def test_a_failed_delivery_is_tried_again_under_its_id(working: Http, receiver: Receiver) -> None:
    receiver.answers["/"] = [web.Response(status=500, text="no flour"), web.Response(status=429), web.Response()]
    await register(working, "chat", receiver.url)
    await run(working, "media.add", {"a": 1})
    got = await receiver.after(3)
    assert len({each.headers["webhook-id"] for each in got}) == 1
    assert len({each.body for each in got}) == 1
    assert all(each.headers["webhook-signature"] == signature(each, b"t" * 32) for each in got)
    (entry,) = await ended(working, "chat")
    assert [each["status"] for each in entry["tried"]] == [500, 429, 200]
    assert (entry["tried"][0]["answer"], entry["tries"], entry["status"]) == ("no flour", 3, "delivered")


async def test_it_is_given_up_after_so_many_tries_and_sent_again_when_asked(working: Http, receiver: Receiver) -> None:
    receiver.answers["/"] = [*[web.Response(status=500)] * 4, web.Response(status=204)]
    await register(working, "chat", receiver.url)
    await run(working, "media.add", {"a": 1})
    (entry,) = await ended(working, "chat")
    assert (entry["status"], entry["reason"], entry["tries"]) == ("given_up", "tried 4 times", 4)
    again = await working.post(f"/api/v1/webhooks/chat/deliveries/{entry['id']}/redeliver", {})
    assert (again.status, again.json["status"]) == (202, "due")
    (entry,) = await ended(working, "chat")
    assert (entry["status"], [each["status"] for each in entry["tried"]]) == ("delivered", [500] * 4 + [204])
    assert len({each.headers["webhook-id"] for each in receiver.got}) == 1


async def test_a_receiver_that_wants_no_more_is_not_tried_again(working: Http, receiver: Receiver) -> None:
    receiver.answers["/"] = [web.Response(status=410)]
    await register(working, "chat", receiver.url)
    await run(working, "media.add", {"a": 1})
    (entry,) = await ended(working, "chat")
    assert (entry["status"], entry["tries"]) == ("given_up", 1)
    assert "410" in entry["reason"]


async def test_a_slow_and_a_dead_receiver_delay_no_other_and_no_run(working: Http, receiver: Receiver) -> None:
    receiver.answers["/slow"] = [30.0]
    await register(working, "a-slow", receiver.url + "/slow")
    await register(working, "b-dead", "http://127.0.0.1:1/")
    await register(working, "c-quick", receiver.url + "/quick")
    runs = [await run(working, "media.add", {"a": number}) for number in range(8)]
    quick = await receiver.after(8, "/quick")
    assert sorted(each.json["run"] for each in quick) == sorted(runs)
    assert len([each for each in receiver.got if each.path == "/slow"]) <= 4  # at once
    dead = await ended(working, "b-dead")
    assert {each["status"] for each in dead} == {"given_up"}
    assert "cannot connect to 127.0.0.1" in dead[0]["tried"][0]["error"]
    assert "due" in {each["status"] for each in await log(working, "a-slow")}


async def test_redirects_that_keep_the_body_are_followed_and_few(working: Http, receiver: Receiver) -> None:
    receiver.answers["/moved"] = [web.Response(status=308, headers={"Location": "/new"})]
    receiver.answers["/found"] = [web.Response(status=302, headers={"Location": "/new"})]
    receiver.answers["/round"] = [web.Response(status=307, headers={"Location": "/round"})]
    for name in ("moved", "found", "round"):
        await register(working, name, f"{receiver.url}/{name}")
    await run(working, "media.add", {"a": 1})
    (new,) = await receiver.after(1, "/new")
    assert (new.json["type"], (await ended(working, "moved"))[0]["status"]) == ("run.succeeded", "delivered")
    (found,), (round_,) = await ended(working, "found"), await ended(working, "round")
    assert (found["status"], "register the URL" in found["tried"][0]["error"]) == ("given_up", True)
    assert "more than 3 redirects" in round_["tried"][0]["error"]


async def test_private_addresses_are_refused_by_number_by_name_and_after_a_redirect(tmp_path: Path) -> None:
    async with (
        receiving() as receiver,
        mill(tmp_path, allow=["127.0.0.1"]) as served,
        served.worker(media),
        speaking(served.url) as http,
    ):
        port = receiver.url.rpartition(":")[2]
        for host in ("127.0.0.2", "10.0.0.1", "[::1]", "169.254.169.254", "[::ffff:10.0.0.1]", "[64:ff9b::a00:1]"):
            answer = await http("PUT", "/api/v1/webhooks/x", {"url": f"http://{host}:{port}/"})
            assert (answer.status, answer.json["violations"][0][0]) == (422, "$.url"), host
        receiver.answers["/"] = [web.Response(status=307, headers={"Location": f"http://127.0.0.2:{port}/inside"})]
        await register(http, "away", receiver.url)
        await run(http, "media.add", {"a": 1})
        (entry,) = await ended(http, "away")
        assert (entry["status"], entry["tries"]) == ("given_up", 1)
        assert "127.0.0.2 has no public address" in entry["reason"]
        assert {each.path for each in receiver.got} == {"/"}


async def test_a_name_of_a_private_address_is_refused_when_it_is_looked_up(tmp_path: Path) -> None:
    async with (
        receiving() as receiver,
        mill(tmp_path, allow=[]) as served,
        speaking(served.url) as http,
    ):
        port = receiver.url.rpartition(":")[2]
        await register(http, "name", f"http://localhost:{port}/")
        assert (await http.post("/api/v1/webhooks/name/test", {})).status == 202
        (entry,) = await ended(http, "name")
        assert (entry["status"], entry["reason"]) == (
            "given_up",
            "localhost has no public address, and the operator did not allow it",
        )
        assert receiver.got == []


async def test_long_and_late_answers_are_cut(working: Http, receiver: Receiver) -> None:
    receiver.answers["/long"] = [web.Response(body=b"x" * 5_000_000)]
    await register(working, "long", receiver.url + "/long")
    await working.post("/api/v1/webhooks/long/test", {})
    (entry,) = await ended(working, "long")
    assert (entry["event"], entry["status"], entry["tried"][0]["answer"]) == ("webhook.test", "delivered", "x" * 300)
    receiver.answers["/late"] = [30.0]
    await register(working, "late", receiver.url + "/late")
    await working.post("/api/v1/webhooks/late/test", {})

    async def was_tried() -> bool:
        return bool((await log(working, "late"))[0].get("tried"))

    await until(was_tried)
    assert (await log(working, "late"))[0]["tried"][0]["error"] == "no answer within 2 s"


async def test_what_is_not_delivered_survives_a_restart(tmp_path: Path) -> None:
    async with receiving() as receiver:
        receiver.answers["/"] = [30.0]
        async with mill(tmp_path) as served, served.worker(media), speaking(served.url) as http:
            await register(http, "chat", receiver.url)
            runs = [await run(http, "media.add", {"a": number}) for number in range(6)]
            await receiver.after(1)
        receiver.answers["/"] = [web.Response()]
        receiver.got.clear()
        async with mill(tmp_path) as served, speaking(served.url) as http:
            got = await receiver.after(6)
            assert sorted(each.json["run"] for each in got) == sorted(runs)
            assert {each["status"] for each in await ended(http, "chat")} == {"delivered"}


async def test_no_secret_is_shown_logged_or_told_in_an_error(
    working: Http, receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    receiver.answers["/"] = [web.Response(status=500)]
    made = await working("PUT", "/api/v1/webhooks/chat", {"url": receiver.url + "/?token=hidden"})
    secret = made.json["secret"]
    assert (made.status, secret[:6], len(base64.b64decode(secret[6:]))) == (201, "whsec_", 32)
    await working.post("/api/v1/webhooks/chat/test", {})
    await ended(working, "chat")
    shown = f"sha256:{hashlib.sha256(secret.encode()).hexdigest()[:8]}"
    again = await working("PUT", "/api/v1/webhooks/chat", {"url": receiver.url + "/?token=hidden"})
    assert (again.status, "secret" in again.json, again.json["secrets"]) == (200, False, [shown])
    bodies = [(await working.get(f"/api/v1/webhooks{path}")).body for path in ("", "/chat", "/chat/deliveries")]
    short = await working("PUT", "/api/v1/webhooks/chat", {"url": receiver.url, "secrets": ["tooshort"]})
    assert (short.status, short.json["violations"][0][0]) == (422, "$.secrets[0]")
    for text in (*map(bytes.decode, bodies), short.body.decode(), caplog.text):
        assert secret not in text
        assert "tooshort" not in text
        assert "hidden" not in text


async def test_a_removed_webhook_is_sent_nothing_more(working: Http, receiver: Receiver) -> None:
    receiver.answers["/"] = [web.Response(status=500)]
    await register(working, "chat", receiver.url)
    await run(working, "media.add", {"a": 1})
    await receiver.after(1)
    headers = {"content_type": "application/json"}
    assert (await working("DELETE", "/api/v1/webhooks/chat", **headers)).status == 204
    assert (await working.get("/api/v1/webhooks/chat")).problem == "no_webhook"
    await register(working, "chat", receiver.url + "/other")
    assert await log(working, "chat") == []
    await run(working, "media.add", {"a": 2})
    (got,) = await receiver.after(1, "/other")
    assert got.json["results"] == {"value": 4}


@pytest.mark.parametrize(
    ("spec", "place"),
    [
        ({"url": "ftp://example.org/"}, "$.url"),
        ({"url": "example.org"}, "$.url"),
        ({"url": "https://user:word@example.org/"}, "$.url"),
        ({"url": "https://example.org/", "events": ["run.ended"]}, "$.events[0]"),
        ({"url": "https://example.org/", "secrets": ["whsec_!!"]}, "$.secrets[0]"),
        ({"url": "https://example.org/", "secrets": ["x" * 20] * 5}, "$.secrets"),
        ({"url": "https://example.org/", "workflows": [""]}, "$"),
        ({"url": "https://example.org/", "events": "run.failed"}, "$.events"),
        ({"uri": "https://example.org/"}, "$"),
    ],
)
async def test_a_wrong_webhook_is_refused_with_its_place(http: Http, spec: Any, place: str) -> None:
    answer = await http("PUT", "/api/v1/webhooks/x", spec)
    assert answer.problem == "invalid_body"
    assert [each[0] for each in answer.json["violations"]] == [place]
    assert (await http.get("/api/v1/webhooks")).json == {"webhooks": []}


async def test_what_is_not_there_is_said(http: Http) -> None:
    assert (await http("PUT", "/api/v1/webhooks/a%20b", {"url": "https://example.org/"})).problem == "bad_request"
    await register(http, "x", "https://example.org/")
    assert (await http.get("/api/v1/webhooks/x/deliveries/msg_00")).problem == "no_delivery"
    assert (await http.post("/api/v1/webhooks/x/deliveries/zz/redeliver", {})).problem == "no_delivery"
    assert (await http.post("/api/v1/webhooks/y/test", {})).problem == "no_webhook"
    await asyncio.gather(*(register(http, f"w{number}", "https://example.org/") for number in range(99)))
    assert (await http("PUT", "/api/v1/webhooks/y", {"url": "https://example.org/"})).problem == "too_many"
