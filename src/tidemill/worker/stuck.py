"""Notices attempts that stand still, and says so while they do: in their own log, and in the worker's."""

import asyncio
import logging

from tidemill.ports.clock import Clock
from tidemill.worker.attempt import LiveAttempt, Phase
from tidemill.worker.holdings import Holdings

log = logging.getLogger(__name__)

LOGGER = "tidemill.watchdog"
_DOING = {Phase.PREPARING: "fetching its inputs", Phase.RUNNING: "running", Phase.STORING: "storing its outputs"}


class StuckWatch:
    """On the control loop; ``run`` is its owner.

    A body that runs gives a sign of life by progress, a heartbeat, an item, a saved file. One that waits for a run that
    it started is not stuck.
    """

    def __init__(self, holdings: Holdings, clock: Clock, stuck_s: float) -> None:
        self._holdings, self._clock, self._stuck_s = holdings, clock, stuck_s
        self._told: dict[LiveAttempt, tuple[float, int]] = {}  # the sign of life that was the last, and how often said

    @property
    def stuck(self) -> int:
        """How many attempts stand still."""
        return len(self._told)

    async def run(self) -> None:
        while True:
            await asyncio.sleep(self._stuck_s / 4)
            self._look(self._clock.monotonic())

    def _look(self, now: float) -> None:
        live = [each for each in self._holdings.live.values() if not each.waits]
        still = {each for each in live if now - each.seen > self._stuck_s}
        for attempt in [*self._told]:
            if attempt not in still or self._told[attempt][0] != attempt.seen:
                del self._told[attempt]
        for attempt in still:
            _, often = self._told.get(attempt, (attempt.seen, 0))
            if now - attempt.seen > self._stuck_s * 2**often:  # ever more rarely
                self._told[attempt] = (attempt.seen, often + 1)
                self._report(attempt, now - attempt.seen)

    def _report(self, attempt: LiveAttempt, silent_s: float) -> None:
        text = f"stuck: no sign of life for {silent_s:.0f} s, {_DOING[attempt.phase]}"
        log.warning("%s, attempt %d at %s, is %s", attempt.target, attempt.ref.number, attempt.ref.path, text)
        attempt.log("WARNING", LOGGER, text)
