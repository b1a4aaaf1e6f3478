"""The end of a run: what was done is taken back in reverse order, and what runs at the end runs, however it ended."""

from datetime import timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from tests.core.scene import RUN, Scene, graph, task, workflow
from tidemill.core.commands import RunEnded
from tidemill.core.events import AttemptLost, AttemptStarted, CancelRequested, StepsFound
from tidemill.core.graph import Final, MapNode, Node, Undo, Workflow
from tidemill.core.run import Cancelled, Code, Ended, Failed, Lost, StepCancelled, StepFailed, StepSucceeded, Succeeded
from tidemill.core.terms import Constant, Ref


def undoable(name: str, *, after: tuple[str, ...] = (), **inputs: Any) -> Node:
    return replace(task(f"t.{name}", **inputs), undo=Undo(f"t.un{name}", "what", outputs={"value": {}}), after=after)


def booking(final: Final | None = None) -> Workflow:
    """Book one thing, then another, then pay."""
    nodes: dict[str, Node] = {
        "hotel": undoable("hotel"),
        "train": undoable("train", after=("hotel",)),
        "pay": replace(task("t.pay"), after=("train",)),
    }
    return replace(workflow(graph(nodes, Ref(node="pay"), "folder")), final=final)


def tidying(*names: str) -> Final:
    nodes: dict[str, Node] = {name: task(f"t.{name}", folder=Ref(port="folder")) for name in names}
    return Final(graph(nodes, Constant(None), "folder"), {"folder": Ref(port="folder")})


def begun(flow: Workflow) -> Scene:
    scene = Scene(flow)
    scene.submit(folder="/x")
    return scene


def work(scene: Scene, path: str, value: object = 1, number: int = 1) -> Any:
    scene.claim()
    return scene.succeed(path, number, value=value)


def fail(scene: Scene, path: str, **how: Any) -> None:
    scene.claim()
    scene.fail(path, **how)
    scene.sweep()


def outcome(scene: Scene) -> Any:
    assert isinstance(scene.run.state, Ended), scene.run
    assert scene.run.live == 0
    assert not scene.timers()
    assert all(step.is_final for step in scene.tables.steps.values())
    return scene.run.state.outcome


def test_what_was_done_is_taken_back_the_latest_first_each_with_its_output() -> None:
    scene = begun(booking())
    work(scene, "hotel", 7)
    work(scene, "train", 8)
    fail(scene, "pay")
    assert scene.queued() == ["train~undo"]
    scene.claim()
    assert scene.leasings[-1].inputs["what"].value.data == b"\x08"  # type: ignore[union-attr]
    scene.succeed("train~undo", value=None)
    assert scene.queued() == ["hotel~undo"]
    commands = work(scene, "hotel~undo")
    assert isinstance(commands[-1], RunEnded)
    assert (outcome(scene).failure.path, scene.state("hotel~undo")) == ("pay", StepSucceeded())


def test_a_run_that_succeeded_takes_nothing_back() -> None:
    scene = begun(booking())
    for path in ("hotel", "train", "pay"):
        work(scene, path)
    assert outcome(scene) == Succeeded()
    assert (scene.run.undos, scene.queued()) == (2, [])


def test_a_cancelled_run_is_taken_back_after_its_steps_have_stopped() -> None:
    scene = begun(booking())
    work(scene, "hotel")
    scene.claim()
    scene.decide(CancelRequested(RUN, "enough"))
    scene.sweep()
    assert scene.queued() == [], "the worker still holds the train"
    scene.succeed("train", value=9)
    assert scene.queued() == ["train~undo"], "a result that beat the stop is taken back too"
    work(scene, "train~undo")
    work(scene, "hotel~undo")
    assert outcome(scene) == Cancelled("enough")


