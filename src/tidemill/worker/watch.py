"""Notices what stands still: the user loop, by async code that blocks; all, by a call that holds the interpreter."""

import asyncio
import logging

from tidemill.ports.clock import Clock
from tidemill.ports.stage import Stage
from tidemill.worker.holdings import Holdings

log = logging.getLogger(__name__)


class LoopWatch:
    """On the control loop, which goes on whatever user code does; ``run`` is its owner."""

    def __init__(self, stage: Stage, holdings: Holdings, clock: Clock, blocked_s: float) -> None:
        self._stage, self._holdings, self._clock, self._blocked_s = stage, holdings, clock, blocked_s
        self._has_answered = True

    async def run(self) -> None:
        waited_s = 0.0
        while True:
            due = self._clock.monotonic() + self._blocked_s
            await asyncio.sleep(self._blocked_s)
            late_s, lately = self._clock.monotonic() - due, self._holdings.take_lately()
            if late_s > self._blocked_s:
                self._report_held(late_s, lately)
            if not self._has_answered:
                waited_s += self._blocked_s
                self._report(waited_s)
            elif self._holdings.running:
                waited_s, self._has_answered = 0.0, False
                self._stage.wake_user(self._answer)

    def _answer(self) -> None:
        self._has_answered = True

    def _report_held(self, late_s: float, lately: list[str]) -> None:
        """Even this loop could not run: leases of all that is held were at risk."""
        tasks = ", ".join(lately) or "none"
        log.warning("something held the interpreter for %.1f s; the tasks that ran: %s", late_s, tasks)

    def _report(self, waited_s: float) -> None:
        tasks = sorted({attempt.assign.task for attempt in self._holdings.running})
        log.warning(
            "async code has blocked its loop for more than %.1f s: %s, one of the tasks %s. Heartbeats go on; "
            "a blocking call belongs into a task that is not async",
            waited_s, self._stage.whereabouts() or "place unknown", ", ".join(tasks),
        )  # fmt: skip
