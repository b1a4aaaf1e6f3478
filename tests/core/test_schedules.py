"""Rules that start runs, over random rules, clocks and runs: each due instant is dealt with once, by the policy."""

from collections import Counter
from collections.abc import Iterable
from itertools import islice, takewhile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from tidemill.adapters.cron.almanac import CronAlmanac
from tidemill.core.events import CancelRequested, RunSubmitted
from tidemill.core.ids import Digest, Instant, RunId
from tidemill.core.recurrence import (
    BITE,
    LATE_US,
    SECOND_US,
    CatchUp,
    Cron,
    Dues,
    Every,
    Once,
    Overlap,
    Terms,
    ripe,
    run_id,
)
from tidemill.core.rows import Call, Cause, Fire, FireKind, Schedule
from tidemill.core.run import Cancelled, Cancelling, Ended, Run, Running, Succeeded
from tidemill.core.schedules import Asked, Firing, Verdict, backfilled, begun, edited, paused, resumed

START: Instant = 1_774_700_000_000_000  # 2026-03-28: the hour that Berlin skips is in reach
HOUR_US = 3600 * SECOND_US
quick = settings(max_examples=150, deadline=None)
DIGEST = Digest(b"d" * 32)


class Scene:
    """One schedule, its runs, and a clock that goes where it is told to."""

    def __init__(self, terms: Terms, at: Instant = START) -> None:
        self.dues = Dues(terms, b"s" * 16, CronAlmanac().cron)
        self.row = begun(Schedule("nightly", b"s" * 16, terms, Call(task="w.t"), at, at, at), self.dues)
        self.at, self.runs = at, dict[RunId, Run | None]()
        self.history: list[Fire] = []
        self.started: list[RunId] = []
        self.due_of: dict[RunId, Instant] = {}

    def look(self, at: Instant | None = None) -> None:
        """As the shell does: what is due is dealt with until nothing is."""
        self.at = self.at if at is None else at
        while self.row.next_at is not None and self.row.next_at <= self.at:
            self.settle(Asked(ripe=ripe(self.row.terms, self.dues, self.row.cursor_at, self.at)))
        if self.row.waiting:
            self.settle(Asked(let_go=True))

    def settle(self, asked: Asked) -> None:
        prepared = {}
        for due_at, run in asked.candidates(self.row):
            prepared[run] = RunSubmitted(run, DIGEST, "w.t", {}, DIGEST)
            self.due_of[run] = due_at
            self.runs.setdefault(run, None)
        self.take(Firing(self.row, self.runs, prepared, self.at).settle(asked))

    def take(self, verdict: Verdict) -> None:
        assert verdict.row is not None
        self.row = verdict.row
        self.history += verdict.fires
        for event in verdict.events:
            if isinstance(event, CancelRequested):
                run = self.runs[event.run]
                assert run is not None
                self.runs[event.run] = replace(run, state=Cancelling(Cancelled()))
            else:
                assert self.runs[event.run] is None, "a run starts once"
                self.started.append(event.run)
                self.runs[event.run] = Run(event.run, DIGEST, "w.t", Running(), self.at, DIGEST)

    def live(self) -> list[RunId]:
        return [run for run, row in self.runs.items() if row is not None and not isinstance(row.state, Ended)]

    def end(self, run: RunId) -> None:
        row = self.runs[run]
        assert row is not None
        self.runs[run] = replace(row, state=Ended(Succeeded()))

    def kinds(self) -> list[str]:
        return [fire.kind.value for fire in self.history]

    def instants(self) -> list[Instant]:
        return [self.due_of[run] for run in self.started]


def minutes(*numbers: int) -> list[Instant]:
    first = -(-START // LATE_US) * LATE_US
    return [first + number * LATE_US for number in numbers]


def every_minute(**terms: object) -> Scene:
    return Scene(Terms(Every(LATE_US), **terms))  # type: ignore[arg-type]


# Random histories ----------------------------------------------------------------------------------

RULES = st.one_of(
    st.sampled_from([Cron("*/5 * * * *"), Cron("30 2 * * *"), Cron("0 0,2,3 * * *"), Cron("15,45 */20 * * * *")]),
    st.builds(Every, st.integers(60, 7200).map(lambda s: s * SECOND_US), st.integers(0, START)),
    st.builds(Once, st.integers(START + 1, START + 48 * HOUR_US)),
)
TERMS = st.builds(
    Terms,
    rule=RULES,
    zone=st.sampled_from(["UTC", "Europe/Berlin", "America/Sao_Paulo"]),
    end_at=st.integers(START, START + 30 * HOUR_US) | st.just(START * 2),
    overlap=st.sampled_from(Overlap),
    queue_limit=st.integers(0, 3),
    catch_up=st.sampled_from(CatchUp),
    window_us=st.integers(0, 3 * HOUR_US),
    jitter_us=st.just(0) | st.integers(1, 2 * HOUR_US),
)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("clock"), st.integers(-2 * HOUR_US, 4 * HOUR_US) | st.integers(0, 200 * SECOND_US)),
        st.tuples(st.just("end"), st.integers(0, 5)),
    ),
    max_size=12,
)


