"""Tasks and workflows under paths of their own, versions side by side, and how the API describes them."""

import asyncio
import json
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from openapi_spec_validator import validate

from tests.server.http import Answer, Http, speaking
from tests.server.mill import mill
from tests.server.tasks import media
from tidemill import AsyncClient, Worker, map_over, workflow

old, new = Worker("shop"), Worker("shop")


class Captions(NamedTuple):
    title: str
    count: int


@old.task("price")
def price_once(order: dict[str, int]) -> int:
    return sum(order.values())


@new.task("price")
def price_now(order: dict[str, int], rebate: int = 0) -> int:
    return sum(order.values()) - rebate


@media.task
def caption(photos: list[str], *, loud: bool = False) -> Captions:
    text = ", ".join(photos)
    return Captions(text.upper() if loud else text, len(photos))


@workflow("sums")
def sums(numbers: list[int]) -> list[int]:
    return map_over(add_one, numbers)


@workflow("sums")
def sums_later(numbers: list[int], more: int = 1) -> list[int]:
    return map_over(lambda number: add_to(number, more), numbers)


@media.task
def add_one(number: int) -> int:
    return number + 1


@media.task
def add_to(number: int, more: int) -> int:
    return number + more


async def publish(http: Http, flow: Any) -> str:
    answer = await http("PUT", f"/api/v1/graphs/{flow.compiled.digest}", flow.compiled.document)
    assert answer.status == 201, answer
    return str(answer.json["digest"])


async def serve(http: Http, path: str, target: str, **spec: str) -> Answer:
    return await http("PUT", f"/api/v1/endpoints/{path}", {"target": target, **spec})


@pytest.mark.feature("E12")
async def test_a_workflow_has_a_path_of_its_own_and_versions_side_by_side(working: Http) -> None:
    first = await publish(working, sums)
    assert (await serve(working, "sums", "sums", version="v1")).status == 201
    second = await publish(working, sums_later)
    served = (await serve(working, "sums", "sums", version="v2")).json
    assert [(each["path"], each["digest"]) for each in served["versions"]] == [
        ("/w/sums/v1", first),
        ("/w/sums/v2", second),
    ]
    given = {"numbers": [1, 2], "more": 10}
    old_one = await working.post("/w/sums/v1", given)
    assert (old_one.problem, old_one.json["violations"]) == ("invalid_input", [["$.more", "unknown input"]])
    assert (await working.post("/w/sums/v1", {"numbers": [1, 2]})).json == [2, 3]
    for path in ("/w/sums", "/w/sums/v2"):
        answer = await working.post(path, given)
        assert (answer.status, answer.json) == (200, [11, 12])
    assert (await serve(working, "sums", "sums", default="v1")).json["default"] == "v1"
    assert (await working.post("/w/sums", given)).problem == "invalid_input"
    assert (await serve(working, "sums", "sums", default="newest")).status == 200
    assert (await working.post("/w/sums", given)).json == [11, 12]


async def test_a_task_is_pinned_by_its_schema(tmp_path: Path) -> None:
    async with mill(tmp_path) as served, speaking(served.url) as http:
        async with served.worker(old):
            assert (await serve(http, "price", "shop.price", version="v1")).status == 201
            assert (await http.post("/w/price", {"order": {"a": 1, "b": 2}})).json == 3
        async with served.worker(new, name="w2"):
            assert (await http.post("/w/price", {"order": {"a": 1}, "rebate": 1})).json == 0
            refused = await http.post("/w/price/v1", {"order": {"a": 1}, "rebate": 1})
            assert (refused.problem, refused.json["violations"][0][0]) == ("invalid_input", "$.rebate")


async def test_it_answers_with_its_outputs_by_port_and_takes_a_bare_record(working: Http) -> None:
    await serve(working, "caption", "media.caption")
    answer = await working.post("/w/caption", {"photos": ["sea", "mill"], "loud": True})
    assert (answer.status, answer.json) == (200, {"title": "SEA, MILL", "count": 2})
    assert answer.headers["location"] == f"/api/v1/runs/{answer.headers['tidemill-run']}/result"
    await serve(working, "price", "media.price")
    assert (await working.post("/w/price", {"name": "flour", "copies": 4})).json == 10.0


@pytest.mark.feature("E12")
async def test_what_takes_longer_goes_on_and_can_be_asked_for(working: Http) -> None:
    await serve(working, "sleepy", "media.sleepy")
    answer = await working.post("/w/sleepy?wait=0", {"seconds": 0.3})
    assert (answer.status, answer.json["status"]) == (202, "running")
    later = await working.get(answer.json["link"] + "?wait=20")
    assert (later.status, later.json["value"], answer.headers["location"]) == (200, 0.3, answer.json["link"])


async def test_a_failure_is_a_problem(working: Http) -> None:
    await serve(working, "broken", "media.broken")
    answer = await working.post("/w/broken", {"text": "no flour"})
    assert (answer.problem, "no flour" in answer.json["detail"]) == ("run_failed", True)
    assert "raceback" not in json.dumps(answer.json)
    wrong = await working.post("/w/broken", {"text": 3, "more": 1})
    assert (wrong.problem, {place for place, _ in wrong.json["violations"]}) == ("invalid_input", {"$.text", "$.more"})
    assert (await working("POST", "/w/broken", content_type="application/json")).json["violations"] == [
        ["$.text", "is missing"]
    ]


