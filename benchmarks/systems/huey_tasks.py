"""huey's tasks; the database is named by the environment, since the consumer imports this module by name."""

import os

from huey import SqliteHuey

queue = SqliteHuey(filename=os.environ["BENCH_HUEY_DB"], fsync=True)


@queue.task()  # type: ignore[untyped-decorator]
def noop(x: int) -> int:
    return x


@queue.task()  # type: ignore[untyped-decorator]
def total(xs: list[int]) -> int:
    return sum(xs)


@queue.task()  # type: ignore[untyped-decorator]
def turn(data: bytes) -> bytes:
    return data[1:] + data[:1]
