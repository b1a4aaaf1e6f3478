"""What a storm does and when, drawn from a seed before it begins."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from random import Random

from tests.storm.tasks import LINKS

LARGE_BYTES = 100_000
HANG_S = 600.0  # a cancelled one never ends by itself


class Kind(Enum):
    """Of a run."""

    GRAIN = "grain"
    SIFT = "sift"
    MAPPED = "mapped"
    CHAINED = "chained"
    STUBBORN = "stubborn"
    BROKEN = "broken"
    TELL = "tell"
    HEAVY = "heavy"
    HANG = "hang"  # to be cancelled
    TOIL = "toil"  # the same, sync
    CRUNCH = "crunch"  # in a process of its own


# How many of a hundred runs are of a kind.
SHARES: Mapping[Kind, float] = {
    Kind.GRAIN: 40,
    Kind.SIFT: 20,
    Kind.MAPPED: 3,
    Kind.CHAINED: 12,
    Kind.STUBBORN: 9,
    Kind.BROKEN: 3,
    Kind.TELL: 3,
    Kind.HEAVY: 4,
    Kind.HANG: 2,
    Kind.TOIL: 2,
    Kind.CRUNCH: 2,
}


@dataclass(frozen=True)
class Order:
    """One run. ``size``: elements of a map, items of a stream, tries that fail."""

    kind: Kind
    x: int
    size: int
    ms: int  # how long each task takes

    @property
    def tasks(self) -> int:
        return {Kind.MAPPED: self.size + 1, Kind.CHAINED: LINKS}.get(self.kind, 1)


def orders(seed: str, tasks: int, most_ms: int) -> Iterator[Order]:
    """Runs of so many tasks, or a few more."""
    random = Random(f"orders {seed}")
    kinds, weights = list(SHARES), list(SHARES.values())
    widest = max(4, min(200, tasks // 20))
    while tasks > 0:
        kind = random.choices(kinds, weights)[0]
        most = {Kind.MAPPED: widest, Kind.TELL: 60}.get(kind, 3)
        size = random.randint(0, most)
        order = Order(kind, random.randint(0, 10_000), size, random.randint(0, most_ms))
        yield order
        tasks -= order.tasks


class Blow(Enum):
    KILL_WORKER = "kill worker"
    REPLACE_WORKER = "kill worker, and start one with another id"
    KILL_SERVER = "kill server"
    STOP_WORKER = "stop worker for longer than a lease"
    STOP_SERVER = "stop server for longer than a lease"
    END_WORKER = "SIGTERM to a worker"
    END_SERVER = "SIGTERM to the server"
    RESET = "reset connections"
    HALF_OPEN = "one end of connections is gone, unsaid"
    HOLE = "a hole in one direction or both"
    SLOW = "a narrow line"
    LATE = "latency and jitter"
    REFUSE = "new connections refused"


KILLS = (Blow.KILL_WORKER, Blow.REPLACE_WORKER, Blow.KILL_SERVER)
OF_LINKS = (Blow.RESET, Blow.HALF_OPEN, Blow.HOLE, Blow.SLOW, Blow.LATE, Blow.REFUSE)

# How often, by ten kills.
_BLOWS: Mapping[Blow, float] = {
    Blow.KILL_WORKER: 3.5,
    Blow.REPLACE_WORKER: 3,
    Blow.KILL_SERVER: 3.5,
    Blow.STOP_WORKER: 1,
    Blow.STOP_SERVER: 0.5,
    Blow.END_WORKER: 1,
    Blow.END_SERVER: 0.5,
    **dict.fromkeys(OF_LINKS, 0.5),
}


@dataclass(frozen=True)
class Strike:
    """``chance`` is from 0 to 1: it chooses who is hit, and how."""

    at_s: float
    blow: Blow
    chance: float
    length: float  # from 0 to 1, of the longest


def strikes(seed: str, kills: int, seconds: float) -> list[Strike]:
    """Exactly so many kills within the time, and other blows between them."""
    random = Random(f"strikes {seed}")
    blows: list[Blow] = []
    kinds, weights = list(_BLOWS), list(_BLOWS.values())
    while sum(blow in KILLS for blow in blows) < kills:
        blows.append(random.choices(kinds, weights)[0])
    moments = sorted(random.uniform(0.05, 0.95) * seconds for _ in blows)
    return [Strike(at, blow, random.random(), random.random()) for at, blow in zip(moments, blows, strict=True)]
