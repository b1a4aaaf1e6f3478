"""What ends an attempt from outside: its time, the limit of its wait, a cancel."""

from datetime import timedelta
from typing import Any

import pytest

from tests.core.scene import GRAPH, RUN, Scene, graph, lone, task, two, workflow
from tidemill.core.claims import MARGIN
from tidemill.core.commands import AskToStop
from tidemill.core.definitions import TaskDefinition, TaskOptions
from tidemill.core.events import (
    AttemptFailed,
    AttemptLost,
    AttemptReleased,
    AttemptStarted,
    CancelRequested,
    PauseRequested,
    QueueExpired,
    RunSubmitted,
)
from tidemill.core.ids import Digest
from tidemill.core.retry import (
    QUEUE_LIMIT,
)
from tidemill.core.run import (
    AttemptEnded,
    Cancelled,
    Code,
    End,
    Ended,
    Failed,
    Failure,
    Held,
    Lost,
    StepCancelled,
    StepFailed,
    StepSucceeded,
    Stopping,
    Waiting,
)
from tidemill.core.terms import Ref

SECOND = timedelta(seconds=1)
TIMED = TaskDefinition("t.one", {}, {"value": {}}, "sha256:1", options=TaskOptions(timeout_s=5, queue_s=60))


def begun(flow: Any = None, *definitions: TaskDefinition) -> Scene:
    scene = Scene(flow or lone(), *definitions)
    scene.submit()
    scene.claim()
    return scene


def ended(scene: Scene, path: str = "one", number: int = 1) -> End:
    state = scene.attempt(path, number)
    assert isinstance(state, AttemptEnded), state
    return state.end


def lose(scene: Scene, number: int, *, started: bool = True) -> None:
    if started:
        scene.decide(AttemptStarted(RUN, "one", number))
    scene.decide(AttemptLost(RUN, "one", number, Lost.LEASE_EXPIRED))


# Time ----------------------------------------------------------------------------------------------


def test_an_attempt_that_outlasts_its_time_is_given_up_and_its_worker_told() -> None:
    scene = begun(None, TIMED)
    assert scene.timers()["timeout", "one"] == (5 * SECOND + MARGIN) // timedelta(microseconds=1)
    told = scene.pass_time(5 * SECOND + MARGIN)
    assert [each for each in told if isinstance(each, AskToStop)]
    assert ended(scene) is End.FAILED
    assert isinstance(scene.state("one"), Waiting)
    assert scene.step("one").failures == 1


def test_a_timeout_goes_with_its_attempt() -> None:
    scene = begun(None, TIMED)
    scene.succeed("one", 1, 5)
    assert scene.timers() == {}


def test_a_timeout_of_an_older_attempt_does_nothing_to_the_next() -> None:
    scene = begun(None, TIMED)
    lose(scene, 1)
    scene.claim()
    scene.pass_time(5 * SECOND)
    assert isinstance(scene.state("one"), Held)


def bounded(longest: timedelta, **more: int) -> Scene:
    scene = Scene(lone())
    us = longest // timedelta(microseconds=1)
    scene.decide(RunSubmitted(RUN, GRAPH, "scene", {}, Digest(b"d" * 32), longest=us, **more))
    return scene


@pytest.mark.parametrize("is_paused", [False, True])
def test_a_run_that_takes_too_long_fails_when_what_runs_has_stopped(is_paused: bool) -> None:
    scene = bounded(60 * SECOND)
    scene.claim()
    if is_paused:
        scene.decide(PauseRequested(RUN))
    scene.pass_time(60 * SECOND - SECOND)
    assert scene.run.status == ("paused" if is_paused else "running")
    scene.pass_time(SECOND)
    scene.sweep()
    assert scene.run.status == "cancelling"
    scene.decide(AttemptFailed(RUN, "one", 1, Failure(Code.CANCELLED, ""), End.STOPPED))
    outcome = scene.run.state
    assert isinstance(outcome, Ended)
    assert isinstance(outcome.outcome, Failed)
    assert outcome.outcome.failure.code is Code.TIMEOUT
    assert ("deadline", "") not in scene.timers()


def test_the_time_of_a_run_counts_from_its_begin_and_goes_with_its_end() -> None:
    scene = bounded(60 * SECOND, start_at=Scene(lone()).now + 3600 * 1_000_000)
    scene.pass_time(3600 * SECOND)
    assert scene.run.deadline_at == scene.now + 60 * 1_000_000
    scene.claim()
    scene.succeed("one", 1, 5)
    assert (scene.run.status, scene.timers()) == ("succeeded", {})


