"""What attempts ask of stores and channels, while a server is slow and workers leave."""

import asyncio
from pathlib import Path
from typing import Annotated

import pytest

from tests.worker.scripted import Bench, assign, given, ref, value_of
from tidemill import Channel, Shared, Store, injected
from tidemill.sdk.worker import Worker
from tidemill.wire import worker as wire

w = Worker("w")


@w.task
def count(times: int, *, seen: Annotated[Store[int], Shared("seen")] = injected) -> int:
    return [seen.increment("n") for _ in range(times)][-1]


@w.task
async def acount(times: int, *, seen: Annotated[Store[int], Shared("seen")] = injected) -> int:
    return max(await asyncio.gather(*(seen.aincrement("n") for _ in range(times))))


@w.task
async def listen(*, line: Annotated[Channel[int], Shared("line")] = injected) -> None:
    await line.areceive(timeout=3600)


@pytest.mark.parametrize("task", ["w.count", "w.acount"])
async def test_a_body_has_the_answers(tmp_path: Path, task: str) -> None:
    async with Bench(tmp_path, w).connected() as server:
        await server.say(assign(task, "a", inputs=given(times=20)))
        assert value_of(await server.hear(wire.Succeeded)) == 20


async def test_who_leaves_waits_for_no_answer_any_more(tmp_path: Path) -> None:
    bench = Bench(tmp_path, w)
    async with bench.connected() as server:
        bench.caller.answering.clear()
        await server.say(assign("w.listen", "a"))
        await bench.caller.sharing.wait()
        await server.say(wire.Cancel(ref("a"), 5.0))
        failed = await server.hear(wire.Failed)
        await server.say(wire.Ack((failed.attempt,)))
        bench.runtime.drain()
        await server.hear(wire.Goodbye)
        async with asyncio.timeout(10):
            await bench.task
