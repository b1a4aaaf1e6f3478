"""How a worker is, for those who watch over it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class WorkerStatus:
    """A look at one moment; it may be taken from any thread."""

    connected: bool
    draining: bool
    held: int  # attempts that it has
    received: int  # attempts since it last connected
    stuck: int = 0  # of those that it has, how many give no sign of life
    phase: str = ""  # of its start: what it does; "serving" once it was welcomed

    @property
    def is_accepting(self) -> bool:
        return self.connected and not self.draining
