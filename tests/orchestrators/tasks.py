"""What the workers of these tests can do."""

import asyncio
from collections.abc import AsyncIterator

from tidemill import Worker, map_over, workflow

pairs = Worker("pairs")


@pairs.task
def double(x: int) -> int:
    return 2 * x


@pairs.task
async def nap(seconds: float) -> float:
    await asyncio.sleep(seconds)
    return seconds


class Crowd:
    """How many are at it, over all workers of this process."""

    now = most = 0


@pairs.task(concurrency=1)
async def alone(x: int) -> int:
    Crowd.now += 1
    Crowd.most = max(Crowd.most, Crowd.now)
    await asyncio.sleep(0.01)
    Crowd.now -= 1
    return x


@pairs.stream
async def count(upto: int) -> AsyncIterator[int]:
    for number in range(upto):
        yield number
        await asyncio.sleep(0.01)


@pairs.task
def total(xs: list[int]) -> int:
    return sum(xs)


@workflow
def wide(xs: list[int]) -> int:
    return total(map_over(double, xs, window=50))
