"""The loop of the engine: gather, decide, commit, deliver (engine.md, "The beat").

One loop makes the beats. While one commits, the next gathers. Everything that must survive a crash is a row; what is
kept here (seats, watches, readers of the feed) is made anew by those who connect again.
"""

import asyncio
import logging
from collections.abc import Sequence
from datetime import timedelta

from tidemill.core.errors import UnavailableError
from tidemill.core.ids import Instant, RunId
from tidemill.engine.delivery import Delivery
from tidemill.engine.fetches import Fetches
from tidemill.engine.inbox import Arrival, Departure
from tidemill.engine.neighbours import news_of
from tidemill.engine.reader import Reader
from tidemill.engine.seats import ASK_AGAIN
from tidemill.engine.together import EngineSettings, Together
from tidemill.engine.turn import Turn
from tidemill.engine.uploads import Uploads
from tidemill.ports.blobs import Blobs
from tidemill.ports.clock import Clock
from tidemill.ports.entropy import Entropy
from tidemill.ports.store import BlobGoneError, HeldElsewhereError, RowRefusedError, Store

DUE_LIMIT = 500
EXPIRED_EVERY = timedelta(seconds=60)  # how often queue limits are looked at
RETRY_S = 0.2  # after a commit that failed
HELD_S = 0.004  # when another server's beat was in the way; the next beat waits for it
HELD_US = 5000  # until due timers are looked at again that another server has in hand

_log = logging.getLogger("tidemill.engine")


