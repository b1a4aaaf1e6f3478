"""Cancel, timeouts and silence: asked, told, grace, and a proof of how each attempt ended."""

import asyncio
import re
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.worker.scripted import Bench, Gate, assign, given, ref, value_of
from tidemill.core.definitions import Pools
from tidemill.core.run import Code, End
from tidemill.core.values import Blob, Given
from tidemill.sdk.context import Context
from tidemill.sdk.worker import Worker
from tidemill.wire import worker as wire

w = Worker("w")
gate = Gate()


@w.task
async def waits(name: str) -> str:
    await gate.hold(name)
    return name


@w.task
async def swallows(name: str) -> str:
    while True:
        try:
            await gate.hold(name)
            return name
        except asyncio.CancelledError:
            gate.note("swallowed", name)


@w.task
async def answers(name: str) -> str:
    try:
        await gate.hold(name)
    except asyncio.CancelledError:
        return "ready all the same"
    return name


@w.task
async def cleans_up_badly(name: str) -> str:
    try:
        await gate.hold(name)
    finally:
        raise OSError("the clean-up failed")


@w.task
def polls(ctx: Context, name: str) -> str:
    gate.note("reached", name)
    while not ctx.cancelled:
        time.sleep(0.001)
    ctx.raise_if_cancelled()
    return name


@w.task
def deaf(name: str) -> str:
    gate.block(name)
    return name


@w.task
async def blocks_the_loop(name: str) -> str:
    gate.block(name)
    return name


@w.task
def speaks(ctx: Context, name: str, times: int) -> str:
    for n in range(times):
        time.sleep(0.02)
        ctx.progress(n / times)
    gate.block(name)
    return name


@w.task
def plods(name: str) -> str:
    """Does not look whether it is told to stop."""
    gate.block(name)
    return name


@w.stream
def numbers(name: str) -> Iterator[int]:
    try:
        for n in range(10**9):
            yield n
            if n == 3:
                gate.note("reached", name)
    finally:
        gate.note("closed", name)


@w.stream
async def numbers_async(name: str) -> AsyncIterator[int]:
    try:
        for n in range(10**9):
            yield n
            if n == 3:
                gate.note("reached", name)
            await asyncio.sleep(0)
    finally:
        gate.note("closed", name)


@w.task
async def fine(x: int) -> int:
    return x


async def cancelled(server: object, path: str = "step", grace_s: float = 5.0) -> wire.Failed:
    await server.say(wire.Cancel(ref(path), grace_s, "the user asked"))  # type: ignore[attr-defined]
    return await server.hear(wire.Failed)  # type: ignore[attr-defined,no-any-return]


@pytest.mark.feature("C4")
@pytest.mark.parametrize("task", ["w.waits", "w.polls", "w.cleans_up_badly", "w.numbers", "w.numbers_async"])
async def test_a_task_that_is_cancelled_stops_and_says_so(tmp_path: Path, task: str) -> None:
    async with Bench(tmp_path, w, pools=Pools(2)).connected() as server:
        await server.say(assign(task, inputs=given(name=task)))
        await gate.reached(task)
        failed = await cancelled(server)
        assert (failed.failure.code, failed.proof) == (Code.CANCELLED, End.STOPPED)
        assert failed.failure.message == "the user asked"
        await server.silence()
        assert server.all_of(wire.Credit)[-1].granted == {"": 3}


@pytest.mark.feature("C4")
@pytest.mark.parametrize("task", ["w.numbers", "w.numbers_async"])
async def test_a_generator_that_is_cancelled_is_closed(tmp_path: Path, task: str) -> None:
    async with Bench(tmp_path, w).connected() as server:
        await server.say(assign(task, inputs=given(name=f"close {task}")))
        await gate.reached(f"close {task}")
        await cancelled(server)
        await gate.noted("closed", f"close {task}")


async def test_a_result_that_beats_the_stop_counts(tmp_path: Path) -> None:
    async with Bench(tmp_path, w).connected() as server:
        await server.say(assign("w.answers", inputs=given(name="beats")))
        await gate.reached("beats")
        await server.say(wire.Cancel(ref(), 5.0))
        assert value_of(await server.hear(wire.Succeeded)) == "ready all the same"


@pytest.mark.feature("C4")
@pytest.mark.parametrize("task", ["w.swallows", "w.deaf", "w.blocks_the_loop"])
async def test_what_ignores_the_stop_is_abandoned_and_keeps_its_slot(tmp_path: Path, task: str) -> None:
    async with Bench(tmp_path, w, pools=Pools(3)).connected() as server:
        await server.say(assign(task, inputs=given(name=f"deaf {task}")))
        await gate.reached(f"deaf {task}")
        failed = await cancelled(server, grace_s=0.02)
        assert (failed.failure.code, failed.proof) == (Code.CANCELLED, End.ABANDONED)
        await server.silence()
        assert server.all_of(wire.Credit)[-1].granted == {"": 3}  # 1 received, 2 free
        gate.open(f"deaf {task}")
        await server.hear(wire.Credit, lambda credit: credit.granted == {"": 4})
        await server.silence()
        assert not server.all_of(wire.Succeeded)  # its number has been reported once


async def test_a_cancel_finds_an_attempt_that_has_not_begun(tmp_path: Path) -> None:
    async with Bench(tmp_path, w).connected() as server:
        await server.say(
            assign("w.waits", inputs=given(name="never begun")), wire.Cancel(ref(), 5.0, "changed my mind")
        )
        failed = await server.hear(wire.Failed)
        assert (failed.failure.code, failed.proof) == (Code.CANCELLED, End.STOPPED)


