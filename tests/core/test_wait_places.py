"""Waits inside joins and beside rescues; and a wait of many, swept at once."""

from typing import Any

from tests.core.scene import RUN, Scene, graph, task, workflow
from tests.core.wait_scene import SECOND, signal
from tidemill.core.commands import AnswerSignal
from tidemill.core.events import CancelRequested
from tidemill.core.graph import Arm, Default, JoinNode, MapNode, Node, Rest, SignalWait, Skip, TimeWait, WaitNode
from tidemill.core.run import Cancelled, Ended, StepCancelled, StepFailed, StepSucceeded, Succeeded
from tidemill.core.terms import Constant, Ref
from tidemill.core.wait_rows import Outcome


def hold(**more: Any) -> WaitNode:
    return WaitNode(SignalWait("go"), {}, **({"forever": True} | more))


def race(rest: Rest) -> Scene:
    """A signal and a task, whichever comes first."""
    arms = (
        Arm("signal", graph({"hold": hold()}, Ref(node="hold"))),
        Arm("work", graph({"work": task()}, Ref(node="work"))),
    )
    node = JoinNode(arms, need=1, rest=rest, single=True)
    scene = Scene(workflow(graph({"race": node}, Ref(node="race"))))
    scene.submit()
    scene.claim()
    return scene


def test_a_wait_that_a_join_needs_no_more_is_stopped() -> None:
    scene = race(Rest.CANCEL)
    scene.succeed("race/work/work", value=1)
    while not isinstance(scene.run.state, Ended):
        assert scene.sweep() is not None
    assert scene.state("race/signal/hold") == StepCancelled()
    assert scene.tables.waits[RUN, "race/signal/hold"].closed.how is Outcome.STOPPED
    assert scene.run.state == Ended(Succeeded())


def test_a_signal_may_win_a_join() -> None:
    scene = race(Rest.CANCEL)
    assert scene.decide(signal()) == [AnswerSignal((RUN, "race/signal/hold"))]
    assert isinstance(scene.state("race"), StepSucceeded)


def test_a_wait_that_is_left_goes_on_and_its_graph_ends_after_it() -> None:
    scene = race(Rest.LEAVE)
    scene.succeed("race/work/work", value=1)
    assert not isinstance(scene.run.state, Ended)
    assert AnswerSignal((RUN, "race/signal/hold")) in scene.decide(signal())
    assert scene.run.state == Ended(Succeeded())


def rescued(rescue: Any) -> Scene:
    nodes: dict[str, Node] = {
        "hold": WaitNode(SignalWait("go"), {}, within_s=5, rescue=rescue),
        "use": task(x=Ref(node="hold")),
        "other": task("t.other"),
    }
    scene = Scene(workflow(graph(nodes, Ref(node="other"))))
    scene.submit()
    scene.claim()
    scene.pass_time(5 * SECOND)
    return scene


def test_a_default_stands_for_what_never_came() -> None:
    scene = rescued(Default("nothing"))
    assert isinstance(scene.state("hold"), StepFailed)
    assert scene.queued() == ["use"]
    assert scene.run.live == 2


def test_a_wait_in_vain_may_be_left_out_with_what_needs_it() -> None:
    scene = rescued(Skip())
    assert scene.step("use").status == "skipped"
    scene.succeed("other")
    assert scene.run.state == Ended(Succeeded())
    assert scene.run.live == 0


def test_hundreds_of_waits_are_swept_in_one_bite() -> None:
    body = graph({"hold": hold(), "nap": WaitNode(TimeWait(for_s=Constant(60)), {})}, Ref(node="hold"), "x")
    flow = workflow(graph({"all": MapNode({"x": Ref(port="xs")}, body, window=400)}, Ref(node="all"), "xs"))
    scene = Scene(flow)
    scene.submit(xs=list(range(400)))
    assert scene.run.live == 800
    scene.decide(CancelRequested(RUN))
    scene.sweep()
    assert scene.run.state == Ended(Cancelled())
    assert (scene.run.live, scene.timers()) == (0, {})
    assert all(box.is_empty for box in scene.tables.mailboxes.values())
