"""Workflows whose nodes are more than tasks, from their function to what HTTP tells of them, with a real worker."""

import asyncio
from typing import Any

import pytest

from tests.server.http import Http, until
from tests.server.mill import Mill
from tidemill import (
    Context,
    OnFailure,
    Rest,
    Worker,
    branch,
    default,
    finally_,
    first_of,
    loop,
    map_over,
    ops,
    some_of,
    status_of,
    workflow,
)
from tidemill.client.remote import AsyncClient
from tidemill.sdk.workflow import Workflow

RUNS = "/api/v1/runs"
yard = Worker("yard")


@yard.task
def grow(x: int, by: int) -> int:
    return x + by


@workflow
def grown(xs: list[int], by: int) -> list[int]:
    """A loop in each element of a map; each round has a branch."""

    def once(x: int) -> int:
        return branch(x > 100, then=lambda: x, otherwise=lambda: grow(x, by))

    return map_over(lambda x: loop(once, x, until=lambda each: each > 10, limit=4, name="refine"), xs)


@yard.task
async def rest(ctx: Context, seconds: float) -> str:
    await asyncio.sleep(seconds)
    return "rested"


@workflow
def raced(x: int) -> list[str]:
    first = first_of(lambda: rest(600.0), lambda: branch(halve(x) > 1, then=lambda: "fast", otherwise=lambda: "slow"))
    some = some_of(2, lambda: "a", lambda: rest.options(name="short")(0.3), lambda: "c", rest=Rest.LEAVE)
    return [first, some[0], some[1]]


@yard.task
def halve(x: int) -> int:
    if x % 2:
        raise ValueError(f"{x} is odd")
    return x // 2


@workflow
def halved(x: int) -> str:
    """A failed step has a default; what needs another one is left out; a branch asks how it ended."""
    risky = halve.options(name="risky", on_failure=OnFailure.SKIP_DOWNSTREAM)(x)
    told = branch(status_of(risky) == "failure", then=lambda: "odd", otherwise=lambda: "even")
    grow(halve.options(name="again")(risky), halve.options(name="safe", on_failure=default(100))(x))
    return told


@workflow
def strict(x: int) -> int:
    return grow(halve.options(on_failure=OnFailure.SKIP_DOWNSTREAM)(x), by=1)


async def began(served: Mill, flow: Workflow[..., Any], **inputs: Any) -> str:
    async with AsyncClient(served.url) as client:
        return (await client.submit(flow, **inputs)).id


async def steps_of(http: Http, run: str) -> dict[str, Any]:
    return {step["path"]: step for step in (await http.get(f"{RUNS}/{run}/steps?limit=500")).json["steps"]}


async def value_of(http: Http, run: str, path: str) -> Any:
    answer = await http.get(f"{RUNS}/{run}/values/{path}", accept="application/json")
    return answer.json if answer.status == 200 else answer.problem


@pytest.mark.feature("E2")
async def test_rounds_of_a_loop_are_steps_and_the_value_of_each_can_be_read(served: Mill, http: Http) -> None:
    async with served.worker(yard):
        run = await began(served, grown, xs=[1, 200, 9], by=4)
        assert (await http.get(f"{RUNS}/{run}/result?wait=20")).json["value"] == [13, 200, 13]
    steps = await steps_of(http, run)
    assert (steps["map[0]/refine"]["kind"], steps["map[0]/refine"]["elements"]) == ("loop", {"rounds": 3})
    assert steps["map[0]/refine[2]/branch/otherwise/grow"]["status"] == "succeeded"
    assert [await value_of(http, run, f"map[0]/refine[{each}]") for each in range(4)] == [5, 9, 13, "unknown_value"]
    assert await value_of(http, run, "map[0]/refine") == 13
    assert await value_of(http, run, "map[1]") == 200


