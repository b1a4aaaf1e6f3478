"""What befalls a world, as data: a seed makes it, a file keeps it, shrinking makes it small."""

from collections.abc import Callable, Sequence
from enum import Enum
from pathlib import Path
from typing import TypeVar

import msgspec
from msgspec import Struct

from tidemill.testing.simulation.chance import stream

FAULTS_UNTIL_S = 12.0
MOST_FAULTS = 9
LONGEST_SPAN_S = 4.0
SKEW_S = 20.0  # a retry waits for the server's hour, so a larger jump back would only be a longer wait
T = TypeVar("T")


class Kind(Enum):
    KILL = "kill"
    POWER = "power"  # what was not synced is lost, and nobody is told
    CRASH_POINT = "crash_point"  # power loss inside one of the next 40 disk calls
    FREEZE = "freeze"
    CUT = "cut"
    CUT_ONE_WAY = "cut_one_way"  # nothing reaches the host
    DROP = "drop"
    COMMIT_FULL = "commit_full"
    COMMIT_UNSYNCED = "commit_unsynced"
    COMMIT_LOST = "commit_lost"
    SLOW_DISK = "slow_disk"


class Fault(Struct, frozen=True, order=True):
    at: float
    kind: str  # a value of Kind: enums have no order
    host: str
    span: float


class Case(Struct, frozen=True, omit_defaults=True):
    """``seed`` is for noise: delays, torn writes. ``moves``: step -> distance from FIFO; None draws by ``spread``."""

    seed: str
    faults: tuple[Fault, ...] = ()
    spread: float = 0.0
    tail_s: float = 0.0
    window: int = 8
    skew_s: float = 0.0
    moves: dict[int, int] | None = None
    note: str = ""
    meddling: float = 0.0  # how often the client pauses, resumes or reorders a run instead of looking at it


def swarm(seed: str, hosts: Sequence[str]) -> Case:
    """Each seed has its own few kinds of fault and its own noise: all kinds at once hide bugs behind crashes."""
    chance = stream(seed, "plan")
    kinds = [kind for kind in Kind if chance() < 0.35] or [Kind.KILL]
    faults = tuple(
        Fault(
            at=round(chance() * FAULTS_UNTIL_S, 4),
            kind=kinds[int(chance() * len(kinds))].value,
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
    )


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
