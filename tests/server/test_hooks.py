"""Webhooks of others that start runs: each scheme, one run for each delivery, and what is turned away."""

import base64
import hashlib
import hmac
import json
import logging
import time
from pathlib import Path
from typing import Any

import pytest

from tests.server.http import Answer, Http, speaking
from tests.server.mill import mill
from tests.server.tasks import media
from tidemill import AsyncClient
from tidemill.core.documents import document_of
from tidemill.core.graph import FORMAT, Graph, SignalWait, State, WaitNode, Workflow
from tidemill.core.ids import digest_of, digest_text
from tidemill.core.signatures import signed_headers
from tidemill.core.terms import Ref

SECRET = "whsec_" + base64.b64encode(b"t" * 32).decode()
PLAIN = "a plain text of some length"
ORDER = {"id": "evt_1", "data": {"numbers": [3, 4], "text": "flour"}}


async def register(http: Http, name: str, **spec: Any) -> Any:
    whole = {"target": "media.add", "inputs": {"a": "$.data.numbers[0]", "b": "$.data.numbers[1]"}, **spec}
    answer = await http("PUT", f"/api/v1/hooks/{name}", whole)
    assert answer.status in (200, 201), answer
    return answer.json


def body_of(value: Any) -> bytes:
    return json.dumps(value).encode()


async def send(http: Http, name: str, body: bytes, headers: dict[str, str]) -> Answer:
    return await http("POST", f"/hooks/{name}", body, **{key.replace("-", "_"): each for key, each in headers.items()})


def standard(body: bytes, message: str = "msg_1", at: float | None = None, secret: str = SECRET) -> dict[str, str]:
    return signed_headers(message, int(time.time() if at is None else at), body, [secret])


def github(body: bytes, delivery: str = "d1", secret: str = PLAIN) -> dict[str, str]:
    digest = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    return {"X-Hub-Signature-256": f"sha256={digest}", "X-GitHub-Delivery": delivery, "X-GitHub-Event": "push"}


def stripe(body: bytes, at: float | None = None, secret: str = PLAIN) -> dict[str, str]:
    moment = int(time.time() if at is None else at)
    digest = hmac.new(secret.encode(), f"{moment}.".encode() + body, hashlib.sha256).hexdigest()
    return {"Stripe-Signature": f"t={moment},v1={'0' * 64},v1={digest},v0=abc"}


async def result(http: Http, answer: Answer) -> Any:
    assert answer.status == 202, answer
    return (await http.get(f"/api/v1/runs/{answer.json['id']}/result?wait=20")).json["value"]


async def test_each_scheme_starts_a_run_with_inputs_from_the_body(working: Http) -> None:
    body = body_of(ORDER)
    await register(working, "ours", secrets=[SECRET], tags={"from": "ours"})
    await register(working, "hub", scheme="github", secrets=[PLAIN])
    await register(working, "pay", scheme="stripe", secrets=[PLAIN], id_field="$.id")
    await register(working, "token", scheme="token", secrets=[PLAIN], header="X-Token")
    sent = {"ours": standard(body), "hub": github(body), "pay": stripe(body), "token": {"X-Token": PLAIN}}
    for name, headers in sent.items():
        assert await result(working, await send(working, name, body, headers)) == 7, name
    ours = (await working.get("/api/v1/runs?workflow=media.add")).json["runs"]
    assert [each.get("tags", {}) for each in ours] == [{}, {}, {}, {"from": "ours"}]


async def test_all_of_the_body_is_an_input_too(working: Http) -> None:
    await register(working, "all", target="media.price", inputs={"order": "$"}, secrets=[SECRET])
    body = body_of({"name": "flour", "copies": 2})
    assert await result(working, await send(working, "all", body, standard(body))) == 5.0


