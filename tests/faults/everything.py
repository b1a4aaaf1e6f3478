"""Tasks that lead through everything that lasts. What each gives is new each time, so that a second time shows."""

import time
from collections.abc import Iterator
from uuid import uuid4

from tidemill import File, Worker, map_over, workflow

mill = Worker("mill")
LARGE = 100_000  # bytes: more than a row takes
LONG_S = 1.05  # a result that took as long is written to the spool at once


def signed(text: str) -> str:
    return f"{text} {uuid4().hex}"


@mill.task(retries=50)
def small(x: int) -> str:
    print("small", x)
    return signed(f"small {x}")


@mill.task(retries=50)
def large(x: int) -> str:
    return signed(f"large {x} " + "x" * LARGE)


@mill.task(retries=50)
def long(x: int) -> str:
    time.sleep(LONG_S)
    return signed(f"long {x}")


@mill.task(retries=50)
def weigh(file: File) -> str:
    return signed(f"weigh {len(file.read())}")


@mill.stream(retries=50)
def count(x: int) -> Iterator[int]:
    yield from range(x)


@mill.task(retries=50)
def join(parts: list[str]) -> str:
    return signed(" ".join(part.split()[1] for part in parts))


@workflow
def spread(x: int, xs: list[int]) -> str:
    return join(map_over(small, xs))
