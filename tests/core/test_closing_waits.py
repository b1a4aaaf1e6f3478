"""Waits in what runs at the end of a run."""

from datetime import timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from tests.core.scene import RUN, Scene, graph, task, workflow
from tests.core.wait_scene import DAY, begun, refusal, signal, value
from tidemill.core.commands import AnswerSignal
from tidemill.core.events import ApprovalGiven, CancelRequested
from tidemill.core.graph import ApprovalWait, Final, Late, Node, SignalWait, TimeWait, Undo, WaitNode, Workflow
from tidemill.core.run import Cancelled, Ended, Failed, Succeeded
from tidemill.core.terms import Constant, Ref

HOLD = "~finally/hold"


def closing(what: Any, **more: Any) -> Workflow:
    """One task that can be taken back, and a wait at the end."""
    if not isinstance(what, TimeWait) and "within_s" not in more:
        more["forever"] = True
    nodes: dict[str, Node] = {"hold": WaitNode(what, {}, **more), "use": task(x=Ref(node="hold"))}
    book = replace(task("t.book"), undo=Undo("t.unbook", "what", outputs={"value": {}}))
    flow = workflow(graph({"book": book, "pay": task("t.pay", x=Ref(node="book"))}, Ref(node="pay")))
    return replace(flow, final=Final(graph(nodes, Constant(None)), {}))


def worked(scene: Scene, *paths: str) -> None:
    for path in paths:
        scene.claim()
        scene.succeed(path, value=1)


def failed(flow: Workflow) -> Scene:
    """Its payment failed, and the booking is to be taken back."""
    scene = begun(flow)
    worked(scene, "book")
    scene.claim()
    scene.fail("pay")
    scene.sweep()
    assert scene.queued() == ["book~undo"]
    return scene


def test_a_signal_ends_a_wait_at_the_end_of_a_run() -> None:
    scene = begun(closing(SignalWait("go")))
    worked(scene, "book", "pay")
    assert scene.decide(signal(id_="1")) == [AnswerSignal((RUN, HOLD))]
    assert value(scene, HOLD) == "hello"
    worked(scene, "~finally/use")
    assert isinstance(scene.run.state, Ended)
    assert scene.run.state.outcome == Succeeded()
    assert refusal(scene.decide(signal(id_="2"))).type == "run_over"


def test_a_signal_that_comes_while_things_are_taken_back_is_kept_for_the_end() -> None:
    scene = failed(closing(SignalWait("go")))
    assert scene.decide(signal()) == [AnswerSignal()]
    assert refusal(scene.decide(signal("come", id_="2"))).type == "run_over"
    worked(scene, "book~undo")
    assert value(scene, HOLD) == "hello"
    worked(scene, "~finally/use")
    assert isinstance(scene.run.state, Ended)
    assert isinstance(scene.run.state.outcome, Failed)


def test_a_cancelled_run_without_a_wait_at_its_end_takes_no_signals() -> None:
    scene = failed(closing(TimeWait(for_s=Constant(5))))
    assert refusal(scene.decide(signal())).type == "run_over"


def test_a_person_decides_an_approval_at_the_end() -> None:
    scene = failed(closing(ApprovalWait("Sure?", ("yes", "no"))))
    worked(scene, "book~undo")
    assert refusal(scene.decide(ApprovalGiven(RUN, HOLD, "maybe", "", "ann"))).type == "bad_choice"
    assert scene.decide(ApprovalGiven(RUN, HOLD, "yes", "", "ann")) == [AnswerSignal((RUN, HOLD))]
    assert value(scene, HOLD)["choice"] == "yes"
    assert refusal(scene.decide(ApprovalGiven(RUN, HOLD, "no", "", "bob"))).type == "decided"
    worked(scene, "~finally/use")
    assert isinstance(scene.run.state, Ended)


@pytest.mark.parametrize(
    ("flow", "said"),
    [
        (closing(TimeWait(for_s=Constant(5))), "it broke"),
        (closing(SignalWait("go"), within_s=5.0, late=Late.GO_ON), "it broke"),
        (closing(SignalWait("go"), within_s=5.0), "it broke; what runs at the end failed: no signal 'go' came within"),
    ],
)
def test_an_instant_and_a_deadline_come_at_the_end_too(flow: Workflow, said: str) -> None:
    scene = failed(flow)
    worked(scene, "book~undo")
    scene.pass_time(timedelta(seconds=6))
    if scene.queued():
        worked(scene, "~finally/use")
    scene.sweep()
    assert isinstance(scene.run.state, Ended)
    assert isinstance(scene.run.state.outcome, Failed)
    assert scene.run.state.outcome.failure.message.startswith(said)
    assert not scene.timers()


def test_a_wait_of_the_run_itself_is_not_woken_once_it_closes() -> None:
    flow = closing(SignalWait("go"))
    nodes: dict[str, Node] = {"early": WaitNode(SignalWait("early"), {}, forever=True)}
    scene = begun(replace(workflow(graph(nodes, Ref(node="early"))), final=flow.final))
    scene.decide(CancelRequested(RUN, "enough"))
    assert refusal(scene.decide(signal("early"))).type == "run_over"
    scene.sweep()
    assert scene.decide(signal()) == [AnswerSignal((RUN, HOLD))]
    scene.pass_time(DAY)
    worked(scene, "~finally/use")
    assert isinstance(scene.run.state, Ended)
    assert scene.run.state.outcome == Cancelled("enough")
