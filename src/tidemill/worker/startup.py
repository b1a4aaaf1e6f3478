"""The start of a worker, phase by phase, with a limit: one that cannot register in time ends with the reason."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from enum import Enum

from tidemill.core.errors import UnavailableError
from tidemill.ports.clock import Clock

log = logging.getLogger(__name__)


class StartPhase(Enum):
    """What a worker does before it takes its first attempt."""

    BACKENDS = "opening its back-ends"
    HOOKS = "running on_start"
    RESTORE = "reading the results that it kept"
    CONNECT = "connecting"
    SERVING = "serving"


class NotRegisteredError(UnavailableError):
    """The worker was not welcomed in time."""

    def __init__(self, limit_s: float, phase: StartPhase, problem: str) -> None:
        because = f": {problem}" if problem else ""
        super().__init__(f"not registered within {limit_s:g} s; it was {phase.value}{because} (TIDEMILL_REGISTER_S)")
        self.limit_s, self.phase, self.problem = limit_s, phase, problem


class StartUp:
    """On the control loop.

    Args:
        limit_s: from `limited` to the first welcome; None for no limit.
    """

    def __init__(self, clock: Clock, limit_s: float | None) -> None:
        self.phase = StartPhase.BACKENDS
        self.problem = ""  # why the last try to connect failed
        self._clock, self._limit_s = clock, limit_s
        self._began = clock.monotonic()
        self._limit: asyncio.Timeout | None = None

    @asynccontextmanager
    async def limited(self) -> AsyncIterator[None]:
        """Raises NotRegisteredError."""
        self._began = self._clock.monotonic()
        try:
            async with asyncio.timeout(self._limit_s) as self._limit:
                yield
        except TimeoutError:
            if self._limit is None or not self._limit.expired() or self._limit_s is None:
                raise
            raise NotRegisteredError(self._limit_s, self.phase, self.problem) from None

    def enter(self, phase: StartPhase) -> None:
        self.phase = phase
        log.debug("start-up after %.2f s: %s", self._clock.monotonic() - self._began, phase.value)

    def welcomed(self) -> None:
        """It is registered: the limit counts no more."""
        if self.phase is not StartPhase.SERVING:
            self.enter(StartPhase.SERVING)
            log.info("registered %.2f s after its start", self._clock.monotonic() - self._began)
        if self._limit is not None and not self._limit.expired():
            self._limit.reschedule(None)
