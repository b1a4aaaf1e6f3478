"""The client's part of each workload, the same for every system.

A load is a generator: it yields when it has come to a stage (`ready`, then its figures), and goes on when it is asked
to, so that the processes' CPU can be read in between.
"""

import asyncio
import os
import statistics
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from typing import Any

from benchmarks.figures import latency_figures
from benchmarks.plan import MIB, Size
from benchmarks.systems.system import Client, Handle, NotPossibleError

Stage = dict[str, float]
Load = Callable[[Client, Size], AsyncIterator[Stage]]

READY: Stage = {}
WARM_UP = 50
FIRST_OF_A_BACKLOG = 200
FILL_S = 30.0


async def in_flight(client: Client, size: Size) -> AsyncIterator[Stage]:
    await _warm(client, size)
    yield READY
    began = time.perf_counter()
    done = await _keep(client, size, lambda _: client.start(), client.finish)
    yield {"tasks": done, "tasks_per_s": done / (time.perf_counter() - began)}


async def one_by_one(client: Client, size: Size) -> AsyncIterator[Stage]:
    await _warm(client, size)
    yield READY
    began = time.perf_counter()
    handles = [await client.start() for _ in _until(size)]
    submitted = time.perf_counter() - began
    for handle in handles:
        await client.finish(handle)
    spent, done = time.perf_counter() - began, len(handles)
    yield {"tasks": done, "submits_per_s": done / submitted, "tasks_per_s": done / spent}


async def trips(client: Client, size: Size) -> AsyncIterator[Stage]:
    await _warm(client, size)
    yield READY
    spent = []
    for _ in _until(size):
        began = time.perf_counter()
        await client.finish(await client.start())
        spent.append(time.perf_counter() - began)
    yield {"tasks": len(spent), **latency_figures(spent)}


async def apart(client: Client, size: Size) -> AsyncIterator[Stage]:
    """Trips to a process; where a system has both, in turn with trips to the worker itself, so that noise hits both."""
    await _warm(client, size)
    for _ in range(WARM_UP):
        await client.finish(await client.start_apart())
    yield READY
    spent, inline = [], []
    for _ in _until(size):
        spent.append(await _timed(_trip(client, client.start_apart)))
        if client.has_both:
            inline.append(await _timed(_trip(client, client.start)))
    found = {"tasks": len(spent) + len(inline), **latency_figures(spent)}
    if inline:
        inline_ms = latency_figures(inline)["p50_ms"]
        found |= {"inline_p50_ms": inline_ms, "added_p50_ms": found["p50_ms"] - inline_ms}
    yield found


async def _trip(client: Client, start: Callable[[], Awaitable[Handle]]) -> None:
    await client.finish(await start())


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


async def map_law(client: Client, size: Size) -> AsyncIterator[Stage]:
    """Maps of ``size.in_flight`` elements and one of ``size.count``, in turn."""
    async for stage in _law(client.fan_out, size):
        yield stage


async def loop_law(client: Client, size: Size) -> AsyncIterator[Stage]:
    """Loops of ``size.in_flight`` rounds and one of ``size.count``, in turn."""
    async for stage in _law(client.loop, size):
        yield stage


async def _law(run: Callable[[int], Awaitable[None]], size: Size) -> AsyncIterator[Stage]:
    await run(size.in_flight)
    yield READY
    small, large = [], []
    runs = max(1, size.count // size.in_flight // 4)
    for _ in range(size.times):
        small += [await _timed(run(size.in_flight)) for _ in range(runs)]
        large.append(await _timed(run(size.count)))
    of_small = statistics.median(small) / size.in_flight
    of_large = statistics.median(large) / size.count
    yield {
        "tasks": size.times * (size.count + runs * size.in_flight),
        "small_ms": of_small * 1e3,
        "large_ms": of_large * 1e3,
        "large_by_small": of_large / of_small,
    }


async def large_map(client: Client, size: Size) -> AsyncIterator[Stage]:
    await client.fan_out(100)
    yield READY
    yield {"tasks": size.count + 1, "seconds": await _timed(client.fan_out(size.count))}


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
    done = await _keep(client, size, start, finish)
    spent = time.perf_counter() - began
    yield {"tasks": done, "mib_per_s": 2 * done * size.bytes / MIB / spent}


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

    await _spread(_until(Size(count=size.depth, limit_s=FILL_S)), 1 if client.polls else 500, fill)
    filled_per_s = len(waiting) / (time.perf_counter() - began)
    if len(waiting) < size.depth:
        raise NotPossibleError(f"it queued {len(waiting):,} of {size.depth:,} tasks in {FILL_S:.0f} s")
    yield {"filled_per_s": filled_per_s}

    async def turn_over(_: int) -> None:
        await client.finish(waiting.popleft())
        waiting.append(await client.start())

    width = 1 if client.polls else min(size.in_flight, size.depth)
    await _spread(range(min(FIRST_OF_A_BACKLOG, size.depth)), width, turn_over)
    yield READY
    began = time.perf_counter()
    done = await _spread(_until(size), width, turn_over)
    yield {"tasks": done, "tasks_per_s": done / (time.perf_counter() - began)}


LOADS: dict[str, Load] = {
    each.__name__: each
    for each in (
        in_flight,
        one_by_one,
        trips,
        apart,
        fan_out,
        chain,
        map_law,
        loop_law,
        large_map,
        payload,
        nothing,
        backlog,
    )
}


async def _warm(client: Client, size: Size) -> None:
    warm = Size(count=WARM_UP, in_flight=size.in_flight)
    await _keep(client, warm, lambda _: client.start(), client.finish)


async def _keep(
    client: Client,
    size: Size,
    start: Callable[[int], Awaitable[Handle]],
    finish: Callable[[Handle], Awaitable[Any]],
) -> int:
    """Keep ``size.in_flight`` tasks in flight until enough are done; give how many those were."""
    if not client.polls:

        async def trip(number: int) -> None:
            await finish(await start(number))

        return await _spread(_until(size), size.in_flight, trip)
    # A client that polls would slow itself down with as many pollers: it waits for the oldest.
    waiting: deque[Handle] = deque()
    done = 0
    for number in _until(size):
        if len(waiting) == size.in_flight:
            await finish(waiting.popleft())
        waiting.append(await start(number))
        done += 1
    for handle in waiting:
        await finish(handle)
    return done


def _until(size: Size) -> Iterator[int]:
    """Numbers from 0, ``size.count`` of them, or fewer when the time is up."""
    until = time.perf_counter() + size.limit_s
    for number in range(size.count):
        if time.perf_counter() > until:
            return
        yield number


async def _spread(numbers: Iterable[int], width: int, act: Callable[[int], Awaitable[None]]) -> int:
    """Do something with each number, ``width`` at once; give how many there were."""
    source = iter(numbers)
    done = 0

    async def act_on() -> None:
        nonlocal done
        for number in source:
            await act(number)
            done += 1

    async with asyncio.TaskGroup() as group:
        for _ in range(width):
            group.create_task(act_on())
    return done


async def _timed(work: Awaitable[Any]) -> float:
    began = time.perf_counter()
    await work
    return time.perf_counter() - began
