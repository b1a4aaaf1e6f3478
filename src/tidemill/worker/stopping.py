"""When an attempt must stop: its timeouts, the grace after it was told, and what becomes of one that goes on.

```text
runs --timeout, silence--> told --ends--> stopped
     --cancel, drain, stale-^    --grace is over--> killed, where its back-end can
                                                    abandoned: reported, and its slot is lost while its body runs
```
"""

import asyncio
import logging
from collections.abc import Callable

from tidemill.ports.clock import Clock
from tidemill.worker.attempt import LiveAttempt, Phase, Stop, Why

log = logging.getLogger(__name__)

_TEXTS = {Why.TIMEOUT: "no end after {:g} s", Why.SILENCE: "no sign of life for {:g} s"}
_STRONGER = (Why.CANCEL, Why.STALE)  # these take the place of another reason


class Stopping:
    """On the control loop.

    Args:
        give_up: called with an attempt whose grace is over and whose body goes on, where nothing can be done.
    """

    def __init__(self, clock: Clock, grace_s: float, give_up: Callable[[LiveAttempt], None]) -> None:
        self._clock, self._grace_s, self._give_up = clock, grace_s, give_up

    def watch(self, attempt: LiveAttempt) -> None:
        """Its body begins now."""
        attempt.began = attempt.seen = self._clock.monotonic()
        if attempt.assign.timeout_s is not None or attempt.assign.silence_s is not None:
            self._look(attempt)

    def tell(self, attempt: LiveAttempt, stop: Stop) -> None:
        """Ask it to stop. A second reason counts only when it is a stronger one."""
        if attempt.stop and stop.why not in _STRONGER:
            return
        attempt.stop = stop
        if attempt.phase is not Phase.RUNNING:
            if attempt.errand:
                attempt.errand.cancel()
        elif not attempt.is_abandoned:
            attempt.backend.stop(attempt)
            self._set_timer(attempt, stop.grace_s, self._end_grace)

    def forget(self, attempt: LiveAttempt) -> None:
        """Its body has ended."""
        if attempt.timer:
            attempt.timer.cancel()
            attempt.timer = None

    def _look(self, attempt: LiveAttempt) -> None:
        """Stop it if its time is up, else look again when it could be."""
        now = self._clock.monotonic()
        limits = [
            (Why.TIMEOUT, attempt.assign.timeout_s, now - attempt.began),
            (Why.SILENCE, attempt.assign.silence_s, 0.0 if attempt.waits else now - attempt.seen),
        ]
        left, why, limit = min(
            ((limit - passed, why, limit) for why, limit, passed in limits if limit is not None),
            key=lambda each: each[0],
        )
        if left > 0:
            self._set_timer(attempt, left, self._look)
        else:
            self.tell(attempt, Stop(why, _TEXTS[why].format(limit), self._grace_s))

    def _end_grace(self, attempt: LiveAttempt) -> None:
        attempt.timer = None
        if attempt.backend.can_kill:
            attempt.is_killed = True
            attempt.backend.kill(attempt)  # its end is the proof
            return
        log.warning(
            "%s was told to stop (%s) and goes on %s s later: it is given up, and keeps its slot",
            attempt.assign.task, attempt.stop and attempt.stop.text, attempt.stop and attempt.stop.grace_s,
        )  # fmt: skip
        self._give_up(attempt)
        attempt.backend.stop(attempt)  # once more: a body may have swallowed the first

    def _set_timer(self, attempt: LiveAttempt, delay_s: float, call: Callable[[LiveAttempt], None]) -> None:
        self.forget(attempt)
        attempt.timer = asyncio.get_running_loop().call_later(max(delay_s, 0.0), call, attempt)
