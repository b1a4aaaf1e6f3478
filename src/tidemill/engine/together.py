"""What a server keeps in memory of the store, and how it stays true while other servers write there.

Each kind of it has an epoch that every commit to it raises; what others tell, and a look once a second, says which to
read anew. Everything that must survive a crash is a row.
"""

import asyncio
from collections.abc import Callable, Collection, Sequence
from datetime import timedelta

from msgspec import Struct
from msgspec.structs import replace

from tidemill.core.catalog import Catalog
from tidemill.core.events import Event
from tidemill.core.ids import Digest, Instant, RunId, SessionId
from tidemill.core.overlay import Overlay
from tidemill.core.rows import Changes, Lane, Session
from tidemill.core.rules import OnLost
from tidemill.core.why import Server
from tidemill.engine.answers import failer, setter
from tidemill.engine.feed import Feed, Tails
from tidemill.engine.graphs import Graphs
from tidemill.engine.inbox import Adopting, Decision, Inbox, Recording
from tidemill.engine.neighbours import Neighbours
from tidemill.engine.registry import Registry
from tidemill.engine.schedules import Schedules
from tidemill.engine.seats import MOVED, Seat, Seats
from tidemill.engine.sharing import Shelves
from tidemill.engine.time import StoreClock
from tidemill.engine.uploads import Uploads
from tidemill.engine.watches import Watches
from tidemill.ports.clock import Clock
from tidemill.ports.peers import Duty, Kind, Look, News
from tidemill.ports.store import Store

MOST_SESSIONS = 1000


class EngineSettings(Struct, frozen=True):
    lease: timedelta = timedelta(seconds=10)
    heartbeat: timedelta = timedelta(seconds=2.5)
    soon: timedelta = timedelta(milliseconds=20)
    on_lost: OnLost = OnLost.FAIL  # of steps under which too many workers died


