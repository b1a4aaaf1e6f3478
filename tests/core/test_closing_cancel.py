"""A cancel that comes while a run closes: it stops that, and what is left is told."""

from datetime import timedelta
from typing import Any

import pytest

from tests.core.scene import RUN, Scene
from tests.core.test_closing import begun, booking, fail, outcome, tidying, work
from tidemill.core.commands import AskToStop
from tidemill.core.events import AttemptFailed, CancelRequested
from tidemill.core.graph import FINALLY
from tidemill.core.run import Cancelled, Code, Ended, Failure, StepCancelled, StepSucceeded


def undoing(cancelled: str = "", final: Any = None) -> Scene:
    """Two bookings are to be taken back, and the first of them is under way."""
    scene = begun(booking(final))
    work(scene, "hotel")
    work(scene, "train")
    if cancelled:
        scene.decide(CancelRequested(RUN, "enough", ends_closing=True, id=cancelled))
        scene.sweep()
    else:
        fail(scene, "pay")
    assert scene.queued() == ["train~undo"]
    return scene


def cancel(scene: Scene, id_: str = "", reason: str = "now") -> list[Any]:
    return scene.decide(CancelRequested(RUN, reason, ends_closing=True, id=id_))


def stopped(scene: Scene, path: str) -> None:
    """The worker proves that it has stopped."""
    scene.decide(AttemptFailed(RUN, path, 1, Failure(Code.CANCELLED, "told to stop")))


def test_what_is_queued_to_be_taken_back_is_not_and_the_failure_says_so() -> None:
    scene = undoing(final=tidying("tidy"))
    cancel(scene)
    scene.sweep()
    assert scene.queued() == []
    assert outcome(scene).failure.message == (
        "it broke; the undo of 'train' was cancelled; not undone: 'hotel'; what runs at the end did not run"
    )
    assert scene.state("train~undo") == StepCancelled()


def test_an_undo_that_runs_is_asked_to_stop_and_waited_for() -> None:
    scene = undoing()
    scene.claim()
    cancel(scene)
    assert any(isinstance(each, AskToStop) and each.path == "train~undo" for each in scene.sweep())
    assert not isinstance(scene.run.state, Ended), "its worker has not stopped"
    stopped(scene, "train~undo")
    assert outcome(scene).failure.message == "it broke; the undo of 'train' was cancelled; not undone: 'hotel'"


def test_an_undo_that_beats_the_stop_is_recorded_and_no_other_begins() -> None:
    for early in (True, False):
        scene = undoing()
        scene.claim()
        cancel(scene)
        if early:
            scene.succeed("train~undo", value=None)
            scene.sweep()
        else:
            scene.sweep()
            scene.succeed("train~undo", value=None)
        assert scene.state("train~undo") == StepSucceeded()
        assert "not undone: 'hotel'" in outcome(scene).failure.message
        assert scene.queued() == []


def test_an_undo_that_waits_to_be_tried_again_is_given_up() -> None:
    scene = undoing()
    scene.claim()
    scene.fail("train~undo", code=Code.TRANSIENT)
    cancel(scene)
    scene.sweep()
    scene.pass_time(timedelta(hours=1))
    assert scene.state("train~undo") == StepCancelled()
    assert "the undo of 'train' was cancelled" in outcome(scene).failure.message


@pytest.mark.parametrize("how", ["succeeded", "failed"])
def test_what_runs_at_the_end_is_stopped_too(how: str) -> None:
    scene = begun(booking(tidying("tidy", "tell")))
    if how == "failed":
        fail(scene, "hotel")
    else:
        for path in ("hotel", "train", "pay"):
            work(scene, path)
    scene.claim()
    cancel(scene)
    scene.sweep()
    assert not isinstance(scene.run.state, Ended)
    stopped(scene, f"{FINALLY}/tidy")
    stopped(scene, f"{FINALLY}/tell")
    found = outcome(scene)
    said = found.reason if how == "succeeded" else found.failure.message
    assert said == ("now" if how == "succeeded" else "it broke") + "; what runs at the end was cancelled"
    assert scene.state(f"{FINALLY}/tell") == StepCancelled()


def test_a_cancel_that_was_sent_again_or_that_no_person_sent_stops_no_undo() -> None:
    scene = undoing(cancelled="c1")
    assert cancel(scene, "c1") == []
    assert scene.decide(CancelRequested(RUN, "the run that started it has ended")) == []
    assert scene.queued() == ["train~undo"]
    cancel(scene, "c2")
    cancel(scene, "c3")
    scene.sweep()
    assert outcome(scene) == Cancelled("enough; the undo of 'train' was cancelled; not undone: 'hotel'")


def test_a_cancel_while_the_run_still_stops_changes_nothing() -> None:
    scene = begun(booking())
    work(scene, "hotel")
    scene.decide(CancelRequested(RUN, "enough", ends_closing=True, id="c1"))
    assert cancel(scene, "c2") == []
    scene.sweep()
    assert scene.queued() == ["hotel~undo"]
    work(scene, "hotel~undo")
    assert outcome(scene) == Cancelled("enough")
