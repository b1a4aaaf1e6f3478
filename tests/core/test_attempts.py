"""What becomes of a step when an attempt fails, is lost, is released, times out, or says something late."""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.core.scene import RUN, Scene, inline, lone, two
from tidemill.core.commands import Acknowledge, AcknowledgeItems, SlotFreed, TurnAway
from tidemill.core.definitions import TaskDefinition, TaskOptions
from tidemill.core.events import (
    AttemptFailed,
    AttemptLost,
    AttemptReleased,
    AttemptStarted,
    AttemptSucceeded,
    ItemsStreamed,
    ProgressMade,
)
from tidemill.core.graph import NodeOptions, TaskNode
from tidemill.core.lanes import ALONE, lane_of
from tidemill.core.retry import (
    DEFAULT_BACKOFF,
    MAX_LOSSES,
    MAX_UNSTARTED,
    next_delay,
    policy_of,
    tries_of,
)
from tidemill.core.rules import Backoff
from tidemill.core.run import (
    AttemptEnded,
    Code,
    End,
    Failure,
    Held,
    Lost,
    Ready,
    StepFailed,
    StepSucceeded,
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
    policy = Backoff(first_s=base / 1000, spread=spread)
    assert timedelta(0) <= next_delay(policy, attempt, jitter) <= timedelta(seconds=policy.most_s)


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


def test_a_step_fails_after_its_process_died_three_times_and_never_runs_alone_for_that() -> None:
    scene = begun()
    for number in range(1, MAX_LOSSES + 1):
        scene.fail("one", number, Code.WORKER_LOST)
        if number < MAX_LOSSES:
            assert scene.tables.queue[RUN, "one"].lane == lane_of("t.one", "")
            scene.claim()
    state = scene.state("one")
    assert isinstance(state, StepFailed)
    assert state.failure.code is Code.WORKER_LOST
    assert state.failure.message == "it was lost 3 times; the last time it broke"
    assert (scene.step("one").crashes, scene.step("one").losses, scene.step("one").failures) == (3, 0, 0)


def test_deaths_of_workers_and_of_processes_are_counted_together() -> None:
    scene = begun()
    lose(scene, 1)
    scene.claim()
    scene.fail("one", 2, Code.WORKER_LOST)
    scene.claim()
    lose(scene, 3)
    assert isinstance(scene.state("one"), StepFailed)


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
