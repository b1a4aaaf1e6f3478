"""Runs that begin later, debounce, pauses and priorities, beat by beat."""

from datetime import timedelta

from tests.core.scene import GRAPH, RUN, Scene, inline, lone, mapping, two
from tidemill.core.commands import AnswerSubmit, RefuseSubmit, Requeue, RunEnded
from tidemill.core.events import (
    CancelRequested,
    PauseRequested,
    QueuedFound,
    ResumeRequested,
    RunChanged,
    RunSubmitted,
    TimerDue,
)
from tidemill.core.ids import Digest, RunId
from tidemill.core.lanes import PRIORITY_US, paused_lane
from tidemill.core.rows import TimerKind
from tidemill.core.rules import OnActive, SubmitRule
from tidemill.core.run import Ended, Paused, Pending, Ready, Running
from tidemill.core.terms import Ref

SECOND = 1_000_000
CALM = SubmitRule(key="k", debounce=2 * SECOND, longest=5 * SECOND)


def submission(number: int, rule: SubmitRule, *, body: bytes = b"d", start_at: int = 0, x: int = 1) -> RunSubmitted:
    run = RunId(bytes([number]) * 16)
    return RunSubmitted(run, GRAPH, "scene", {"x": inline(x)}, Digest(body * 32), start_at=start_at, rule=rule)


def answered(scene: Scene, event: RunSubmitted) -> RunId:
    (answer,) = [each for each in scene.decide(event) if isinstance(each, AnswerSubmit)]
    assert not answer.conflict
    return answer.run.id


def scene_of_x() -> Scene:
    return Scene(lone(x=Ref(port="x")))


def test_a_debounced_run_is_put_off_by_each_submission_but_not_for_ever() -> None:
    scene = scene_of_x()
    for number in range(1, 5):
        assert answered(scene, submission(number, CALM, x=number)) == RunId(bytes([1]) * 16)
        (timer,) = scene.tables.timers.values()
        assert timer.due_at - scene.now == min(2, 5 - (number - 1) * 1.5) * SECOND
        scene.pass_time(timedelta(seconds=1.5))
    scene.pass_time(timedelta(seconds=1))
    assert isinstance(scene.tables.runs[RunId(bytes([1]) * 16)].state, Running)
    assert scene.tables.values[RunId(bytes([1]) * 16), "", "x"] == inline(4)
    assert answered(scene, submission(6, CALM)) == RunId(bytes([6]) * 16)


def test_a_submission_that_comes_in_the_beat_of_the_start_puts_it_off() -> None:
    scene = scene_of_x()
    answered(scene, submission(1, CALM))
    (timer,) = scene.tables.timers.values()
    scene.now = timer.due_at
    scene.decide(submission(2, CALM, x=2), TimerDue(timer))
    (run,) = scene.tables.runs.values()
    assert isinstance(run.state, Pending)
    assert [each.due_at for each in scene.tables.timers.values()] == [scene.now + 2 * SECOND]


def test_a_request_that_is_sent_again_gets_the_same_run_even_after_the_start() -> None:
    scene = scene_of_x()
    first = answered(scene, submission(1, CALM))
    answered(scene, submission(2, CALM, x=2))
    scene.pass_time(timedelta(seconds=10))
    assert answered(scene, submission(2, CALM, x=2)) == first
    assert answered(scene, submission(1, CALM)) == first
    assert len(scene.tables.runs) == 1


def test_one_beat_of_many_submissions_with_a_key_makes_one_run() -> None:
    scene, rule = scene_of_x(), SubmitRule(key="k", lifetime=SECOND)
    commands = scene.decide(*(submission(number, rule) for number in range(1, 9)), submission(9, rule, body=b"e"))
    assert {each.run.id for each in commands if isinstance(each, AnswerSubmit)} == {RunId(bytes([1]) * 16)}
    (refused,) = [each for each in commands if isinstance(each, RefuseSubmit)]
    assert refused.type == "conflict"


def test_a_key_lives_from_the_start_until_its_time_after_the_end() -> None:
    scene, rule = scene_of_x(), SubmitRule(key="k", lifetime=10 * SECOND)
    first = answered(scene, submission(RUN[0], rule))
    scene.now += 10_000 * SECOND
    assert answered(scene, submission(2, rule)) == first == RUN
    scene.claim(1)
    scene.succeed("one")
    assert isinstance(scene.run.state, Ended)
    scene.now += 9 * SECOND
    assert answered(scene, submission(3, rule)) == first
    scene.now += 2 * SECOND
    assert answered(scene, submission(4, rule)) != first