class Together:
    _uploads: Uploads

    def __init__(self, store: Store, clock: Clock, settings: EngineSettings) -> None:
        self.queries = self._store = store
        self.settings = settings
        self.catalog, self.graphs = Catalog(), Graphs(store)
        self.neighbours = Neighbours(store.peers)
        tails = Tails.STORE if self.neighbours.are_possible else Tails.BEATS
        self.feed, self.registry = Feed(store, tails=tails), Registry(store)
        self.seats, self.clock = Seats(), StoreClock(clock)
        self._inbox, self._watches = Inbox(), Watches(store)
        self.schedules = Schedules(store, self._inbox, self.clock, self.neighbours)
        self.hidden = asyncio.Event()  # runs were, and their rows may go
        self.shelves = Shelves(store, self._inbox.put)
        self.when_ended: list[Callable[[RunId], None]] = [self.schedules.ended, self.shelves.ended]
        self._next_due: Instant | None = None
        self._next_look: Instant = 0  # for what has waited in the queue for too long
        self._is_noted = False
        self._empty: set[Lane] = set()  # lanes in which nothing waits, as far as is known here
        self._seen = 0  # number of the newest row that a look has shown

    @property
    def store_id(self) -> bytes:
        return self._store.id

    @property
    def server_id(self) -> bytes:
        """Ours, where the store has several servers."""
        return self.neighbours.id

    def _next_wake(self) -> Instant | None:
        moments = [self._next_due, self.seats.next_expiry(), self._next_look]
        return min(each for each in moments if each is not None)

    async def record(self, changes: Changes) -> None:
        """Write rows that need no decision; returns after the commit."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._inbox.put(Recording(changes, setter(future), failer(future)))
        await future

    async def blob_stored(self, digest: Digest, size: int) -> None:
        """Note a blob whose bytes are durable; returns after the commit. Raises BlobGoneError: write it again."""
        await self._uploads.stored(digest, size)

    def _overlay(self, at: Instant, chance: bytes) -> Overlay:
        overlay = Overlay(at, chance, self.catalog, self.graphs.layouts, self.seats.lanes)
        overlay.on_lost = self.settings.on_lost
        return overlay

    def _send(self, event: Event) -> None:
        self._inbox.put(Decision(event))

    def _stored(self, digest: Digest, size: int) -> "asyncio.Future[None]":
        return asyncio.ensure_future(self.blob_stored(digest, size))

    async def fleet(self) -> list[Server]:
        """All live workers; of those that hang on other servers what their rows say."""
        here = [seat.seen() for seat in self.seats.all()]
        if not self.neighbours.are_possible:
            return here
        return [*here, *(self._seen_elsewhere(each) for each in await self.elsewhere())]

    async def elsewhere(self) -> list[Session]:
        """Live sessions that hang on other servers."""
        rows = await self._store.sessions(MOST_SESSIONS)
        return [each for each in rows if each.live and each.server != self.server_id]

    def _seen_elsewhere(self, session: Session) -> Server:
        found = (self.catalog.find(name, digest) for name, digest in session.tasks)
        seat = Seat(session, [each for each in found if each is not None], self.seats.lanes.values())
        return replace(seat.seen(), connected=True, elsewhere=True)

    async def heed(self, news: News) -> None:
        """What another server told."""
        if news.changed:
            await self.renew(news.changed)
        if news.ended:
            await self._watches.look(news.ended)
            for heard in self.when_ended:
                for run in news.ended:
                    heard(run)
            self.registry.call()
        if news.written:
            self.feed.ring()
            self.shelves.ring()
        self._is_noted = self._is_noted or news.noted
        if news.queued:
            self._empty.clear()
        if news.noted or news.queued:
            self._inbox.ring()

    async def see(self, look: Look) -> None:
        """How things stand: whatever was not heard is found here."""
        self._keep_time(look.at)
        duty = self.neighbours.holds(Duty.CHORES)
        if look.orphans and duty:
            self._inbox.put(Adopting(self.server_id, _us(self.settings.lease)))
        if look.next_due_at is not None:
            self._next_due = min(self._next_due or look.next_due_at, look.next_due_at)
        if self._next_due is not None and self._next_due <= self.clock.now():
            self._inbox.ring()  # also when another server has handled it: a beat sees what is next
        if look.written > self._seen:
            self._seen = look.written
            self.feed.skip_to(look.written)
            await self._watches.look_at_some()
            await self.heed(News(written=True))
            self.registry.call()
        self._is_noted = self._is_noted or look.noted
        if look.queued:
            self._empty.clear()
        if look.noted or (look.queued and self.seats.offers()):
            self._inbox.ring()

    async def renew(self, kinds: Collection[Kind]) -> None:
        """Read anew what is kept in memory."""
        if Kind.GRAPHS in kinds:
            await self.graphs.load()
        if Kind.REGISTERED in kinds:
            await self.registry.load()
        if Kind.TASKS in kinds:
            self.catalog.add(row.definition for row in reversed(await self._store.tasks()))
        if Kind.LANES in kinds or Kind.PAUSES in kinds:
            await self.seats.recall(self._store)
            self._inbox.ring()
        if Kind.SCHEDULES in kinds:
            self.schedules.look_again()

    def _keep_time(self, at: Instant) -> None:
        """Leases in memory are by our clock as the store's moved it: when it moves again, so do they."""
        moved = self.clock.keep(at)
        if moved:
            self.seats.shift(moved)

    async def _recover(self) -> None:
        """Read what a server before this one left; time without a server does not count for any lease."""
        await self.renew(tuple(Kind))
        await self._seat_all()
        self._next_due = await self._store.next_due()
        self._inbox.ring()

    async def _seat_all(self) -> None:
        """A seat for each live session, so that its lease can end."""
        until = self.clock.now() + _us(self.settings.lease)
        for session in await self._store.sessions(10_000):
            if session.live and session.server == self.server_id and self.seats.get(session.id) is None:
                seat = Seat(session)
                seat.lease_until_at = until
                self.seats.add(seat)

    def _seat(self, adopted: Sequence[Session], strangers: Sequence[SessionId]) -> None:
        """Seats of sessions that came here, or went."""
        until_at = self.clock.now() + _us(self.settings.lease)
        for session in adopted:
            if self.seats.get(session.id) is None:
                seat = Seat(session)
                seat.lease_until_at = until_at
                self.seats.add(seat)
        for stranger in strangers:
            self.seats.dismiss(stranger, MOVED)


def _us(delay: timedelta) -> int:
    return delay // timedelta(microseconds=1)
