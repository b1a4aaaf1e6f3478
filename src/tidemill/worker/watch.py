"""Notices a user loop that makes no turn: async code that blocks, or a call that holds the interpreter."""

import asyncio
import logging

from tidemill.worker.roster import Roster
from tidemill.worker.stage import Stage

log = logging.getLogger(__name__)


class LoopWatch:
    """On the control loop, which goes on whatever user code does; ``run`` is its owner."""

    def __init__(self, stage: Stage, roster: Roster, blocked_s: float) -> None:
        self._stage, self._roster, self._blocked_s = stage, roster, blocked_s
        self._has_answered = True

    async def run(self) -> None:
        waited_s = 0.0
        while True:
            await asyncio.sleep(self._blocked_s)
            if not self._has_answered:
                waited_s += self._blocked_s
                self._report(waited_s)
            elif self._roster.running:
                waited_s, self._has_answered = 0.0, False
                self._stage.wake_user(self._answer)

    def _answer(self) -> None:
        self._has_answered = True

    def _report(self, waited_s: float) -> None:
        tasks = sorted({attempt.assign.task for attempt in self._roster.running})
        log.warning(
            "async code has blocked its loop for more than %.1f s: %s, one of the tasks %s. Heartbeats go on; "
            "a blocking call belongs into a task that is not async",
            waited_s, self._stage.whereabouts() or "place unknown", ", ".join(tasks),
        )  # fmt: skip
