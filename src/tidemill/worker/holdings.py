"""What this worker holds: attempts, the slots that they take, and bodies that it gave up."""

import asyncio

from tidemill.wire.worker import AttemptRef
from tidemill.worker.attempt import LiveAttempt, Phase
from tidemill.worker.slots import Slots


class Holdings:
    """On the control loop."""

    def __init__(self, slots: Slots, most_abandoned: int) -> None:
        self.live: dict[AttemptRef, LiveAttempt] = {}
        self.overrun = asyncio.Event()  # too many bodies cannot be stopped
        self._slots, self._most_abandoned = slots, most_abandoned
        self._abandoned: dict[LiveAttempt, None] = {}
        self._lately: dict[str, None] = {}
        self._emptied = asyncio.Event()

    @property
    def running(self) -> list[LiveAttempt]:
        """Attempts whose body has the floor on the user loop."""
        return [each for each in self.live.values() if each.phase is Phase.RUNNING and each.is_on_loop]

    def holds(self, attempt: LiveAttempt) -> bool:
        """False for one that was reported, given up or dropped, though its body may still run."""
        return self.live.get(attempt.ref) is attempt

    def add(self, attempt: LiveAttempt) -> None:
        self.live[attempt.ref] = attempt
        self._slots.occupy(attempt.pool)

    def remove(self, attempt: LiveAttempt) -> None:
        """It is held no more. Its slot is free when its body has ended (`leave`)."""
        if self.holds(attempt):
            del self.live[attempt.ref]
        if not self.live:
            self._emptied.set()

    def abandon(self, attempt: LiveAttempt) -> None:
        """Its body cannot be stopped: the slot is lost until it ends by itself."""
        attempt.is_abandoned = True
        self._abandoned[attempt] = None
        self.remove(attempt)
        if len(self._abandoned) >= self._most_abandoned:
            self.overrun.set()

    def leave(self, attempt: LiveAttempt) -> None:
        """Nothing of it runs any more."""
        self._abandoned.pop(attempt, None)
        self._lately[attempt.assign.task] = None
        attempt.has_left = True
        if attempt.has_slot:
            self._slots.free(attempt.pool)

    async def empty(self) -> None:
        """Until nothing is held."""
        while self.live:
            self._emptied.clear()
            await self._emptied.wait()

    def take_lately(self) -> list[str]:
        """Names of the tasks that have run since this was asked last."""
        names = {*self._lately, *(attempt.assign.task for attempt in self.live.values())}
        self._lately.clear()
        return sorted(names)

    def idle_violation(self) -> str | None:
        for attempt in self.live.values():
            if attempt.phase is not Phase.RUNNING and (attempt.errand is None or attempt.errand.done()):
                return f"{attempt.assign.task} is {attempt.phase.value} and nobody does it"
        return None
