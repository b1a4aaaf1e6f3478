"""Processes of a real worker: kept warm, replaced, and lost without harm."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.processes import Mill
from tidemill import Client

RECYCLED = Path(__file__).parent / "recycled.py"


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    with Mill(tmp_path_factory.mktemp("recycled"), RECYCLED) as mill, Client(mill.url) as client, mill.telling():
        yield client


def pids(client: Client, worker: str) -> list[object]:
    return [client.submit_named(f"{worker}.pid").result(timeout=60) for _ in range(4)]


@pytest.mark.feature("D5")
@pytest.mark.timeout(100)
def test_processes_are_kept_or_replaced_by_count_age_or_memory(client: Client) -> None:
    assert len(set(pids(client, "kept"))) == 1
    assert len(set(pids(client, "counted"))) == 2
    assert len(set(pids(client, "aged"))) == 4
    assert len(set(pids(client, "weighed"))) == 4


@pytest.mark.feature("D5")
@pytest.mark.timeout(100)
def test_a_crash_is_a_loss_of_that_attempt_only_and_names_the_signal(client: Client, tmp_path: Path) -> None:
    run = client.submit_named("kept.crash_once", {"mark": str(tmp_path / "crashed")})
    assert run.result(timeout=60) == "went on"
    first, second = run.attempts()
    assert first.failure is not None
    assert (first.failure.code.value, first.failure.type) == ("worker_lost", "SIGSEGV")
    assert second.status == "succeeded"


@pytest.mark.timeout(100)
def test_a_body_in_a_process_starts_runs_and_waits_without_its_slot(client: Client) -> None:
    assert client.submit_named("kept.quadruple", {"x": 3}).result(timeout=60) == 12


@pytest.mark.timeout(100)
def test_where_a_task_runs_is_told_to_people(client: Client) -> None:
    assert [each.definition.extra for each in client.tasks()] == [{"backend": "process"}] * 7
