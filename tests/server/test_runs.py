"""Runs over plain HTTP and JSON, with a real worker."""

from base64 import b64encode

import pytest

from tests.server.http import Http, until

RUNS = "/api/v1/runs"


async def submit(http: Http, task: str, **inputs: object) -> str:
    answer = await http.post(RUNS, {"task": task, "input": inputs})
    assert answer.status == 201, answer
    return str(answer.json["id"])


async def test_a_run_is_submitted_read_and_listed(working: Http) -> None:
    run = await submit(working, "media.add", a=1, b=3)
    result = await working.get(f"{RUNS}/{run}/result?wait=10")
    assert (result.status, result.json) == (200, {"id": run, "status": "succeeded", "value": 4, "outcome": "success"})
    view = (await working.get(f"{RUNS}/{run}")).json
    assert (view["workflow"], view["status"], view["done"]) == ("media.add", "succeeded", 1)
    (step,) = (await working.get(f"{RUNS}/{run}/steps")).json["steps"]
    assert (step["path"], step["status"], step["task"], step["worker"]) == ("add", "succeeded", "media.add", "w1")
    (attempt,) = (await working.get(f"{RUNS}/{run}/attempts?path=add")).json["attempts"]
    assert (attempt["number"], attempt["status"]) == (1, "succeeded")
    assert (await working.get(f"{RUNS}/{run}/values/add", accept="application/json")).json == 4
    assert (await working.get(f"{RUNS}/{run}/values/?port=b", accept="application/json")).json == 3


async def test_a_bare_record_stands_for_the_one_record_parameter(working: Http) -> None:
    answer = await working.post(RUNS, {"task": "media.price", "input": {"name": "tea", "copies": 2}})
    assert (await working.get(f"{RUNS}/{answer.json['id']}/result?wait=10")).json["value"] == 5.0


async def test_bytes_come_and_go_as_base64(working: Http) -> None:
    run = await submit(working, "media.echo", data="aGVsbG8=")
    assert (await working.get(f"{RUNS}/{run}/result?wait=10")).json["value"] == "aGVsbG8="


async def test_pages_of_runs_follow_each_other(working: Http) -> None:
    made = [await submit(working, "media.add", a=each) for each in range(5)]
    for run in made:
        await working.get(f"{RUNS}/{run}/result?wait=10")
    seen: list[str] = []
    page = (await working.get(f"{RUNS}?limit=2")).json
    while page["runs"]:
        seen += [run["id"] for run in page["runs"]]
        if "next" not in page:
            break
        page = (await working.get(f"{RUNS}?limit=2&before={page['next']}")).json
    assert seen == made[::-1]
    assert (await working.get(f"{RUNS}?status=failed")).json["runs"] == []
    assert len((await working.get(f"{RUNS}?status=succeeded&status=failed&workflow=media.add")).json["runs"]) == 5
    assert (await working.get(f"{RUNS}?status=done")).problem == "bad_request"
    assert (await working.get(f"{RUNS}?limit=x")).problem == "bad_request"
    assert (await working.get(f"{RUNS}?before=x")).problem == "bad_request"


@pytest.mark.feature("B6", "B9")
async def test_a_wrong_input_is_refused_with_every_violation(working: Http) -> None:
    answer = await working.post(RUNS, {"task": "media.add", "input": {"a": "x", "bb": 1}})
    assert (answer.status, answer.problem) == (422, "invalid_input")
    assert dict(answer.json["violations"]) == {
        "$.bb": "unknown input; did you mean 'b'?",
        "$.a": '"x" is not of type "integer"',
    }
    missing = await working.post(RUNS, {"task": "media.add"})
    assert missing.json["violations"] == [["$.a", "is missing"]]
    nested = await working.post(RUNS, {"task": "media.price", "input": {"order": {"copies": "many"}}})
    assert {path for path, _ in nested.json["violations"]} == {"$.order.copies", "$.order.name"}
    kept = await working.post(RUNS, {"task": "media.lenient", "input": {"a": 1, "b": 2}})
    assert kept.status == 201


async def test_a_field_that_a_submission_does_not_have_is_refused(working: Http) -> None:
    misspelt = {"task": "media.add", "input": {"a": 1}, "timeout": 5}
    alone = await working.post(RUNS, misspelt)
    assert (alone.status, alone.problem) == (422, "invalid_body")
    assert "timeout" in alone.json["detail"]
    batch = await working.post(f"{RUNS}/batch", {"runs": [misspelt]})
    assert (batch.status, batch.problem) == (422, "invalid_body")
    assert (await working.get(RUNS)).json["runs"] == []


