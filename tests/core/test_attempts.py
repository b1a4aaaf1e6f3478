"""What becomes of a step when an attempt fails, is lost, is released, times out, or says something late."""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.core.scene import RUN, Scene, graph, inline, lone, mapping, task, two, workflow
from tidemill.core.claims import MARGIN
from tidemill.core.commands import Acknowledge, AcknowledgeItems, AskToStop, SlotFreed, TurnAway
from tidemill.core.definitions import TaskDefinition, TaskOptions
from tidemill.core.events import (
    AttemptFailed,
    AttemptLost,
    AttemptReleased,
    AttemptStarted,
    AttemptSucceeded,
    CancelRequested,
    ItemsStreamed,
    ProgressMade,
    QueueExpired,
)
from tidemill.core.graph import MapNode, NodeOptions, Ref, TaskNode
from tidemill.core.lanes import ALONE, lane_of
from tidemill.core.retry import (
    DEFAULT_BACKOFF,
    MAX_LOSSES,
    MAX_UNSTARTED,
    QUEUE_LIMIT,
    Backoff,
    next_delay,
    policy_of,
    tries_of,
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
    Ready,
    StepCancelled,
    StepFailed,
    StepSucceeded,
    Stopping,
    Waiting,
)

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


# Retries -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "by_default", "with_four_retries", "with_none"),
    [
        (Code.TRANSIENT, 3, 5, 1),
        (Code.TIMEOUT, 3, 5, 1),
        (Code.RESOURCE, 3, 5, 1),
        (Code.INTERNAL, 1, 5, 1),
        (Code.PERMANENT, 1, 1, 1),
        (Code.INVALID_INPUT, 1, 1, 1),
        (Code.CANCELLED, 1, 1, 1),
    ],
)
def test_a_code_says_how_often_it_is_tried(code: Code, by_default: int, with_four_retries: int, with_none: int) -> None:
    assert [tries_of(code, retries) for retries in (None, 4, 0)] == [by_default, with_four_retries, with_none]


@pytest.mark.parametrize("code", [code for code in Code if code is not Code.WORKER_LOST])
def test_a_step_fails_when_its_tries_are_used_up(code: Code) -> None:
    scene = begun()
    tries = tries_of(code, None)
    for number in range(1, tries + 1):
        scene.fail("one", number, code)
        if number < tries:
            assert isinstance(scene.state("one"), Waiting)
            scene.pass_time(timedelta(hours=1))
            scene.claim()
    assert isinstance(scene.state("one"), StepFailed)
    assert scene.run.status == "failed"
    assert scene.step("one").latest == tries


@pytest.mark.parametrize(
    ("attempt", "jitter", "seconds"), [(1, 0, 1), (2, 0, 2), (3, 0, 4), (1, 1, 0.5), (11, 0, 600), (1000, 0, 600)]
)
def test_a_delay_doubles_up_to_its_cap_and_jitter_takes_off(attempt: int, jitter: float, seconds: float) -> None:
    assert next_delay(DEFAULT_BACKOFF, attempt, jitter) == timedelta(seconds=seconds)


@given(st.integers(1, 10**9), st.floats(0, 1), st.integers(1, 10**6), st.floats(0, 1))
def test_a_delay_is_never_longer_than_its_cap(attempt: int, jitter: float, base: int, spread: float) -> None:
    policy = Backoff(base=timedelta(milliseconds=base), spread=spread)
    assert timedelta(0) <= next_delay(policy, attempt, jitter) <= policy.cap


def test_a_failure_may_ask_for_a_longer_wait_but_not_for_a_shorter_one() -> None:
    for asked, waited in ((30.0, 30), (0.001, 1)):
        scene = begun()
        scene.fail("one", code=Code.TRANSIENT, retry_after_s=asked)
        assert scene.timers()["retry", "one"] == waited * 1_000_000


def test_a_retry_goes_to_another_worker_if_there_is_one() -> None:
    scene = begun()
    scene.fail("one", code=Code.TRANSIENT)
    assert scene.step("one").avoid == "w"


