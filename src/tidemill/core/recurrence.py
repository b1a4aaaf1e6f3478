"""When a schedule is due: its rule, and arithmetic over instants.

A cron rule is worked out by a library behind a port; everything else is here. An instant is due once, whatever the
clock does: `Dues` gives them strictly in order, within the bounds of the rule.
"""

from collections.abc import Callable, Iterator
from enum import Enum
from hashlib import sha256
from itertools import islice, takewhile

from msgspec import Struct

from tidemill.core.ids import Instant, RunId, uuid7

SECOND_US = 1_000_000
MINUTE_US = 60 * SECOND_US
FOR_EVER: Instant = 253_370_764_800_000_000  # the year 9999: no rule goes on for longer
LATE_US = MINUTE_US  # a fire that is later than this is a missed one, where none is caught up with
BITE = 20  # fires of one schedule in one beat
COUNTED = 1000  # missed instants are counted up to here

Crons = Callable[[str, str, Instant], Iterator[Instant]]  # expression, zone, after: what follows, strictly in order


class Cron(Struct, frozen=True, gc=False, tag="cron"):
    """Five fields, or six with seconds first, read in the zone of its terms."""

    expression: str


class Every(Struct, frozen=True, gc=False, tag="every"):
    """At ``anchor_at`` plus and minus whole intervals."""

    interval_us: int
    anchor_at: Instant = 0


class Once(Struct, frozen=True, gc=False, tag="once"):
    due_at: Instant


Rule = Cron | Every | Once


class Overlap(Enum):
    """What a fire does while a run of an earlier one goes on."""

    SKIP = "skip"
    QUEUE = "queue"  # it waits, bounded
    REPLACE = "replace"  # the earlier run is cancelled, and the new one starts when it has stopped
    ALLOW = "allow"


class CatchUp(Enum):
    """Which fires that were missed, for no server was there, are made up for."""

    NONE = "none"
    LAST = "last"
    ALL = "all"


class Terms(Struct, frozen=True, gc=False):
    """When it fires, and what it does when things get in the way."""

    rule: Rule
    zone: str = "UTC"
    start_at: Instant = 0  # bounds of due instants, both included
    end_at: Instant = FOR_EVER
    overlap: Overlap = Overlap.SKIP
    queue_limit: int = 10
    catch_up: CatchUp = CatchUp.LAST
    window_us: int = 24 * 60 * MINUTE_US  # a missed fire that is older is not made up for
    jitter_us: int = 0


