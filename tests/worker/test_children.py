"""Tasks start runs, and give their slot away while they wait for them."""

import asyncio
from pathlib import Path

import pytest

from tests.worker.scripted import Bench, ScriptedServer, assign, given, ref, value_of
from tidemill.core.definitions import Pools
from tidemill.core.errors import UnavailableError
from tidemill.core.run import Code, End, Failure
from tidemill.sdk.context import Context
from tidemill.sdk.errors import RunFailedError
from tidemill.sdk.worker import Worker
from tidemill.wire import worker as wire

w = Worker("w")


@w.task
def double(x: int) -> int:
    return 2 * x


@w.task
def ask(ctx: Context, x: int) -> int:
    return ctx.submit(double, x).result() + 1


@w.task
async def ask_async(ctx: Context, x: int) -> int:
    return await ctx.submit(double, x) + 1


@w.task
async def ask_many(ctx: Context, xs: list[int]) -> list[int]:
    children = [ctx.submit(double, x) for x in xs]
    return [await child for child in children]


@w.task
def ask_and_forgive(ctx: Context) -> str:
    try:
        ctx.submit(double, 1).result()
    except RunFailedError as error:
        return f"{error.code.value}: {error.message}"
    return "nothing to forgive"


def bench(folder: Path, slots: int = 1) -> Bench:
    return Bench(folder, w, pools=Pools(total=slots))


async def credit(server: ScriptedServer, total: int) -> None:
    await server.hear(wire.Credit, lambda message: message.granted[""] == total)


@pytest.mark.parametrize("task", ["w.ask", "w.ask_async"])
async def test_a_body_that_waits_gives_its_slot_away_and_takes_it_back(tmp_path: Path, task: str) -> None:
    mill = bench(tmp_path)
    async with mill.connected() as server:
        await server.say(assign(task, inputs=given(x=20)))
        [run] = await mill.caller.called(1)
        await credit(server, 2)  # one received, and its slot is free again
        await server.say(assign("w.double", "other", inputs=given(x=1)))
        assert (await server.hear(wire.Succeeded)).attempt == ref("other")
        mill.caller.end(run, 40)
        assert value_of(await server.hear(wire.Succeeded)) == 41
        await server.silence()
        assert server.all_of(wire.Credit)[-1].granted == {"": 3}


async def test_one_that_comes_back_waits_until_a_slot_is_free(tmp_path: Path) -> None:
    mill = bench(tmp_path)
    async with mill.connected() as server:
        await server.say(assign("w.ask", "first", inputs=given(x=1)))
        [first] = await mill.caller.called(1)
        await credit(server, 2)
        await server.say(assign("w.ask", "second", inputs=given(x=2)))
        _, second = await mill.caller.called(2)
        await credit(server, 3)
        mill.caller.end(second, 20)
        mill.caller.end(first, 10)
        results = [await server.hear(wire.Succeeded), await server.hear(wire.Succeeded)]
        assert {result.attempt.path: value_of(result) for result in results} == {"first": 11, "second": 21}


async def test_several_children_are_waited_for_without_a_slot_until_the_last(tmp_path: Path) -> None:
    mill = bench(tmp_path)
    async with mill.connected() as server:
        await server.say(assign("w.ask_many", inputs=given(xs=[1, 1, 2])))
        runs = await mill.caller.called(3)
        assert len(set(runs)) == 3
        for run, value in zip(runs, [2, 2, 4], strict=True):
            mill.caller.end(run, value)
        assert value_of(await server.hear(wire.Succeeded)) == [2, 2, 4]


async def test_another_attempt_finds_the_same_run(tmp_path: Path) -> None:
    mill = bench(tmp_path)
    async with mill.connected() as server:
        await server.say(assign("w.ask", inputs=given(x=1)))
        [first] = await mill.caller.called(1)
        await server.say(wire.Stale((ref(),)))
        await server.say(assign("w.ask", number=2, inputs=given(x=1)))
        assert await mill.caller.called(2) == [first, first]
        await server.say(assign("w.ask", "elsewhere", inputs=given(x=1)))
        assert (await mill.caller.called(3))[2] != first


async def test_one_that_failed_before_is_started_anew(tmp_path: Path) -> None:
    mill = bench(tmp_path)
    async with mill.connected() as server:
        mill.caller.statuses.extend(["failed", "running"])
        await server.say(assign("w.ask", number=2, inputs=given(x=1)))
        old, new = await mill.caller.called(2)
        assert old != new
        mill.caller.end(new, 2)
        assert value_of(await server.hear(wire.Succeeded)) == 3


async def test_the_failure_of_a_child_is_raised_with_its_code(tmp_path: Path) -> None:
    mill = bench(tmp_path)
    async with mill.connected() as server:
        await server.say(assign("w.ask_and_forgive"))
        [run] = await mill.caller.called(1)
        mill.caller.ends[run].set_exception(RunFailedError(run, Failure(Code.TRANSIENT, "busy")))
        assert value_of(await server.hear(wire.Succeeded)) == "transient: busy"
        await server.say(assign("w.ask", "other", inputs=given(x=1)))
        _, run = await mill.caller.called(2)
        mill.caller.ends[run].set_exception(RunFailedError(run, Failure(Code.RESOURCE, "no memory")))
        failed = await server.hear(wire.Failed)
        assert failed.failure.code is Code.RESOURCE


@pytest.mark.parametrize("task", ["w.ask", "w.ask_async"])
async def test_one_that_waits_can_be_cancelled(tmp_path: Path, task: str) -> None:
    mill = bench(tmp_path)
    async with mill.connected() as server:
        await server.say(assign(task, inputs=given(x=1)))
        await mill.caller.called(1)
        await credit(server, 2)
        await server.say(wire.Cancel(ref(), 5.0, "enough"))
        failed = await server.hear(wire.Failed)
        assert (failed.failure.code, failed.proof) == (Code.CANCELLED, End.STOPPED)
        await server.say(assign("w.double", "other", inputs=given(x=1)))
        assert value_of(await server.hear(wire.Succeeded)) == 2
        assert (await server.silence()) is not None
        assert mill.runtime.status().held == 0


async def test_a_server_that_is_away_is_asked_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tidemill.worker.children.AWAY_S", 0.001)
    mill = bench(tmp_path)
    async with mill.connected() as server:
        mill.caller.statuses.extend([UnavailableError("away"), UnavailableError("away"), "running"])
        await server.say(assign("w.ask", inputs=given(x=1)))
        runs = await mill.caller.called(3)
        assert len(set(runs)) == 1
        mill.caller.end(runs[0], 2)
        assert value_of(await server.hear(wire.Succeeded)) == 3


async def test_waiting_is_no_silence(tmp_path: Path) -> None:
    mill = bench(tmp_path)
    async with mill.connected() as server:
        await server.say(assign("w.ask_async", inputs=given(x=1), silence_s=0.05))
        [run] = await mill.caller.called(1)
        await credit(server, 2)
        await asyncio.sleep(0.2)
        mill.caller.end(run, 2)
        assert value_of(await server.hear(wire.Succeeded)) == 3
