"""Work on files that nothing waits for: one after the other, through the Threads port."""

import asyncio
import logging
from collections import deque
from collections.abc import Callable

from tidemill.ports.threads import Threads

log = logging.getLogger(__name__)


class Chores:
    """``run`` is the owner; what is left when it is cancelled is left."""

    def __init__(self, threads: Threads) -> None:
        self._threads = threads
        self._waiting: deque[tuple[str, Callable[[], None]]] = deque()
        self._wake = asyncio.Event()
        self._is_busy = False

    def add(self, name: str, work: Callable[[], None]) -> None:
        self._waiting.append((name, work))
        self._wake.set()

    async def run(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            await self.finish()

    async def finish(self) -> None:
        """Until nothing is left to be done."""
        while self._waiting:
            name, work = self._waiting.popleft()
            self._is_busy = True
            try:
                await self._threads.call(name, work)
            except OSError as error:
                log.error("%s failed: %s", name, error)  # noqa: TRY400 - the text says it all
            finally:
                self._is_busy = False

    def idle_violation(self) -> str | None:
        if self._waiting and not self._is_busy and not self._wake.is_set():
            return "work on files waits and nobody was woken"
        return None
