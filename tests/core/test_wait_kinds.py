"""Events and approvals end waits; documents say what a wait may be."""

from typing import Any

import pytest

from tests.core.scene import NUMBER, RUN, Scene, graph, task, workflow
from tests.core.wait_scene import SECOND, asked, begun, refusal, value, waiting
from tidemill.core.build import check
from tidemill.core.commands import AnswerSignal
from tidemill.core.events import (
    ApprovalGiven,
    CancelRequested,
    EventsEmitted,
)
from tidemill.core.graph import (
    ApprovalWait,
    EventWait,
    Late,
    Node,
    SignalWait,
    TimeWait,
    WaitNode,
    Workflow,
)
from tidemill.core.plan import Layout
from tidemill.core.run import (
    Waiting,
)
from tidemill.core.telling import Emission
from tidemill.core.terms import Constant, Ref

# Events --------------------------------------------------------------------------------------------


def emit(scene: Scene, kind: str, payload: object, first: int = 0) -> None:
    scene.decide(EventsEmitted(RUN, "work", 1, first, (Emission(kind, payload),)))


def beside_a_task(**more: Any) -> Workflow:
    wait = WaitNode(EventWait("page_done"), {}, forever=True)
    nodes: dict[str, Node] = {"work": task(), "hold": wait, "then": task(after=Ref(node="hold"), **more)}
    return workflow(graph(nodes, Ref(node="then")))


def test_an_event_of_the_run_ends_the_wait_for_its_type() -> None:
    scene = begun(beside_a_task())
    scene.claim()
    emit(scene, "other", 1)
    assert isinstance(scene.state("hold"), Waiting)
    emit(scene, "page_done", {"page": 3}, first=1)
    assert value(scene) == {"page": 3}
    assert scene.queued() == ["then"]


def test_the_payload_of_an_event_comes_as_it_was_told() -> None:
    scene = begun(beside_a_task())
    scene.claim()
    emit(scene, "page_done", {"raw": b"\x00\xff", "far": float("inf")})
    assert value(scene) == {"raw": b"\x00\xff", "far": float("inf")}


def test_a_wait_that_opens_later_finds_the_latest_event_of_its_type() -> None:
    nodes: dict[str, Node] = {"work": task(), "hold": WaitNode(EventWait("done"), {}, forever=True, after=("work",))}
    scene = begun(workflow(graph(nodes, Ref(node="hold"))))
    scene.claim()
    emit(scene, "done", 1)
    emit(scene, "done", 2, first=1)
    scene.succeed("work")
    assert value(scene) == 2


# Approvals -----------------------------------------------------------------------------------------


def test_an_approval_is_decided_once_and_says_who_did() -> None:
    scene = asked()
    assert scene.decide(ApprovalGiven(RUN, "hold", "yes", "well done", "ann")) == [AnswerSignal((RUN, "hold"))]
    assert value(scene) == {"choice": "yes", "comment": "well done", "who": "ann", "at": "1970-01-01T00:16:40Z"}
    again = refusal(scene.decide(ApprovalGiven(RUN, "hold", "no", "", "bob")))
    assert (again.type, again.detail) == ("decided", "ann chose 'yes' at 1970-01-01 00:16:40 UTC")


def test_only_the_choices_that_it_gives_are_taken() -> None:
    scene = asked()
    assert refusal(scene.decide(ApprovalGiven(RUN, "hold", "maybe"))).detail == "choose one of yes, no, not 'maybe'"
    assert refusal(scene.decide(ApprovalGiven(RUN, "use", "yes"))).type == "no_approval"


def test_nobody_answers_what_is_over() -> None:
    late = asked(within_s=5, late=Late.GO_ON)
    late.pass_time(5 * SECOND)
    assert "nobody answered in time" in refusal(late.decide(ApprovalGiven(RUN, "hold", "yes"))).detail
    stopped = asked()
    stopped.decide(CancelRequested(RUN))
    stopped.sweep()
    assert "its run ended" in refusal(stopped.decide(ApprovalGiven(RUN, "hold", "yes"))).detail


# Documents -----------------------------------------------------------------------------------------


def problems(flow: Workflow) -> list[str]:
    return [each.text for each in check(flow, {})]


@pytest.mark.feature("E17")
def test_a_wait_must_say_how_long_it_may_be() -> None:
    silent = workflow(graph({"hold": WaitNode(SignalWait("go"), {})}, Ref(node="hold")))
    assert problems(silent) == ["hold: a wait says how long it may be, by `within_s`, or by `forever`; and not by both"]
    assert problems(waiting(SignalWait("go"), within_s=5, forever=True)) == problems(silent)
    assert problems(waiting(SignalWait("go"), within_s=5)) == []
    assert problems(waiting(SignalWait("go"), forever=True)) == []


@pytest.mark.parametrize(
    ("what", "more", "text"),
    [
        (TimeWait(), {}, "says when"),
        (TimeWait(Constant("x"), Constant(1)), {}, "not by both"),
        (TimeWait(Constant("x")), {"within_s": 3}, "ends by itself"),
        (SignalWait("a/b"), {}, "no name for a signal"),
        (SignalWait("go"), {"within_s": -1}, "above zero"),
        (ApprovalWait("?", ()), {}, "from 1 to 20 choices"),
        (ApprovalWait("?", ("a", "a")), {}, "each once"),
        (ApprovalWait("", ("a",)), {}, "a question"),
    ],
)
def test_what_a_wait_cannot_be_is_refused(what: Any, more: dict[str, Any], text: str) -> None:
    (only,) = problems(waiting(what, **more))
    assert text in only


def test_signals_of_one_name_have_one_type() -> None:
    nodes: dict[str, Node] = {
        "a": WaitNode(SignalWait("go"), NUMBER, forever=True),
        "b": WaitNode(SignalWait("go"), {"type": "string"}, forever=True),
    }
    (only,) = problems(workflow(graph(nodes, Ref(node="a"))))
    assert only == "two waits for the signal 'go' expect different types: name one of them otherwise"


def test_a_layout_knows_the_events_that_are_waited_for() -> None:
    assert Layout(beside_a_task()).awaited == {"page_done"}
