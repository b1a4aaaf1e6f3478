"""The loop of the engine: gather, decide, commit, deliver (engine.md, "The beat").

One loop makes the beats. While one commits, the next gathers. Everything that must survive a crash is a row; what is
kept here (seats, watches, readers of the feed) is made anew by those who connect again.
"""

import asyncio
import logging
from collections.abc import Sequence
from datetime import timedelta

from msgspec import Struct

from tidemill.core.catalog import Catalog
from tidemill.core.errors import UnavailableError
from tidemill.core.events import Event
from tidemill.core.ids import Digest, Instant
from tidemill.core.overlay import Overlay
from tidemill.core.rows import Changes
from tidemill.engine.answers import failer, setter
from tidemill.engine.delivery import Delivery
from tidemill.engine.feed import Feed
from tidemill.engine.fetches import Fetches
from tidemill.engine.graphs import Graphs
from tidemill.engine.inbox import Arrival, Decision, Departure, Inbox, Recording
from tidemill.engine.reader import Reader
from tidemill.engine.registry import Registry
from tidemill.engine.schedules import Schedules
from tidemill.engine.seats import ASK_AGAIN, Seat, Seats
from tidemill.engine.sharing import Shelves
from tidemill.engine.turn import Turn
from tidemill.engine.watches import Watches
from tidemill.ports.blobs import Blobs
from tidemill.ports.clock import Clock
from tidemill.ports.entropy import Entropy
from tidemill.ports.store import RowRefusedError, Store

DUE_LIMIT = 500
EXPIRED_EVERY = timedelta(seconds=60)  # how often queue limits are looked at
RETRY_S = 0.2  # after a commit that failed

_log = logging.getLogger("tidemill.engine")


class EngineSettings(Struct, frozen=True):
    lease: timedelta = timedelta(seconds=30)
    heartbeat: timedelta = timedelta(seconds=5)
    soon: timedelta = timedelta(milliseconds=20)


class Beats:
    def __init__(self, store: Store, blobs: Blobs, clock: Clock, entropy: Entropy, settings: EngineSettings) -> None:
        self.queries = store
        self.settings = settings
        self.catalog = Catalog()
        self.graphs = Graphs(store)
        self.feed, self.registry = Feed(store), Registry(store)
        self.reader = Reader(store, blobs, self.graphs)
        self.seats, self.clock = Seats(), clock
        self._store, self._entropy = store, entropy
        self._inbox = Inbox()
        self._watches = Watches(store)
        self._fetches = Fetches(store, self.reader, blobs)
        self._delivery = Delivery(self.seats, self._watches, self.feed, self._inbox, self._fetches)
        self.tallies = self._delivery.tallies
        self.schedules = Schedules(store, self._inbox, clock)
        self.shelves = Shelves(store, self._inbox.put)
        self._delivery.when_ended += [self.schedules.ended, self.shelves.ended]
        self._delivery.when_written += [self.registry.note, self.shelves.written]
        self._next_due: Instant | None = None
        self._next_look: Instant = 0
        self._beating = self._in_doubt = False

    @property
    def store_id(self) -> bytes:
        return self._store.id

    async def record(self, changes: Changes) -> None:
        """Write rows that need no decision; returns after the commit."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._inbox.put(Recording(changes, setter(future), failer(future)))
        await future

    async def blob_stored(self, digest: Digest, size: int) -> None:
        """Note a blob whose bytes are durable; returns after the commit."""
        await self.record(Changes(blobs={digest: size}))

    # The loop --------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Recover, then beat until cancelled."""
        await self._recover()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._fetches.work(self._send, self._stored))
            group.create_task(self.schedules.run())
            while True:
                await self._sleep()
                await self._beat(self._inbox.take())

    async def _recover(self) -> None:
        """Read what a server before this one left; time without a server does not count for any lease."""
        await self.graphs.load()
        await self.registry.load()
        self.catalog.add(row.definition for row in reversed(await self._store.tasks()))
        await self.seats.recall(self._store)
        await self._seat_all()
        self._next_due = await self._store.next_due()
        self._inbox.ring()

    async def _seat_all(self) -> None:
        """A seat for each live session, so that its lease can end."""
        until = self.clock.now() + _us(self.settings.lease)
        for session in await self._store.sessions(10_000):
            if session.live and self.seats.get(session.id) is None:
                seat = Seat(session)
                seat.lease_until_at = until
                self.seats.add(seat)

    def _send(self, event: Event) -> None:
        self._inbox.put(Decision(event))

    def _stored(self, digest: Digest, size: int) -> "asyncio.Future[None]":
        return asyncio.ensure_future(self.blob_stored(digest, size))

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

    def _next_wake(self) -> Instant | None:
        moments = [self._next_due, self.seats.next_expiry(), self._next_look]
        return min(each for each in moments if each is not None)

    def idle_violation(self) -> str | None:
        """Whether it sleeps although there is work (ports.probe)."""
        if self._beating:
            return None
        now = self.clock.now()
        if self._inbox.hurried:
            return "the engine sleeps on a full inbox"
        if self._next_due is not None and self._next_due < now - 1_000_000:
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
        except UnavailableError as error:
            _log.exception("nothing was acknowledged in this beat")
            self._in_doubt = True
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
        at = self.clock.now()
        overlay = Overlay(at, self._entropy.bytes(16), self.catalog, self.graphs.layouts, self.seats.lanes)
        beat = await self._store.begin(at)
        try:
            turn = Turn(beat, overlay, self.graphs, self.registry)
            await turn.take(arrivals)
            more = await self._take_time(turn, at)
            await turn.let_go()
            self.seats.learn(overlay.lanes)
            await turn.match(self.seats.offers(), self.seats.lone)
            if turn.declined:
                await turn.let_go()
            wrote = await turn.write()
        except BaseException:
            await beat.rollback()
            raise
        self.seats.lanes |= overlay.lanes
        paused = self.seats.pauses.take(turn.changes)  # they count from the next beat on; nobody has been told yet
        self._delivery.deliver(turn, arrivals)
        for queued in turn.changes.queue_put:
            self._next_look = min(self._next_look, queued.expires_at)
        if wrote and (turn.changes.timers_put or turn.changes.timers_drop):
            self._next_due = await self._store.next_due()
        if more or turn.declined or paused:
            self._inbox.ring()

    async def _take_time(self, turn: Turn, at: Instant) -> bool:
        """Decide what is due; whether there may be more of it."""
        taken = 0
        if self._next_due is not None and self._next_due <= at:
            taken = await turn.take_due(DUE_LIMIT)
        if at >= self._next_look:
            self._next_look = at + _us(EXPIRED_EVERY)
            taken = max(taken, await turn.take_expired(DUE_LIMIT))
        return taken >= DUE_LIMIT


def _us(delay: timedelta) -> int:
    return delay // timedelta(microseconds=1)
