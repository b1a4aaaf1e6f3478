"""Each call about a run, again and again: while it is alive, after its end, and of a run that nobody knows.

The cases are compared with the routes that are served: one that is new and has no case fails here.
"""

from typing import Any

import pytest

from tests.server.http import Answer, Http

UNKNOWN = "01a1ffdd-0000-7000-8000-000000000000"
ID = "01a1ffdd-1111-7000-8000-{:012d}"
# What is sent; a body that names an id is the same each time.
CASES: dict[tuple[str, str], Any] = {
    ("post", "/runs/{run}/cancel"): {"reason": "enough", "id": "c1"},
    ("post", "/runs/{run}/continue"): {},
    ("patch", "/runs/{run}/data"): {"set": {"a": 1}, "remove": ["b"]},
    ("post", "/runs/{run}/retry"): {"id": ID},
    ("post", "/runs/{run}/fork"): {"id": ID, "input": {"a": 5}},
    ("post", "/runs/{run}/fork/plan"): {},
    ("post", "/runs/{run}/signals/{name}"): {"id": "s1", "payload": 1},
    ("post", "/runs/{run}/approvals"): {"choice": "yes"},
    ("patch", "/runs/{run}"): {"priority": 3, "tags": {"who": "ann"}},
    ("delete", "/runs/{run}"): None,
    ("post", "/runs/{run}/pause"): {"reason": "lunch"},
    ("post", "/runs/{run}/resume"): {},
    ("put", "/runs/{run}/store/{name}/{key}"): {"value": 1},
    ("delete", "/runs/{run}/store/{name}/{key}"): None,
}
CHANGES_WHAT_ENDED = {("patch", "/runs/{run}/data"), ("patch", "/runs/{run}"), ("delete", "/runs/{run}")}
each_call = pytest.mark.parametrize("call", CASES, ids=[" ".join(call) for call in CASES])


async def made(http: Http, **more: Any) -> str:
    answer = await http.post("/api/v1/runs", {"task": "media.add", "input": {"a": 1}, **more})
    assert answer.status == 201, answer
    return str(answer.json["id"])


async def ended(http: Http) -> str:
    run = await made(http)
    assert (await http.get(f"/api/v1/runs/{run}/result?wait=20")).status == 200
    return run


async def say(http: Http, call: tuple[str, str], run: str) -> Answer:
    method, path = call
    body = CASES[call]
    if isinstance(body, dict) and body.get("id") == ID:
        body = {**body, "id": ID.format(int(run[-6:], 16))}
    path = path.format(run=run, name="go", key="k")
    return await http(method.upper(), f"/api/v1{path}", body, content_type="application/json")


def check(answers: list[Answer]) -> None:
    """Each is an answer, or a refusal with a reason; the second is as the third."""
    for answer in answers:
        assert answer.status < 500, answer
        if answer.status >= 400:
            assert answer.problem
            assert answer.json["detail"]
    assert answers[1].status == answers[2].status
    if answers[1].status < 400 and answers[1].body:
        assert answers[1].json.get("id") == answers[2].json.get("id"), "a repetition made another one"


async def test_each_call_about_a_run_has_a_case(http: Http) -> None:
    document = (await http.get("/api/v1/openapi.json")).json
    served = {
        (method, path.removeprefix("/api/v1"))
        for path, operations in document["paths"].items()
        for method in operations
        if method != "get" and "{run}" in path
    }
    assert served == CASES.keys()


@each_call
async def test_a_call_that_is_repeated_is_answered_as_before_or_refused(working: Http, call: tuple[str, str]) -> None:
    run = await made(working, delay_s=3600)
    check([await say(working, call, run) for _ in range(3)])
    answer = await working.get(f"/api/v1/runs/{run}")
    assert answer.status in (200, 404)


@each_call
async def test_a_call_after_the_end_changes_nothing_that_was_recorded(working: Http, call: tuple[str, str]) -> None:
    run = await ended(working)
    before = (await working.get(f"/api/v1/runs/{run}")).json
    result = (await working.get(f"/api/v1/runs/{run}/result")).body
    check([await say(working, call, run) for _ in range(3)])
    after = await working.get(f"/api/v1/runs/{run}")
    if call in CHANGES_WHAT_ENDED:
        assert after.status == 404 or after.json["status"] == "succeeded"
    else:
        assert after.json == before
        assert (await working.get(f"/api/v1/runs/{run}/result")).body == result


@each_call
async def test_a_call_about_a_run_that_nobody_knows_says_so(working: Http, call: tuple[str, str]) -> None:
    for _ in range(2):
        answer = await say(working, call, UNKNOWN)
        assert answer.status == 404, answer
        assert answer.problem == "unknown_run"


async def test_a_submission_that_is_repeated_is_one_run_and_another_body_a_conflict(working: Http) -> None:
    body = {"task": "media.add", "input": {"a": 1}, "id": ID.format(7)}
    answers = [await working.post("/api/v1/runs", body) for _ in range(3)]
    assert {(answer.status, answer.json["id"]) for answer in answers} <= {(201, ID.format(7)), (200, ID.format(7))}
    other = await working.post("/api/v1/runs", {**body, "input": {"a": 2}})
    assert (other.status, other.problem) == (409, "conflict")
    await working.get(f"/api/v1/runs/{ID.format(7)}/result?wait=20")
    assert (await working.post("/api/v1/runs", body)).json["id"] == ID.format(7)
