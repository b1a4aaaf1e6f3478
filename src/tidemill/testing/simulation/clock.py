"""Virtual time as one process sees it."""

from collections.abc import Callable

from tidemill.core.ids import Instant

START_AT: Instant = 1_800_000_000_000_000  # 2027-01-15


class SimClock:
    """The Clock port: all processes share the pace of time, and each is wrong about the hour by ``skew_s``."""

    def __init__(self, time: Callable[[], float], skew_s: float = 0.0) -> None:
        self.monotonic = time
        self._origin = START_AT + int(skew_s * 1_000_000)

    def now(self) -> Instant:
        return self._origin + int(self.monotonic() * 1_000_000)
