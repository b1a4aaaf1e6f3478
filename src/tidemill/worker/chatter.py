"""Carries what attempts say to the outbox: items of streams at once, progress and log lines in batches."""

import asyncio

from tidemill.worker.attempt import LiveAttempt
from tidemill.worker.outbox import Outbox

BATCH_S = 0.1


class Chatter:
    """On the control loop; ``run`` is its owner."""

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox
        self._speaking: dict[LiveAttempt, None] = {}
        self._wake = asyncio.Event()

    def hear(self, attempt: LiveAttempt) -> None:
        """An attempt has something to say."""
        attempt.is_called = False  # before looking
        self.forward(attempt)
        if attempt.voice:
            self._speaking[attempt] = None
            self._wake.set()

    def forward(self, attempt: LiveAttempt) -> None:
        """Send the items that wait; without a link they go on waiting."""
        for tail in attempt.tails:
            while self._outbox.is_open and (taken := tail.take()):
                self._outbox.put_bulk(*taken)

    def finish(self, attempt: LiveAttempt) -> None:
        """The body has ended: its last words go now."""
        self._speaking.pop(attempt, None)
        if attempt.voice:
            self._speak(attempt)

    async def run(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            for attempt in [*self._speaking] if self._outbox.is_roomy else ():
                del self._speaking[attempt]
                self._speak(attempt)
            await asyncio.sleep(BATCH_S)
            if self._speaking:
                self._wake.set()

    def _speak(self, attempt: LiveAttempt) -> None:
        if attempt.voice is None:
            return
        if (progress := attempt.voice.take_progress()) is not None:
            self._outbox.put(progress)
        if (metric := attempt.voice.take_metric()) is not None:
            self._outbox.put(metric)
        for message, size in attempt.voice.take_lines():
            self._outbox.put_bulk(message, size)