async def test_a_loop_that_reaches_its_limit_fails_its_run(served: Mill, http: Http) -> None:
    async with served.worker(yard):
        run = await began(served, grown, xs=[1], by=1)
        failed = await http.get(f"{RUNS}/{run}/result?wait=20")
    assert failed.problem == "run_failed"
    assert failed.json["detail"] == "after 4 rounds, its limit, `branch > 10` does not hold"
    assert failed.json["failure"]["path"] == "map[0]/refine"
    assert await value_of(http, run, "map[0]/refine[3]") == 5


async def test_a_cancel_in_a_loop_is_heard(served: Mill, http: Http) -> None:
    async with asyncio.timeout(30):
        run = await began(served, grown, xs=[1], by=1)
        assert (await http.post(f"{RUNS}/{run}/cancel", {"reason": "enough"})).status == 202
        result = await http.get(f"{RUNS}/{run}/result?wait=20")
    assert result.problem == "run_cancelled"
    assert {step["status"] for step in (await steps_of(http, run)).values()} == {"cancelled"}


async def test_steps_that_may_fail_are_told_apart_from_those_that_are_left_out(served: Mill, http: Http) -> None:
    async with served.worker(yard):
        run = await began(served, halved, x=3)
        assert (await http.get(f"{RUNS}/{run}/result?wait=20")).json["value"] == "odd"
        even = await began(served, halved, x=8)
        assert (await http.get(f"{RUNS}/{even}/result?wait=20")).json["value"] == "even"
    found = {path: step["status"] for path, step in (await steps_of(http, run)).items()}
    assert found == {"risky": "failed", "safe": "failed", "again": "skipped", "grow": "skipped", "branch": "succeeded"}
    assert await value_of(http, run, "safe") == 100
    assert await value_of(http, run, "again") == await value_of(http, run, "risky") == "unknown_value"
    assert await value_of(http, even, "grow") == 6


async def test_a_failed_run_still_gives_the_values_of_steps_that_ended_well(served: Mill, http: Http) -> None:
    async with served.worker(yard):
        run = await began(served, strict, x=3)
        failed = await http.get(f"{RUNS}/{run}/result?wait=20")
    assert failed.problem == "run_failed"
    assert failed.json["detail"] == "the output of the run: 'grow' was left out, since 'halve' failed"
    assert failed.json["failure"]["path"] == "grow"
    run = await began(served, grown, xs=[1], by=1)
    async with served.worker(yard):
        assert (await http.get(f"{RUNS}/{run}/result?wait=20")).problem == "run_failed"
    assert await value_of(http, run, "map[0]/refine[0]/branch/otherwise/grow") == 2


@pytest.mark.feature("E7")
async def test_the_losers_of_a_race_are_stopped_or_left(served: Mill, http: Http) -> None:
    async with served.worker(yard), asyncio.timeout(60):
        run = await began(served, raced, x=8)
        assert (await http.get(f"{RUNS}/{run}/result?wait=30")).json["value"] == ["fast", "a", "c"]
        attempts = (await http.get(f"{RUNS}/{run}/attempts?path=first_of/rest/rest")).json["attempts"]
    found = {path: step["status"] for path, step in (await steps_of(http, run)).items()}
    assert (found["first_of"], found["first_of/rest/rest"]) == ("succeeded", "cancelled")
    assert found["some_of/short/short"] == "succeeded", "it was left, and the run ended after it"
    assert [each["status"] for each in attempts] in (["stopped"], []), "it has its proof, or never began"


async def test_a_race_that_nobody_wins_says_what_each_said(served: Mill, http: Http) -> None:
    @workflow
    def lost(x: int) -> int:
        return first_of(lambda: halve(x), lambda: halve.options(name="again")(x), name="race")

    async with served.worker(yard):
        run = await began(served, lost, x=3)
        failed = await http.get(f"{RUNS}/{run}/result?wait=20")
    assert failed.json["detail"].startswith("2 of 2 arms failed, and 1 had to succeed: ")
    assert failed.json["detail"].count("3 is odd") == 2


