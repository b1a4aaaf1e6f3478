"""What goes by itself and by hand, and what stays: real runs, over HTTP."""

import asyncio
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from tests.server.http import Answer, Http
from tests.server.mill import Mill
from tests.server.test_graphs import sums
from tests.server.test_runs import RUNS, submit
from tidemill import Worker
from tidemill.core.ids import digest_of, digest_text, parse_digest, parse_run_id

LARGE = "x" * 40_000


async def ended(http: Http, task: str, **inputs: object) -> str:
    run = await submit(http, task, **inputs)
    assert (await http.get(f"{RUNS}/{run}/result?wait=20")).status in {200, 409, 422}
    return run


async def remove(http: Http, run: str) -> Answer:
    return await http("DELETE", f"{RUNS}/{run}", content_type="application/json")


async def stored(served: Mill) -> int:
    return len(await served.parts.blobs.stored(b"", 1000))


@pytest.mark.feature("F10")
@pytest.mark.promise("P11")
async def test_runs_beyond_their_number_go_with_all_that_is_theirs(served: Mill, working: Http) -> None:
    old = [await ended(working, "media.echo", data=LARGE[:each]) for each in (39_996, 39_992)]
    kept = await ended(working, "media.echo", data=LARGE)
    asleep = await ended(working, "media.sleepy", seconds=0)
    assert await stored(served) >= 3
    keeper = served.keeper("1")
    await keeper.round()
    assert [run["id"] for run in (await working.get(RUNS)).json["runs"]] == [asleep, kept]
    for run in old:
        for view in ("", "/steps", "/result", "/logs", "/attempts", "/picture"):
            assert (await working.get(f"{RUNS}/{run}{view}")).problem == "unknown_run"
    engine = served.engine
    assert not await engine.queries.hidden(10)
    assert not await engine.queries.steps(parse_run_id(old[0]), "", 10)
    before = await stored(served)
    await keeper.round()
    assert await stored(served) < before
    assert (await working.get(f"{RUNS}/{kept}/result")).json["value"] == LARGE
    assert (await working.get(f"{RUNS}/{kept}/values/echo", accept="application/json")).json == LARGE


@pytest.mark.feature("F10")
async def test_runs_go_by_age_and_status_and_logs_with_them(served: Mill, working: Http) -> None:
    asleep = await ended(working, "media.sleepy", seconds=0)
    failed = await ended(working, "media.broken", text="no")
    logs = served.parts.logs
    assert await logs.read(parse_run_id(asleep), None, 0, 10)
    await served.keeper("failed=30d, succeeded=0s").round()
    assert [run["id"] for run in (await working.get(RUNS)).json["runs"]] == [failed]
    assert not await logs.read(parse_run_id(asleep), None, 0, 10)
    await served.keeper("media.broken:failed=0s").round()
    assert not (await working.get(RUNS)).json["runs"]


async def test_a_run_stays_while_it_is_unfinished_or_its_key_counts(served: Mill, working: Http) -> None:
    asleep = await submit(working, "media.sleepy", seconds=60)
    body = {"task": "media.add", "input": {"a": 1}, "key": "once", "key_lifetime_s": 3600}
    keyed = (await working.post(RUNS, body)).json["id"]
    await working.get(f"{RUNS}/{keyed}/result?wait=20")
    await served.keeper("0s").round()
    assert {run["id"] for run in (await working.get(RUNS)).json["runs"]} == {asleep, keyed}
    assert (await working.post(RUNS, {**body, "id": ""})).json["id"] == keyed
    refused = await remove(working, keyed)
    assert (refused.problem, "key" in refused.json["detail"]) == ("not_possible", True)
    refused = await remove(working, asleep)
    assert (refused.problem, "not ended" in refused.json["detail"]) == ("not_possible", True)
    await working.post(f"{RUNS}/{asleep}/cancel", {})