@pytest.mark.parametrize(("node", "own", "expected"), [(None, None, None), (None, 2, 2), (0, 2, 0), (5, None, 5)])
def test_an_option_of_the_node_goes_before_the_task_s(node: int | None, own: int | None, expected: int | None) -> None:
    made = TaskNode("t.one", {}, {}, options=NodeOptions(retries=node, timeout_s=node, priority=node))
    definition = TaskDefinition(
        "t.one", {}, {}, "d", options=TaskOptions(retries=own, timeout_s=own, priority=own or 0)
    )
    policy = policy_of(made, definition, 10)
    assert (policy.retries, policy.timeout_s, policy.priority) == (expected, expected, 10 + (expected or 0))


# Losses --------------------------------------------------------------------------------------------


def test_a_step_fails_after_three_workers_died_under_it() -> None:
    scene = begun()
    for number in range(1, MAX_LOSSES + 1):
        assert isinstance(scene.state("one"), Held)
        lose(scene, number)
        scene.claim()
    state = scene.state("one")
    assert isinstance(state, StepFailed)
    assert (state.failure.code, state.failure.message) == (
        Code.WORKER_LOST,
        "3 workers died while they ran it; the last was w",
    )


def test_a_step_runs_alone_after_its_second_loss() -> None:
    scene = begun()
    lanes = []
    for number in (1, 2):
        lose(scene, number)
        lanes.append(scene.tables.queue[RUN, "one"].lane)
        scene.claim()
    assert lanes == [lane_of("t.one", ""), lane_of("t.one", "", ALONE)]


def test_losses_and_failures_count_apart() -> None:
    scene = begun()
    lose(scene, 1)
    scene.claim()
    lose(scene, 2)
    scene.claim()
    scene.fail("one", 3, Code.TRANSIENT)
    assert isinstance(scene.state("one"), Waiting)
    assert (scene.step("one").losses, scene.step("one").failures) == (2, 1)


def test_an_attempt_that_never_started_is_no_loss_until_there_are_too_many() -> None:
    scene = begun()
    for number in range(1, MAX_UNSTARTED + 1):
        lose(scene, number, started=False)
        scene.claim()
        assert scene.step("one").losses == 0
    for number in range(MAX_UNSTARTED + 1, MAX_UNSTARTED + MAX_LOSSES + 1):
        lose(scene, number, started=False)
        scene.claim()
    assert isinstance(scene.state("one"), StepFailed)


def test_a_released_attempt_counts_for_nothing() -> None:
    scene = begun()
    assert scene.decide(AttemptReleased(RUN, "one", 1, "it drains"))[0] == Acknowledge(RUN, "one", 1)
    assert ended(scene) is End.RELEASED
    assert isinstance(scene.state("one"), Ready)
    assert (scene.step("one").losses, scene.step("one").failures) == (0, 0)


# Late, again, out of order -------------------------------------------------------------------------


def test_a_late_result_that_nobody_overtook_is_taken_and_leaves_the_queue() -> None:
    scene = begun()
    lose(scene, 1)
    assert scene.queued() == ["one"]
    assert scene.succeed("one", 1, 5)[0] == Acknowledge(RUN, "one", 1)
    assert (scene.queued(), scene.run.status) == ([], "succeeded")


def test_a_late_result_that_was_overtaken_is_turned_away() -> None:
    scene = begun()
    lose(scene, 1)
    scene.claim()
    assert scene.succeed("one", 1, 5) == [TurnAway(RUN, "one", 1)]
    assert isinstance(scene.state("one"), Held)


def test_a_late_failure_is_taken_like_a_late_result() -> None:
    scene = begun()
    lose(scene, 1)
    scene.fail("one", 1, Code.PERMANENT)
    assert (scene.queued(), scene.run.status) == ([], "failed")


def test_a_late_release_changes_nothing() -> None:
    scene = begun()
    lose(scene, 1)
    assert scene.decide(AttemptReleased(RUN, "one", 1)) == [TurnAway(RUN, "one", 1)]
    assert scene.queued() == ["one"]


def test_a_late_result_in_the_beat_of_the_loss_leaves_no_queue_row() -> None:
    scene = begun()
    scene.decide(AttemptLost(RUN, "one", 1, Lost.LEASE_EXPIRED), AttemptSucceeded(RUN, "one", 1, {"value": inline(1)}))
    assert (scene.queued(), scene.run.status) == ([], "succeeded")


