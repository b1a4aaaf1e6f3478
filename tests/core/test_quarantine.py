"""A step under which workers died too often waits for a person, and does what that says."""

from datetime import timedelta

from tests.core.scene import RUN, Scene, lone, mapping, two
from tidemill.core.events import AttemptLost, AttemptStarted, CancelRequested, QuarantineJudged, Verdict
from tidemill.core.overlay import Overlay
from tidemill.core.retry import MAX_LOSSES
from tidemill.core.rules import OnLost
from tidemill.core.run import (
    Cancelled,
    Code,
    Ended,
    Failed,
    Lost,
    Quarantined,
    Running,
    StepCancelled,
    StepFailed,
    StepSucceeded,
    Succeeded,
)
from tidemill.core.wait_rows import Outcome, WaitKind

RELEASE = QuarantineJudged(RUN, ("one",), Verdict.RELEASE, "ann")
DISCARD = QuarantineJudged(RUN, ("one",), Verdict.DISCARD, "ann")


class Careful(Scene):
    def _overlay(self) -> Overlay:
        overlay = super()._overlay()
        overlay.on_lost = OnLost.QUARANTINE
        return overlay


def lose(scene: Scene, path: str, number: int) -> None:
    scene.decide(AttemptStarted(RUN, path, number))
    scene.decide(AttemptLost(RUN, path, number, Lost.LEASE_EXPIRED))


def held(scene: Scene, path: str = "one", first: int = 1) -> Scene:
    for number in range(first, first + MAX_LOSSES):
        scene.claim()
        lose(scene, path, number)
    assert isinstance(scene.state(path), Quarantined)
    return scene


def quarantined() -> Scene:
    scene = Careful(lone())
    scene.submit()
    return held(scene)


def test_it_waits_for_ever_and_says_so() -> None:
    scene = quarantined()
    assert isinstance(scene.run.state, Running)
    assert (scene.run.live, scene.run.failed) == (1, 0)
    row = scene.tables.waits[RUN, "one"]
    assert (row.kind, row.name, row.workflow, row.closed) == (WaitKind.QUARANTINE, "t.one", "scene", None)
    assert "3 workers died" in row.question
    scene.pass_time(timedelta(days=400))
    assert not scene.claim()
    assert isinstance(scene.state("one"), Quarantined)


def test_a_release_lets_it_go_on_as_if_nobody_had_died() -> None:
    scene = quarantined()
    scene.decide(RELEASE)
    step = scene.step("one")
    assert (step.losses, step.crashes, step.latest) == (0, 0, MAX_LOSSES)
    closed = scene.tables.waits[RUN, "one"].closed
    assert closed is not None
    assert (closed.how, closed.who, closed.choice) == (Outcome.ANSWERED, "ann", "release")
    held(scene, first=MAX_LOSSES + 1)
    assert scene.tables.waits[RUN, "one"].closed is None
    scene.decide(RELEASE)
    scene.claim()
    scene.succeed("one", 2 * MAX_LOSSES + 1, 5)
    assert scene.run.state == Ended(Succeeded())
    assert scene.run.live == 0


def test_a_discarded_one_fails_with_its_cause() -> None:
    scene = quarantined()
    scene.decide(DISCARD)
    state = scene.state("one")
    assert isinstance(state, StepFailed)
    assert state.failure.code is Code.WORKER_LOST
    scene.sweep()
    assert isinstance(scene.run.state, Ended)
    assert isinstance(scene.run.state.outcome, Failed)
    assert scene.run.live == 0


def test_what_is_said_twice_or_of_another_step_changes_nothing() -> None:
    scene = quarantined()
    scene.decide(RELEASE, RELEASE, DISCARD, QuarantineJudged(RUN, ("two",), Verdict.DISCARD))
    assert len(scene.tables.queue) == 1
    assert scene.run.live == 1
    assert isinstance(scene.run.state, Running)


def test_a_late_result_that_nobody_overtook_is_taken() -> None:
    scene = quarantined()
    scene.succeed("one", MAX_LOSSES, 7)
    assert isinstance(scene.state("one"), StepSucceeded)
    assert scene.run.state == Ended(Succeeded())
    assert scene.tables.waits[RUN, "one"].closed is not None
    assert scene.run.live == 0
    scene.decide(RELEASE)
    assert not scene.tables.queue


def test_a_cancel_ends_it() -> None:
    scene = quarantined()
    scene.decide(CancelRequested(RUN, "enough"))
    scene.sweep()
    assert scene.run.state == Ended(Cancelled("enough"))
    assert isinstance(scene.state("one"), StepCancelled)
    assert scene.tables.waits[RUN, "one"].closed is not None


def test_the_others_of_its_run_go_on() -> None:
    scene = Careful(two())
    scene.submit()
    scene.claim()
    for number in range(1, MAX_LOSSES + 1):
        lose(scene, "one", number)
        scene.claim()
    assert isinstance(scene.state("one"), Quarantined)
    scene.succeed("two", 1, 1)
    assert isinstance(scene.run.state, Running)
    scene.decide(RELEASE)
    scene.claim()
    scene.succeed("one", MAX_LOSSES + 1, 1)
    assert scene.run.state == Ended(Succeeded())


def test_an_element_that_is_discarded_stops_its_map_and_the_others() -> None:
    scene = Careful(mapping(window=1))
    scene.submit(xs=[1, 2])
    held(scene, "all[0]/each")
    scene.decide(QuarantineJudged(RUN, ("all[0]/each",), Verdict.DISCARD))
    scene.sweep()
    assert isinstance(scene.run.state, Ended)
    assert isinstance(scene.run.state.outcome, Failed)