async def test_an_origin_stays_until_its_fork_has_ended(served: Mill, working: Http) -> None:
    origin = await ended(working, "media.sleepy", seconds=0)
    again = {"again": ["sleepy"], "input": {"seconds": 60}}
    fork = (await working.post(f"{RUNS}/{origin}/fork", again)).json["id"]
    keeper = served.keeper("0s")
    await keeper.round()
    assert (await working.get(f"{RUNS}/{origin}")).status == 200
    await working.post(f"{RUNS}/{fork}/cancel", {})
    await working.get(f"{RUNS}/{fork}/result?wait=20")
    await keeper.round()
    assert not (await working.get(RUNS)).json["runs"]
    assert (await working.post(f"{RUNS}/{origin}/fork", {})).problem == "unknown_run"


async def test_by_hand_a_filter_finds_what_goes_and_a_dry_run_removes_nothing(served: Mill, working: Http) -> None:
    for each in range(3):
        await ended(working, "media.add", a=each)
    await ended(working, "media.broken", text="no")
    asked = {"action": "remove", "statuses": ["completed"], "dry_run": True}
    look = (await working.post(f"{RUNS}/bulk", asked)).json
    assert (look["count"], len(look["runs"])) == (3, 3)
    assert len((await working.get(RUNS)).json["runs"]) == 4
    done = (await working.post(f"{RUNS}/bulk", {**asked, "dry_run": False})).json
    assert done["count"] == 3
    assert [run["status"] for run in (await working.get(RUNS)).json["runs"]] == ["failed"]
    refused = await working.post(f"{RUNS}/bulk", {"action": "remove", "statuses": ["running"]})
    assert refused.problem == "invalid_body"
    assert served.engine.hidden.is_set()
    await served.keeper().sweep()
    assert not await served.engine.queries.hidden(10)


async def test_a_removed_run_may_be_submitted_again_once_it_is_gone(served: Mill, working: Http) -> None:
    run = await ended(working, "media.add", a=1)
    assert (await remove(working, run)).status == 204
    body = {"task": "media.add", "input": {"a": 1}, "id": run}
    assert (await working.post(RUNS, body)).problem == "conflict"
    assert (await remove(working, run)).problem == "unknown_run"
    await served.keeper().sweep()
    assert (await working.post(RUNS, body)).status == 201
    assert (await working.get(f"{RUNS}/{run}/result?wait=20")).json["value"] == 3


# Blobs ---------------------------------------------------------------------------------------------


async def upload(http: Http, data: bytes) -> str:
    answer = await http.post("/api/v1/blobs", data, content_type="application/octet-stream")
    assert answer.status == 201, answer
    return str(answer.json["digest"])


async def test_a_blob_that_nobody_names_goes_once_it_is_old_enough(served: Mill, http: Http) -> None:
    digest = await upload(http, b"a blob")
    keeper = served.keeper(unnamed=timedelta(days=1))
    for _ in range(2):
        await keeper.round()
    assert (await http("HEAD", f"/api/v1/blobs/{digest}")).status == 200
    keeper = served.keeper()
    await keeper.round()
    assert (await http("HEAD", f"/api/v1/blobs/{digest}")).status == 404
    assert await stored(served) == 1
    await keeper.round()
    assert await stored(served) == 0
    assert await upload(http, b"a blob") == digest
    assert (await http.get(f"/api/v1/blobs/{digest}")).body == b"a blob"


@pytest.mark.promise("P11")
async def test_an_upload_that_meets_a_blob_on_its_way_out_waits_and_is_there_afterwards(
    served: Mill, http: Http
) -> None:
    digest = await upload(http, b"a blob")
    keeper = served.keeper()
    await keeper.round()
    sending = asyncio.create_task(http.post("/api/v1/blobs", b"a blob", content_type="application/octet-stream"))
    await asyncio.sleep(0)
    while not sending.done():
        await keeper._drop_leaving()
        await asyncio.sleep(0.01)
    answer = await sending
    if answer.status != 201:  # its bytes went with those that were there: whoever is told so sends them again
        assert (answer.status, answer.json["type"]) == (503, "unavailable")
        await upload(http, b"a blob")
    assert (await http.get(f"/api/v1/blobs/{digest}")).body == b"a blob"