@pytest.mark.parametrize(("definitions", "waits"), [((), QUEUE_LIMIT), ((TIMED,), timedelta(seconds=60))])
def test_waiting_in_the_queue_has_a_limit(definitions: tuple[TaskDefinition, ...], waits: timedelta) -> None:
    scene = Scene(lone(), *definitions)
    scene.submit()
    row = scene.tables.queue[RUN, "one"]
    assert row.expires_at - scene.now == waits // timedelta(microseconds=1)
    scene.now = row.expires_at
    scene.decide(QueueExpired(row))
    state = scene.state("one")
    assert isinstance(state, StepFailed)
    assert state.failure.code is Code.TIMEOUT
    assert (scene.queued(), scene.run.status, scene.run.live) == ([], "failed", 0)


# Cancel --------------------------------------------------------------------------------------------


def cancel(scene: Scene) -> list[Any]:
    scene.decide(CancelRequested(RUN, "enough"))
    return scene.sweep()


@pytest.mark.parametrize("proof", [End.STOPPED, End.KILLED, End.ABANDONED])
def test_a_running_step_is_told_and_ends_with_its_proof(proof: End) -> None:
    scene = begun(two())
    told = cancel(scene)
    assert {each.path for each in told if isinstance(each, AskToStop)} == {"one", "two"}
    assert isinstance(scene.attempt("one"), Stopping)
    for path in ("one", "two"):
        assert scene.run.status == "cancelling"
        scene.decide(AttemptFailed(RUN, path, 1, Failure(Code.CANCELLED, "stopped"), proof))
    assert scene.run.state == Ended(Cancelled("enough"))
    assert (ended(scene), scene.state("one"), scene.timers()) == (proof, StepCancelled(), {})


@pytest.mark.promise("P5")
@pytest.mark.parametrize("how", ["silence", "loss", "release", "result"])
def test_a_stop_ends_however_the_worker_goes(how: str) -> None:
    scene = begun()
    cancel(scene)
    match how:
        case "silence":
            scene.pass_time(timedelta(minutes=1))
        case "loss":
            scene.decide(AttemptLost(RUN, "one", 1, Lost.LEASE_EXPIRED))
        case "release":
            scene.decide(AttemptReleased(RUN, "one", 1))
        case _:
            scene.succeed("one", 1, 5)
    proofs = {"silence": End.PRESUMED, "loss": End.PRESUMED, "release": End.RELEASED, "result": End.SUCCEEDED}
    assert ended(scene) is proofs[how]
    assert isinstance(scene.state("one"), StepSucceeded if how == "result" else StepCancelled)
    assert (scene.run.status, scene.timers()) == ("cancelled", {})


def test_what_is_ready_waits_or_is_blocked_is_cancelled_without_a_word() -> None:
    nodes = {"ready": task(), "waits": task("t.b"), "blocked": task("t.c", x=Ref(node="ready"), y=Ref(node="waits"))}
    scene = Scene(workflow(graph(nodes, Ref(node="blocked"))))  # type: ignore[arg-type]
    scene.submit()
    scene.claim()
    scene.fail("waits", code=Code.TRANSIENT)
    scene.decide(AttemptReleased(RUN, "ready", 1))
    assert cancel(scene) == [] or scene.run.status == "cancelled"
    assert scene.run.status == "cancelled"
    assert (scene.queued(), scene.timers(), scene.run.live) == ([], {}, 0)


def test_a_claim_of_a_run_that_is_being_cancelled_gives_nothing() -> None:
    scene = Scene(two())
    scene.submit()
    scene.decide(CancelRequested(RUN, "enough"))
    assert scene.claim() == []
    scene.sweep()
    assert scene.run.status == "cancelled"


def test_a_failure_stops_what_still_runs_beside_it() -> None:
    scene = begun(two())
    scene.fail("two")
    told = scene.sweep()
    assert [each.path for each in told if isinstance(each, AskToStop)] == ["one"]
    scene.decide(AttemptFailed(RUN, "one", 1, Failure(Code.CANCELLED, "stopped"), End.STOPPED))
    state = scene.run.state
    assert isinstance(state, Ended)
    assert isinstance(state.outcome, Failed)
    assert state.outcome.failure.path == "two"