async def test_one_delivery_is_one_run_across_restarts(tmp_path: Path) -> None:
    body, other = body_of(ORDER), body_of({**ORDER, "sent": 2})
    async with mill(tmp_path) as served, served.worker(media), speaking(served.url) as http:
        await register(http, "ours", secrets=[SECRET])
        await register(http, "hub", scheme="github", secrets=[PLAIN])
        await register(http, "pay", scheme="stripe", secrets=[PLAIN], id_field="$.id")
        await register(http, "token", scheme="token", secrets=[PLAIN], header="X-Token", id_header="X-Id")
        first = await send(http, "ours", body, standard(body))
        again = await send(http, "ours", other, standard(other))  # what a sender adds to a repetition does not count
        assert first.json["id"] == again.json["id"]
        for name, headers in (
            ("hub", github(body)),
            ("pay", stripe(body)),
            ("token", {"X-Token": PLAIN, "X-Id": "i1"}),
        ):
            runs = {(await send(http, name, body, headers)).json["id"] for _ in range(3)}
            assert len(runs) == 1, name
            assert runs != {first.json["id"]}
        another = await send(http, "ours", body, standard(body, "msg_2"))
        assert another.json["id"] != first.json["id"]
    async with mill(tmp_path) as served, served.worker(media), speaking(served.url) as http:
        assert (await send(http, "ours", body, standard(body))).json["id"] == first.json["id"]


