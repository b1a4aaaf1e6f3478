"""The words that wait: what they record, what they refuse, and what they are when they are called plainly."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import pytest

from tidemill.core.build import check
from tidemill.core.graph import ApprovalWait, BranchNode, EventWait, Graph, Late, SignalWait, TimeWait, WaitNode
from tidemill.core.terms import Constant, Ref
from tidemill.sdk.answers import UnansweredError, WaitTimedOutError
from tidemill.sdk.approvals import Approval
from tidemill.sdk.errors import DefinitionError
from tidemill.sdk.options import FOREVER
from tidemill.sdk.standin import TraceError
from tidemill.sdk.waiting import approval, sleep_for, sleep_until, wait_event, wait_signal
from tidemill.sdk.words import branch, map_over
from tidemill.sdk.worker import Worker
from tidemill.sdk.workflow import Workflow, workflow
from tidemill.testing.answers import answered, in_vain

HOUR = timedelta(hours=1)
w = Worker("w")


@dataclass(frozen=True)
class Payment:
    cents: int


@w.task
def ship(payment: Payment) -> str:
    return f"shipped for {payment.cents}"


@w.task
def write(topic: str) -> str:
    return topic.upper()


@w.task
def tell(answer: Approval[Literal["yes", "no"]]) -> str:
    return f"{answer.choice} by {answer.who}"


@w.task
def due(topic: str) -> datetime:
    return datetime(2031, 5, 1, tzinfo=UTC)


def graph_of(flow: Workflow[..., Any]) -> Graph:
    compiled = flow.compiled
    assert check(compiled.workflow, {}) == []
    return compiled.workflow.body


def wait(graph: Graph, name: str) -> WaitNode:
    node = graph.nodes[name]
    assert isinstance(node, WaitNode)
    return node


def test_a_signal_is_a_node_of_its_type() -> None:
    @workflow
    def order(topic: str) -> str:
        return ship(wait_signal("paid", Payment, within=HOUR))

    node = wait(graph_of(order), "paid")
    assert node.what == SignalWait("paid")
    assert (node.within_s, node.forever, node.late) == (3600, False, Late.FAIL)
    assert node.type["$ref"].endswith("Payment")


def test_a_wait_with_a_way_out_gives_either() -> None:
    @workflow
    def order(topic: str) -> str:
        return wait_signal("name", str, within=HOUR, on_timeout=lambda: write(topic), key=topic)

    graph = graph_of(order)
    node = wait(graph, "name")
    assert (node.late, node.what) == (Late.GO_ON, SignalWait("name", Ref("", "topic")))
    turn = graph.nodes["name_or_timeout"]
    assert isinstance(turn, BranchNode)
    assert [case.name for case in turn.cases] == ["timeout", "otherwise"]
    assert turn.after == ("name",)


def test_it_may_wait_for_ever_if_it_says_so() -> None:
    @workflow
    def order(topic: str) -> str:
        return wait_event("named", str, within=FOREVER, after=write(topic))

    node = wait(graph_of(order), "named")
    assert (node.what, node.forever, node.within_s, node.after) == (EventWait("named"), True, None, ("write",))


def test_sleeping_begins_its_body_afterwards() -> None:
    @workflow
    def later(topic: str) -> str:
        return sleep_until(due(topic), then=lambda: sleep_for(timedelta(minutes=2), then=lambda: write(topic)))

    graph = graph_of(later)
    assert wait(graph, "sleep").what == TimeWait(at=Ref("due"))
    body = graph.nodes["sleep_then"]
    assert isinstance(body, BranchNode)
    assert body.after == ("sleep",)
    assert wait(body.cases[0].body, "sleep").what == TimeWait(for_s=Constant(120.0))


def test_an_approval_knows_its_choices() -> None:
    @workflow
    def ask(topic: str) -> str:
        answer: Approval[Literal["yes", "no"]] = approval(
            "Publish?", choices=("yes", "no"), shows=write(topic), within=HOUR
        )
        return branch(answer.choice == "yes", then=lambda: tell(answer), otherwise=lambda: "not now")

    node = wait(graph_of(ask), "approval")
    assert node.what == ApprovalWait("Publish?", ("yes", "no"), Ref("write"))


def test_a_choice_that_there_is_not_is_refused_in_a_condition() -> None:
    @workflow
    def ask(topic: str) -> str:
        answer = approval("Publish?", choices=("yes", "no"), within=HOUR)
        return branch(answer.choice == "maybe", then=lambda: write(topic), otherwise=lambda: "no")  # type: ignore[comparison-overlap,unused-ignore]

    with pytest.raises((TraceError, DefinitionError), match="maybe"):
        assert ask.compiled


def test_waits_stand_in_maps() -> None:
    @workflow
    def orders(names: list[str]) -> list[str]:
        return map_over(lambda name: ship(wait_signal("paid", Payment, within=HOUR, key=name)), names)

    assert graph_of(orders)


def of(body: Any) -> Workflow[..., Any]:
    @workflow
    def flow(topic: str) -> str:
        found: Any = body(topic)
        return found  # type: ignore[no-any-return]  # of any type: some of these are about that

    return flow


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (lambda _: wait_signal("paid", str, within=3), "within is a timedelta, or FOREVER"),  # type: ignore[call-overload]
        (lambda _: wait_signal("paid", str, within=timedelta(0)), "above zero"),
        (lambda _: wait_signal("p/d", str, within=HOUR), "no name for a"),
        (lambda _: wait_signal("paid", str, within=HOUR, key=1.5), "is a str or an int"),  # type: ignore[call-overload]
        (lambda _: wait_signal("paid", str, within=HOUR, after="x"), "after= takes results of steps"),
        (lambda topic: approval(topic, choices=("a",), within=HOUR), "a text for a question"),
        (lambda _: approval("?", choices="yes", within=HOUR), "a tuple of texts"),  # type: ignore[call-overload]
        (lambda _: approval("?", choices=("a", "a"), within=HOUR), "each once"),
        (lambda _: sleep_for(5, then=lambda: "x"), "takes a timedelta"),  # type: ignore[arg-type]
        (lambda _: sleep_until(HOUR, then=lambda: "x"), "datetime"),  # type: ignore[arg-type]
        (lambda topic: sleep_until(topic, then=lambda: "x"), "datetime"),
        (
            lambda _: [wait_signal("paid", str, within=HOUR), wait_signal("paid", str, within=HOUR)][0],
            "has a node 'paid' already",
        ),
    ],
)
def test_what_cannot_be_is_refused_when_it_is_traced(body: Any, text: str) -> None:
    with pytest.raises((DefinitionError, TypeError), match=text):
        assert of(body).compiled


def test_signals_of_one_name_have_one_type() -> None:
    def both(topic: str) -> str:
        shipped = ship(wait_signal("paid", Payment, within=HOUR))
        return wait_signal("paid", str, within=HOUR, name="other", after=shipped)

    with pytest.raises(DefinitionError, match="expect different types"):
        assert of(both).compiled


# Called plainly ------------------------------------------------------------------------------------


def test_a_plain_call_has_nobody_to_answer() -> None:
    with pytest.raises(UnansweredError, match="nobody here to give the signal 'paid'"):
        wait_signal("paid", Payment, within=HOUR)


def test_a_test_answers_what_is_waited_for() -> None:
    with answered(signals={"paid": [Payment(1), Payment(2)]}, events={"named": "x"}, approvals={"Publish?": "yes"}):
        assert [wait_signal("paid", Payment, within=HOUR).cents for _ in range(2)] == [1, 2]
        assert wait_event("named", str, within=FOREVER) == "x"
        assert approval("Publish?", choices=("yes", "no"), within=HOUR).choice == "yes"
        with pytest.raises(UnansweredError, match="no answer is left"):
            wait_signal("paid", Payment, within=HOUR)


def test_a_test_lets_a_wait_be_in_vain() -> None:
    with answered(signals={"paid": [in_vain, in_vain]}):
        assert wait_signal("paid", str, within=HOUR, on_timeout=lambda: "late") == "late"
        with pytest.raises(WaitTimedOutError):
            wait_signal("paid", str, within=HOUR)


def test_an_answer_is_one_of_the_choices() -> None:
    with answered(approvals={"?": "maybe"}), pytest.raises(UnansweredError, match="none of the choices"):
        approval("?", choices=("yes", "no"), within=HOUR)


def test_sleeping_takes_no_time_when_it_is_called_plainly() -> None:
    assert sleep_for(timedelta(days=900), then=lambda: 3) == 3
    assert sleep_until(datetime(2100, 1, 1, tzinfo=UTC), then=lambda: 4) == 4
