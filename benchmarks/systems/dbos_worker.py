"""DBOS's worker process: `python -m benchmarks.systems.dbos_worker DATABASE`."""

import asyncio
import signal
import sqlite3
import sys

from dbos import DBOS

POLL_S = 0.01


@DBOS.workflow(name="noop")
def noop(x: int) -> int:
    return x


@DBOS.workflow(name="turn")
def turn(data: bytes) -> bytes:
    return data[1:] + data[:1]


@DBOS.step()
def step(x: int) -> int:
    return x


@DBOS.step()
async def element(x: int) -> int:
    return x


@DBOS.step()
async def total(xs: list[int]) -> int:
    return sum(xs)


@DBOS.workflow(name="chain")
def chain(x: int, count: int) -> int:
    for _ in range(count):
        x = step(x)
    return x


@DBOS.workflow(name="fan_out")
async def fan_out(xs: list[int]) -> int:
    return await total(list(await asyncio.gather(*[element(x) for x in xs])))


def main() -> None:
    path = sys.argv[1]
    # It stays in the file. Without it DBOS's readers and writers exclude each other, and it is eight times slower.
    sqlite3.connect(path).execute("pragma journal_mode=wal")
    url = f"sqlite:///{path}"
    DBOS(config={"name": "bench", "system_database_url": url, "log_level": "ERROR", "sys_db_pool_size": 20})
    DBOS.launch()
    DBOS.register_queue("q", polling_interval_sec=POLL_S, worker_concurrency=100)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    signal.pause()


if __name__ == "__main__":
    main()
