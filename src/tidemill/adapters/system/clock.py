"""The clock of the machine."""

import time
from collections.abc import Callable

from tidemill.core.ids import Instant

_SLEW_EVERY_US = 1_000_000
_SLEW_PART = 2000  # of the time that passed: half a millisecond a second


class SlewedClock:
    """Wall time at start plus monotonic time, drawn slowly towards the wall clock: a jump of that moves nothing.

    Args:
        ticks: microseconds that never go back.
        wall: microseconds since 1970, as somebody sets them.
    """

    def __init__(self, ticks: Callable[[], int], wall: Callable[[], int]) -> None:
        self._ticks, self._wall = ticks, wall
        self._slewed = ticks()
        self._offset = wall() - self._slewed

    def now(self) -> Instant:
        ticks = self._ticks()
        if (passed := ticks - self._slewed) >= _SLEW_EVERY_US:
            most = passed // _SLEW_PART
            self._offset += max(-most, min(most, self._wall() - ticks - self._offset))
            self._slewed = ticks
        return ticks + self._offset


class SystemClock(SlewedClock):
    def __init__(self) -> None:
        super().__init__(_ticks, _wall)

    def monotonic(self) -> float:
        return time.monotonic()


def _ticks() -> int:
    return time.monotonic_ns() // 1000


def _wall() -> int:
    return time.time_ns() // 1000
