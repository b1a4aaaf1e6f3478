"""Waits: what ends one, in which order signals are taken, what a second sending does, and what is refused."""

from datetime import timedelta

import msgspec
import pytest

from tests.core.scene import RUN, Scene, graph, inline, mapping, task, workflow
from tests.core.wait_scene import OTHER, SECOND, after_a_task, begun, refusal, signal, value, waiting
from tidemill.core.commands import AnswerSignal, FetchOperands
from tidemill.core.events import (
    CancelRequested,
    OperandsFetched,
)
from tidemill.core.graph import (
    ElementFailure,
    Graph,
    Late,
    MapNode,
    Node,
    SignalWait,
    TimeWait,
    WaitNode,
)
from tidemill.core.run import (
    Cancelled,
    Code,
    Ended,
    Failed,
    StepCancelled,
    StepFailed,
    StepSucceeded,
    Succeeded,
    Waiting,
)
from tidemill.core.terms import Constant, Ref
from tidemill.core.values import Blob
from tidemill.core.wait_rows import MOST_EARLY, MOST_WAITERS, NOBODY, Address, Outcome, WaitKind

# Signals -------------------------------------------------------------------------------------------


def test_a_signal_ends_the_wait_for_its_name_and_no_other() -> None:
    scene = begun(waiting(SignalWait("go")))
    assert isinstance(scene.state("hold"), Waiting)
    assert scene.run.live == 1
    scene.decide(signal("stop"))
    assert isinstance(scene.state("hold"), Waiting)
    assert scene.decide(signal("go")) == [AnswerSignal((RUN, "hold"))]
    assert value(scene) == "hello"
    assert scene.queued() == ["use"]
    assert scene.tables.waits[RUN, "hold"].closed.how is Outcome.ANSWERED
    scene.claim()
    scene.succeed("use")
    assert isinstance(scene.run.state, Ended)


def test_of_those_who_wait_at_one_address_the_first_is_served_first() -> None:
    body = graph({"hold": WaitNode(SignalWait("go"), {}, forever=True)}, Ref(node="hold"), "x")
    flow = workflow(graph({"all": MapNode({"x": Ref(port="xs")}, body)}, Ref(node="all"), "xs"))
    scene = begun(flow, xs=[1, 2, 3])
    assert [scene.decide(signal(id_=str(n), payload=n)) for n in (1, 2)] == [
        [AnswerSignal((RUN, "all[0]/hold"))],
        [AnswerSignal((RUN, "all[1]/hold"))],
    ]
    assert value(scene, "all[1]/hold") == 2


def test_a_signal_before_its_wait_is_kept_and_taken_first_come_first_served() -> None:
    scene = begun(after_a_task(SignalWait("go")))
    assert scene.decide(signal(id_="1", payload=1)) == [AnswerSignal()]
    assert scene.decide(signal(id_="2", payload=2)) == [AnswerSignal()]
    scene.claim()
    scene.succeed("first")
    assert (value(scene, "hold"), value(scene, "again")) == (1, 2)
    assert scene.tables.mailboxes[Address(RUN, WaitKind.SIGNAL, "go")].is_empty
    assert scene.run.state == Ended(Succeeded())


def test_a_signal_that_comes_again_is_taken_once_and_answered_the_same() -> None:
    scene = begun(after_a_task(SignalWait("go")))
    scene.claim()
    scene.succeed("first")
    first = scene.decide(signal())
    assert scene.decide(signal()) == first == [AnswerSignal((RUN, "hold"))]
    assert isinstance(scene.state("again"), Waiting)
    assert refusal(scene.decide(signal(payload="another"))).type == "conflict"


def test_a_repetition_in_one_beat_is_taken_once() -> None:
    scene = begun(after_a_task(SignalWait("go")))
    assert scene.decide(signal(), signal()) == [AnswerSignal(), AnswerSignal()]
    assert len(scene.tables.mailboxes[Address(RUN, WaitKind.SIGNAL, "go")].early) == 1


def test_a_mailbox_is_bounded_in_count_and_in_age() -> None:
    scene = begun(after_a_task(SignalWait("go")))
    scene.decide(*(signal(id_=str(n)) for n in range(MOST_EARLY)))
    refused = refusal(scene.decide(signal(id_="more")))
    assert refused.type == "mailbox_full"
    assert "1,000 signals 'go'" in refused.detail
    scene.now += 7 * 86_400 * 1_000_000
    assert scene.decide(signal(id_="later", payload="new")) == [AnswerSignal()]
    scene.claim()
    scene.succeed("first")
    assert value(scene) == "new"


