"""Drain and stop."""

import asyncio
from pathlib import Path

import pytest

from tests.worker.scripted import Bench, Gate, assign, given, ref, value_of
from tidemill.core.definitions import Pools
from tidemill.sdk.worker import Worker
from tidemill.wire import worker as wire

w = Worker("w")
gate = Gate()


@w.task
async def held(name: str) -> str:
    await gate.hold(name)
    return name


@w.task
def deaf(name: str) -> str:
    gate.block(name)
    return name


@w.task
async def quick(x: int) -> int:
    return x


@pytest.mark.feature("D13")
async def test_a_drain_takes_nothing_new_finishes_and_says_goodbye(tmp_path: Path) -> None:
    bench = Bench(tmp_path, w, pools=Pools(4))
    async with bench.connected() as server:
        await server.say(assign("w.held", "a", inputs=given(name="drained")))
        await gate.reached("drained")
        bench.runtime.drain()
        await server.hear(wire.Credit, lambda credit: credit.granted == {"": 1})
        await server.say(assign("w.quick", "late", inputs=given(x=1)))
        assert (await server.hear(wire.Released)).attempt == ref("late")
        gate.open("drained")
        result = await server.hear(wire.Succeeded)
        assert value_of(result) == "drained"
        await server.say(wire.Ack((result.attempt,)))
        await server.hear(wire.Goodbye)
        await bench.task


@pytest.mark.feature("D13")
async def test_what_does_not_end_in_time_is_handed_back(tmp_path: Path) -> None:
    bench = Bench(tmp_path, w, drain_s=0.02, grace_s=0.02)
    async with bench.connected() as server:
        await server.say(
            assign("w.held", "a", inputs=given(name="handed back")),
            assign("w.deaf", "b", inputs=given(name="deaf here")),
        )
        await gate.reached("handed back", "deaf here")
        bench.runtime.drain()
        released = {(await server.hear(wire.Released)).attempt.path for _ in range(2)}
        assert released == {"a", "b"}
        await server.hear(wire.Goodbye)
        await bench.task
        gate.open("deaf here")


async def test_the_server_may_ask_for_it(tmp_path: Path) -> None:
    bench = Bench(tmp_path, w)
    async with bench.connected() as server:
        await server.say(wire.Drain())
        await server.hear(wire.Goodbye)
        await bench.task


@pytest.mark.feature("D13")
async def test_a_second_signal_stops_at_once(tmp_path: Path) -> None:
    bench = Bench(tmp_path, w)
    async with bench.connected() as server:
        await server.say(assign("w.held", inputs=given(name="cut off")))
        await gate.reached("cut off")
        bench.runtime.drain()
        bench.runtime.drain()
        async with asyncio.timeout(2):
            await bench.task
        assert not server.all_of(wire.Released)


async def test_a_drain_without_a_server_leaves_its_results_on_disk(tmp_path: Path) -> None:
    bench = Bench(tmp_path, w, farewell_s=0.05)
    async with bench.connected() as server:
        await server.say(assign("w.held", inputs=given(name="alone")))
        await gate.reached("alone")
        await server.hang_up()
        bench.runtime.drain()
        gate.open("alone")
        async with asyncio.timeout(5):
            await bench.task
    async with bench.again().running() as server:
        assert (await server.accept()).unacknowledged == (ref(),)


async def test_a_worker_that_never_connected_drains_too(tmp_path: Path) -> None:
    bench = Bench(tmp_path, w)
    async with bench.running():
        bench.runtime.drain()
        async with asyncio.timeout(2):
            await bench.task


async def test_a_stop_at_the_moment_when_the_link_dies_is_still_a_stop(tmp_path: Path) -> None:
    bench = Bench(tmp_path, w)
    async with bench.connected() as server:
        await server.hear(wire.Credit)
        await server.hang_up()
        await asyncio.sleep(0)  # the worker's reader is woken, and has not run yet
        bench.runtime.stop()
        async with asyncio.timeout(2):
            await bench.task
