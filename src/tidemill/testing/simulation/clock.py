"""Virtual time as one host sees it: its own pace, and a wall clock that somebody sets."""

from collections.abc import Callable

from tidemill.adapters.system.clock import SlewedClock
from tidemill.core.ids import Instant

START_AT: Instant = 1_800_000_000_000_000  # 2027-01-15


class Ticking:
    """The clocks of a host; they outlive its processes.

    Args:
        pace: seconds of its own for a second of the world's.
        ahead_s: how far its wall clock is from the world's. It may be set at any time.
    """

    def __init__(self, time: Callable[[], float], pace: float = 1.0, ahead_s: float = 0.0) -> None:
        self._time, self._pace, self.ahead_s = time, pace, ahead_s

    def monotonic(self) -> float:
        return self._time() * self._pace

    def ticks(self) -> int:
        return int(self.monotonic() * 1_000_000)

    def wall(self) -> int:
        return START_AT + self.ticks() + int(self.ahead_s * 1_000_000)


class SimClock(SlewedClock):
    """The Clock port of one process: that of production, over the clocks of its host."""

    def __init__(self, ticking: Ticking) -> None:
        super().__init__(ticking.ticks, ticking.wall)
        self.monotonic = ticking.monotonic
