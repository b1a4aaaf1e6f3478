"""Servers on one PostgreSQL as processes: one is killed, and what hung on it goes on."""

import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.cli.processes import Mill, Process

TASKS = """
import time
from tidemill import Worker, map_over, workflow

mill = Worker("mill")


@mill.task
def double(x: int) -> int:
    time.sleep(0.02)
    return 2 * x


@mill.task
def total(xs: list[int]) -> int:
    return sum(xs)


@workflow
def wide(xs: list[int]) -> int:
    return total(map_over(double, xs, window=50))
"""
DRIVE = """
import sys
from pathlib import Path
from mill import wide
from tidemill import Client

with Client(sys.argv[1]) as client:
    runs = [client.submit(wide, list(range(40))) for _ in range(int(sys.argv[2]))]
    print("submitted", flush=True)
    wrong = [run.id for run in runs if run.result(120) != sum(2 * x for x in range(40))]
    print("wrong:", wrong, flush=True)
"""


@contextmanager
def servers(folder: Path, url: str, count: int) -> Iterator[list[tuple[Process, str]]]:
    mill = Mill(folder)
    with ExitStack() as stack:
        started = stack.enter_context
        yield [started(mill.server(TIDEMILL_DATABASE_URL=url, TIDEMILL_LEASE_S="3")) for _ in range(count)]


@pytest.mark.feature("K5")
@pytest.mark.promise("P1", "P4", "P6")
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_any_of_two_servers_may_end_while_they_work(postgres_url: str, tmp_path: Path, how: int) -> None:
    (tmp_path / "mill.py").write_text(TASKS)
    (tmp_path / "drive.py").write_text(DRIVE)
    mill = Mill(tmp_path)
    with servers(tmp_path, postgres_url, 2) as ((first, one), (_, other)), ExitStack() as stack:
        addresses = f"{one},{other}"
        for number in range(2):
            own = {"TIDEMILL_URL": addresses, "TIDEMILL_WORKER_ID": f"w{number}", "TIDEMILL_RECONNECT_S": "0.5"}
            stack.enter_context(mill.process("worker", "mill.py", **own))
        driver = stack.enter_context(mill.process("drive.py", addresses, "10"))
        driver.wait_for("submitted")
        time.sleep(0.3)
        first.send(how)
        driver.wait_for(r"wrong: \[\]")
