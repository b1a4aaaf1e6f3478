"""Sessions in memory: who is connected, what credit is left, what each holds.

The rows are in the store; this is what the matcher looks at between commits. One seat per live session.
"""

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence

from msgspec import Struct
from msgspec.structs import replace

from tidemill.core.claims import Leasing
from tidemill.core.commands import AskToStop, GiveBack
from tidemill.core.definitions import TaskDefinition
from tidemill.core.ids import Instant, SessionId
from tidemill.core.match import Claim, Offer, Stock
from tidemill.core.pauses import Pauses
from tidemill.core.requirements import Granted
from tidemill.core.reserve import covers, free_of
from tidemill.core.rows import AttemptKey, Lane, LaneRow, PauseKind, Session
from tidemill.core.serving import Served, station_of
from tidemill.core.standing import Standing
from tidemill.core.why import Server
from tidemill.ports.store import Queries

_log = logging.getLogger("tidemill.engine")


class Dismissal(Struct, frozen=True):
    """The session is over, and its worker is told why. Unless it is ``final``, the worker may say hello again."""

    reason: str
    advice: str
    final: bool = True


REPLACED = Dismissal("another process took over this worker id", "give each worker process an id of its own")
MOVED = Dismissal(
    "this session hangs on another server", "say hello again, and it hangs on whom you said it to", final=False
)
ASK_AGAIN = Dismissal("the outcome of a commit is unknown", "say hello again, so that both sides compare", final=False)


Notice = Leasing | AskToStop | GiveBack | Dismissal
Tell = Callable[[Sequence[Notice]], None]

NO_PAUSES = Pauses()
SECOND_LOOK_US = 500_000
SWAP_WINDOW_US = 60_000_000
SWAPS = 3


class Seat:
    """One session: its lease, its credit, what it has left, and the way to its worker (None while not connected).

    Args:
        tasks: as the worker announced them; none are needed of one that is not connected.
        lanes: those that nodes made, by what they require.
        standing: other versions that its tasks may stand for.
    """

    def __init__(
        self,
        session: Session,
        tasks: Iterable[TaskDefinition] = (),
        lanes: Iterable[LaneRow] = (),
        standing: Standing | None = None,
    ) -> None:
        self.session = session
        self.station = station_of(tasks, session.offers, session.labels, standing)
        self.served = self.station.served(lanes)
        self.free = free_of(session.offers)
        self.granted: dict[str, int] = {}
        self.sent: dict[str, int] = {}
        self.held: dict[AttemptKey, Granted | None] = {}
        self.away: dict[AttemptKey, Granted] = {}  # of attempts that wait for runs that they started
        self.returning: dict[AttemptKey, None] = {}  # those of them that want it back, first come, first served
        self.tell: Tell | None = None
        self.lease_until_at = session.lease_until_at
        self.draining = False
        self.doubted_at: Instant = 0  # when its lease was first seen to have ended
        self._open: tuple[tuple[int, int, int], Served] | None = None  # what it serves while something is paused

    def connect(self, tell: Tell) -> None:
        """Credit starts anew with each connection."""
        self.tell, self.granted, self.sent, self.draining = tell, {}, {}, False

    def disconnect(self) -> None:
        self.tell = None

    def dismiss(self, why: Dismissal) -> None:
        if self.tell is not None:
            self.tell([why])
            self.disconnect()

    def grant(self, totals: dict[str, int]) -> None:
        """Running totals, as the worker says them last; one that drains takes back what was not used."""
        self.granted = totals

    @property
    def left(self) -> dict[str, int]:
        """Credit by pool, "" in all: how many more it may be sent."""
        return {pool: total - self.sent.get(pool, 0) for pool, total in self.granted.items()}

    def offer(self, pauses: Pauses = NO_PAUSES) -> Offer | None:
        """What it can take now; None when that is nothing."""
        if self.tell is None or self.draining or pauses.of(PauseKind.WORKER, self.session.worker) is not None:
            return None
        credit = self.left
        if credit.get("", 0) <= 0:
            return None
        served = self._open_now(pauses)
        offer = Offer(self.session.id, self.session.worker, served.pools, credit, len(self.held))
        offer.on = self.session.host, self.session.environment
        if served.choices:
            offer.stock = Stock(served.choices, self.session.offers, self.free.copy())
        return offer

    def _open_now(self, pauses: Pauses) -> Served:
        """Computed when something has changed, and not in each beat."""
        key = (id(self.served), self.served.revision, pauses.revision)
        if self._open is None or self._open[0] != key:
            self._open = (key, self.served.without(pauses))
        return self._open[1]

    def seen(self) -> Server:
        """As `why` looks at it."""
        session = replace(self.session, lease_until_at=self.lease_until_at)
        return Server(session, self.station, len(self.held), self.tell is not None, self.free, self.left)

    def spend(self, pool: str, key: AttemptKey, granted: Granted | None = None) -> None:
        self.sent[""] = self.sent.get("", 0) + 1
        if pool:
            self.sent[pool] = self.sent.get(pool, 0) + 1
        self.hold(key, granted)

    def hold(self, key: AttemptKey, granted: Granted | None) -> None:
        """What an attempt was granted is not free until it is let go of."""
        self.let_go(key)
        self.held[key] = granted
        if granted is not None:
            self.free.take(granted)

    def let_go(self, key: AttemptKey) -> Granted | None:
        """Forget an attempt; give what it had."""
        granted = self.held.pop(key, None)
        self.away.pop(key, None)
        self.returning.pop(key, None)
        if granted is not None:
            self.free.give(granted)
            self._let_back()
        return granted

    def give_away(self, key: AttemptKey) -> bool:
        """An attempt waits: what it was granted is free. False when that is nothing."""
        granted = self.held.get(key)
        if granted is None:
            return False
        self.held[key], self.away[key] = None, granted
        self.free.give(granted)
        return True

    def take_back(self, key: AttemptKey) -> None:
        """Its wait is over: it hears when it has again what it was granted."""
        self.returning[key] = None
        self._let_back()

    def _let_back(self) -> None:
        for key in [*self.returning]:
            granted = self.away.get(key)
            if granted is not None and not covers(self.free, granted):
                continue
            del self.returning[key]
            if self.away.pop(key, None) is not None and granted is not None:
                self.held[key] = granted
                self.free.take(granted)
            if self.tell is not None:
                self.tell([GiveBack(*key)])

    def move(self, session: Session, lanes: Iterable[LaneRow]) -> None:
        """What it offers has changed."""
        self.session = session
        self.station = replace(self.station, offers=session.offers)
        self.served = self.station.served(lanes)

    def pool_of(self, lane: Lane, implementation: str) -> str:
        choices = self.served.choices.get(lane, ())
        found = (each.pool for each in choices if each.implementation == implementation)
        return next(found, self.served.pools.get(lane, ""))


