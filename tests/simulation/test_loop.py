"""The loop: virtual time, order, kill, freeze, and what it takes from asyncio."""

import asyncio
import contextlib
import inspect
import itertools
import random
import time
from contextvars import Context

import pytest

from tidemill.testing.simulation.guards import SimulationError
from tidemill.testing.simulation.loop import Schedule, SimLoop
from tidemill.testing.simulation.processes import PROCESS, Process


def loop_of(seed="0", spread=0.0, script=None, **options):
    return SimLoop(Schedule(seed, spread, script), **options)


def run(main, loop=None):
    loop = loop or loop_of()
    try:
        loop.run(main)
    finally:
        loop.power_off()
    return loop


def start(process, coro):
    def boot():
        PROCESS.set(process)
        return asyncio.get_running_loop().create_task(coro)

    return Context().run(boot)


async def spin():
    for _ in itertools.repeat(None):
        await asyncio.sleep(0)


def test_the_private_names_of_asyncio_that_the_loop_stands_on_are_there():
    source = inspect.getsource(asyncio.BaseEventLoop)
    for name in ("_ready", "_scheduled", "_timer_cancelled_count", "_stopping", "_run_once", "_write_to_self"):
        assert f"self.{name}" in source, name
    assert "self._run_once()" in inspect.getsource(asyncio.BaseEventLoop.run_forever)
    assert "handle._scheduled" in inspect.getsource(asyncio.BaseEventLoop._timer_handle_cancelled)
    assert {"_context", "_callback"} <= set(asyncio.Handle.__slots__)
    assert {"_when", "_scheduled"} <= set(asyncio.TimerHandle.__slots__)
    for name in ("_log_traceback", "_log_destroy_pending"):
        assert hasattr(asyncio.Task, name), name


def test_sleep_costs_no_real_time():
    began = time.perf_counter()
    loop = run(asyncio.sleep(3600))
    assert loop.time() >= 3600
    assert time.perf_counter() - began < 1


def test_a_busy_loop_cannot_stop_time():
    async def busy():
        async with asyncio.timeout(0.01):
            await spin()

    with pytest.raises(TimeoutError):
        run(busy())


def test_a_livelock_ends():
    with pytest.raises(SimulationError, match="livelock"):
        run(spin(), loop_of(max_steps=1000))


def test_waiting_for_nothing_ends():
    async def wait():
        await asyncio.Event().wait()

    with pytest.raises(SimulationError, match="stuck"):
        run(wait())


async def many(order):
    async def one(name):
        for _ in range(3):
            await asyncio.sleep(0)
            order.append(name)

    async with asyncio.TaskGroup() as group:
        for name in range(5):
            group.create_task(one(name))


def test_without_spread_the_order_is_first_in_first_out():
    order = []
    loop = run(many(order))
    assert order == [0, 1, 2, 3, 4] * 3
    assert loop.schedule.moves == {}


def test_a_seed_decides_the_order_and_its_moves_replay_it():
    first, again, replayed, other = [], [], [], []
    loop = run(many(first), loop_of("1", 0.5))
    assert run(many(again), loop_of("1", 0.5)).digest == loop.digest
    assert run(many(replayed), loop_of("1", 0.5, loop.schedule.moves)).digest == loop.digest
    assert run(many(other), loop_of("2", 0.5)).digest != loop.digest
    assert first == again == replayed != other


def test_a_task_group_cancels_in_order_of_birth():
    ended = []

    async def child(name):
        try:
            await asyncio.sleep(100)
        finally:
            ended.append(name)

    async def fail():
        await asyncio.sleep(1)
        raise KeyError

    async def main():
        async with asyncio.TaskGroup() as group:
            for name in range(50):
                group.create_task(child(name))
            await fail()

    with pytest.raises(ExceptionGroup):
        run(main())
    assert ended == list(range(50))


async def ticking(ticks):
    try:
        while True:
            await asyncio.sleep(1)
            ticks.append(asyncio.get_running_loop().time())
    finally:
        ticks.append("finally")


def test_a_killed_process_does_nothing_more():
    ticks = []

    async def main():
        process = Process("a")
        start(process, ticking(ticks))
        await asyncio.sleep(2.5)
        process.kill()
        await asyncio.sleep(5)
        assert len(ticks) == 2

    run(main())


def test_a_frozen_process_goes_on_when_it_thaws():
    ticks = []

    async def main():
        loop, process = asyncio.get_running_loop(), Process("a")
        start(process, ticking(ticks))
        await asyncio.sleep(2.5)
        process.freeze()
        await asyncio.sleep(5)
        assert len(ticks) == 2
        loop.put_back(process.thaw())
        await asyncio.sleep(1.2)
        assert [round(tick, 1) for tick in ticks] == [1.0, 2.0, 7.5, 8.5]

    run(main())


def test_before_a_long_jump_everybody_is_asked():
    asked = []

    async def main():
        await asyncio.sleep(0.01)
        await asyncio.sleep(1)

    loop = loop_of()
    loop.on_quiet = lambda: asked.append(loop.time())
    run(main(), loop)
    assert len(asked) == 1


def test_an_exception_that_nobody_took_is_a_crime():
    async def fail():
        raise KeyError("lost")

    async def main():
        task = asyncio.get_running_loop().create_task(fail())
        await asyncio.sleep(1)
        del task

    assert "KeyError('lost')" in run(main()).crimes[0]


def touch_time():
    time.time()


def touch_chance():
    random.random()


def touch_ids():
    import uuid

    uuid.uuid4()


def touch_sleep():
    time.sleep(0.001)


def touch_socket():
    import socket

    socket.socket()


def touch_thread():
    import threading

    threading.Thread(target=print).start()


def touch_process():
    import subprocess

    subprocess.run(["true"], check=True)


def touch_file():
    from pathlib import Path

    Path("/dev/null").read_bytes()


def touch_pool():
    asyncio.get_running_loop().run_in_executor(None, print)


TOUCHES = [value for name, value in sorted(globals().items()) if name.startswith("touch_")]


@pytest.mark.parametrize("touch", TOUCHES)
def test_the_real_world_is_closed(touch):
    async def main():
        touch()

    with pytest.raises(SimulationError):
        run(main())
    time.time()  # and open again


def test_swallowing_a_crime_does_not_hide_it():
    async def main():
        with contextlib.suppress(Exception):
            touch_time()

    with pytest.raises(SimulationError, match=r"time\.time from tests\.simulation\.test_loop"):
        run(main())


def test_a_log_record_may_carry_a_time(caplog):
    import logging

    async def main():
        logging.getLogger("tidemill.test").warning("said")

    assert run(main()).crimes == []
    assert caplog.messages == ["said"]
