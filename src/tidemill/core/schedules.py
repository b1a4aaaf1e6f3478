"""Rules that start runs: what they remember, and what they do when time comes or a person asks.

```text
active ── due ──► start │ skip │ wait (queue; replace: until the run before has stopped)
       ── pause ─► paused ── resume ─► active, from now on
```
Pure: the row, what is due and the runs that it names go in; the new row, lines of its history, runs to start and to
cancel come out, all of one commit. The id of a run follows from its schedule and due instant, so none starts twice.
"""

from collections.abc import Mapping, Sequence

from msgspec import Struct
from msgspec.structs import replace

from tidemill.core.events import CancelRequested, RunSubmitted
from tidemill.core.ids import Instant, RunId, text_of
from tidemill.core.recurrence import Dues, Missed, Overlap, Ripe, Terms, missed_in, run_id, waiting
from tidemill.core.rows import Backfill, Call, Cause, Fire, FireKind, Schedule
from tidemill.core.run import Ended, Halted, Run

Prepared = Mapping[RunId, RunSubmitted | str]  # the runs that may start; a text says why one cannot


class Verdict(Struct, frozen=True):
    """``row`` is None when the schedule is removed."""

    row: Schedule | None
    fires: tuple[Fire, ...] = ()
    events: tuple[RunSubmitted | CancelRequested, ...] = ()


class Asked(Struct, frozen=True):
    """What is to be dealt with: what time has brought, what a person triggers, and instants of the backfill.

    ``cut`` says that the backfill has no more instants than these.
    """

    ripe: Ripe | None = None
    trigger_at: Instant | None = None
    overlap: Overlap | None = None  # for the trigger, instead of the schedule's own
    back: tuple[Instant, ...] = ()
    cut: bool = False
    let_go: bool = False  # what waits may start

    def candidates(self, row: Schedule) -> list[tuple[Instant, RunId]]:
        """Each run that may have to start."""
        ripe = self.ripe.fire if self.ripe else ()
        trigger = () if self.trigger_at is None else (self.trigger_at,)
        instants = dict.fromkeys((*row.waiting[:1], *ripe, *trigger, *self.back))
        return [(due_at, run_id(row.id, due_at)) for due_at in instants]


def is_over(run: Run | None) -> bool:
    """Whether nothing of it runs any more; a halted one waits for a person, and holds nobody up."""
    return run is None or isinstance(run.state, (Ended, Halted))


class Firing:
    """One schedule, in one beat."""

    def __init__(self, row: Schedule, runs: Mapping[RunId, Run | None], prepared: Prepared, at: Instant) -> None:
        """``runs``: those that the row names, and those that are prepared."""
        self.row, self._runs, self._prepared, self._at = row, runs, prepared, at
        self._running = [run for run in row.running if not is_over(runs.get(run))]
        self._waiting = list(row.waiting)
        self._fires: list[Fire] = []
        self._events: list[RunSubmitted | CancelRequested] = []

    def settle(self, asked: Asked) -> Verdict:
        row = self.row
        if not row.paused_at:
            self._let_go()
        if asked.ripe is not None:
            self._missed(asked.ripe.missed)
            self._due(asked.ripe.fire)
            row = replace(row, cursor_at=asked.ripe.cursor_at, due_at=asked.ripe.due_at, next_at=asked.ripe.next_at)
        if asked.trigger_at is not None:
            self._fire(asked.trigger_at, Cause.TRIGGER, asked.overlap or row.terms.overlap)
        backfill = self._back(row.backfill, asked) if row.backfill else None
        row = replace(
            row,
            running=tuple(self._running),
            waiting=tuple(self._waiting),
            backfill=backfill,
            lines=row.lines + len(self._fires),
            version=row.version + 1,
        )
        return Verdict(row, tuple(self._fires), tuple(self._events))

    def _due(self, instants: Sequence[Instant]) -> None:
        overlap = self.row.terms.overlap
        if overlap is Overlap.REPLACE:  # of several at once, only the last would live
            for due_at in instants[:-1]:
                self._line(FireKind.SKIPPED, Cause.RULE, due_at, detail="a later one replaces it")
            instants = instants[-1:]
        for due_at in instants:
            self._fire(due_at, Cause.RULE, overlap)

    def _fire(self, due_at: Instant, cause: Cause, overlap: Overlap) -> None:
        if overlap is Overlap.ALLOW or not (self._running or self._waiting):
            self._start(due_at, cause, self._running)
        elif overlap is Overlap.SKIP:
            self._line(FireKind.SKIPPED, cause, due_at, detail=self._because())
        elif overlap is Overlap.REPLACE:
            self._replace(due_at, cause)
        elif len(self._waiting) >= self.row.terms.queue_limit:
            self._line(FireKind.SKIPPED, cause, due_at, detail=f"{len(self._waiting)} wait already")
        else:
            self._wait(due_at, cause)

    def _replace(self, due_at: Instant, cause: Cause) -> None:
        for waiting_at in self._waiting:
            self._line(FireKind.SKIPPED, Cause.RULE, waiting_at, detail="a later one replaces it")
        self._waiting.clear()
        reason = f"a later run of the schedule {self.row.name!r} replaces it"
        self._events += [CancelRequested(run, reason) for run in self._running]
        self._wait(due_at, cause)

    def _wait(self, due_at: Instant, cause: Cause) -> None:
        self._waiting.append(due_at)
        self._line(FireKind.WAITS, cause, due_at, detail=self._because())

    def _let_go(self) -> None:
        """One that waits starts when nothing of the schedule runs any more."""
        while self._waiting and not self._running:
            due_at = self._waiting.pop(0)
            if run_id(self.row.id, due_at) not in self._prepared:  # it was not the first when these were prepared
                self._waiting.insert(0, due_at)
                return
            self._start(due_at, Cause.RULE, self._running)

    def _back(self, backfill: Backfill, asked: Asked) -> Backfill | None:
        running = [run for run in backfill.running if not is_over(self._runs.get(run))]
        rest = list(asked.back)
        cursor_at = backfill.cursor_at
        while rest and len(running) < backfill.at_once:
            cursor_at = rest.pop(0)
            self._start(cursor_at, Cause.BACKFILL, running)
        if asked.cut and not rest and not running:
            return None
        return replace(backfill, cursor_at=cursor_at, running=tuple(running))

    def _start(self, due_at: Instant, cause: Cause, running: list[RunId]) -> None:
        run = run_id(self.row.id, due_at)
        event = self._prepared[run]
        if (known := self._runs.get(run)) is not None:
            self._line(FireKind.THERE, cause, due_at, run)
            if not is_over(known) and run not in running:
                running.append(run)
        elif isinstance(event, str):
            self._line(FireKind.REFUSED, cause, due_at, detail=event)
        else:
            self._line(FireKind.STARTED, cause, due_at, run)
            self._events.append(event)
            if running is not self._running or self.row.terms.overlap is not Overlap.ALLOW:
                running.append(run)

    def _because(self) -> str:
        if not self._running:
            return f"{len(self._waiting)} wait before it"
        return f"run {text_of(self._running[0])} goes on"

    def _missed(self, missed: Missed | None) -> None:
        if missed is not None:
            self._line(FireKind.MISSED, Cause.RULE, missed.first_at, detail="it came too late")
            self._fires[-1] = replace(self._fires[-1], last_at=missed.last_at, count=missed.count)

    def _line(
        self, kind: FireKind, cause: Cause, due_at: Instant, run: RunId | None = None, *, detail: str = ""
    ) -> None:
        number = self.row.lines + len(self._fires) + 1
        self._fires.append(Fire(self.row.id, number, kind, cause, due_at, self._at, run, detail))