async def test_what_is_not_rightly_signed_starts_nothing(working: Http, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    body = body_of(ORDER)
    await register(working, "ours", secrets=[SECRET, PLAIN])
    await register(working, "hub", scheme="github", secrets=[PLAIN])
    await register(working, "pay", scheme="stripe", secrets=[PLAIN])
    await register(working, "token", scheme="token", secrets=[PLAIN], header="X-Token")
    wrong = "another secret of that length"
    stale = time.time() - 3600
    cases: list[tuple[str, dict[str, str], str, int]] = [
        ("ours", standard(body, secret=wrong), "bad_signature", 401),
        ("ours", standard(body + b" "), "bad_signature", 401),
        ("ours", {}, "bad_signature", 401),
        ("ours", standard(body, at=stale), "stale_signature", 400),
        ("hub", github(body, secret=wrong), "bad_signature", 401),
        ("hub", {}, "bad_signature", 401),
        ("pay", stripe(body, secret=wrong), "bad_signature", 401),
        ("pay", {"Stripe-Signature": "nonsense"}, "bad_signature", 401),
        ("pay", stripe(body, at=stale), "stale_signature", 400),
        ("token", {"X-Token": wrong}, "bad_signature", 401),
        ("token", {}, "bad_signature", 401),
        ("nobody", standard(body), "no_hook", 404),
    ]
    for name, headers, kind, status in cases:
        answer = await send(working, name, body, headers)
        assert (answer.problem, answer.status) == (kind, status), name
        for secret in (SECRET, PLAIN, wrong):
            assert secret not in answer.body.decode() + caplog.text
    long = b'"' + b"x" * 1_100_000 + b'"'
    assert (await send(working, "ours", long, standard(long))).status == 413
    assert (await working.get("/api/v1/runs")).json["runs"] == []


async def test_a_right_signature_does_not_make_a_body_right(working: Http) -> None:
    await register(working, "ours", secrets=[SECRET])
    for body, kind in (
        (b"{", "malformed"),
        (body_of({"data": {}}), "invalid_body"),
        (body_of({"data": {"numbers": ["x", 1]}}), "invalid_input"),
    ):
        assert (await send(working, "ours", body, standard(body))).problem == kind
    await register(working, "pay", scheme="stripe", secrets=[PLAIN], id_field="$.id")
    body = body_of({"data": ORDER["data"]})
    answer = await send(working, "pay", body, stripe(body))
    assert (answer.problem, answer.json["violations"][0][0]) == ("invalid_body", "$.id")


@pytest.mark.parametrize(
    ("spec", "place"),
    [
        ({"scheme": "mine"}, "$.scheme"),
        ({"scheme": "token"}, "$.header"),
        ({"secrets": ["short"]}, "$.secrets[0]"),
        ({"scheme": "github", "secrets": ["short"]}, "$.secrets[0]"),
        ({"inputs": {"a": "data.id"}}, "$.inputs.a"),
        ({"inputs": {"a": "$.x["}}, "$.inputs.a"),
        ({"inputs": {"a": "$", "c": "$"}}, "$.inputs.c"),
        ({"inputs": {}}, "$.inputs"),
        ({"signal": "paid", "key": "$.id"}, "$"),
        ({"target": "", "inputs": {}}, "$"),
        ({"target": "", "inputs": {}, "signal": "paid"}, "$.key"),
        ({"id_field": "id"}, "$.id_field"),
        ({"tolerance_s": 0}, "$.tolerance_s"),
        ({"secret": "x"}, "$"),
    ],
)
async def test_a_wrong_hook_is_refused_with_its_place(working: Http, spec: Any, place: str) -> None:
    whole = {"target": "media.add", "inputs": {"a": "$.a"}, **spec}
    answer = await working("PUT", "/api/v1/hooks/x", whole)
    assert answer.problem == "invalid_body"
    assert [each[0] for each in answer.json["violations"]] == [place]


async def test_a_client_registers_lists_and_removes_and_sees_a_new_secret_once(working: Http) -> None:
    async with AsyncClient(working.url) as client:
        made = await client.hooks.add("ours", "media.add", inputs={"a": "$.a"})
        body = body_of({"a": 1})
        assert await result(working, await send(working, "ours", body, standard(body, secret=made.secret))) == 3
        again = await client.hooks.add("ours", "media.add", inputs={"a": "$.b"})
        assert (again.secret, again.secrets) == ("", made.secrets)
        assert made.secret not in str(await client.hooks.list())
        assert (await client.hooks.get("ours")).inputs == {"a": "$.b"}
        await client.hooks.remove("ours")
        assert await client.hooks.list() == ()
        assert (await send(working, "ours", body, standard(body, secret=made.secret))).problem == "no_hook"
        nothing = await working("PUT", "/api/v1/hooks/x", {"target": "media.none"})
        assert nothing.problem == "unknown_workflow"


async def test_a_delivery_can_be_a_signal_to_whoever_waits_for_its_key(working: Http) -> None:
    hold = WaitNode(what=SignalWait("paid", Ref(port="order")), type={}, forever=True)
    graph = Graph(
        inputs={"order": {"type": "string"}}, nodes={"hold": hold}, outputs={"value": Ref(node="hold")}, types={}
    )
    document = document_of(Workflow(FORMAT, "till", "", {"": State(graph)}))
    published = await working("PUT", f"/api/v1/graphs/{digest_text(digest_of(document))}", document)
    assert published.status == 201, published
    made = await working(
        "PUT", "/api/v1/hooks/paid", {"signal": "paid", "key": "$.order", "payload": "$.sum", "secrets": [SECRET]}
    )
    assert (made.status, made.json["signal"], "target" in made.json) == (201, "paid", False)
    run = (await working.post("/api/v1/runs", {"workflow": "till", "input": {"order": "o-7"}})).json["id"]
    other = body_of({"order": "o-8", "sum": 1})
    assert (await send(working, "paid", other, standard(other, "msg_0"))).status == 202
    assert (await working.get(f"/api/v1/runs/{run}")).json["status"] == "running"
    body = body_of({"order": "o-7", "sum": 12})
    first = await send(working, "paid", body, standard(body))
    again = await send(working, "paid", body, standard(body))
    assert (first.status, again.status, first.json) == (202, 202, again.json)
    assert (await working.get(f"/api/v1/runs/{run}/result?wait=20")).json["value"] == 12
    late = await working.post("/api/v1/runs", {"workflow": "till", "input": {"order": "o-8"}})
    assert (await working.get(f"/api/v1/runs/{late.json['id']}/result?wait=20")).json["value"] == 1
    keyless = body_of({"order": [1], "sum": 12})
    assert (await send(working, "paid", keyless, standard(keyless))).problem == "invalid_body"
