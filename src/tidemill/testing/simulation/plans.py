"""What befalls a world, as data: a seed makes it, a file keeps it, shrinking makes it small."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import msgspec
from msgspec import Struct

from tidemill.testing.faults import Fault, Kind
from tidemill.testing.simulation.chance import stream

FAULTS_UNTIL_S = 12.0
MOST_FAULTS = 9
SHARE = 0.35  # of the kinds strike in one seed
LONGEST_SPAN_S = 4.0
SKEW_S = 20.0  # a retry waits for the server's hour, so a larger jump back would only be a longer wait
COSTLY = (Kind.KILL, Kind.POWER, Kind.CRASH_POINT, Kind.FREEZE, Kind.CUT, Kind.CUT_ONE_WAY)
MOST_LOSSES = 2
DRIFT = 0.02  # far more than crystals do
T = TypeVar("T")


class Case(Struct, frozen=True, omit_defaults=True):
    """``seed`` is for noise: delays, torn writes. ``moves``: step -> distance from FIFO; None draws by ``spread``."""

    seed: str
    faults: tuple[Fault, ...] = ()
    spread: float = 0.0
    tail_s: float = 0.0
    window: int = 8
    skew_s: float = 0.0  # between the wall clocks of any two hosts, at most
    moves: dict[int, int] | None = None
    note: str = ""
    meddling: float = 0.0  # how often the client pauses, resumes or reorders a run instead of looking at it
    drift: float = 0.0  # of the pace of a host's clock, at most
    family: str = ""  # of the worlds, where there are several


def swarm(seed: str, hosts: Sequence[str]) -> Case:
    """Each seed has its own few kinds of fault and its own noise: all kinds at once hide bugs behind crashes."""
    chance = stream(seed, "plan")
    kinds = [kind for kind in Kind if chance() < SHARE] or [Kind.KILL]
    faults = tuple(
        Fault(
            at=round(chance() * FAULTS_UNTIL_S, 4),
            kind=kinds[int(chance() * len(kinds))],
            host=hosts[int(chance() * len(hosts))],
            span=round(chance() ** 2 * LONGEST_SPAN_S, 3),
        )
        for _ in range(int(chance() * (MOST_FAULTS + 1)))
    )
    return Case(
        seed=seed,
        faults=tuple(sorted(faults)),
        spread=(0.0, 0.05, 0.3, 0.9)[int(chance() * 4)],
        tail_s=0.5 if chance() < 0.3 else 0.0,
        window=2 + int(chance() * 8),
        skew_s=SKEW_S if chance() < 0.2 else 0.0,
        drift=DRIFT if chance() < 0.2 else 0.0,
    )


def noise(seed: str) -> Case:
    """A world without faults: how the network is, whose clock is wrong, and how far the order strays from FIFO."""
    chance = stream(seed, "noise")
    return Case(
        seed=seed,
        spread=(0.0, 0.05, 0.3, 0.9)[int(chance() * 4)],
        tail_s=0.5 if chance() < 0.3 else 0.0,
        window=2 + int(chance() * 8),
        skew_s=SKEW_S if chance() < 0.2 else 0.0,
    )


class Draw:
    """Faults of a seed, drawn while the run goes: each strikes soon after something has happened.

    Args:
        kinds: those to draw from; none: some of all, which ones the seed says.
        hosts: the first is the server. A step whose workers were lost three times fails, which is right, and hides
            what else may be wrong; so two faults at most cost a worker what it runs.
        most: how many there are at most.
    """

    def __init__(self, seed: str, kinds: Sequence[Kind], hosts: Sequence[str], most: int, longest_s: float) -> None:
        chance = self._chance = stream(seed, "faults")
        self._kinds = kinds or [kind for kind in Kind if chance() < SHARE] or [Kind.KILL]
        self._often = (1.0, 0.3, 0.1, 0.03)[int(chance() * 4)]
        self._hosts, self._left, self._longest_s, self._losses = hosts, most, longest_s, 0

    def next(self, now: float) -> Fault | None:
        """Called at each moment at which something has happened."""
        chance = self._chance
        if not self._left or chance() >= self._often:
            return None
        self._left -= 1
        kind = self._kinds[int(chance() * len(self._kinds))]
        host = self._hosts[int(chance() * len(self._hosts))]
        if kind in COSTLY and host != self._hosts[0]:
            self._losses += 1
            host = host if self._losses <= MOST_LOSSES else self._hosts[0]
        at, span = now + chance() ** 3 * self._longest_s, chance() ** 2 * self._longest_s
        return Fault(round(at, 4), kind, host, round(span, 3))


def shrink(case: Case, moves: dict[int, int], fails: Callable[[Case], bool]) -> Case:
    """The fewest faults, then the fewest deviations from FIFO, with which ``case`` still fails."""

    def with_(faults: Sequence[Fault], moves: Sequence[tuple[int, int]]) -> Case:
        return msgspec.structs.replace(case, faults=tuple(faults), moves=dict(moves))

    kept_moves = list(moves.items())
    faults = smallest(case.faults, lambda fewer: fails(with_(fewer, kept_moves)))
    if fails(with_(faults, ())):
        return with_(faults, ())
    return with_(faults, smallest(kept_moves, lambda fewer: fails(with_(faults, fewer))))


def smallest(items: Sequence[T], fails: Callable[[Sequence[T]], bool]) -> Sequence[T]:
    """Delta debugging: drop halves, quarters, ..., single items while it fails without them."""
    parts = 2
    while items:
        size = max(1, len(items) // parts)
        cuts = ([*items[:at], *items[at + size :]] for at in range(0, len(items), size))
        fewer = next((cut for cut in cuts if fails(cut)), None)
        if fewer is not None:
            items, parts = fewer, max(parts - 1, 2)
        elif size == 1:
            return items
        else:
            parts *= 2
    return items


def kept_cases(folder: Path) -> dict[str, Case]:
    files = sorted(folder.glob("*.json"))
    return {file.stem: msgspec.json.decode(file.read_bytes(), type=Case) for file in files}


def text_of_case(case: Case) -> str:
    return msgspec.json.format(msgspec.json.encode(case), indent=1).decode()
