"""What a simulation asks of each long-lived part when time is about to jump."""

from typing import Protocol


class Probe(Protocol):
    def idle_violation(self) -> str | None:
        """Why this part must not sleep now; None when it has no work. Retries and timers hide lost wake-ups."""
        ...
