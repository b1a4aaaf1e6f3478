"""Tasks and workflows as every version of Tidemill can read them. What waits, waits for the gate: a file."""

import os
import time
from pathlib import Path

from tidemill import TransientError, Worker, map_over, workflow

yard = Worker("yard")


def is_open() -> bool:
    return Path(os.environ["YARD_GATE"]).exists()


def wait() -> None:
    while not is_open():
        time.sleep(0.02)


@yard.task
def quick(x: int) -> int:
    return x + 1


@yard.task
def slow(x: int) -> int:
    wait()
    return x * 10


@yard.task
def flaky(x: int) -> int:
    if not is_open():
        raise TransientError("not yet", retry_after=5)
    return x + 100


@yard.task
def bad(x: int) -> int:
    raise ValueError(f"{x} is bad")


@yard.task
def third(x: int) -> int:
    if x == 3:
        wait()
    return x * 2


@yard.task
def total(xs: list[int]) -> int:
    return sum(xs)


@workflow
def mapped(xs: list[int]) -> int:
    return total(map_over(third, xs, window=2))


@workflow
def chained(x: int) -> int:
    return slow(quick(x))


@yard.task
def grow(x: int) -> str:
    """More than lies in a row: it goes by a blob."""
    return "x" * x
