"""Retry, fork and what-if: runs that take over what other runs have recorded."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from tidemill import AsyncClient, InvalidInputError, StateMachine, Worker, branch, map_over, wait_signal, workflow
from tidemill.client.errors import RefusedError, WrongStatusError
from tidemill.sdk.errors import RunFailedError
from tidemill.testing.local import local

CALLS: list[tuple[str, Any]] = []
BROKEN: set[Any] = set()

works = Worker("works")


def called(name: str, x: Any) -> None:
    CALLS.append((name, x))
    if (name, x) in BROKEN:
        raise RuntimeError(f"{name} does not work on {x}")


@works.task
def read(n: int) -> int:
    called("read", n)
    return n * 10


@works.task
def double(n: int) -> int:
    called("double", n)
    return n * 2


@works.task
def total(ns: list[int], extra: int) -> int:
    called("total", tuple(ns))
    return sum(ns) + extra


@works.task
def large(n: int) -> str:
    called("large", n)
    return "x" * (100_000 + n)


@works.task
def measure(text: str) -> int:
    called("measure", len(text))
    return len(text)


@workflow
def summed(ns: list[int], extra: int = 0) -> int:
    return total(map_over(lambda n: double(read(n)), ns, name="each"), extra)


@workflow
def choosing(n: int, bar: int = 15) -> int:
    first = read(n)
    return branch(first > 15, then=lambda: double(first), otherwise=lambda: first)


@workflow("choosing")
def choosing_more(n: int, bar: int = 15) -> int:
    first = read(n)
    return branch(first > 5, then=lambda: double(first), otherwise=lambda: first)


@workflow
def heavy(n: int) -> int:
    return measure(large(n))


@pytest.fixture(autouse=True)
def fresh() -> None:
    CALLS.clear()
    BROKEN.clear()


def calls() -> list[tuple[str, Any]]:
    found, CALLS[:] = sorted(CALLS, key=repr), []
    return found


async def failed(client: AsyncClient, **broken: Any) -> Any:
    run = await client.submit(summed, [1, 2, 3])
    with pytest.raises(RunFailedError):
        await run.result(20)
    calls()
    BROKEN.clear()
    return run


@pytest.mark.feature("F8")
async def test_a_retry_runs_what_failed_and_takes_over_the_rest() -> None:
    async with local(works) as client:
        BROKEN.add(("total", (20, 40, 60)))
        run = await failed(client)
        again = await run.retry()
        assert await again.result(20) == 120
        assert calls() == [("total", (20, 40, 60))]
        assert (await again.view()).origin == run.id
        assert (await run.view()).status == "failed"


async def test_a_retry_of_a_map_runs_only_the_elements_that_lack_a_result() -> None:
    async with local(works) as client:
        BROKEN.add(("double", 20))
        run = await failed(client)
        steps = {step.path: step.status for step in await run.steps()}
        assert await (await run.retry()).result(20) == 120
        ran = calls()
        assert ("double", 20) in ran
        done = [path for path, status in steps.items() if status == "succeeded"]
        assert len(ran) == 7 - len(done)
        assert ("read", 2) not in ran


@pytest.mark.feature("F8")
async def test_a_fork_with_an_edited_input_runs_what_that_reaches() -> None:
    async with local(works) as client:
        run = await client.submit(summed, [1, 2, 3])
        assert await run.result(20) == 120
        calls()
        more = await run.fork(inputs={"ns": [1, 2, 5]})
        assert await more.result(20) == 160
        assert calls() == [("double", 50), ("read", 5), ("total", (20, 40, 100))]
        other = await run.fork(inputs={"extra": 7})
        assert await other.result(20) == 127
        assert calls() == [("total", (20, 40, 60))]


async def test_a_fork_with_an_edited_step_goes_on_from_there() -> None:
    async with local(works) as client:
        run = await client.submit(summed, [1, 2, 3])
        await run.result(20)
        calls()
        edited = await run.fork(steps={"each[1]/double": {"n": 100}})
        assert await edited.result(20) == 20 + 200 + 60
        assert calls() == [("double", 100), ("total", (20, 200, 60))]


async def test_what_is_named_runs_anew_though_nothing_changed() -> None:
    async with local(works) as client:
        run = await client.submit(summed, [1, 2])
        await run.result(20)
        calls()
        assert await (await run.fork(again=["each[0]/read"])).result(20) == 60
        assert ("read", 1) in calls()


async def test_large_values_are_taken_over_by_digest() -> None:
    async with local(works) as client:
        BROKEN.add(("measure", 100_001))
        run = await client.submit(heavy, 1)
        with pytest.raises(RunFailedError):
            await run.result(20)
        calls()
        BROKEN.clear()
        assert await (await run.retry()).result(20) == 100_001
        assert calls() == [("measure", 100_001)]


async def test_a_fork_of_a_fork_and_of_a_single_task() -> None:
    async with local(works) as client:
        lone = await client.submit(read, 4)
        await lone.result(20)
        calls()
        second = await lone.fork()
        assert await second.result(20) == 40
        assert calls() == []
        third = await second.fork(inputs={"n": 5})
        assert await third.result(20) == 50
        assert calls() == [("read", 5)]


async def test_a_plan_says_what_a_fork_would_do_and_starts_nothing() -> None:
    async with local(works) as client:
        run = await client.submit(summed, [1, 2, 3])
        await run.result(20)
        calls()
        plan = await run.plan_fork(inputs={"ns": [1, 2, 5]})
        assert set(plan.reused) == {f"each[{at}]/{step}" for at in (0, 1) for step in ("read", "double")}
        assert plan.fresh == ("each[2]/read",)
        nothing = await run.plan_fork()
        assert (nothing.fresh, nothing.ended) == ((), "succeeded")
        assert calls() == []
        assert len((await client.runs()).runs) == 1


@pytest.mark.parametrize(
    ("options", "place"),
    [
        ({"inputs": {"nope": 1}}, "nope"),
        ({"inputs": {"ns": "text"}}, "ns"),
        ({"steps": {"each[0]/nope": {"n": 1}}}, r"each\[0\]/nope"),
        ({"steps": {"each[0]/read": {"m": 1}}}, "takes n"),
        ({"steps": {"each[0]/read": {"n": "five"}}}, r"each\[0\]/read\]\.n"),
        ({"steps": {"each[7]/read": {"n": 5}}}, "the run has no such step"),
        ({"again": ["each[9]/read"]}, r"each\[9\]/read"),
        ({"graph": "sha256:" + "0" * 64}, "sha256"),
    ],
)
async def test_a_wrong_edit_is_refused_with_its_place(options: dict[str, Any], place: str) -> None:
    async with local(works) as client:
        run = await client.submit(summed, [1])
        await run.result(20)
        with pytest.raises((InvalidInputError, RefusedError), match=place):
            await run.fork(**options)


async def test_what_succeeded_is_not_retried() -> None:
    async with local(works) as client:
        run = await client.submit(read, 1)
        await run.result(20)
        with pytest.raises(WrongStatusError, match="is succeeded; what did not fail"):
            await run.retry()


@pytest.mark.feature("E23")
async def test_a_changed_workflow_is_held_against_recorded_runs() -> None:
    async with local(works) as client:
        runs = [await client.submit(choosing, n) for n in (0, 1, 2)]
        await asyncio.gather(*(run.result(20) for run in runs))
        calls()
        same = await client.what_if(choosing)
        assert [each.is_same for each in same] == [True, True, True]
        low, middle, high = reversed(await client.what_if(choosing_more))
        assert low.is_same
        assert high.is_same
        assert (middle.left, middle.taken) == (("branch: otherwise",), ("branch: then",))
        assert middle.fresh == ("branch/then/double",)
        assert calls() == []
        assert len((await client.runs()).runs) == 3
        assert [each.name for each in await client.graphs()].count("choosing") == 1, (
            "what is asked about is not published"
        )


@workflow
def asked(n: int) -> int:
    paid = wait_signal("paid", int, within=timedelta(minutes=1))
    return total([read(n), paid], 0)


async def test_a_wait_that_is_over_is_taken_over() -> None:
    async with local(works) as client:
        BROKEN.add(("total", (10, 7)))
        run = await client.submit(asked, 1)
        await run.signal("paid", 7)
        with pytest.raises(RunFailedError):
            await run.result(20)
        BROKEN.clear()
        calls()
        assert await (await run.retry()).result(20) == 17
        assert calls() == [("total", (10, 7))]


@works.task
def book(n: int) -> int:
    called("book", n)
    return n


@works.task
def unbook(n: int) -> None:
    called("unbook", n)


@workflow
def booked(n: int) -> int:
    return double(book.options(undo=unbook)(n))


async def test_what_was_undone_is_done_again_by_a_retry() -> None:
    async with local(works) as client:
        BROKEN.add(("double", 4))
        run = await client.submit(booked, 4)
        with pytest.raises(RunFailedError):
            await run.result(20)
        BROKEN.clear()
        assert ("unbook", 4) in calls()
        assert await (await run.retry()).result(20) == 8
        assert calls() == [("book", 4), ("double", 4)]


selling = StateMachine("selling")


@selling.state
def charge(n: int) -> int:
    return book(n)


@selling.state
def send(n: int = charge.output) -> int:
    return double(n)


@selling.state
def refund(n: int = charge.output) -> None:
    return unbook(n)


charge.otherwise(to=send)
send.on("failure", to=refund)
send.otherwise(to=selling.end("success", output=send.output))
refund.otherwise(to=selling.end("failure", status="it was refunded"))


async def test_an_end_in_failure_that_a_machine_chose_is_not_retried() -> None:
    async with local(works) as client:
        BROKEN.add(("double", 3))
        run = await client.submit(selling, n=3)
        with pytest.raises(RunFailedError, match="it was refunded"):
            await run.result(20)
        with pytest.raises(WrongStatusError, match="from the state 'refund': that is its result"):
            await run.retry()
        BROKEN.clear()
        again = await run.fork(again=["charge#1/book"])
        assert await again.result(20) == 6


@pytest.mark.parametrize("broken", [("double", 100), ("total", (20, 200))])
async def test_a_retry_of_a_fork_keeps_its_edits(broken: tuple[str, Any]) -> None:
    async with local(works) as client:
        run = await client.submit(summed, [1, 2])
        await run.result(20)
        BROKEN.add(broken)
        edited = await run.fork(steps={"each[1]/double": {"n": 100}})
        with pytest.raises(RunFailedError):
            await edited.result(20)
        BROKEN.clear()
        calls()
        again = await edited.retry()
        assert await again.result(20) == 220
        assert ("double", 20) not in (ran := calls())
        assert (("double", 100) in ran) == (broken[0] == "double"), "what succeeded with the edit is taken over"
        assert await (await again.fork(steps={"each[1]/double": {"n": 20}})).result(20) == 60