def upto(dues: Dues, floor: Instant, at: Instant) -> list[Instant]:
    return list(takewhile(lambda due_at: due_at <= at, dues.after(floor)))


def dealt_with(history: Iterable[Fire], dues: Dues) -> Counter[Instant]:
    """How often each due instant was started, skipped or missed; to wait is not yet one of these."""
    found = Counter[Instant]()
    for fire in history:
        if fire.kind is FireKind.MISSED:
            found.update(upto(dues, fire.due_at - 1, fire.last_at))
        elif fire.kind is not FireKind.WAITS:
            found[fire.due_at] += 1
    return found


@pytest.mark.promise("P7")
@quick
@given(TERMS, STEPS)
def test_each_due_instant_is_dealt_with_once_wherever_the_clock_goes(
    terms: Terms, steps: list[tuple[str, int]]
) -> None:
    scene = Scene(terms)
    scene.look()
    for what, number in steps:
        live = scene.live()
        if what == "end" and live:
            scene.end(live[number % len(live)])
            scene.look()
        elif what == "clock":
            scene.look(max(scene.at + number, 1))
        if terms.overlap is not Overlap.ALLOW:
            assert len(scene.live()) <= 1
    cursor = scene.row.cursor_at
    found = dealt_with(scene.history, scene.dues) + Counter(scene.row.waiting)
    assert cursor >= START
    assert found == Counter(upto(scene.dues, START, cursor))
    assert len(scene.row.waiting) <= max(terms.queue_limit, 1)
    assert [fire.number for fire in scene.history] == list(range(1, scene.row.lines + 1))


@quick
@given(TERMS, st.integers(START, START + 30 * HOUR_US))
def test_what_is_missed_is_made_up_for_as_the_policy_says(terms: Terms, at: Instant) -> None:
    scene = Scene(replace(terms, overlap=Overlap.ALLOW))
    due = [each for each in upto(scene.dues, START, at) if scene.dues.fire_at(each) <= at]
    scene.look(at)
    started = scene.instants()
    match terms.catch_up:
        case CatchUp.NONE:
            assert started == [each for each in due[-1:] if at - scene.dues.fire_at(each) <= LATE_US]
        case CatchUp.LAST:
            is_late = [at - scene.dues.fire_at(each) > LATE_US and at - each > terms.window_us for each in due[-1:]]
            assert started == ([] if is_late == [True] else due[-1:])
        case CatchUp.ALL:
            assert started == [each for each in due if at - each <= terms.window_us]
    assert scene.row.due_at == scene.dues.next(scene.row.cursor_at)


@quick
@given(TERMS, st.integers(START, START + 10 * HOUR_US))
def test_jitter_is_the_same_each_time_and_never_overtakes_the_next_instant(terms: Terms, at: Instant) -> None:
    dues, again = (Dues(terms, b"x", CronAlmanac().cron) for _ in range(2))
    found = list(islice(dues.after(at), 5))
    fires = [dues.fire_at(each) for each in found]
    assert fires == [again.fire_at(each) for each in found]
    assert all(0 <= fire - each <= terms.jitter_us for fire, each in zip(fires, found, strict=True))
    assert all(fire < following for fire, following in zip(fires, found[1:], strict=False)) or not terms.jitter_us


@quick
@given(TERMS, st.integers(START - HOUR_US, START + 30 * HOUR_US), st.integers(0, 10 * HOUR_US))
def test_the_last_instant_before_a_moment_is_found_from_either_side(terms: Terms, at: Instant, span: int) -> None:
    dues = Dues(terms, b"x", CronAlmanac().cron)
    before = upto(dues, at - span, at)
    assert dues.last(at, at - span) == (before[-1] if before else None)


def test_the_id_of_a_run_follows_from_schedule_and_instant() -> None:
    assert run_id(b"a" * 16, START) == run_id(b"a" * 16, START)
    assert len({run_id(b"a" * 16, START), run_id(b"b" * 16, START), run_id(b"a" * 16, START + 1)}) == 3
    assert run_id(b"a" * 16, START)[6] >> 4 == 7


# Policies ------------------------------------------------------------------------------------------


def test_a_fire_is_skipped_while_a_run_goes_on() -> None:
    scene = every_minute()
    for at in minutes(0, 1):
        scene.look(at)
    scene.end(scene.started[0])
    scene.look(minutes(2)[0])
    assert scene.kinds() == ["started", "skipped", "started"]
    assert scene.instants() == minutes(0, 2)
    assert "goes on" in scene.history[1].detail


def test_a_queue_holds_so_many_and_they_start_in_order() -> None:
    scene = every_minute(overlap=Overlap.QUEUE, queue_limit=2)
    for at in minutes(0, 1, 2, 3):
        scene.look(at)
    assert scene.kinds() == ["started", "waits", "waits", "skipped"]
    assert scene.history[-1].detail == "2 wait already"
    while scene.live():
        scene.end(scene.live()[0])
        scene.look()
    assert scene.instants() == minutes(0, 1, 2)


