"""Tasks that misbehave, in processes of a real worker: it stays alive, its other tasks go on, the cause is shown."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contracts.backends import zoo
from tests.faults.processes import Mill
from tidemill import Client, Code, RunCancelledError, RunFailedError
from tidemill.client.blocking import Run

ZOO = Path(zoo.__file__)


class House:
    """One server and one worker for all tests of this file: what one of them breaks, the next one would notice."""

    def __init__(self, mill: Mill, client: Client) -> None:
        self.mill, self.client = mill, client
        assert mill.worker.process
        self.process = mill.worker.process
        self.beside = self.submit("live_beside")  # in the worker itself, all the time

    def submit(self, task: str, **inputs: object) -> Run[object]:
        return self.client.submit_named(f"zoo.{task}", inputs)

    def check(self) -> None:
        """All is well: the worker lives, and so does what it did all the time."""
        assert self.submit("double", x=21).result(timeout=60) == 42
        assert self.process.poll() is None
        (attempt,) = self.beside.attempts()
        assert attempt.status == "running"


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with Mill(tmp_path_factory.mktemp("zoo"), ZOO) as mill, Client(mill.url) as client, mill.telling():
        yield House(mill, client)


LOST = Code.WORKER_LOST
Cause = tuple[str, dict[str, int], Code, str]
CAUSES: list[Cause] = [
    ("segfault", {}, LOST, "killed by SIGSEGV"),
    ("leave", {"code": 3}, LOST, "exit code 3"),
    ("killed", {}, LOST, "memory runs out"),
    ("raise_unspeakable", {}, Code.INTERNAL, "UnspeakableError"),
    ("raise_half_a_character", {}, Code.INTERNAL, "ValueError"),
    ("crowd", {"files": 32_000}, Code.PERMANENT, "return fewer files"),
    ("fill", {"mib": 4}, Code.INTERNAL, "File too large"),
]
MORE: list[Cause] = [
    ("scribble", {}, LOST, "connection to its worker"),
    ("close_files", {}, LOST, "it was lost 3 times"),
    ("recurse_for_ever", {}, LOST, "killed by SIGSEGV"),
    ("cycle", {}, Code.INTERNAL, "the task gave no"),
    ("claim_a_loss", {}, Code.INTERNAL, "it says"),
    ("recurse", {}, Code.INTERNAL, "recursion"),
    ("eat", {"limit_mib": 2048}, Code.RESOURCE, "MemoryError"),
]


@pytest.mark.timeout(100)
@pytest.mark.parametrize("cause", CAUSES, ids=[cause[0] for cause in CAUSES])
def test_a_poison_is_told_by_its_cause_and_hurts_nobody_else(house: House, cause: Cause) -> None:
    _is_told(house, cause)


@pytest.mark.slow
@pytest.mark.timeout(100)
@pytest.mark.parametrize("cause", MORE, ids=[cause[0] for cause in MORE])
def test_so_is_each_of_the_zoo(house: House, cause: Cause) -> None:
    _is_told(house, cause)


def _is_told(house: House, cause: Cause) -> None:
    task, inputs, code, said = cause
    run = house.client.options(retries=0).submit_named(f"zoo.{task}", inputs)
    with pytest.raises(RunFailedError) as caught:
        run.result(timeout=60)
    assert caught.value.code is code
    assert said in f"{caught.value} {caught.value.type}"
    if code is LOST:
        assert [attempt.failure.code for attempt in run.attempts() if attempt.failure] == [LOST] * 3
    house.check()


@pytest.mark.timeout(100)
def test_what_is_odd_and_no_poison_is_a_result(house: House, tmp_path: Path) -> None:
    assert house.submit("corrupt_output").result(timeout=60) == 7
    assert house.submit("some_bytes").result(timeout=60) == b"\x00\xff"
    assert house.submit("abandon", note=str(tmp_path / "note")).result(timeout=60) == "done"
    house.check()


@pytest.mark.feature("C4")
@pytest.mark.timeout(100)
def test_a_cancel_is_seen_by_code_that_looks(house: House) -> None:
    for task in ("wait", "wait_later", "count_slowly", "fail_when_told"):
        run = house.submit(task)
        _begun(run)
        run.cancel()
        with pytest.raises(RunCancelledError):
            run.result(timeout=60)
        (attempt,) = run.attempts()
        assert attempt.status == ("succeeded" if task == "wait" else "stopped")
    house.check()


@pytest.mark.feature("C4")
@pytest.mark.feature("D5")
@pytest.mark.timeout(100)
def test_what_ignores_a_cancel_or_its_time_or_falls_silent_is_killed(house: House) -> None:
    slow = [house.submit("overtime"), house.submit("fall_silent")]
    rude = [house.submit(task) for task in ("ignore", "swallow", "hold")]
    for run in rude:
        _begun(run)
        run.cancel()
    for run in slow:
        with pytest.raises(RunFailedError) as caught:
            run.result(timeout=60)
        assert caught.value.code is Code.TIMEOUT
    for run in rude:
        with pytest.raises(RunCancelledError):
            run.result(timeout=60)
    assert [attempt.status for run in slow + rude for attempt in run.attempts()] == ["killed"] * 5
    house.check()


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_gigabyte_of_output_is_bounded(house: House) -> None:
    run = house.submit("shout", mib=1024)
    assert run.result(timeout=200) == "said"
    lines = run.logs()
    assert "the end" in [line.text for line in lines][-3:]
    house.check()


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_large_results_go_by_blob_or_are_refused_with_advice(house: House) -> None:
    result = house.submit("heavy", mib=100).result(timeout=200)
    assert isinstance(result, bytes)
    assert len(result) == 100 * 1024 * 1024
    with pytest.raises(RunFailedError, match="return a File instead"):
        house.submit("heavy", mib=1024).result(timeout=200)
    house.check()


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_bomb_of_processes_is_ended_whole_by_a_cancel(house: House) -> None:
    run = house.submit("bomb", most=200)
    _begun(run)
    run.cancel()
    with pytest.raises(RunCancelledError):
        run.result(timeout=100)
    assert [attempt.status for attempt in run.attempts()] == ["killed"]
    house.check()


def _begun(run: Run[object]) -> None:
    """Its body has said something."""
    while not any(attempt.progress for attempt in run.attempts()):
        time.sleep(0.02)