class Dues:
    """The instants at which a rule is due."""

    def __init__(self, terms: Terms, seed: bytes, crons: Crons) -> None:
        """``seed`` tells the jitter of one schedule from that of another."""
        self._terms, self._seed, self._crons = terms, seed, crons

    def after(self, at: Instant) -> Iterator[Instant]:
        """Those later than ``at``, in order."""
        at = max(at, self._terms.start_at - 1)
        for due_at in self._unbounded(at):
            if due_at > self._terms.end_at:
                return
            yield due_at

    def next(self, at: Instant) -> Instant | None:
        return next(self.after(at), None)

    def last(self, at: Instant, floor: Instant) -> Instant | None:
        """The latest one up to ``at``, itself included, that is later than ``floor``."""
        match self._terms.rule:
            case Every(interval_us=interval, anchor_at=anchor):
                latest = anchor + (min(at, self._terms.end_at) - anchor) // interval * interval
                return latest if latest > floor and latest >= self._terms.start_at else None
            case Once(due_at=due_at):
                return self.next(floor) if due_at <= at else None
            case Cron():
                return self._last_of_cron(at, floor)

    def fire_at(self, due_at: Instant) -> Instant:
        """When it fires: some time later, always the same, and never past the one that follows."""
        if not self._terms.jitter_us:
            return due_at
        following = self.next(due_at)
        most = self._terms.jitter_us if following is None else min(self._terms.jitter_us, following - due_at)
        told = sha256(self._seed + due_at.to_bytes(8, "big")).digest()
        return due_at + int.from_bytes(told[:8], "big") * most // 2**64

    def _unbounded(self, at: Instant) -> Iterator[Instant]:
        match self._terms.rule:
            case Every(interval_us=interval, anchor_at=anchor):
                due_at = anchor + ((at - anchor) // interval + 1) * interval
                while due_at < FOR_EVER:
                    yield due_at
                    due_at += interval
            case Once(due_at=due_at):
                if due_at > at:
                    yield due_at
            case Cron(expression=expression):
                yield from self._crons(expression, self._terms.zone, at)

    def _last_of_cron(self, at: Instant, floor: Instant) -> Instant | None:
        """Looks back over longer and longer spans, so that neither a frequent nor a rare rule costs much."""
        span = MINUTE_US
        while True:
            start = max(floor, at - span)
            found = None
            for due_at in self.after(start):
                if due_at > at:
                    break
                found = due_at
            if found is not None or start == floor:
                return found
            span *= 32


class Missed(Struct, frozen=True, gc=False):
    """Instants that do not fire any more; ``count`` stops at COUNTED."""

    first_at: Instant
    last_at: Instant
    count: int


class Ripe(Struct, frozen=True, gc=False):
    """What time has brought: instants to fire now, others that are too late, and what comes next.

    All instants up to ``cursor_at`` are dealt with. ``next_at`` is ``due_at`` with its jitter.
    """

    fire: tuple[Instant, ...]
    missed: Missed | None
    cursor_at: Instant
    due_at: Instant | None
    next_at: Instant | None


def ripe(terms: Terms, dues: Dues, cursor_at: Instant, at: Instant) -> Ripe:
    """What of a rule is due at ``at``, when all up to ``cursor_at`` is dealt with.

    A clock that stands before ``cursor_at`` finds nothing: an instant fires once.
    """
    newest = dues.last(at, cursor_at)
    if newest is not None and dues.fire_at(newest) > at:
        newest = dues.last(newest - 1, cursor_at)
    if newest is None:
        return _waiting(dues, (), None, cursor_at)
    fire = _to_fire(terms, dues, max(cursor_at, at - terms.window_us - 1), (newest, at))
    missed = missed_in(dues, cursor_at, fire[0] - 1 if fire else newest)
    return _waiting(dues, fire, missed, fire[-1] if fire else newest)


def waiting(dues: Dues, cursor_at: Instant) -> Ripe:
    """Nothing is due; what comes next."""
    return _waiting(dues, (), None, cursor_at)


def missed_in(dues: Dues, floor: Instant, upto: Instant) -> Missed | None:
    """Instants later than ``floor`` up to ``upto``."""
    first = dues.next(floor)
    if first is None or first > upto:
        return None
    count = sum(1 for _ in takewhile(lambda due_at: due_at <= upto, islice(dues.after(floor), COUNTED)))
    return Missed(first, dues.last(upto, floor) or first, count)


def run_id(schedule: bytes, due_at: Instant) -> RunId:
    """The id of the run of one due instant: the same whenever it is asked for."""
    told = sha256(schedule + due_at.to_bytes(8, "big")).digest()
    return RunId(uuid7(due_at, told[:16], int.from_bytes(told[16:18], "big") & 0xFFF))


def _to_fire(terms: Terms, dues: Dues, floor: Instant, upto: tuple[Instant, Instant]) -> tuple[Instant, ...]:
    newest, at = upto
    match terms.catch_up:
        case CatchUp.NONE:
            return (newest,) if at - dues.fire_at(newest) <= LATE_US else ()
        case CatchUp.LAST:
            return (newest,) if newest > floor or at - dues.fire_at(newest) <= LATE_US else ()
        case CatchUp.ALL:
            return tuple(takewhile(lambda due_at: due_at <= newest, islice(dues.after(floor), BITE)))


def _waiting(dues: Dues, fire: tuple[Instant, ...], missed: Missed | None, cursor_at: Instant) -> Ripe:
    due_at = dues.next(cursor_at)
    return Ripe(fire, missed, cursor_at, due_at, None if due_at is None else dues.fire_at(due_at))
