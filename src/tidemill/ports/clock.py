"""Time. Sleeping is `asyncio.sleep` and `asyncio.timeout` on the loop, which a simulation replaces whole."""

from typing import Protocol

from tidemill.core.ids import Instant


class Clock(Protocol):
    def now(self) -> Instant:
        """Microseconds since 1970, UTC: wall time at start plus monotonic time, so a clock jump moves nothing."""
        ...

    def monotonic(self) -> float:
        """Seconds; only differences mean anything."""
        ...
