"""Real processes die at each fault point, and come back: whatever was acknowledged ends, once.

A server dies at one point after the other, each time a little later in the same work; its worker lives on. A worker
dies at each of its points, and the next one ends what it left. Points of environments have tests of their own.
"""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import get_args

import pytest

from tests.faults import everything
from tests.faults.processes import Mill, Program
from tests.faults.workload import SCHEDULE, Errand, Workload
from tidemill import Client
from tidemill.ports.faults import ServerPoint, StorePoint, WorkerPoint

DIED = 137
WITHIN_S = 60.0
MIGRATIONS = tuple(point for point in get_args(StorePoint) if "migrate" in point)
APART = (*MIGRATIONS, "blob.delete.before", "blob.delete.after")  # of those test_kill_keeping.py
SERVER = tuple(point for point in (*get_args(StorePoint), *get_args(ServerPoint)) if point not in APART)
WORKER = tuple(point for point in get_args(WorkerPoint) if not point.startswith("environment."))
ONCE = ("address.", "store.checkpoint.")  # what a short life does only once


@contextmanager
def at_work(folder: Path, **environment: str) -> Iterator[tuple[Mill, Workload]]:
    """A server and a worker that know the tasks, and a schedule."""
    mill = Mill(folder, Path(everything.__file__), **environment)
    mill.worker.environment["TIDEMILL_RECONNECT_S"] = "0.3"
    with mill.telling():
        for point in MIGRATIONS:
            die(mill.server, f"{point}:1")
        with mill, Client(mill.url) as client:
            client.submit(everything.spread, x=1, xs=[1]).result(timeout=60)  # the graph is published
            work = Workload(mill.url)
            work.pending.append(Errand("PUT", "/schedules/tick", json.dumps(SCHEDULE).encode()))
            assert work.send()
            yield mill, work


def die(program: Program, plan: str) -> None:
    """Start it under a plan, and wait until it died of it at start."""
    start_under(program, plan)
    assert program.process is not None
    assert program.process.wait(WITHIN_S) == DIED, plan
    program.stop()


def start_under(program: Program, plan: str) -> None:
    program.environment["TIDEMILL_FAULT"] = plan
    program.start()
    program.environment.pop("TIDEMILL_FAULT")


def work_until_it_dies(program: Program, work: Workload, plan: str) -> None:
    """More and more work, until the process ends itself."""
    ends = time.monotonic() + WITHIN_S
    assert program.process is not None
    while program.process.poll() is None:
        assert time.monotonic() < ends, f"{plan} is never reached"
        if not work.pending:
            work.add_round(plan)
        work.send()
        work.look()
        time.sleep(0.02)
    assert program.process.returncode == DIED, plan
    program.stop()


def kill_server(mill: Mill, work: Workload, plans: list[str]) -> None:
    """The running server is killed; then one dies of each plan, and the last lives."""
    mill.server.kill()
    for plan in plans:
        start_under(mill.server, plan)
        work_until_it_dies(mill.server, work, plan)
    mill.server.start()


def finish(mill: Mill, work: Workload) -> None:
    mill.wait_for("/api/v1/tasks", '"live":true')
    assert work.send()
    work.check(mill.data)


@pytest.mark.timeout(600)
@pytest.mark.promise("P1", "P2", "P3", "P4", "P6", "P7", "P10", "P11")
def test_what_was_acknowledged_survives_a_server_that_dies_at_every_point(tmp_path: Path) -> None:
    with at_work(tmp_path) as (mill, work):
        kill_server(mill, work, [f"{point}:1" for point in SERVER])
        finish(mill, work)


@pytest.mark.timeout(600)
@pytest.mark.slow
@pytest.mark.promise("P1", "P2", "P3", "P4", "P6", "P10")
def test_what_was_acknowledged_survives_a_worker_that_dies_at_every_point(tmp_path: Path) -> None:
    with at_work(tmp_path) as (mill, work):
        kill_worker(mill, work, [f"{point}:1" for point in WORKER])
        finish(mill, work)


@pytest.mark.timeout(600)
@pytest.mark.promise("P1", "P2", "P3", "P4", "P6", "P7", "P10", "P11")
def test_what_was_acknowledged_survives_a_server_on_postgresql_that_dies_at_every_point(
    tmp_path: Path, empty_postgres_url: str
) -> None:
    with at_work(tmp_path, TIDEMILL_DATABASE_URL=empty_postgres_url) as (mill, work):
        kill_server(mill, work, [f"{point}:1" for point in SERVER if not point.startswith((*ONCE, "blob."))])
        finish(mill, work)


def kill_worker(mill: Mill, work: Workload, plans: list[str]) -> None:
    """A worker dies of each plan, and one in between ends what it left: three that die of one step would be its end."""
    mill.worker.kill()
    for plan in plans:
        start_under(mill.worker, plan)
        work_until_it_dies(mill.worker, work, plan)
        mill.worker.start()
        assert work.send()
        for run in work.acknowledged.keys() - work.results.keys():
            work.results[run] = work.ended(run)["value"]
        mill.worker.kill()
    mill.worker.start()


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("point", [point for point in SERVER if not point.startswith(ONCE)])
@pytest.mark.promise("P1", "P2", "P3", "P4", "P6", "P7", "P10", "P11")
def test_a_server_may_die_again_and_again_at_one_point(tmp_path: Path, point: str) -> None:
    with at_work(tmp_path) as (mill, work):
        kill_server(mill, work, [f"{point}:{number}" for number in (2, 3, 5, 8, 13)])
        finish(mill, work)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("point", [point for point in SERVER if point.startswith("store.") and "check" not in point])
@pytest.mark.promise("P1", "P2", "P3", "P4", "P6", "P7", "P10", "P11")
def test_a_server_on_postgresql_may_die_again_and_again_at_one_point(
    tmp_path: Path, empty_postgres_url: str, point: str
) -> None:
    with at_work(tmp_path, TIDEMILL_DATABASE_URL=empty_postgres_url) as (mill, work):
        kill_server(mill, work, [f"{point}:{number}" for number in (2, 3, 5, 8, 13)])
        finish(mill, work)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("point", WORKER)
@pytest.mark.promise("P1", "P2", "P3", "P4", "P6", "P10")
def test_a_worker_may_die_again_and_again_at_one_point(tmp_path: Path, point: str) -> None:
    with at_work(tmp_path) as (mill, work):
        kill_worker(mill, work, [f"{point}:{number}" for number in (2, 3, 5)])
        finish(mill, work)
