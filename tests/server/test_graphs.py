"""Graphs over HTTP: published by digest, refused with every fault, run by digest and by name."""

from typing import Any

import msgspec
import pytest

from tests.server.http import Http
from tests.server.tasks import add
from tidemill.core.ids import digest_of, digest_text
from tidemill.sdk.words import map_over
from tidemill.sdk.workflow import workflow

GRAPHS = "/api/v1/graphs"


@workflow
def sums(first: int, rest: list[int], start: int = 10) -> list[int]:
    return map_over(lambda each: add(each, first), rest)


def changed(**changes: Any) -> tuple[bytes, str]:
    document = msgspec.json.encode({**msgspec.json.decode(sums.compiled.document), **changes}, order="sorted")
    return document, f"{GRAPHS}/{digest_text(digest_of(document))}"


async def publish(http: Http, document: bytes, path: str) -> Any:
    return await http("PUT", path, document)


async def test_a_published_graph_is_read_and_run_by_digest_and_by_name(working: Http) -> None:
    compiled = sums.compiled
    answer = await publish(working, compiled.document, f"{GRAPHS}/{compiled.digest}")
    assert (answer.status, answer.json) == (201, {"digest": compiled.digest, "name": "sums", "unverified": []})
    assert (await working.get(f"{GRAPHS}/{compiled.digest}")).body == compiled.document
    assert "sums" in [graph["name"] for graph in (await working.get(GRAPHS)).json["graphs"]]
    for target in ({"graph": compiled.digest}, {"workflow": "sums"}):
        run = (await working.post("/api/v1/runs", {**target, "input": {"first": 1, "rest": [1, 2]}})).json["id"]
        assert (await working.get(f"/api/v1/runs/{run}/result?wait=10")).json["value"] == [2, 3]
        assert (await working.get(f"/api/v1/runs/{run}/values/?port=start", accept="application/json")).json == 10
    wrong = await working.post("/api/v1/runs", {"workflow": "sums", "input": {"first": "1", "rets": []}})
    assert {path for path, _ in wrong.json["violations"]} == {"$.first", "$.rets", "$.rest"}


async def test_a_task_that_nobody_announced_is_named(http: Http) -> None:
    answer = await publish(http, sums.compiled.document, f"{GRAPHS}/{sums.compiled.digest}")
    assert answer.json["unverified"] == ["media.add"]


async def test_a_document_that_is_none_is_refused_with_advice(http: Http) -> None:
    document, path = changed(format="tidemill.graph/2")
    newer = await publish(http, document, path)
    assert newer.problem == "bad_graph"
    assert "upgrade the server" in newer.json["detail"]
    other = await publish(http, sums.compiled.document, f"{GRAPHS}/sha256:{'0' * 64}")
    assert other.problem == "damaged"
    nonsense = b'{"format": 3}'
    assert (await publish(http, nonsense, f"{GRAPHS}/{digest_text(digest_of(nonsense))}")).problem == "bad_graph"


@pytest.mark.feature("B7")
async def test_each_edge_that_cannot_fit_is_shown_with_both_types(working: Http) -> None:
    document = msgspec.json.decode(sums.compiled.document)
    body = document["states"][""]["body"]
    body["inputs"]["first"] = {"type": "string"}
    answer = await publish(working, *changed(states=document["states"]))
    assert (answer.status, answer.problem) == (422, "bad_graph")
    assert "int" in str(answer.json["violations"])
    assert "str" in str(answer.json["violations"])
