"""Runs that are closing, over HTTP: what runs at their end waits for signals, people and instants."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from tests.server.http import Http, until
from tests.server.mill import Mill
from tidemill import (
    FOREVER,
    PermanentError,
    StateMachine,
    Worker,
    approval,
    finally_,
    sleep_for,
    wait_signal,
    workflow,
)
from tidemill.client.remote import AsyncClient, AsyncRun
from tidemill.sdk.workflow import Workflow

API = "/api/v1"
FORM = "application/x-www-form-urlencoded"
dock = Worker("dock")
DONE: list[str] = []


@dock.task
def load(name: str) -> str:
    if name == "leaky":
        raise PermanentError("it leaks")
    return name


@dock.task
def note(words: list[str]) -> None:
    DONE.append(" ".join(words))


def parting(name: str) -> None:
    word = wait_signal("bye", str, within=FOREVER)
    answer = approval("Cast off?", choices=("yes", "no"), within=timedelta(days=2))
    note([name, word, answer.choice, sleep_for(timedelta(milliseconds=10), then=lambda: "rested")])


@workflow
def sailing(name: str) -> str:
    finally_(lambda: parting(name))
    return load(name)


cruise = StateMachine("cruise")


@cruise.state
def sail(name: str) -> str:
    return load(name)


@cruise.finally_
def moor(name: str) -> None:
    parting(name)


sail.otherwise(to=cruise.end("success", output=sail.output))


@dock.task
async def unload(name: str) -> None:
    await asyncio.sleep(600)


@workflow
def pier(names: list[str]) -> str:
    finally_(lambda: note(names))
    first = load.options(name="first", undo=unload)(names[0])
    second = load.options(name="second", undo=unload, after=first)(names[1])
    third = load.options(name="third", undo=unload, after=second)(names[2])
    return load.options(name="last", after=third)("leaky")


@workflow
def anchored(name: str) -> str:
    finally_(lambda: parting(name))
    return wait_signal("sail", str, within=FOREVER)


@pytest.fixture
async def client(served: Mill) -> AsyncIterator[AsyncClient]:
    DONE.clear()
    async with served.worker(dock), AsyncClient(served.url) as made:
        yield made


async def waits_of(http: Http, run: AsyncRun[Any], count: int) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []

    async def are_there() -> bool:
        found[:] = (await http.get(f"{API}/runs/{run.id}/waits")).json["waits"]
        return len([each for each in found if each["kind"] != "time"]) == count

    await until(are_there)
    return found


@pytest.mark.parametrize("flow", [sailing, cruise], ids=["workflow", "machine"])
@pytest.mark.parametrize("name", ["tight", "leaky"])
async def test_what_runs_at_the_end_waits_for_signals_people_and_instants(
    client: AsyncClient, http: Http, flow: Workflow[[str], str], name: str
) -> None:
    run = await client.submit(flow, name=name)
    waits = await waits_of(http, run, 2)
    assert {each["step"] for each in waits} >= {"~finally/bye", "~finally/approval"}
    sent = await http.post(f"{API}/runs/{run.id}/signals/bye", {"payload": "farewell", "id": "s"})
    assert (sent.status, sent.json["taken"], sent.json["step"]) == (200, True, "~finally/bye")
    strange = await http.post(f"{API}/runs/{run.id}/signals/by", {"payload": "farewell"})
    assert strange.problem == "unknown_signal"
    given = await http.post(f"{API}/runs/{run.id}/approvals", {"choice": "yes", "who": "ann"})
    assert given.json["closed"]["how"] == "answered"
    answer = await http.get(f"{API}/runs/{run.id}/result?wait=20")
    assert (answer.json["detail"] == "it leaks") if name == "leaky" else (answer.json["value"] == name)
    (said,) = DONE
    assert said == f"{name} farewell yes rested"
    late = await http.post(f"{API}/runs/{run.id}/signals/bye", {"payload": "again", "id": "t"})
    assert (late.status, late.problem) == (409, "not_possible")


async def test_an_approval_at_the_end_is_decided_by_its_link(client: AsyncClient, http: Http) -> None:
    run = await client.submit(sailing, name="tight")
    await waits_of(http, run, 2)
    (found,) = (await client.waits(kinds=("approval",), links="true")).waits
    link = found.link.removeprefix(http.url)
    page = await http.get(link)
    assert (page.status, "Cast off?" in page.body.decode()) == (200, True)
    assert (await http("POST", link, b"choice=no&who=ann", content_type=FORM)).status in (200, 303)
    await run.signal("bye", "farewell")
    assert await run.result() == "tight"
    (said,) = DONE
    assert said == "tight farewell no rested"


async def test_a_second_cancel_ends_the_undo_and_tells_what_is_left(client: AsyncClient, http: Http) -> None:
    run = await client.submit(pier, ["a", "b", "c"])

    async def is_unloading() -> bool:
        steps = (await http.get(f"{API}/runs/{run.id}/steps")).json["steps"]
        return any(each["path"] == "third~undo" and each["status"] == "running" for each in steps)

    await until(is_unloading)
    path = f"{API}/runs/{run.id}/cancel"
    assert (await http.post(path, {"reason": "now", "id": "c1"})).status == 202
    ended = await http.get(f"{API}/runs/{run.id}/result?wait=30")
    assert (ended.problem, ended.json["detail"]) == (
        "run_failed",
        "it leaks; the undo of 'third' was cancelled; not undone: 'second', 'first'; what runs at the end did not run",
    )
    steps = (await http.get(f"{API}/runs/{run.id}/steps")).json["steps"]
    assert {each["path"]: each["status"] for each in steps if "~" in each["path"]} == {"third~undo": "cancelled"}
    assert (DONE, (await http.post(path, {"id": "c2"})).json["status"]) == ([], "failed")


async def test_a_cancel_that_is_sent_again_does_not_stop_what_runs_at_the_end(client: AsyncClient, http: Http) -> None:
    run = await client.submit(sailing, name="tight")
    await waits_of(http, run, 2)
    for _ in range(2):  # the run has succeeded so far, and the second one ends nothing more
        await http.post(f"{API}/runs/{run.id}/cancel", {"reason": "storm", "id": "c1"})
    ended = await http.get(f"{API}/runs/{run.id}/result?wait=30")
    assert (ended.problem, ended.json["detail"]) == ("run_cancelled", "storm; what runs at the end was cancelled")
    run = await client.submit(anchored, name="x")
    await waits_of(http, run, 1)
    for _ in range(2):
        await http.post(f"{API}/runs/{run.id}/cancel", {"reason": "storm", "id": "c1"})
    await waits_of(http, run, 3)
    for _ in range(2):
        await http.post(f"{API}/runs/{run.id}/cancel", {"reason": "storm", "id": "c1"})
    await run.signal("bye", "farewell")
    await run.approve("yes")
    ended = await http.get(f"{API}/runs/{run.id}/result?wait=30")
    assert (ended.problem, ended.json["detail"]) == ("run_cancelled", "storm")
    (said,) = DONE
    assert said == "x farewell yes rested"
