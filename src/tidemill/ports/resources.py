"""What the machine has that a worker can offer."""

from typing import Protocol

from msgspec import Struct

from tidemill.core.requirements import Resources


class Found(Struct, frozen=True):
    """``notes`` say what was not found, and why, for people."""

    resources: Resources
    notes: tuple[str, ...] = ()


class Machine(Protocol):
    def look(self) -> Found:
        """Look now: cores, RAM and GPUs that this process may use. Raises nothing; may take a second for GPUs."""
        ...