async def test_a_cancel_finds_an_attempt_whose_inputs_are_still_to_be_fetched(tmp_path: Path) -> None:
    async with Bench(tmp_path, w).connected() as server:
        far = Given(Blob(b"d" * 32, 5))
        await server.say(assign("w.waits", inputs={"name": far}), wire.Cancel(ref(), 5.0, "changed my mind"))
        failed = await server.hear(wire.Failed)
        assert (failed.failure.code, failed.proof) == (Code.CANCELLED, End.STOPPED)


async def test_a_cancel_of_what_is_not_held_is_answered(tmp_path: Path) -> None:
    async with Bench(tmp_path, w).connected() as server:
        await server.say(wire.Cancel(ref("elsewhere"), 5.0))
        assert (await server.hear(wire.Released)).attempt == ref("elsewhere")


async def test_a_cancel_that_meets_its_result_on_the_way_changes_nothing(tmp_path: Path) -> None:
    async with Bench(tmp_path, w).connected() as server:
        await server.say(assign("w.fine", inputs=given(x=1)))
        await server.hear(wire.Succeeded)
        await server.say(wire.Cancel(ref(), 5.0))
        assert [each for each in await server.silence() if not isinstance(each, wire.Heartbeat)] == []


@pytest.mark.parametrize("task", ["w.waits", "w.polls", "w.numbers", "w.numbers_async"])
async def test_an_attempt_has_so_much_time(tmp_path: Path, task: str) -> None:
    async with Bench(tmp_path, w).connected() as server:
        await server.say(assign(task, inputs=given(name=f"late {task}"), timeout_s=0.03))
        failed = await server.hear(wire.Failed)
        assert (failed.failure.code, failed.proof) == (Code.TIMEOUT, End.STOPPED)
        assert failed.failure.message == "no end after 0.03 s"


@pytest.mark.parametrize("task", ["w.plods", "w.answers"])
async def test_what_comes_after_the_timeout_came_too_late(tmp_path: Path, task: str) -> None:
    async with Bench(tmp_path, w, grace_s=5.0).connected() as server:
        await server.say(assign(task, inputs=given(name=f"slow {task}"), timeout_s=0.03))
        await gate.reached(f"slow {task}")
        if task == "w.plods":
            await asyncio.sleep(0.05)
            gate.open(f"slow {task}")
        failed = await server.hear(wire.Failed)
        assert (failed.failure.code, failed.proof) == (Code.TIMEOUT, End.STOPPED)
        assert re.fullmatch(r"no end after 0.03 s: what it gave after [\d.]+ s came too late", failed.failure.message)
        await server.silence()
        assert not server.all_of(wire.Succeeded)


async def test_what_ended_in_time_counts_however_late_that_is_heard(tmp_path: Path) -> None:
    async with Bench(tmp_path, w).connected() as server:
        await server.say(assign("w.plods", inputs=given(name="in time"), timeout_s=1.0))
        await gate.reached("in time")
        gate.open("in time")
        time.sleep(1.1)  # the control loop is busy meanwhile
        assert value_of(await server.hear(wire.Succeeded)) == "in time"


async def test_a_timeout_that_is_ignored_ends_in_abandonment(tmp_path: Path) -> None:
    async with Bench(tmp_path, w, grace_s=0.02).connected() as server:
        await server.say(assign("w.deaf", inputs=given(name="late and deaf"), timeout_s=0.02))
        failed = await server.hear(wire.Failed)
        assert (failed.failure.code, failed.proof) == (Code.TIMEOUT, End.ABANDONED)
        gate.open("late and deaf")


async def test_silence_is_no_sign_of_life_for_so_long(tmp_path: Path) -> None:
    async with Bench(tmp_path, w, grace_s=0.01).connected() as server:
        await server.say(assign("w.speaks", inputs=given(name="spoke", times=10), silence_s=0.1))
        started = time.monotonic()
        failed = await server.hear(wire.Failed)
        assert (failed.failure.code, failed.failure.message) == (Code.TIMEOUT, "no sign of life for 0.1 s")
        assert time.monotonic() - started > 0.2  # its progress counted
        gate.open("spoke")


async def test_too_many_abandoned_bodies_make_the_worker_drain(tmp_path: Path) -> None:
    bench = Bench(tmp_path, w, abandoned=2, grace_s=0.01, drain_s=0.01)
    async with bench.connected() as server:
        for name in ("deaf 1", "deaf 2"):
            await server.say(assign("w.deaf", name, inputs=given(name=name)))
            await gate.reached(name)
            failed = await cancelled(server, name, grace_s=0.01)
            await server.say(wire.Ack((failed.attempt,)))
        await server.hear(wire.Goodbye)
        await bench.task
        gate.open("deaf 1", "deaf 2")


@pytest.mark.feature("A5")
async def test_a_blocked_user_loop_is_noticed_and_heartbeats_go_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with Bench(tmp_path, w, blocked_s=0.05).connected(heartbeat_s=0.01) as server:
        await server.say(assign("w.blocks_the_loop", inputs=given(name="blocked")))
        await gate.reached("blocked")
        while "has blocked its loop" not in caplog.text:
            await server.hear(wire.Heartbeat)
        assert "w.blocks_the_loop" in caplog.text
        assert "scripted.py" in caplog.text  # the line where it stands
        gate.open("blocked")
        assert value_of(await server.hear(wire.Succeeded)) == "blocked"


async def test_a_call_that_holds_the_interpreter_is_noticed(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with Bench(tmp_path, w, blocked_s=0.02).connected() as server:
        await server.say(assign("w.waits", inputs=given(name="bystander")))
        await gate.reached("bystander")
        time.sleep(0.1)  # on the control loop itself, as a C call in any thread would hold it
        gate.open("bystander")
        await server.hear(wire.Succeeded)
        await server.silence()
    assert "held the interpreter" in caplog.text
    assert "w.waits" in caplog.text
