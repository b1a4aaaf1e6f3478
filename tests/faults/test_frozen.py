"""Processes that stand still for longer than a lease, and go on: nothing that was overtaken is changed by them."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.faults.processes import Mill, Program
from tidemill import Client, RunCancelledError

HERE = Path(__file__).parent
LEASE_S = 2


@pytest.fixture(scope="module")
def mill(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mill]:
    with Mill(tmp_path_factory.mktemp("frozen"), HERE / "waiters.py", TIDEMILL_LEASE_S=str(LEASE_S)) as mill:
        yield mill


@pytest.fixture
def client(mill: Mill) -> Iterator[Client]:
    with Client(mill.url) as client, mill.telling():
        yield client
        assert "Traceback" not in mill.worker.log.read_text()
        assert " ERROR " not in mill.worker.log.read_text()


def pid(program: Program) -> int:
    assert program.process is not None
    return program.process.pid


@contextmanager
def frozen(program: Program) -> Iterator[None]:
    os.killpg(pid(program), signal.SIGSTOP)
    try:
        yield
    finally:
        os.killpg(pid(program), signal.SIGCONT)


@contextmanager
def another_worker(mill: Mill, folder: Path) -> Iterator[Program]:
    other = Program(
        folder / "other.log", "worker", str(HERE / "waiters.py"), "--url", mill.url, TIDEMILL_DATA=str(folder / "other")
    )
    other.start()
    try:
        yield other
    finally:
        other.stop()


def until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < end, "it never is as it should be"
        time.sleep(0.05)


def attempts(run: Any) -> list[str]:
    return [attempt.status for attempt in run.attempts()]


def begun(client: Client, task: str, gate: Path) -> Any:
    run = client.submit_named(f"waiters.{task}", {"gate": str(gate)})
    until(lambda: attempts(run) == ["running"])
    return run


def ends_cancelled(run: Any) -> None:
    with pytest.raises(RunCancelledError):
        run.result(timeout=60)


@pytest.mark.feature("F3")
@pytest.mark.promise("P2", "P3")
@pytest.mark.timeout(100)
def test_a_worker_that_was_overtaken_while_it_stood_still_changes_nothing(
    mill: Mill, client: Client, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    run = begun(client, "hold", gate)
    with another_worker(mill, tmp_path) as other:
        with frozen(mill.worker):
            until(lambda: attempts(run) == ["lost", "running"])
            gate.touch()
            first = run.result(timeout=60)
        later = client.submit_named("waiters.hold", {"gate": str(gate)})  # by whoever is free, in peace
        assert later.result(timeout=60) in {pid(mill.worker), pid(other)}
        assert first == pid(other)
    until(lambda: client.submit_named("waiters.hold", {"gate": str(gate)}).result(timeout=60) == pid(mill.worker))
    assert run.result(timeout=60) == first
    assert attempts(run) == ["lost", "succeeded"]


@pytest.mark.feature("F3")
@pytest.mark.timeout(100)
def test_a_late_result_that_nobody_has_overtaken_is_taken(mill: Mill, client: Client, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    run = begun(client, "hold", gate)
    with frozen(mill.worker):
        until(lambda: attempts(run) == ["lost"])
        gate.touch()
    assert run.result(timeout=60) == pid(mill.worker)
    assert attempts(run) == ["succeeded"]


@pytest.mark.feature("F3")
@pytest.mark.timeout(100)
def test_a_server_that_stood_still_takes_nothing_from_anybody(mill: Mill, client: Client, tmp_path: Path) -> None:
    """It wakes up with every lease behind it, and what its workers said unread."""
    gate = tmp_path / "gate"
    run = begun(client, "hold", gate)
    with frozen(mill.server):
        time.sleep(2 * LEASE_S)  # how long it stands still is the point: no event stands for it
    gate.touch()
    assert run.result(timeout=60) == pid(mill.worker)
    assert attempts(run) == ["succeeded"]


@pytest.mark.feature("D12", "F3")
@pytest.mark.timeout(100)
def test_a_result_made_without_a_server_outlives_its_worker_and_is_not_made_again(
    mill: Mill, client: Client, tmp_path: Path
) -> None:
    gate, mark = tmp_path / "gate", tmp_path / "mark"
    run = client.submit_named("waiters.hold_once", {"gate": str(gate), "mark": str(mark)})
    until(lambda: attempts(run) == ["running"])
    first = pid(mill.worker)
    mill.server.kill()
    gate.touch()
    spool = Path(mill.worker.environment["TIDEMILL_DATA"])
    until(lambda: any(path.is_file() and not path.name.endswith(".part") for path in spool.rglob("spool/*")))
    mill.worker.kill()
    mill.server.start()
    mill.worker.start()
    assert run.result(timeout=60) == first
    assert (attempts(run), mark.read_text()) == (["succeeded"], "begun\n")


@pytest.mark.promise("P5")
@pytest.mark.timeout(100)
def test_a_stop_that_its_worker_does_not_hear_is_presumed_when_its_lease_ends(
    mill: Mill, client: Client, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    run = begun(client, "hold", gate)
    with frozen(mill.worker):
        run.cancel("enough")
        ends_cancelled(run)
        assert attempts(run) == ["presumed"]
        gate.touch()
    assert client.submit_named("waiters.hold", {"gate": str(gate)}).result(timeout=60) == pid(mill.worker)
    assert (run.view().status, attempts(run)) == ("cancelled", ["presumed"])


@pytest.mark.promise("P5")
@pytest.mark.timeout(100)
def test_a_stop_that_is_heard_is_confirmed(client: Client, tmp_path: Path) -> None:
    run = begun(client, "hold_kindly", tmp_path / "gate")
    run.cancel("enough")
    ends_cancelled(run)
    assert attempts(run) == ["stopped"]