class Beats(Together):
    def __init__(self, store: Store, blobs: Blobs, clock: Clock, entropy: Entropy, settings: EngineSettings) -> None:
        super().__init__(store, clock, settings)
        self._entropy = entropy
        self.reader = Reader(store, blobs, self.graphs)
        self._uploads = Uploads(store, blobs, self.record)
        self._fetches = Fetches(store, self.reader, blobs)
        self._delivery = Delivery(self.seats, self._watches, self.feed, self._inbox, self._fetches)
        self.tallies = self._delivery.tallies
        self._delivery.when_ended += self.when_ended
        self._delivery.when_written += [self.registry.note, self.shelves.written]
        self._beating = self._in_doubt = False
        self.trouble = ""  # why nothing can be written, since the last commit that failed
        self._held_run: RunId | None = None  # of another server's beat: the next one waits for it first

    # The loop --------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Recover, then beat until cancelled."""
        await self.neighbours.join()
        await self._recover()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._fetches.work(self._send, self._stored))
            group.create_task(self.schedules.run())
            group.create_task(self.neighbours.run(self))
            if self.neighbours.are_possible:
                group.create_task(self.feed.tail())
            while True:
                await self._sleep()
                await self._beat(self._inbox.take())

    async def _sleep(self) -> None:
        """Until something has arrived, or time brings something."""
        if not self._inbox.hurried:
            await self._wait(self._next_wake())
        if not self._inbox.hurried and len(self._inbox):
            await self._wait(self.clock.now() + _us(self.settings.soon), hurried=True)

    async def _wait(self, until: Instant | None, *, hurried: bool = False) -> None:
        delay = None if until is None else max(0.0, (until - self.clock.now()) / 1e6)
        try:
            async with asyncio.timeout(delay):
                await self._inbox.wait()
                while hurried and not self._inbox.hurried:
                    self._inbox.hush()
                    await self._inbox.wait()
        except TimeoutError:
            pass

    def idle_violation(self) -> str | None:
        """Whether it sleeps although there is work (ports.probe)."""
        if self._beating:
            return None
        now = self.clock.now()
        if self._inbox.hurried:
            return "the engine sleeps on a full inbox"
        late = 3_000_000 if self.neighbours.are_possible else 1_000_000  # of timers of others a look tells
        if self._next_due is not None and self._next_due < now - late:
            return "the engine sleeps past a timer"
        return self.schedules.idle_violation()

    # The beat --------------------------------------------------------------------------------------

    async def _beat(self, arrivals: Sequence[Arrival]) -> None:
        self._beating = True
        arrivals = [*arrivals, *map(Departure, self.seats.let_expire(self.clock.now()))]
        try:
            if self._in_doubt:
                await self._ask_again()
            await self._try(arrivals)
        except HeldElsewhereError as error:
            self._inbox.put_back(arrivals)
            self._held_run = error.run
            await asyncio.sleep(HELD_S)
        except BlobGoneError as error:
            self._refuse(arrivals, error)
        except UnavailableError as error:
            self._in_doubt, self.trouble = True, _noted(error, self.trouble)
            self._refuse(arrivals, error)
            await asyncio.sleep(RETRY_S)
        except RowRefusedError as error:
            await self._halves(arrivals, error)
        finally:
            self._beating = False

    async def _ask_again(self) -> None:
        """The last beat may be recorded after all, and was told to nobody: whoever is concerned compares anew."""
        self._next_due = await self._store.next_due()
        await self._watches.look_again()
        self.feed.reread()
        self.schedules.look_again()
        await self.registry.load()
        await self._seat_all()
        for seat in self.seats.all():
            seat.dismiss(ASK_AGAIN)
        self._in_doubt = False

    def _refuse(self, arrivals: Sequence[Arrival], error: Exception) -> None:
        """Callers that wait hear of it; what came from sessions stays, and is tried again."""
        back = []
        for arrival in arrivals:
            refused = getattr(arrival, "refused", None)
            if refused is None:
                back.append(arrival)
            else:
                refused(error)
        self._inbox.put_back(back)

    async def _halves(self, arrivals: Sequence[Arrival], error: Exception) -> None:
        """A row could not be written: find whose, and leave that one out."""
        if len(arrivals) <= 1:
            _log.error("an arrival is left out: %s", error)
            if not arrivals:
                await asyncio.sleep(RETRY_S)  # a row of a timer or of a claim is at fault: at least do not spin
            for arrival in arrivals:
                refused = getattr(arrival, "refused", None)
                if refused is not None:
                    refused(error)
            return
        middle = len(arrivals) // 2
        await self._beat(arrivals[:middle])
        await self._beat(arrivals[middle:])

    async def _try(self, arrivals: Sequence[Arrival]) -> None:
        held_run, self._held_run = self._held_run, None
        beat = await self._store.begin(self.clock.now(), held_run)
        chance = self._entropy.bytes(16)
        overlay = self._overlay(beat.at, chance)
        turn = Turn(beat, overlay, self.graphs, self.registry)
        try:
            looked = await self._decide(turn, arrivals)
        except BaseException:
            self._empty.clear()
            self._is_noted = self._is_noted or bool(turn.notes)
            await beat.rollback()
            raise
        self.seats.lanes |= overlay.lanes
        paused = self.seats.pauses.take(turn.changes)  # they count from the next beat on; nobody has been told yet
        self._deliver(turn, arrivals)
        more = await self._plan(turn) if looked else False
        if turn.is_behind:
            self._held_run = turn.held_run
            await asyncio.sleep(HELD_S)
        if more or turn.declined or paused or turn.is_behind or self._is_noted:
            self._inbox.ring()

    async def _decide(self, turn: Turn, arrivals: Sequence[Arrival]) -> bool:
        """All of a beat up to its commit; whether it looked at what time has brought."""
        await turn.take(arrivals)
        if self._is_noted:
            self._is_noted = False  # notes that come from now on are told anew
            await turn.take_notes(DUE_LIMIT)
        looked = await self._take_time(turn)
        await turn.let_go()
        self.seats.learn(turn.overlay.lanes)
        await turn.match(self.seats.offers(), self.seats.lone, self._empty if self.neighbours.are_possible else set())
        if turn.declined:
            await turn.let_go()
        if self.neighbours.are_possible:
            await turn.leave_notes(lambda session: self.seats.get(session) is not None)
        self.trouble = "" if await turn.write() else self.trouble
        return looked

    async def _take_time(self, turn: Turn) -> bool:
        """Decide what is due; whether that was looked at."""
        at = turn.overlay.at
        is_due = self._next_due is not None and self._next_due <= at
        if is_due:
            turn.timely = await turn.take_due(DUE_LIMIT)
        if at >= self._next_look:
            self._next_look = at + _us(EXPIRED_EVERY)
            turn.timely = max(turn.timely, await turn.take_expired(DUE_LIMIT))
        return is_due

    def _deliver(self, turn: Turn, arrivals: Sequence[Arrival]) -> None:
        if turn.put_off:
            behind = set(map(id, turn.put_off))
            arrivals = [each for each in arrivals if id(each) not in behind]
            self._inbox.put_back(turn.put_off)
        self._is_noted = self._is_noted or len(turn.notes) == DUE_LIMIT
        self._delivery.deliver(turn, arrivals)
        self.neighbours.tell(news_of(turn.changes, tuple(each.run.id for each in turn.outcomes)))
        self._seat(turn.adopted, turn.strangers)
        changes = turn.changes
        self._empty.difference_update(queued.lane for queued in changes.queue_put)
        self._next_look = min([self._next_look, *(queued.expires_at for queued in changes.queue_put)])
        if changes.timers_put:
            soonest = min(timer.due_at for timer in changes.timers_put)
            self._next_due = soonest if self._next_due is None else min(self._next_due, soonest)

    async def _plan(self, turn: Turn) -> bool:
        """When timers are to be looked at next; whether there may be more now."""
        self._next_due = await self._store.next_due()
        if turn.timely >= DUE_LIMIT:
            return True
        if not turn.timely and self._next_due is not None and self._next_due <= turn.overlay.at:
            self._next_due = turn.overlay.at + HELD_US  # another server has them in hand
        return False


def _noted(error: Exception, before: str) -> str:
    """Said once: a full disk lasts, and beats are tried again five times a second."""
    if str(error) != before:
        _log.error("nothing was acknowledged in this beat", exc_info=error)
    return str(error)


def _us(delay: timedelta) -> int:
    return delay // timedelta(microseconds=1)