async def test_a_key_gives_the_same_run_and_another_body_is_a_conflict(working: Http) -> None:
    await serve(working, "add", "media.add")
    await serve(working, "plus", "media.add")
    asked = [working.post("/w/add", {"a": 1}, Idempotency_Key="k1") for _ in range(5)]
    runs = {answer.headers["tidemill-run"] for answer in await asyncio.gather(*asked)}
    assert len(runs) == 1
    assert (await working.post("/w/add", {"a": 2}, Idempotency_Key="k1")).problem == "conflict"
    for path, key in (("/w/add", "k2"), ("/w/plus", "k1")):
        other = await working.post(path, {"a": 1}, Idempotency_Key=key)
        assert other.headers["tidemill-run"] not in runs
    assert (await working.post("/w/add", {"a": 1}, Idempotency_Key="k" * 256)).problem == "bad_request"


async def test_wrong_endpoints_are_refused_and_removed_ones_gone(working: Http) -> None:
    assert (await serve(working, "x", "media.nothing")).problem == "unknown_workflow"
    assert (await serve(working, "a%2Fb", "media.add")).status in (400, 404)
    assert (await serve(working, "x", "media.add", version="newest")).problem == "invalid_body"
    assert (await serve(working, "x", "media.add", version="v1", digest="sha256:" + "0" * 64)).problem == "unknown_task"
    assert (await serve(working, "x", "media.add", default="v9")).problem == "invalid_body"
    assert (await working.get("/api/v1/endpoints")).json == {"endpoints": []}
    await serve(working, "x", "media.add", version="v1", default="v1")
    assert (await serve(working, "x", "media.echo")).problem == "conflict"
    catalog = (await working.get("/api/v1/tasks/media.price")).json["tasks"][0]["definition"]
    assert (await serve(working, "x", "media.add", version="v2", digest=catalog["digest"])).problem == "unknown_task"
    headers = {"content_type": "application/json"}
    assert (await working("DELETE", "/api/v1/endpoints/x/versions/v1", **headers)).status == 204
    assert (await working.post("/w/x/v1", {"a": 1})).problem == "no_endpoint"
    assert (await working.post("/w/x", {"a": 1})).json == 3
    assert (await working("DELETE", "/api/v1/endpoints/x", **headers)).status == 204
    assert (await working.post("/w/x", {"a": 1})).problem == "no_endpoint"
    assert (await working.get("/api/v1/endpoints/x")).problem == "no_endpoint"


@pytest.mark.feature("E12")
async def test_the_description_of_the_api_has_the_schemas_of_what_is_served(working: Http) -> None:
    validate((await working.get("/api/v1/openapi.json")).json)
    await publish(working, sums_later)
    for path, target in (("sums", "sums"), ("price", "media.price"), ("caption", "media.caption")):
        assert (await serve(working, path, target, version="v1")).status == 201
    document = (await working.get("/api/v1/openapi.json")).json
    validate(document)
    assert {path for path in document["paths"] if path.startswith("/w/")} == {
        f"/w/{name}{version}" for name in ("sums", "price", "caption") for version in ("", "/v1")
    }
    schemas = document["components"]["schemas"]
    body = document["paths"]["/w/sums/v1"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert (body["required"], sorted(body["properties"])) == (["numbers"], ["more", "numbers"])
    assert schemas["w.sums.v1.input.numbers"]["items"] == {"type": "integer"}
    outputs = document["paths"]["/w/caption"]["post"]["responses"]["200"]["content"]["application/json"]["schema"]
    assert outputs["required"] == ["title", "count"]
    names = [each["operationId"] for path in document["paths"].values() for each in path.values()]
    assert len(names) == len(set(names))


async def test_endpoints_survive_a_restart(tmp_path: Path) -> None:
    async with mill(tmp_path) as served, served.worker(media), speaking(served.url) as http:
        await serve(http, "add", "media.add", version="v1")
        first = await http.post("/w/add/v1", {"a": 1}, Idempotency_Key="k")
    async with mill(tmp_path) as served, served.worker(media), speaking(served.url) as http:
        again = await http.post("/w/add/v1", {"a": 1}, Idempotency_Key="k")
        assert (again.json, again.headers["tidemill-run"]) == (3, first.headers["tidemill-run"])


async def test_a_client_serves_lists_and_removes(working: Http) -> None:
    async with AsyncClient(working.url) as client:
        made = await client.endpoints.serve("/add", "media.add", version="v1")
        assert (made.path, made.kind, [each.path for each in made.versions]) == ("/w/add", "task", ["/w/add/v1"])
        assert [each.name for each in await client.endpoints.list()] == ["add"]
        await client.endpoints.remove("/add", version="v1")
        assert (await client.endpoints.get("add")).versions == ()
        await client.endpoints.remove("/w/add")
        assert await client.endpoints.list() == ()