def test_a_replaced_run_is_cancelled_and_the_next_starts_when_it_has_stopped() -> None:
    scene = every_minute(overlap=Overlap.REPLACE)
    for at in minutes(0, 1, 2):
        scene.look(at)
    first = scene.runs[scene.started[0]]
    assert first is not None
    assert first.status == "cancelling"
    assert scene.kinds() == ["started", "waits", "skipped", "waits"]
    scene.end(scene.started[0])
    scene.look()
    assert scene.instants() == minutes(0, 2)


def test_many_missed_ones_are_made_up_for_in_bites() -> None:
    scene = every_minute(overlap=Overlap.ALLOW, catch_up=CatchUp.ALL)
    last = minutes(99)[0]
    scene.settle(Asked(ripe=ripe(scene.row.terms, scene.dues, scene.row.cursor_at, last)))
    assert len(scene.started) == BITE
    scene.look(last)
    assert scene.instants() == minutes(*range(100))


def test_what_cannot_start_is_told_and_holds_nobody_up() -> None:
    scene = every_minute()
    asked = Asked(ripe=ripe(scene.row.terms, scene.dues, scene.row.cursor_at, minutes(0)[0]))
    ((_, run),) = asked.candidates(scene.row)
    verdict = Firing(scene.row, {run: None}, {run: "no such task"}, START).settle(asked)
    scene.take(verdict)
    scene.look(minutes(1)[0])
    assert scene.kinds() == ["refused", "started"]
    assert scene.history[0].detail == "no such task"


# What people do ------------------------------------------------------------------------------------


def test_a_pause_drops_what_comes_due_and_says_so() -> None:
    scene = every_minute()
    scene.row = paused(scene.row, "holidays", minutes(0)[0] - 1)
    scene.look(minutes(5)[0])
    assert scene.started == []
    scene.take(resumed(scene.row, scene.dues, minutes(5)[0]))
    scene.look(minutes(6)[0])
    assert scene.instants() == minutes(6)
    assert [(fire.kind, fire.count) for fire in scene.history] == [(FireKind.MISSED, 6), (FireKind.STARTED, 1)]


def test_a_trigger_fires_a_paused_schedule_and_the_same_instant_once() -> None:
    scene = every_minute()
    scene.row = paused(scene.row, "", START)
    for _ in range(2):
        scene.settle(Asked(trigger_at=START + 5))
        for run in scene.live():
            scene.end(run)
    assert scene.instants() == [START + 5]
    assert scene.kinds() == ["started", "there"]
    assert scene.history[0].cause is Cause.TRIGGER


def test_a_backfill_starts_what_has_no_run_so_many_at_a_time() -> None:
    scene = every_minute(overlap=Overlap.ALLOW)
    scene.look(minutes(2)[0])
    (there,) = scene.started
    scene.row = backfilled(scene.row, minutes(-2)[0], minutes(2)[0], 2, scene.at)
    seen = []
    while scene.row.backfill:
        backfill = scene.row.backfill
        room = 2 - sum(run in scene.live() for run in backfill.running)
        left = [at for at in islice(scene.dues.after(backfill.cursor_at), 10) if at <= backfill.until_at]
        scene.settle(Asked(back=tuple(left[:room]), cut=len(left) <= room))
        seen.append(len([run for run in scene.live() if run != there]))
        for run in scene.live()[:1]:
            scene.end(run)
    assert sorted(scene.instants()) == minutes(-2, -1, 0, 1, 2)
    assert max(seen) == 2
    assert scene.kinds().count("there") == 1


def test_an_edit_of_the_rule_counts_from_now_and_one_of_the_policy_changes_no_instant() -> None:
    scene = every_minute()
    at = minutes(3)[0]
    terms = scene.row.terms
    lenient = edited(scene.row, replace(terms, overlap=Overlap.ALLOW), scene.row.call, scene.dues, at)
    assert lenient is not None
    assert (lenient.cursor_at, lenient.due_at, lenient.revision) == (START, scene.row.due_at, 2)
    slower = replace(terms, rule=Every(HOUR_US))
    hourly = edited(scene.row, slower, scene.row.call, Dues(slower, b"", CronAlmanac().cron), at)
    assert hourly is not None
    assert hourly.cursor_at == at
    assert edited(scene.row, terms, scene.row.call, scene.dues, at) is None


@pytest.mark.parametrize("overlap", [Overlap.SKIP, Overlap.QUEUE, Overlap.REPLACE])
def test_one_that_was_asked_for_at_a_moment_fires_then_and_is_over(overlap: Overlap) -> None:
    scene = Scene(Terms(Once(START + 7), overlap=overlap))
    scene.look(START + 6)
    assert scene.started == []
    scene.look(START + 7)
    assert scene.instants() == [START + 7]
    assert scene.row.next_at is None
