"""Limits of time, each with bodies that ignore it: the run goes on without them, and says how they ended."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.faults.processes import Mill, Program
from tidemill import Client, RunFailedError

HERE = Path(__file__).parent
KINDS = {
    "deaf.thread": "abandoned",
    "deaf.process": "killed",
    "deaf_too.coroutine": "abandoned",
    "deaf_too.program": "killed",
}


@dataclass(frozen=True)
class Scene:
    """All of them at once: each waits for its grace."""

    attempt: dict[str, Any]
    silence: dict[str, Any]
    run: dict[str, Any]
    queued: Any


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    folder = tmp_path_factory.mktemp("deaf")
    gate = folder / "gate"
    mill = Mill(folder, HERE / "deaf.py")
    too = Program(
        folder / "too.log", "worker", str(HERE / "deaf_too.py"), "--url", mill.url, TIDEMILL_DATA=str(folder / "too")
    )
    try:
        with mill, Client(mill.url) as client, mill.telling():
            too.start()
            mill.wait_for("/api/v1/tasks", "deaf_too.program_in_silence")
            given, once = {"gate": str(gate)}, client.options(retries=0)
            yield Scene(
                attempt={kind: once.options(timeout=0.3).submit_named(kind, given) for kind in KINDS},
                silence={kind: once.submit_named(f"{kind}_in_silence", given) for kind in KINDS},
                run={kind: once.options(run_timeout=2).submit_named(kind, given) for kind in KINDS},
                queued=once.options(run_timeout=0.5, needs=nobody()).submit_named("deaf.thread", given),
            )
            gate.touch()
    finally:
        too.stop()


def nobody() -> Any:
    from tidemill import Needs

    return Needs(gpus=64)


def timed_out(run: Any, *proofs: str) -> str:
    with pytest.raises(RunFailedError) as raised:
        run.result(timeout=60)
    assert raised.value.failure.code.value == "timeout"
    assert {attempt.status for attempt in run.attempts()} <= set(proofs)
    return str(raised.value.failure.message)


@pytest.mark.feature("F6")
@pytest.mark.timeout(100)
@pytest.mark.parametrize("kind", KINDS)
def test_an_attempt_that_ignores_its_end_fails_and_says_how_it_was_stopped(scene: Scene, kind: str) -> None:
    assert timed_out(scene.attempt[kind], KINDS[kind]) == "no end after 0.3 s"
    assert len(scene.attempt[kind].attempts()) == 1


@pytest.mark.feature("F6")
@pytest.mark.timeout(100)
@pytest.mark.parametrize("kind", KINDS)
def test_one_that_is_silent_for_too_long_fails(scene: Scene, kind: str) -> None:
    assert timed_out(scene.silence[kind], KINDS[kind]) == "no sign of life for 0.3 s"


@pytest.mark.feature("F6")
@pytest.mark.promise("P5")
@pytest.mark.timeout(100)
@pytest.mark.parametrize("kind", KINDS)
def test_a_run_that_takes_too_long_fails_whatever_its_tasks_do(scene: Scene, kind: str) -> None:
    run = scene.run[kind]
    told = timed_out(run, KINDS[kind], "stopped")  # stopped: its body had not begun
    assert told == "the run was not over 2 s after its begin"
    assert [step.status for step in run.steps()] == ["cancelled"]
    assert run.view().deadline_at


@pytest.mark.feature("F6")
def test_a_run_that_nobody_takes_is_over_in_time_too(scene: Scene) -> None:
    with pytest.raises(RunFailedError, match=r"the run was not over 0\.5 s after its begin"):
        scene.queued.result(timeout=60)
