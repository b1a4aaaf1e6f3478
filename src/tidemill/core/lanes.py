"""A lane holds ready steps of equal fit, in an order fixed when a step is put there."""

from functools import lru_cache
from hashlib import blake2b

from tidemill.core.ids import Instant
from tidemill.core.rows import Lane

PRIORITY_US = 60_000_000  # a step of priority p goes before one of priority 0 that came p minutes earlier


@lru_cache(maxsize=4096)
def lane_of(task: str, schema: str, alone: str = "", requires: bytes = b"") -> Lane:
    """The lane of a task's version; schema "" takes any. Steps that must run alone have lanes of their own.

    Args:
        requires: what a node requires beyond its task; see `core.requirements.key_of`.
    """
    return Lane(blake2b(f"{task}\0{schema}\0{alone}".encode() + requires, digest_size=16).digest())


ALONE = "alone"


def parked_lane(limit: bytes) -> Lane:
    """Where steps wait for a limit. No worker offers it."""
    return Lane(blake2b(b"parked\0" + limit, digest_size=16).digest())


def paused_lane(run: bytes) -> Lane:
    """Where the steps of a paused run wait. No worker offers it."""
    return Lane(blake2b(b"paused\0" + run, digest_size=16).digest())


def place_in_lane(at: Instant, priority: int) -> int:
    """The virtual time that orders a lane; a low priority ages, so nothing starves."""
    return at - priority * PRIORITY_US