@workflow
def figured(xs: list[int], by: int) -> str:
    return ops.fill("{n} of {all}", n=ops.floor_divide(ops.total(xs), by), all=ops.length(xs))


@pytest.mark.feature("E20")
async def test_operations_need_no_worker(served: Mill, http: Http) -> None:
    run = await began(served, figured, xs=[1, 2, 4], by=2)
    assert (await http.get(f"{RUNS}/{run}/result?wait=20")).json["value"] == "3 of 3"
    assert await value_of(http, run, "total") == 7
    assert (await steps_of(http, run))["fill"]["kind"] == "operation"
    run = await began(served, figured, xs=[1], by=0)
    failed = (await http.get(f"{RUNS}/{run}/result?wait=20")).json
    assert failed["detail"] == "floor_divide: integer division or modulo by zero"
    assert (failed["failure"]["code"], failed["failure"]["path"]) == ("invalid_input", "floor_divide")


DONE: list[str] = []


@yard.task
def book(what: str) -> str:
    DONE.append(f"book {what}")
    return f"{what} 7"


@yard.task
def unbook(booking: str) -> None:
    if booking == "ferry 7":
        raise ValueError("the ferry has left")
    DONE.append(f"unbook {booking}")


@yard.task
def tidy(folder: str) -> None:
    DONE.append(f"tidy {folder}")


@workflow
def journey(folder: str, x: int) -> int:
    finally_(lambda: tidy(folder))
    hotel = book.options(name="hotel", undo=unbook)("hotel")
    ferry = book.options(name="ferry", undo=unbook, after=hotel)("ferry")
    train = book.options(name="train", undo=unbook, after=ferry)("train")
    return halve.options(after=train)(x)


@pytest.mark.feature("E13")
async def test_what_was_done_is_undone_in_reverse_order_and_the_end_is_tidied(served: Mill, http: Http) -> None:
    async with served.worker(yard):
        DONE.clear()
        run = await began(served, journey, folder="a", x=8)
        assert (await http.get(f"{RUNS}/{run}/result?wait=20")).json["value"] == 4
        assert DONE == ["book hotel", "book ferry", "book train", "tidy a"]
        DONE.clear()
        run = await began(served, journey, folder="a", x=7)
        failed = await http.get(f"{RUNS}/{run}/result?wait=20")
    assert DONE == ["book hotel", "book ferry", "book train", "unbook train 7", "unbook hotel 7", "tidy a"]
    assert failed.json["detail"] == (
        "ValueError: 7 is odd; 'ferry' could not be undone: ValueError: the ferry has left"
    )
    found = {path: step["status"] for path, step in (await steps_of(http, run)).items()}
    assert found["train~undo"] == found["hotel~undo"] == found["~finally/tidy"] == "succeeded"
    assert found["ferry~undo"] == "failed"


async def test_a_cancelled_run_is_undone_and_tidied_too(served: Mill, http: Http) -> None:
    @workflow
    def waiting(folder: str) -> str:
        finally_(lambda: tidy(folder))
        return rest.options(after=book.options(undo=unbook)("hotel"))(600.0)

    async with served.worker(yard), asyncio.timeout(60):
        DONE.clear()
        run = await began(served, waiting, folder="b")

        async def is_resting() -> bool:
            return (await steps_of(http, run)).get("rest", {}).get("status") == "running"

        await until(is_resting)
        await http.post(f"{RUNS}/{run}/cancel", {"reason": "enough"})
        assert (await http.get(f"{RUNS}/{run}/result?wait=30")).problem == "run_cancelled"
    assert DONE == ["book hotel", "unbook hotel 7", "tidy b"]


def test_a_plain_call_runs_what_stands_at_the_end() -> None:
    DONE.clear()
    with pytest.raises(ValueError, match="7 is odd"):
        journey("c", 7)
    assert DONE[-1] == "tidy c"
