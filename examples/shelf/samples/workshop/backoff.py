"""How long to wait before the next attempt."""

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True)
class Backoff:
    """Doubling pauses up to a cap, less a random part."""

    first: timedelta = timedelta(seconds=1)
    cap: timedelta = timedelta(minutes=5)
    spread: float = 0.3

    def delay(self, attempt: int, chance: float) -> timedelta:
        """The pause after the given attempt (from 1); ``chance`` is drawn from 0 to 1 by the caller."""
        doublings = min(attempt - 1, 30)
        pause = min(self.first * 2**doublings, self.cap)
        return pause * (1 - self.spread * chance)


if __name__ == "__main__":
    policy = Backoff()
    for attempt in range(1, 11):
        print(attempt, policy.delay(attempt, chance=0.5))
