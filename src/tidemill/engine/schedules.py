"""What starts runs by the clock: it sleeps until the next schedule fires, and asks the engine's beat to fire it.

What is due is worked out here, on the row as it was committed; the beat decides only if the row is still that one, so
a fire, its run and the next instant are one commit. Nothing here must survive a crash.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from itertools import islice

from msgspec import Struct

from tidemill.core.errors import ConflictError, InputError, InternalError, UnavailableError
from tidemill.core.events import RunSubmitted
from tidemill.core.ids import Instant, RunId
from tidemill.core.recurrence import Dues, ripe
from tidemill.core.rows import Keys, Schedule
from tidemill.core.schedules import Asked, Firing, Verdict, is_over, paused
from tidemill.engine.answers import failer
from tidemill.engine.inbox import Inbox
from tidemill.engine.neighbours import Neighbours
from tidemill.engine.orders import Order, event_of
from tidemill.engine.scheduling import Broken, Decide, Rescheduling, Settled, Stale
from tidemill.ports.almanac import Almanac
from tidemill.ports.clock import Clock
from tidemill.ports.peers import Duty
from tidemill.ports.store import Store

BITE = 100  # schedules in one beat
LONGEST_S = 60.0  # of a sleep: a machine that was asleep itself is on time a minute later
RETRY_S = 1.0
TRIES = 20  # of a change that others overtake

_log = logging.getLogger("tidemill.engine")

Prepare = Callable[[Schedule, Instant, RunId], Awaitable[Order | str]]  # a text: why it cannot start


class UnknownScheduleError(InputError):
    def __init__(self, name: str) -> None:
        super().__init__(f"there is no schedule {name[:200]!r}")


class ScheduleChangedError(ConflictError):
    """It is not what its caller last saw."""


class Change(Struct, frozen=True):
    """How a schedule is to be changed, and the runs that this looks at."""

    decide: Decide
    runs: tuple[RunId, ...] = ()


Plan = Callable[[Schedule | None], Awaitable[Change | None]]  # on the row as it is; None changes nothing


class Schedules:
    def __init__(self, store: Store, inbox: Inbox, clock: Clock, neighbours: Neighbours) -> None:
        self._store, self._inbox, self._clock, self._neighbours = store, inbox, clock, neighbours
        self._opened, self._bell = asyncio.Event(), asyncio.Event()
        self._touched: dict[str, None] = {}  # to be looked at, whatever the time
        self._watched: dict[RunId, str] = {}  # runs whose end may start another
        self._next_at: Instant | None = 0
        self._doubtful = True  # what waits must be read anew

    def open(self, almanac: Almanac, prepare: Prepare) -> None:
        """From now on schedules fire."""
        self._almanac, self._prepare = almanac, prepare
        self._opened.set()

    def dues(self, row: Schedule) -> Dues:
        return Dues(row.terms, row.id, self._almanac.cron)

    # What others tell ------------------------------------------------------------------------------

    def ended(self, run: RunId) -> None:
        name = self._watched.pop(run, None)
        if name is not None:
            self._touch(name)

    def look_again(self) -> None:
        """Rows may have changed without a word."""
        self._doubtful = True
        self._bell.set()

    async def change(self, name: str, plan: Plan) -> Verdict | None:
        """Change a schedule; returns after the commit. Raises what ``plan`` raises, and UnavailableError."""
        for _ in range(TRIES):
            row = await self.find(name)
            change = await plan(row)
            if change is None:
                return None
            match await self._put(name, row, change):
                case Verdict() as verdict:
                    return verdict
                case Broken(error=error):
                    raise error
                case Stale():
                    continue
        raise UnavailableError(f"the schedule {name!r} changes all the time; try again")

    async def find(self, name: str) -> Schedule | None:
        return (await self._store.rows(Keys(schedules=[name]))).schedules[name]

    async def asked(self, row: Schedule, asked: Asked) -> Change:
        """The change that deals with what is asked; its runs are prepared."""
        candidates = asked.candidates(row)
        named = [*row.running, *(row.backfill.running if row.backfill else ())]
        runs = tuple(dict.fromkeys([*named, *(run for _, run in candidates)]))
        known = (await self._store.rows(Keys(runs=list(runs)))).runs
        prepared: dict[RunId, RunSubmitted | str] = {}
        for due_at, run in candidates:
            order = "" if known[run] else await self._prepare(row, due_at, run)
            prepared[run] = order if isinstance(order, str) else event_of(order)
        return Change(lambda found, at: Firing(row, found, prepared, at).settle(asked), runs)

    # The loop --------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Fire what is due, until cancelled."""
        await self._opened.wait()
        while True:
            if not self._neighbours.holds(Duty.CHORES):
                await self._rest()
                continue
            self._bell.clear()
            try:
                rests = await self._round()
            except UnavailableError as error:
                _log.warning("schedules wait: %s", error)
                self._doubtful = True
                await asyncio.sleep(RETRY_S)
                continue
            if rests:
                await self._sleep()

    async def _rest(self) -> None:
        """Another server fires them; should it die, all is looked at anew."""
        await asyncio.sleep(RETRY_S)
        self._doubtful, self._next_at = True, None

    def idle_violation(self) -> str | None:
        """Whether it sleeps although a schedule is due (ports.probe)."""
        is_late = self._next_at is not None and self._next_at < self._clock.now() - 2_000_000
        return "the schedules sleep past a fire" if self._opened.is_set() and is_late else None

    async def _sleep(self) -> None:
        delay = LONGEST_S
        if self._next_at is not None:
            delay = min(delay, max(0.0, (self._next_at - self._clock.now()) / 1e6))
        try:
            async with asyncio.timeout(delay):
                await self._bell.wait()
        except TimeoutError:
            pass

    async def _round(self) -> bool:
        """Look at a bite of what is due or touched; whether there is no more of it."""
        if self._doubtful:
            await self._read_busy()
        at = self._clock.now()
        rows = {row.name: row for row in await self._store.schedules_due(at, BITE)}
        names = [name for name in islice(self._touched, BITE) if name not in rows]
        found = (await self._store.rows(Keys(schedules=names))).schedules if names else {}
        for name in (*rows, *names):
            self._touched.pop(name, None)
        rows |= {name: row for name, row in found.items() if row is not None}
        changes = [(row, change) for row in rows.values() if (change := await self._work(row, at)) is not None]
        answers = [self._put(row.name, row, change) for row, change in changes]
        settled = await asyncio.gather(*answers, return_exceptions=True)
        for (row, _), answer in zip(changes, settled, strict=True):
            await self._hear(row, answer)
        self._next_at = await self._store.next_fire()
        return not self._touched and (self._next_at is None or self._next_at > self._clock.now())

    async def _read_busy(self) -> None:
        after = ""
        while page := await self._store.schedules_busy(after, BITE):
            self._touched |= dict.fromkeys(row.name for row in page)
            after = page[-1].name
        self._doubtful = False

    async def _work(self, row: Schedule, at: Instant) -> Change | None:
        """What is to be done about a schedule; None when there is nothing."""
        try:
            dues = self.dues(row)
            asked = Asked(ripe=ripe(row.terms, dues, row.cursor_at, at) if _is_due(row, at) else None)
            if row.is_busy:
                asked = await self._busy(row, asked, dues)
            if asked == Asked():
                return None
            return await self.asked(row, asked)
        except UnavailableError:
            raise
        except Exception as error:  # noqa: BLE001  # the outermost line of one schedule: the others go on
            _log.exception("the schedule %r cannot be worked out; it is paused", row.name)
            return _pausing(row, error)

    async def _busy(self, row: Schedule, asked: Asked, dues: Dues) -> Asked:
        """What can go on, for a run has ended; the runs that are still in its way are watched."""
        backfill = row.backfill
        named = [*row.running, *(backfill.running if backfill else ())]
        for run in named:
            self._watched[run] = row.name
        runs = (await self._store.rows(Keys(runs=named))).runs if named else {}
        if backfill is not None:
            live = sum(not is_over(runs[run]) for run in backfill.running)
            few = islice(dues.after(backfill.cursor_at), backfill.at_once - live + 1)
            back = tuple(due_at for due_at in few if due_at <= backfill.until_at)
            is_cut = len(back) <= backfill.at_once - live
            back = back[: backfill.at_once - live]
            if back or (is_cut and not live):
                asked = Asked(asked.ripe, back=back, cut=is_cut)
        if row.waiting and not row.paused_at and all(is_over(runs[run]) for run in row.running):
            asked = Asked(asked.ripe, back=asked.back, cut=asked.cut, let_go=True)
        return asked

    async def _hear(self, row: Schedule, settled: Settled | BaseException) -> None:
        match settled:
            case Verdict():
                pass
            case Stale():
                self._touch(row.name)
            case Broken(error=error) | (InternalError() as error):
                await self._put(row.name, row, _pausing(row, error))
            case _:
                raise settled

    # Asking the beat -------------------------------------------------------------------------------

    def _put(self, name: str, row: Schedule | None, change: Change) -> "asyncio.Future[Settled]":
        future: asyncio.Future[Settled] = asyncio.get_running_loop().create_future()

        def done(settled: Settled) -> None:
            if isinstance(settled, Verdict) and settled.row is not None:
                self._note(settled.row)
            if not future.done():
                future.set_result(settled)

        self._inbox.put(Rescheduling(name, row, change.runs, change.decide, done, failer(future)))
        return future

    def _note(self, row: Schedule) -> None:
        """After the commit, before another beat is told of."""
        if row.is_busy:
            self._touch(row.name)
        if row.next_at is not None and (self._next_at is None or row.next_at < self._next_at):
            self._next_at = row.next_at
            self._bell.set()

    def _touch(self, name: str) -> None:
        self._touched[name] = None
        self._bell.set()


def _is_due(row: Schedule, at: Instant) -> bool:
    return row.next_at is not None and row.next_at <= at


def _pausing(row: Schedule, error: Exception) -> Change:
    reason = f"it cannot be worked out: {error}"
    return Change(lambda _, at: Verdict(paused(row, reason, at)))