# What people change --------------------------------------------------------------------------------


def begun(row: Schedule, dues: Dues) -> Schedule:
    """A new one with what comes first; what was due before it was made does not fire."""
    return _following(row, waiting(dues, row.cursor_at))


def edited(row: Schedule, terms: Terms, call: Call, dues: Dues, at: Instant) -> Schedule | None:
    """The schedule with other terms, or starting something else; None when that is what it says already.

    A rule that is another counts from now on; what was due by the old one is over.
    """
    if (terms, call) == (row.terms, row.call):
        return None
    cursor_at = row.cursor_at if _same_rule(terms, row.terms) else max(at, row.cursor_at)
    changed = replace(row, terms=terms, call=call, cursor_at=cursor_at)
    return _touched(_following(changed, waiting(dues, cursor_at)), at)


def paused(row: Schedule, reason: str, at: Instant) -> Schedule:
    """Nothing is due while it is paused; backfills go on, and it can be triggered."""
    return _touched(replace(row, paused_at=row.paused_at or at, reason=reason, next_at=None), at)


def resumed(row: Schedule, dues: Dues, at: Instant) -> Verdict:
    """From now on; what was due in between is missed."""
    cursor_at = max(at, row.cursor_at)
    missed = missed_in(dues, row.cursor_at, cursor_at)
    changed = _touched(replace(row, paused_at=None, reason="", cursor_at=cursor_at), at)
    changed = _following(changed, waiting(dues, cursor_at))
    if missed is None:
        return Verdict(changed)
    line = Fire(row.id, row.lines + 1, FireKind.MISSED, Cause.RULE, missed.first_at, at, None, "it was paused")
    line = replace(line, last_at=missed.last_at, count=missed.count)
    return Verdict(replace(changed, lines=row.lines + 1), (line,))


def backfilled(row: Schedule, from_at: Instant, until_at: Instant, at_once: int, at: Instant) -> Schedule:
    """Both ends are included."""
    return _touched(replace(row, backfill=Backfill(from_at, until_at, from_at - 1, at_once)), at)


def _same_rule(new: Terms, old: Terms) -> bool:
    return all(getattr(new, name) == getattr(old, name) for name in ("rule", "zone", "start_at", "end_at"))


def _following(row: Schedule, ripe: Ripe) -> Schedule:
    return replace(row, due_at=ripe.due_at, next_at=None if row.paused_at else ripe.next_at)


def _touched(row: Schedule, at: Instant) -> Schedule:
    return replace(row, changed_at=at, version=row.version + 1, revision=row.revision + 1)