class Seats:
    def __init__(self) -> None:
        self._by_id: dict[SessionId, Seat] = {}
        self._swaps: dict[str, list[Instant]] = {}
        self.lone: frozenset[Lane] = frozenset()
        self.lanes: dict[Lane, LaneRow] = {}  # durable ones that nodes made
        self.pauses = Pauses()
        self._alone: dict[AttemptKey, None] = {}  # held steps that must have no neighbour

    def __len__(self) -> int:
        return len(self._by_id)

    async def recall(self, queries: Queries) -> None:
        """What a server before this one knew of lanes and pauses."""
        rows = {row.id: row for row in await queries.lanes()}
        self.learn({lane: row for lane, row in rows.items() if lane not in self.lanes})
        self.lanes |= rows
        pauses = await queries.pauses()
        now = {(row.kind, row.name) for row in pauses}
        self.pauses.learn(pauses, [row for row in self.pauses.all() if (row.kind, row.name) not in now])

    def all(self) -> Sequence[Seat]:
        return list(self._by_id.values())

    def get(self, session: SessionId) -> Seat | None:
        return self._by_id.get(session)

    def add(self, seat: Seat) -> None:
        self._by_id[seat.session.id] = seat
        self.lone |= seat.served.lone

    def learn(self, lanes: Mapping[Lane, LaneRow]) -> None:
        """Let workers serve these lanes, from the beat on that makes them."""
        for row in lanes.values():
            for seat in self._by_id.values():
                seat.station.learn(seat.served, row)
                self.lone |= seat.served.lone

    def remove(self, session: SessionId) -> None:
        self._by_id.pop(session, None)

    def dismiss(self, session: SessionId, why: Dismissal) -> None:
        """It is not ours any more."""
        seat = self._by_id.pop(session, None)
        if seat is not None:
            seat.dismiss(why)

    def of_worker(self, worker: str) -> Sequence[Seat]:
        return [seat for seat in self._by_id.values() if seat.session.worker == worker]

    def offers(self) -> list[Offer]:
        found = []
        for seat in self._by_id.values():
            offer = seat.offer(self.pauses)
            if offer is not None:
                offer.exclusive = any(key in self._alone for key in seat.held)
                found.append(offer)
        return found

    def spend(self, seat: Seat, claim: Claim, key: AttemptKey) -> None:
        """A claim of the seat is durable."""
        lane = claim.queued.lane
        seat.spend(seat.pool_of(lane, claim.implementation), key, claim.granted)
        if lane in self.lone:
            self._alone[key] = None

    def free(self, session: SessionId, key: AttemptKey) -> bool:
        """An attempt ended; whether its worker is here or not. True: others may now have resources that it had."""
        self._alone.pop(key, None)
        seat = self._by_id.get(session)
        return seat is not None and seat.let_go(key) is not None

    def let_expire(self, at: Instant) -> Sequence[Session]:
        """Take away those whose lease has ended; give their sessions."""
        gone = self.expired(at)
        for seat in gone:
            self.remove(seat.session.id)
            _log.warning("the lease of worker %s has ended", seat.session.worker)
        return [seat.session for seat in gone]

    def expired(self, at: Instant) -> Sequence[Seat]:
        """Those whose lease has ended, and ended still at a second look.

        A server that was frozen wakes up with every lease behind it, and with the words that extend them unread.
        """
        gone = []
        for seat in self._by_id.values():
            if seat.lease_until_at > at:
                continue
            if seat.doubted_at < seat.lease_until_at:
                seat.doubted_at = at
            elif at - seat.doubted_at >= SECOND_LOOK_US:
                gone.append(seat)
        return gone

    def shift(self, by_us: int) -> None:
        """The clock was moved: leases end as much later."""
        for seat in self._by_id.values():
            seat.lease_until_at += by_us

    def next_expiry(self) -> Instant | None:
        """When `expired` is to be asked next."""
        return min((_next_look(seat) for seat in self._by_id.values()), default=None)

    def note_swap(self, worker: str, at: Instant) -> bool:
        """Count an instance taking over from another; whether two of them fight for one id."""
        recent = [each for each in self._swaps.get(worker, ()) if at - each < SWAP_WINDOW_US]
        recent.append(at)
        self._swaps[worker] = recent
        return len(recent) > SWAPS

    def extend(self, seat: Seat, until: Instant) -> Session:
        """A longer lease, in memory now and in the row that is returned."""
        seat.lease_until_at = until
        seat.session = replace(seat.session, lease_until_at=until)
        return seat.session


def _next_look(seat: Seat) -> Instant:
    until = seat.lease_until_at
    return until if seat.doubted_at < until else seat.doubted_at + SECOND_LOOK_US
