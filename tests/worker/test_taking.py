"""A worker takes assignments and reports them."""

import threading
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.worker.scripted import Bench, assign, given, ref, value_of
from tidemill.sdk.worker import Worker
from tidemill.wire import worker as wire

w = Worker("w")
control_threads: list[str] = []


class Parts(NamedTuple):
    whole: int
    rest: int


@w.task
async def double(x: int) -> int:
    return 2 * x


@w.task
def where() -> str:
    return threading.current_thread().name


@w.task
async def where_async() -> str:
    return threading.current_thread().name


@w.task
def split(x: int, by: int = 3) -> Parts:
    return Parts(*divmod(x, by))


async def test_an_async_task_is_run_and_reported(tmp_path: Path) -> None:
    async with Bench(tmp_path, w).connected() as server:
        await server.say(assign("w.double", inputs=given(x=21)))
        result = await server.hear(wire.Succeeded)
        assert result.attempt == ref()
        assert value_of(result) == 42
        assert wire.Started(ref()) in server.heard


@pytest.mark.feature("A5")
async def test_neither_kind_of_body_runs_on_the_control_loop(tmp_path: Path) -> None:
    async with Bench(tmp_path, w).connected() as server:
        await server.say(assign("w.where"), assign("w.where_async", "other"))
        names = {value_of(await server.hear(wire.Succeeded)), value_of(await server.hear(wire.Succeeded))}
        assert threading.current_thread().name not in names
        assert len(names) == 2


async def test_a_named_tuple_gives_several_ports_and_a_missing_input_its_default(tmp_path: Path) -> None:
    async with Bench(tmp_path, w).connected() as server:
        await server.say(assign("w.split", inputs=given(x=11)))
        result = await server.hear(wire.Succeeded)
        assert (value_of(result, "whole"), value_of(result, "rest")) == (3, 2)


async def test_a_task_that_it_does_not_have_is_handed_back(tmp_path: Path) -> None:
    async with Bench(tmp_path, w).connected() as server:
        await server.say(assign("w.tripled"))
        released = await server.hear(wire.Released)
        assert released == wire.Released(ref(), "this worker has no task w.tripled")
