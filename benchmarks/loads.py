"""The client's part of each workload, the same for every system.

A load is a generator: it yields when it has come to a stage (`ready`, then its figures), and goes on when it is asked
to, so that the processes' CPU can be read in between.
"""

import asyncio
import os
import statistics
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from benchmarks.figures import latency_figures
from benchmarks.plan import MIB, Size
from benchmarks.systems.system import Client, Handle

Stage = dict[str, float]
Load = Callable[[Client, Size], AsyncIterator[Stage]]

READY: Stage = {}
WARM_UP = 50
FIRST_OF_A_BACKLOG = 200


async def in_flight(client: Client, size: Size) -> AsyncIterator[Stage]:
    await _warm(client, size)
    yield READY
    began = time.perf_counter()
    await _keep(client, size, lambda _: client.start(), client.finish)
    yield {"tasks": size.count, "tasks_per_s": size.count / (time.perf_counter() - began)}


async def one_by_one(client: Client, size: Size) -> AsyncIterator[Stage]:
    await _warm(client, size)
    yield READY
    began = time.perf_counter()
    handles = [await client.start() for _ in range(size.count)]
    submitted = time.perf_counter() - began
    for handle in handles:
        await client.finish(handle)
    spent = time.perf_counter() - began
    yield {"tasks": size.count, "submits_per_s": size.count / submitted, "tasks_per_s": size.count / spent}


async def trips(client: Client, size: Size) -> AsyncIterator[Stage]:
    await _warm(client, size)
    yield READY
    spent = []
    for _ in range(size.count):
        began = time.perf_counter()
        await client.finish(await client.start())
        spent.append(time.perf_counter() - began)
    yield {"tasks": size.count, **latency_figures(spent)}


async def fan_out(client: Client, size: Size) -> AsyncIterator[Stage]:
    await client.fan_out(size.count)  # a worker loads what reads long lists when the first one comes
    yield READY
    spent = [await _timed(client.fan_out(size.count)) for _ in range(size.times)]
    yield {"tasks": (size.count + 1) * size.times, "seconds": statistics.median(spent)}


async def chain(client: Client, size: Size) -> AsyncIterator[Stage]:
    await client.chain(size.count)
    yield READY
    spent = [await _timed(client.chain(size.count)) for _ in range(size.times)]
    yield {"tasks": size.count * size.times, "ms_per_step": statistics.median(spent) / size.count * 1e3}


async def payload(client: Client, size: Size) -> AsyncIterator[Stage]:
    """Each payload differs from all others, and each result from its payload: nothing can be stored only once."""
    body = os.urandom(size.bytes - 8)

    def start(number: int) -> Awaitable[Handle]:
        return client.start_turn(number.to_bytes(8, "big") + body)

    async def finish(handle: Handle) -> None:
        if len(await client.finish_turn(handle)) != size.bytes:
            raise RuntimeError("a payload came back with another length")

    for number in range(3):
        await finish(await start(2**40 + number))
    yield READY
    began = time.perf_counter()
    await _keep(client, size, start, finish)
    spent = time.perf_counter() - began
    yield {"tasks": size.count, "mib_per_s": 2 * size.count * size.bytes / MIB / spent}


async def nothing(client: Client, size: Size) -> AsyncIterator[Stage]:
    await _warm(client, size)
    yield READY
    yield {"tasks": 0}


async def backlog(client: Client, size: Size) -> AsyncIterator[Stage]:
    """Fill the queue while no worker is there; then measure completions, each followed by another submission.

    So the queue stays as deep as it was, and both depths do the same work per task.
    """
    began = time.perf_counter()
    waiting: deque[Handle] = deque()

    async def fill(_: int) -> None:
        waiting.append(await client.start())

    await _spread(size.depth, 1 if client.polls else 500, fill)
    yield {"filled_per_s": size.depth / (time.perf_counter() - began)}

    async def turn_over(_: int) -> None:
        await client.finish(waiting.popleft())
        waiting.append(await client.start())

    width = 1 if client.polls else min(size.in_flight, size.depth)
    await _spread(FIRST_OF_A_BACKLOG, width, turn_over)
    yield READY
    began = time.perf_counter()
    await _spread(size.count, width, turn_over)
    yield {"tasks": size.count, "tasks_per_s": size.count / (time.perf_counter() - began)}


LOADS: dict[str, Load] = {
    each.__name__: each for each in (in_flight, one_by_one, trips, fan_out, chain, payload, nothing, backlog)
}


async def _warm(client: Client, size: Size) -> None:
    warm = Size(count=WARM_UP, in_flight=size.in_flight)
    await _keep(client, warm, lambda _: client.start(), client.finish)


async def _keep(
    client: Client,
    size: Size,
    start: Callable[[int], Awaitable[Handle]],
    finish: Callable[[Handle], Awaitable[Any]],
) -> None:
    """Keep ``size.in_flight`` tasks in flight until ``size.count`` are done."""
    if not client.polls:

        async def trip(number: int) -> None:
            await finish(await start(number))

        await _spread(size.count, size.in_flight, trip)
        return
    # A client that polls would slow itself down with as many pollers: it waits for the oldest.
    waiting: deque[Handle] = deque()
    for number in range(size.count):
        if len(waiting) == size.in_flight:
            await finish(waiting.popleft())
        waiting.append(await start(number))
    for handle in waiting:
        await finish(handle)


async def _spread(count: int, width: int, act: Callable[[int], Awaitable[None]]) -> None:
    """Do something ``count`` times, ``width`` at once."""
    numbers = iter(range(count))

    async def act_on() -> None:
        for number in numbers:
            await act(number)

    async with asyncio.TaskGroup() as group:
        for _ in range(min(width, count)):
            group.create_task(act_on())


async def _timed(work: Awaitable[Any]) -> float:
    began = time.perf_counter()
    await work
    return time.perf_counter() - began