def test_a_unique_run_that_is_cancelling_is_active_still() -> None:
    scene = scene_of_x()
    rule = SubmitRule(unique="u", on_active=OnActive.REFUSE)
    run = answered(scene, submission(1, rule))
    scene.claim(1)
    scene.decide(CancelRequested(run))
    (refused,) = scene.decide(submission(2, rule))
    assert isinstance(refused, RefuseSubmit)
    assert refused.type == "active"


def test_a_pending_run_that_is_paused_begins_when_it_is_resumed() -> None:
    scene = scene_of_x()
    run = answered(scene, submission(1, SubmitRule(), start_at=scene.now + SECOND))
    scene.decide(PauseRequested(run))
    scene.pass_time(timedelta(seconds=5))
    assert isinstance(scene.tables.runs[run].state, Paused)
    assert not scene.queued()
    scene.decide(ResumeRequested(run))
    scene.pass_time(timedelta(0))
    assert isinstance(scene.tables.runs[run].state, Running)
    assert scene.queued() == ["one"]


def test_a_pending_run_ends_at_once_when_it_is_cancelled() -> None:
    scene = scene_of_x()
    run = answered(scene, submission(1, SubmitRule(), start_at=scene.now + SECOND))
    assert any(isinstance(each, RunEnded) for each in scene.decide(CancelRequested(run)))
    assert not scene.tables.timers


# Pauses ----------------------------------------------------------------------------------------------


def requeue(scene: Scene, bite: int = 100) -> int:
    """Do the bites that are asked for, to their end; gives how many there were."""
    count = 0
    while asked := [each for each in scene.pass_time(timedelta(0)) if isinstance(each, Requeue)]:
        (order,) = asked
        rows = sorted((row for row in scene.tables.queue.values() if row.path > order.after), key=lambda row: row.path)
        rest = rows[bite - 1].path if len(rows) > bite else ""
        scene.decide(QueuedFound(RUN, order.number, tuple(rows[:bite]), rest))
        count += 1
    return count


def test_a_paused_run_leases_nothing_and_what_becomes_ready_is_set_aside() -> None:
    scene = Scene(mapping(window=3))
    scene.submit(xs=[1, 2, 3, 4])
    scene.claim(1)
    scene.decide(PauseRequested(RUN, "ann", "the disk is full"))
    assert scene.claim() == []
    scene.succeed("all[0]/each")
    assert {row.lane for row in scene.tables.queue.values()} == {paused_lane(RUN)}
    assert len(scene.queued()) == 3
    scene.decide(ResumeRequested(RUN))
    requeue(scene, bite=1)
    assert len(scene.claim()) == 3


def test_bites_move_all_rows_and_a_later_change_overtakes_them() -> None:
    scene = Scene(mapping(window=10))
    scene.submit(xs=list(range(10)))
    before = dict(scene.tables.queue)
    scene.decide(PauseRequested(RUN))
    (order,) = [each for each in scene.pass_time(timedelta(0)) if isinstance(each, Requeue)]
    scene.decide(ResumeRequested(RUN), QueuedFound(RUN, order.number, tuple(scene.tables.queue.values())[:3], "x"))
    requeue(scene, bite=4)
    assert scene.tables.queue == before
    scene.decide(PauseRequested(RUN))
    assert requeue(scene, bite=3) == 4
    assert {row.lane for row in scene.tables.queue.values()} == {paused_lane(RUN)}


def test_a_run_whose_last_attempt_ends_while_it_is_paused_ends() -> None:
    scene = Scene(two())
    scene.submit()
    scene.claim()
    scene.decide(PauseRequested(RUN))
    scene.succeed("one")
    scene.succeed("two")
    assert scene.run.status == "succeeded"


def test_another_priority_moves_what_is_queued_and_what_becomes_ready_later() -> None:
    scene = Scene(mapping(window=2))
    scene.submit(xs=[1, 2, 3])
    before = {path: row.order for (_, path), row in scene.tables.queue.items()}
    scene.now += SECOND
    scene.decide(RunChanged(RUN, priority=5, tags={"team": "a"}))
    requeue(scene, bite=1)
    after = {path: row.order for (_, path), row in scene.tables.queue.items()}
    assert after == {path: order - 5 * PRIORITY_US for path, order in before.items()}
    scene.claim(1)
    scene.succeed("all[0]/each")
    assert scene.tables.queue[RUN, "all[2]/each"].order == scene.now - 5 * PRIORITY_US
    assert scene.run.tags == {"team": "a"}


def test_a_change_that_changes_nothing_writes_nothing() -> None:
    scene = Scene(two())
    scene.submit(priority=3)
    scene.decide(RunChanged(RUN, priority=3, untag=("none",)))
    assert not any(kind is TimerKind.REQUEUE for _, _, kind in scene.tables.timers)
    assert "run_changed" not in scene.kinds()
    assert isinstance(scene.state("one"), Ready)
