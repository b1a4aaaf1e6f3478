"""How much memory this process has had."""

import resource
import sys

from tidemill.ports.clock import Clock

EVERY_S = 0.05  # a look costs 2 µs, a tenth of what a short attempt does
_UNITS_IN_KIB = 1024 if sys.platform == "darwin" else 1  # there in bytes, elsewhere in KiB


class PeakMemory:
    """The most that was resident at once since the process began, looked at from time to time. For any thread."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._kib, self._until = 0, float("-inf")

    def kib(self) -> int:
        if (now := self._clock.monotonic()) >= self._until:
            self._until = now + EVERY_S
            self._kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // _UNITS_IN_KIB
        return self._kib
