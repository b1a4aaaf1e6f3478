"""Breakpoints: a run stops before a step, is looked into, and goes on."""

import asyncio
from typing import Any

import pytest

from tidemill import AsyncClient, Worker, loop, map_over, workflow
from tidemill.client.errors import WrongStatusError
from tidemill.client.standing import Stepping
from tidemill.sdk.errors import RunCancelledError
from tidemill.testing.local import local

works = Worker("works")


@works.task
def read(n: int) -> int:
    return n * 10


@works.task
def double(n: int) -> int:
    return n * 2


@works.task
def total(ns: list[int]) -> int:
    return sum(ns)


@workflow
def summed(ns: list[int]) -> int:
    return total(map_over(lambda n: double(read(n)), ns, name="each"))


async def standing(run: Any, count: int) -> tuple[str, ...]:
    """The steps at a breakpoint, once there are so many."""
    async with asyncio.timeout(20):
        while len(paths := (await run.stopped()).paths) < count:  # noqa: ASYNC110  # asks a server
            await asyncio.sleep(0.01)
    found: tuple[str, ...] = paths
    return found


async def begun(client: AsyncClient, *breakpoints: str) -> Any:
    return await client.options(breakpoints=breakpoints).submit(summed, [1, 2])


@pytest.mark.feature("E21")
async def test_a_run_stops_is_looked_into_and_goes_on() -> None:
    async with local(works) as client:
        run = await begun(client, "total")
        assert await standing(run, 1) == ("total",)
        assert await run.inputs("total") == {"ns": [20, 40]}
        assert await run.value("each[1]/read") == 20
        assert await run.value("each") == [20, 40]
        assert (await run.view()).breakpoints == ("total",)
        await run.go_on()
        assert await run.result(20) == 60


async def test_a_path_without_numbers_means_each_element() -> None:
    async with local(works) as client:
        run = await begun(client, "each/double")
        assert await standing(run, 2) == ("each[0]/double", "each[1]/double")
        await run.go_on("each[1]/double")
        assert await standing(run, 1) == ("each[0]/double",)
        await run.go_on()
        assert await run.result(20) == 60


@pytest.mark.feature("E21")
async def test_one_can_go_step_by_step() -> None:
    async with local(works) as client:
        run = await begun(client, "each[0]/read")
        await standing(run, 1)
        await run.go_on(step=Stepping.YES)
        seen = [await standing(run, 1)]
        while (await run.status()) == "running":
            async with asyncio.timeout(20):
                await run.go_on(step=Stepping.YES)
                while not (paths := (await run.stopped()).paths) and await run.status() == "running":  # noqa: ASYNC110
                    await asyncio.sleep(0.01)
            seen.append(paths)
        assert any("total" in paths for paths in seen)
        assert await run.result(20) == 60


async def test_breakpoints_are_taken_away_and_a_stopped_run_is_cancelled() -> None:
    async with local(works) as client:
        run = await begun(client, "each/read", "total")
        await standing(run, 2)
        await run.go_on(breakpoints=[])
        assert await run.result(20) == 60
        other = await begun(client, "total")
        await standing(other, 1)
        with pytest.raises(WrongStatusError, match=r"'each\[0\]/read' does not stand at a breakpoint"):
            await other.go_on("each[0]/read")
        await other.cancel("enough")
        with pytest.raises(RunCancelledError):
            await other.result(20)
        assert {step.status for step in await other.steps() if step.path == "total"} == {"cancelled"}


@workflow
def halved(n: int) -> int:
    return loop(lambda n: less(double(n)), n, until=lambda n: n > 50, limit=9, name="grow")


@works.task
def less(n: int) -> int:
    return n - 1


@pytest.mark.feature("E21")
async def test_the_values_of_each_round_of_a_loop_are_read_by_name() -> None:
    async with local(works) as client:
        run = await client.options(breakpoints=["grow[2]/less"]).submit(halved, 5)
        assert await standing(run, 1) == ("grow[2]/less",)
        assert [await run.value(f"grow[{at}]/less") for at in (0, 1)] == [9, 17]
        assert await run.inputs("grow[2]/less") == {"n": 34}
        assert await run.inputs("grow[1]/double") == {"n": 9}
        await run.go_on()
        assert await run.result(20) == 65
        assert await run.value("grow") == 65