def test_an_undo_that_fails_is_told_and_the_others_go_on() -> None:
    scene = begun(booking())
    work(scene, "hotel")
    work(scene, "train")
    fail(scene, "pay")
    fail(scene, "train~undo")
    work(scene, "hotel~undo")
    assert outcome(scene).failure.message == "it broke; 'train' could not be undone: it broke"
    assert isinstance(scene.state("train~undo"), StepFailed)
    assert scene.run.failed == 2


def test_an_undo_is_tried_again_and_outlives_its_worker() -> None:
    scene = begun(booking())
    work(scene, "hotel")
    fail(scene, "train")
    fail(scene, "hotel~undo", code=Code.TRANSIENT)
    scene.pass_time(timedelta(hours=1))
    scene.claim()
    scene.decide(AttemptStarted(RUN, "hotel~undo", 2))
    scene.decide(AttemptLost(RUN, "hotel~undo", 2, Lost.LEASE_EXPIRED))
    work(scene, "hotel~undo", number=3)
    assert outcome(scene).failure.path == "train"


def test_each_element_of_a_map_is_taken_back() -> None:
    body = graph({"book": undoable("book", x=Ref(port="x"))}, Ref(node="book"), "x")
    nodes: dict[str, Node] = {"all": MapNode({"x": Constant([1, 2, 3])}, body), "pay": task("t.pay", x=Ref(node="all"))}
    scene = begun(workflow(graph(nodes, Ref(node="pay"), "folder")))
    for index in (1, 0, 2):
        work(scene, f"all[{index}]/book", index)
    fail(scene, "pay")
    undone = []
    while queued := scene.queued():
        undone += queued
        work(scene, queued[0])
    assert undone == ["all[2]/book~undo", "all[0]/book~undo", "all[1]/book~undo"]
    assert isinstance(outcome(scene), Failed)


@pytest.mark.parametrize("how", ["succeeded", "failed", "cancelled"])
def test_what_runs_at_the_end_runs_however_the_run_ended(how: str) -> None:
    scene = begun(booking(tidying("tidy", "tell")))
    work(scene, "hotel")
    work(scene, "train")
    if how == "succeeded":
        work(scene, "pay")
    elif how == "failed":
        fail(scene, "pay")
    else:
        scene.decide(CancelRequested(RUN, "enough"))
        scene.sweep()
    if how != "succeeded":
        assert scene.queued() == ["train~undo"]
        work(scene, "train~undo")
        work(scene, "hotel~undo")
    assert scene.queued() == ["~finally/tell", "~finally/tidy"]
    work(scene, "~finally/tidy")
    assert not isinstance(scene.run.state, Ended)
    work(scene, "~finally/tell")
    assert outcome(scene).__struct_config__.tag == how


def test_a_failure_at_the_end_fails_a_run_that_had_succeeded_and_is_told_of_another() -> None:
    scene = begun(booking(tidying("tidy", "tell")))
    for path in ("hotel", "train", "pay"):
        work(scene, path)
    fail(scene, "~finally/tidy")
    scene.fail("~finally/tell", code=Code.CANCELLED)
    failure = outcome(scene).failure
    assert (failure.message, failure.path) == ("what runs at the end failed: it broke", "~finally/tidy")
    assert scene.state("~finally/tell") == StepCancelled()
    scene = begun(replace(booking(tidying("tidy"))))
    fail(scene, "hotel")
    fail(scene, "~finally/tidy")
    assert outcome(scene).failure.message == "it broke; what runs at the end failed: it broke"


def test_a_sweep_that_comes_late_spares_what_belongs_to_the_end() -> None:
    scene = begun(booking(tidying("tidy")))
    work(scene, "hotel")
    fail(scene, "train")
    found = StepsFound(RUN, "", ("hotel", "hotel~undo"), tuple(scene.tables.queue.values()), "")
    scene.decide(found)
    assert scene.queued() == ["hotel~undo"]
    work(scene, "hotel~undo")
    scene.decide(replace(found, paths=("~finally/tidy",), queued=tuple(scene.tables.queue.values())))
    work(scene, "~finally/tidy")
    assert isinstance(outcome(scene), Failed)