def test_a_key_finds_whoever_waits_with_it() -> None:
    scene = begun(waiting(SignalWait("paid", Ref(port="at"))), at="order 7")
    assert scene.decide(signal("paid", key="order 8")) == [AnswerSignal()]
    assert scene.decide(signal("paid", payload=3, key="order 7")) == [AnswerSignal((RUN, "hold"))]
    assert value(scene) == 3


def test_a_key_that_is_early_waits_for_a_run_that_is_not_there_yet() -> None:
    scene = Scene(waiting(SignalWait("paid", Ref(port="at"))))
    scene.decide(signal("paid", payload=5, key="12"))
    scene.submit(at=12)
    assert value(scene) == 5


@pytest.mark.parametrize("key", [True, 1.5, None, "", "x" * 257, ["a"]])
def test_what_is_no_key_fails_the_wait(key: object) -> None:
    scene = begun(waiting(SignalWait("paid", Ref(port="at"))), at=key)
    outcome = scene.run.state
    scene.sweep()
    assert isinstance(scene.state("hold"), StepFailed), outcome
    assert "a key" in scene.state("hold").failure.message  # type: ignore[union-attr]


def test_signals_to_runs_that_are_over_or_unknown_are_refused() -> None:
    scene = begun(waiting(SignalWait("go")))
    assert refusal(scene.decide(signal(run=OTHER))).type == "unknown_run"
    scene.decide(CancelRequested(RUN))
    scene.sweep()
    refused = refusal(scene.decide(signal()))
    assert (refused.type, "cancelled" in refused.detail) == ("run_over", True)


def test_a_payload_in_a_blob_must_have_been_uploaded_and_is_named_by_the_run() -> None:
    scene = begun(waiting(SignalWait("go")))
    event = msgspec.structs.replace(signal(), value=Blob(b"b" * 32, 99_999))
    assert refusal(scene.decide(event)).type == "missing_blob"
    scene.tables.blobs[b"b" * 32] = 99_999
    overlay = scene._overlay()
    scene._settled(overlay, event)
    assert list(overlay.blob_refs) == [(RUN, b"b" * 32)]


def test_only_so_many_may_wait_at_one_address() -> None:
    body = graph({"hold": WaitNode(SignalWait("go"), {}, forever=True)}, Ref(node="hold"), "x")
    flow = workflow(graph({"all": MapNode({"x": Ref(port="xs")}, body, window=2000)}, Ref(node="all"), "xs"))
    scene = begun(flow, xs=list(range(MOST_WAITERS + 1)))
    while scene.pass_time(SECOND):
        pass
    failed = scene.state(f"all[{MOST_WAITERS}]/hold")
    assert isinstance(failed, StepFailed)
    assert "1,000 steps wait" in failed.failure.message


# Time ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("at", ["1969-01-01T00:00:00Z", "1970-01-01T02:00:00+02:00", "1970-01-01T00:16:40Z"])
def test_an_instant_that_has_passed_is_no_wait(at: str) -> None:
    scene = begun(waiting(TimeWait(at=Constant(at))))
    assert scene.state("hold") == StepSucceeded()
    assert value(scene) is None
    assert scene.queued() == ["use"]


def test_an_instant_years_away_is_a_timer() -> None:
    scene = begun(waiting(TimeWait(at=Ref(port="at"))), at="1980-01-01T00:00:00.250Z")
    ten_years = (3652 * 86_400 + 0.25) * 1_000_000
    assert scene.timers() == {("wake", "hold"): ten_years - 1_000_000_000}
    scene.pass_time(timedelta(days=3000))
    assert isinstance(scene.state("hold"), Waiting)
    scene.pass_time(timedelta(days=700))
    assert scene.state("hold") == StepSucceeded()
    assert scene.timers() == {}


@pytest.mark.parametrize(
    ("length", "microseconds"), [(0.005, 5_000), ("PT1M", 60_000_000), (86_400 * 365, 31_536 * 10**9)]
)
def test_a_length_of_time_begins_when_the_wait_does(length: object, microseconds: int) -> None:
    scene = begun(waiting(TimeWait(for_s=Ref(port="at"))), at=length)
    assert scene.timers() == {("wake", "hold"): microseconds}


@pytest.mark.parametrize("length", [0, -1, "-PT5S", -1e300])
def test_no_time_or_less_is_no_wait(length: object) -> None:
    assert begun(waiting(TimeWait(for_s=Ref(port="at"))), at=length).state("hold") == StepSucceeded()


@pytest.mark.parametrize("at", ["tomorrow", "2031-05-01T09:00:00", 5, None, True, "9999-01-01T00:00:00Z"])
def test_what_is_no_instant_fails_the_wait_and_says_so(at: object) -> None:
    scene = begun(waiting(TimeWait(at=Ref(port="at"))), at=at)
    scene.sweep()
    state = scene.state("hold")
    assert isinstance(state, StepFailed)
    assert state.failure.code is Code.INVALID_INPUT
    assert "it cannot wait" in state.failure.message