async def test_bytes_that_no_row_knows_are_found_and_go(served: Mill, http: Http) -> None:
    named = await upload(http, b"known")

    async def chunks():
        yield b"a server died before the row"

    stray, _ = await served.parts.blobs.write(chunks(), None, 100)
    keeper = served.keeper(unnamed=timedelta(days=1))
    await keeper.round()
    assert stray in keeper._strays
    assert parse_digest(named) not in keeper._strays
    keeper.settings = served.keeper().settings
    await keeper.round()
    await keeper.round()
    assert await served.parts.blobs.size(stray) is None


async def test_a_submission_that_names_a_blob_that_goes_is_told_to_upload_it(served: Mill, working: Http) -> None:
    digest = await upload(working, b"a file")
    file = {"$file": digest, "size": 6, "media_type": "text/plain", "name": "a.txt"}
    await served.keeper().round()
    refused = await working.post(RUNS, {"task": "media.shout", "input": {"file": file}})
    assert refused.status == 422, refused
    await served.keeper().round()
    await upload(working, b"a file")
    run = await ended(working, "media.shout", file=file)
    for _ in range(2):
        await served.keeper().round()
    assert (await working.get(f"/api/v1/runs/{run}/artifacts/loud.txt")).body == b"A FILE"


@pytest.mark.promise("P11")
async def test_files_of_constants_and_of_schedules_stay_though_no_run_names_them(served: Mill, working: Http) -> None:
    one, two = [await upload(working, data) for data in (b"a constant", b"an input")]
    files = [{"$file": digest, "size": 10, "media_type": "text/plain", "name": "a.txt"} for digest in (one, two)]
    plain = msgspec.json.decode(sums.compiled.document)
    document = msgspec.json.encode({**plain, "states": constant_in(plain["states"], files[0])}, order="sorted")
    published = await working("PUT", f"/api/v1/graphs/{digest_text(digest_of(document))}", document)
    assert published.status == 201, published
    schedule = {"target": "media.shout", "input": {"file": files[1]}, "every_s": 86_400}
    answer = await working("PUT", "/api/v1/schedules/loud", schedule)
    assert answer.status in {200, 201}, answer
    for _ in range(3):
        await served.keeper().round()
    for digest in (one, two):
        assert (await working("HEAD", f"/api/v1/blobs/{digest}")).status == 200


def constant_in(states: dict[str, Any], value: object) -> dict[str, Any]:
    """The same with one more node, of a constant that nobody uses."""
    ((name, state),) = states.items()
    graph = state["body"]
    node = {"type": "constant", "value": value, "schema": {}}
    return {name: {**state, "body": {**graph, "nodes": {**graph["nodes"], "file": node}}}}


memory = Worker("memory")
CALLS: list[int] = []


@memory.task(cache=3600.0)
def large(x: int) -> str:
    CALLS.append(x)
    return str(x) * 40_000


@pytest.mark.promise("P11")
async def test_a_recorded_result_whose_bytes_went_is_made_anew(served: Mill, http: Http) -> None:
    CALLS.clear()
    async with served.worker(memory):
        first = await ended(http, "memory.large", x=1)
        assert (await http.get(f"{RUNS}/{await ended(http, 'memory.large', x=1)}/result")).json["value"] == "1" * 40_000
        assert CALLS == [1]
        await http.post(f"{RUNS}/bulk", {"action": "remove"})
        for _ in range(2):
            await served.keeper().round()
        assert await stored(served) == 0
        again = await ended(http, "memory.large", x=1)
        assert (await http.get(f"{RUNS}/{again}/result")).json["value"] == "1" * 40_000
        assert CALLS == [1, 1]
        assert first != again
