"""A simulated process: the steps of all tasks that its start-up began, and nothing else."""

import asyncio
from contextvars import Context, ContextVar

from tidemill.ports.probe import Probe


class Process:
    """May be killed or frozen between any two of its steps; `SimLoop` asks before each one."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.alive = True
        self.probes: list[Probe] = []
        self._frozen = False
        self._held: list[asyncio.Handle] = []

    def admits(self, step: asyncio.Handle) -> bool:
        """Whether ``step`` may run now. A dead process loses it, a frozen one keeps it for later."""
        if self.alive and self._frozen:
            self._held.append(step)
        return self.alive and not self._frozen

    def kill(self) -> None:
        """As `kill -9`: its steps never happen. Cancelling its tasks would run `finally`, which is a lie."""
        self.alive = False

    def freeze(self) -> None:
        """As SIGSTOP."""
        self._frozen = True

    def thaw(self) -> list[asyncio.Handle]:
        """As SIGCONT; gives the steps that waited, for the loop to take back."""
        self._frozen = False
        held, self._held = self._held, []
        return held

    def idle_violation(self) -> str | None:
        """The first complaint of a part that sleeps on work."""
        if not self.alive or self._frozen:
            return None
        return next((f"{self.name}: {said}" for probe in self.probes if (said := probe.idle_violation())), None)


PROCESS: ContextVar[Process | None] = ContextVar("process", default=None)  # inherited by each task and callback
OUTSIDE = Context()  # where the network, the disks and the faults run: in no process
