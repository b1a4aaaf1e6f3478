"""What may befall a simulated world, as data."""

from enum import StrEnum

from msgspec import Struct


class Kind(StrEnum):
    """A kind of fault. Those that last do so for the fault's ``span``."""

    KILL = "kill"  # of the process; it starts again
    POWER = "power"  # what was not synced is lost, in part or torn, and nobody is told
    CRASH_POINT = "crash_point"  # power loss inside one of the next 40 disk calls
    FREEZE = "freeze"  # the process stops for a while, and goes on as if nothing had happened
    CUT = "cut"  # nothing reaches the host or comes from it
    CUT_ONE_WAY = "cut_one_way"  # nothing reaches the host
    DROP = "drop"  # every connection of the host breaks
    COMMIT_FULL = "commit_full"  # the next write finds the disk full
    COMMIT_UNSYNCED = "commit_unsynced"  # the next write may or may not be there, and fails
    COMMIT_LOST = "commit_lost"  # the next write is done, and says that it failed
    SLOW_DISK = "slow_disk"
    CLOCK_FORWARD = "clock_forward"  # the wall clock of the host is set ahead, by five times the span
    CLOCK_BACK = "clock_back"


class Fault(Struct, frozen=True, order=True):
    """``at`` and ``span`` in seconds of virtual time since the start."""

    at: float
    kind: Kind
    host: str
    span: float = 0.0

    def __repr__(self) -> str:
        return f"Fault({self.at!r}, Kind.{self.kind.name}, {self.host!r}, {self.span!r})"
