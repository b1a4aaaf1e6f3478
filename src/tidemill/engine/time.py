"""The store's time, by our clock: what is planned and what is stored must mean the same on every server."""

from tidemill.core.ids import Instant
from tidemill.ports.clock import Clock

CLOSE_US = 1000  # so far apart is the same


class StoreClock:
    """A clock that goes as ours does, from where the store's was seen to be. Where the store has none it is ours."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._ahead = 0  # of ours, in microseconds

    def now(self) -> Instant:
        return self._clock.now() + self._ahead

    def monotonic(self) -> float:
        return self._clock.monotonic()

    def keep(self, at: Instant) -> int:
        """The store's clock showed ``at`` just now. Gives how far this one was moved."""
        moved = at - self.now()
        if abs(moved) < CLOSE_US:
            return 0
        self._ahead += moved
        return moved