@pytest.mark.parametrize("length", ["soon", True, None, float("nan"), float("inf"), 1e300, "P90000Y"])
def test_what_is_no_length_of_time_fails_the_wait(length: object) -> None:
    scene = begun(waiting(TimeWait(for_s=Ref(port="at"))), at=length)
    scene.sweep()
    assert isinstance(scene.state("hold"), StepFailed)


def test_an_instant_in_a_large_record_is_fetched() -> None:
    flow = waiting(TimeWait(at=Ref(port="at", fields=("due",))))
    scene = Scene(flow)
    scene.tables.blobs[b"b" * 32] = 99_999
    scene.submit(at=Blob(b"b" * 32, 99_999))
    (asked,) = scene.pass_time(timedelta(0))
    assert asked == FetchOperands(RUN, "hold", (("", "at"),))
    scene.decide(OperandsFetched(RUN, "hold", {("", "at"): inline({"due": "1970-01-01T00:30:00Z"})}))
    assert scene.timers() == {("wake", "hold"): 800_000_000}


# Deadlines -----------------------------------------------------------------------------------------


def test_a_wait_in_vain_fails_with_the_code_timeout() -> None:
    scene = begun(waiting(SignalWait("go"), within_s=5))
    scene.pass_time(4 * SECOND)
    assert isinstance(scene.state("hold"), Waiting)
    scene.pass_time(SECOND)
    scene.sweep()
    assert isinstance(scene.run.state, Ended)
    outcome = scene.run.state.outcome
    assert isinstance(outcome, Failed)
    assert outcome.failure.code is Code.TIMEOUT
    assert outcome.failure.message == "no signal 'go' came within 0:00:05"
    assert refusal(scene.decide(signal())).type == "run_over"


def test_a_wait_in_vain_may_go_on_with_nothing() -> None:
    scene = begun(waiting(SignalWait("go"), within_s=5, late=Late.GO_ON))
    scene.pass_time(5 * SECOND)
    assert scene.state("hold") == StepSucceeded("timeout")
    assert value(scene) is None
    assert scene.queued() == ["use"]
    assert scene.tables.mailboxes[Address(RUN, WaitKind.SIGNAL, "go")].is_empty


def test_what_comes_before_the_deadline_drops_its_timer() -> None:
    scene = begun(waiting(SignalWait("go"), within_s=5))
    assert scene.timers() == {("wait", "hold"): 5_000_000}
    scene.decide(signal())
    assert scene.timers() == {}


# The end -------------------------------------------------------------------------------------------


def test_a_cancel_ends_waits_and_leaves_no_timer_and_no_place_in_a_line() -> None:
    scene = begun(waiting(SignalWait("paid", Constant("7")), within_s=60))
    scene.decide(CancelRequested(RUN, "enough"))
    scene.sweep()
    assert scene.run.state == Ended(Cancelled("enough"))
    assert scene.state("hold") == StepCancelled()
    assert scene.run.live == 0
    assert scene.timers() == {}
    assert scene.tables.waits[RUN, "hold"].closed.how is Outcome.STOPPED
    assert scene.tables.mailboxes[Address(NOBODY, WaitKind.SIGNAL, "paid", "7")].is_empty


def test_a_wait_beside_a_failure_is_stopped_and_takes_no_signal() -> None:
    nodes: dict[str, Node] = {"bad": task(), "hold": WaitNode(SignalWait("k", Constant("1")), {}, forever=True)}
    scene = begun(workflow(graph(nodes, Ref(node="hold"))))
    scene.claim()
    scene.fail("bad")
    assert scene.decide(signal("k", key="1")) == [AnswerSignal()]
    scene.sweep()
    assert isinstance(scene.run.state, Ended)
    assert scene.state("hold") == StepCancelled()


def test_an_element_that_a_map_gives_up_waits_no_more() -> None:
    flow = mapping(on_failure=ElementFailure.SKIP)
    node = flow.body.nodes["all"]
    assert isinstance(node, MapNode)
    body: Graph = msgspec.structs.replace(
        node.body, nodes={**node.body.nodes, "hold": WaitNode(SignalWait("go"), {}, within_s=60)}
    )
    scene = begun(workflow(graph({"all": msgspec.structs.replace(node, body=body)}, Ref(node="all"), "xs")), xs=[1, 2])
    scene.claim()
    scene.fail("all[0]/each")
    scene.sweep()
    assert scene.decide(signal()) == [AnswerSignal((RUN, "all[1]/hold"))]
    scene.succeed("all[1]/each", value=1)
    scene.sweep()
    assert isinstance(scene.run.state, Ended)
    assert scene.run.live == 0
