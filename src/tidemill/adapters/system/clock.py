"""The clock of the machine."""

import time

from tidemill.core.ids import Instant

_SLEW_EVERY_US = 1_000_000
_SLEW_PART = 2000  # of the time that passed: half a millisecond a second


class SystemClock:
    """Wall time at start plus monotonic time, drawn slowly towards the wall clock: a jump of that moves nothing."""

    def __init__(self) -> None:
        self._slewed = _ticks()
        self._offset = _wall() - self._slewed

    def now(self) -> Instant:
        ticks = _ticks()
        if (passed := ticks - self._slewed) >= _SLEW_EVERY_US:
            most = passed // _SLEW_PART
            self._offset += max(-most, min(most, _wall() - ticks - self._offset))
            self._slewed = ticks
        return ticks + self._offset

    def monotonic(self) -> float:
        return time.monotonic()


def _ticks() -> int:
    return time.monotonic_ns() // 1000


def _wall() -> int:
    return time.time_ns() // 1000