def test_what_is_recorded_is_acknowledged_again_and_stays() -> None:
    scene = begun(two())
    scene.succeed("one", 1, 5)
    value = scene.tables.values[RUN, "one", "value"]
    for again in (
        AttemptSucceeded(RUN, "one", 1, {"value": inline(6)}),
        AttemptFailed(RUN, "one", 1, Failure(Code.INTERNAL, "")),
    ):
        assert scene.decide(again) == [Acknowledge(RUN, "one", 1)]
    assert scene.tables.values[RUN, "one", "value"] == value
    assert isinstance(scene.state("one"), StepSucceeded)


def test_a_report_about_an_attempt_that_never_was_is_turned_away() -> None:
    scene = begun()
    for number in (0, 2, 99):
        assert scene.succeed("one", number, 5) == [TurnAway(RUN, "one", number)]


def test_a_slot_is_freed_once() -> None:
    scene = begun(two())
    freed = [each for _ in range(3) for each in scene.succeed("one", 1, 5) if isinstance(each, SlotFreed)]
    assert len(freed) == 1


def test_items_are_recorded_once_and_a_gap_is_not_taken() -> None:
    scene = begun()
    answers = [
        scene.decide(ItemsStreamed(RUN, "one", 1, first, items))
        for first, items in ((0, (b"a", b"b")), (1, (b"b", b"c")), (0, (b"a",)), (7, (b"x",)), (3, (b"d",)))
    ]
    assert [each[0].upto for each in answers if isinstance(each[0], AcknowledgeItems)] == [2, 3, 3, 3, 4]
    assert [(row.first, row.items) for row in scene.streams] == [(0, (b"a", b"b")), (2, (b"c",)), (3, (b"d",))]


def test_progress_is_kept_while_an_attempt_lives() -> None:
    scene = begun()
    scene.decide(ProgressMade(RUN, "one", 1, (0.5, "half", "")))
    assert scene.tables.attempts[RUN, "one", 1].progress == (0.5, "half", "")
    scene.succeed("one", 1, 5)
    scene.decide(ProgressMade(RUN, "one", 1, (0.9, "late", "")))
    assert scene.tables.attempts[RUN, "one", 1].progress == (0.5, "half", "")


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


# Maps ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given_list", "message"),
    [
        (None, "map_over needs a list, and got null"),
        ({"a": 1}, "map_over needs a list, and got a record"),
        ("text", "map_over needs a list, and got a text"),
        (5, "map_over needs a list, and got int"),
    ],
)
def test_a_map_over_what_is_no_list_fails_and_says_what_it_got(given_list: object, message: str) -> None:
    scene = Scene(mapping())
    scene.submit(xs=given_list)
    state = scene.state("all")
    assert isinstance(state, StepFailed)
    assert (state.failure.code, state.failure.message) == (Code.INVALID_INPUT, message)


def test_a_map_over_nothing_is_done_at_once() -> None:
    scene = Scene(mapping())
    scene.submit(xs=[])
    assert scene.run.status == "succeeded"


def test_a_map_opens_no_more_than_its_window() -> None:
    scene = Scene(mapping(window=3))
    scene.submit(xs=list(range(10)))
    for done in range(10):
        scene.claim()
        assert sum(isinstance(step.state, Held) for step in scene.tables.steps.values()) == min(3, 10 - done)
        scene.succeed(f"all[{done}]/each", value=done)
    assert scene.run.status == "succeeded"


def test_more_elements_than_one_event_may_open_are_opened_by_a_timer() -> None:
    scene = Scene(mapping(window=5000))
    scene.submit(xs=list(range(2500)))
    opened = [len(scene.tables.queue)]
    while scene.timers():
        scene.pass_time(timedelta(0))
        opened.append(len(scene.tables.queue))
    assert opened == [999, 1999, 2500]


def test_a_map_whose_elements_need_no_worker_is_done_whatever_its_length() -> None:
    body = graph({}, Ref(port="x"), "x")
    scene = Scene(workflow(graph({"all": MapNode({"x": Ref(port="xs")}, body)}, Ref(node="all"), "xs")))
    scene.submit(xs=list(range(3500)))
    while scene.timers():
        scene.pass_time(timedelta(0))
    assert scene.run.status == "succeeded"