async def test_an_unknown_task_is_refused_with_the_nearest_names(working: Http) -> None:
    answer = await working.post(RUNS, {"task": "media.ad", "input": {}})
    assert (answer.status, answer.problem) == (422, "unknown_task")
    assert answer.json["nearest"][0] == "media.add"
    assert (await working.post(RUNS, {"workflow": "album", "input": {}})).problem == "unknown_workflow"
    assert (await working.post(RUNS, {"graph": "sha256:" + "0" * 64, "input": {}})).problem == "unknown_graph"
    assert (await working.post(RUNS, {"task": "a", "graph": "b"})).problem == "invalid_body"
    assert (await working.post(RUNS, {})).problem == "invalid_body"


async def test_the_same_submission_twice_is_one_run(working: Http) -> None:
    body = {"id": "01970000-0000-7000-8000-000000000001", "task": "media.add", "input": {"a": 1, "b": 2}}
    turned = {**body, "input": {"b": 2, "a": 1}}
    assert (await working.post(RUNS, body)).json["id"] == (await working.post(RUNS, turned)).json["id"] == body["id"]
    other = await working.post(RUNS, {**body, "input": {"a": 2}})
    assert (other.status, other.problem) == (409, "conflict")
    assert len((await working.get(RUNS)).json["runs"]) == 1


async def test_of_a_batch_what_is_right_runs_and_what_is_wrong_is_told(working: Http) -> None:
    right = {"task": "media.add", "input": {"a": 1}}
    answer = await working.post(f"{RUNS}/batch", {"runs": [right, {"task": "nope"}, right]})
    first, second, third = answer.json["runs"]
    assert first["accepted"]["id"] != third["accepted"]["id"]
    assert second["problem"]["type"] == "unknown_task"


async def test_a_blob_is_as_long_as_it_is_said_to_be(working: Http) -> None:
    """Or its submission is wrong, and no other of the batch."""
    stored = await working.post("/api/v1/blobs", b"12345", content_type="application/octet-stream")
    digest = b64encode(bytes.fromhex(stored.json["digest"].removeprefix("sha256:"))).decode()
    runs = [{"task": "media.add", "values": {"a": ["b", digest, size, "j"]}} for size in (5, 4, 6)]
    answer = await working.post(f"{RUNS}/batch", {"runs": runs})
    right, more, fewer = answer.json["runs"]
    assert right["accepted"]["status"] == "running"
    assert "has more than 4 bytes" in more["problem"]["violations"][0][1]
    assert "has 5 bytes, not 6" in fewer["problem"]["violations"][0][1]


async def test_a_failed_run_has_a_problem_for_a_result(working: Http) -> None:
    run = await submit(working, "media.broken", text="no good")
    answer = await working.get(f"{RUNS}/{run}/result?wait=10")
    assert (answer.status, answer.problem) == (409, "run_failed")
    assert "no good" in answer.json["detail"]


async def test_a_run_is_cancelled_and_says_why(working: Http) -> None:
    run = await submit(working, "media.sleepy", seconds=60)
    assert (await working.get(f"{RUNS}/{run}/result?wait=0")).status == 202
    assert (await working.post(f"{RUNS}/{run}/cancel", {"reason": "enough"})).status == 202
    answer = await working.get(f"{RUNS}/{run}/result?wait=20")
    assert (answer.problem, answer.json["detail"]) == ("run_cancelled", "enough")
    unknown = await working.post(f"{RUNS}/{'0' * 32}/cancel", {})
    assert unknown.problem == "unknown_run"


async def test_a_waiting_run_says_what_it_waits_for(http: Http, working: Http) -> None:
    runs = [await submit(http, "media.sleepy", seconds=60) for _ in range(25)]

    async def is_told() -> bool:
        (step,) = (await http.get(f"{RUNS}/{runs[-1]}/why")).json["steps"]
        return step["status"] == "ready" and "full" in " ".join(step["reasons"])

    await until(is_told)
    for run in runs:
        await http.post(f"{RUNS}/{run}/cancel", {})


async def test_what_is_not_there_is_not_found(working: Http) -> None:
    none = "0" * 32
    for path in ("", "/steps", "/attempts", "/result", "/why", "/events", "/logs", "/artifacts", "/values/x"):
        assert (await working.get(f"{RUNS}/{none}{path}")).problem == "unknown_run", path
        assert (await working.get(f"{RUNS}/x{path}")).problem == "unknown_run", path
    run = await submit(working, "media.add", a=1)
    await working.get(f"{RUNS}/{run}/result?wait=10")
    assert (await working.get(f"{RUNS}/{run}/values/nope")).problem == "unknown_value"
    assert (await working.get(f"{RUNS}/{run}/values/add?port=nope")).problem == "unknown_value"
    assert (await working.get(f"{RUNS}/{run}/artifacts/nope")).problem == "unknown_artifact"
    assert (await working.get(f"{RUNS}/{run}/stream")).problem == "unknown_step"
    assert (await working.get("/api/v1/tasks/nope")).problem == "no_task"
    assert (await working.get("/api/v1/graphs/nope")).problem == "no_graph"
    assert (await working.get("/api/v1/nope")).problem == "not_found"
    assert (await working("PUT", f"{RUNS}/{run}", {})).problem == "method_not_allowed"
