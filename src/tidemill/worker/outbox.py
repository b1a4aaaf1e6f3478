"""What waits to be sent on one link. Whatever one turn of the loop made leaves as one frame, control first."""

import asyncio
from collections import deque
from typing import Any

from tidemill.ports.faults import NO_FAULTS, Faults
from tidemill.ports.link import Link
from tidemill.wire.worker import FRAME_VALUES_BYTES, Credit, Failed, Started, Succeeded
from tidemill.worker.framing import frames_of
from tidemill.worker.slots import Slots

LAZY_S = 0.01  # what may wait for company goes after this time without
ROOMY_BYTES = 1024 * 1024
_MESSAGE_BYTES = 100  # of a message beside its values: a guess that keeps frames bounded


class Outbox:
    """One for all links, one after the other; emptied by the session's one sender.

    Its length is bounded by what fills it: results by credit, items by acknowledgement, log lines by their own limit.

    Credit is no message that waits: what is owed is asked for when a frame is made.
    """

    def __init__(self, slots: Slots, faults: Faults = NO_FAULTS) -> None:
        self._slots, self._faults = slots, faults
        self._control: deque[tuple[Any, int]] = deque()
        self._bulk: deque[tuple[Any, int]] = deque()
        self._bulk_bytes = 0
        self._wake, self._sent, self._closed = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self._is_waiting = False
        self.is_open = False
        self._timer: asyncio.TimerHandle | None = None

    @property
    def is_roomy(self) -> bool:
        """Whether log lines should be added: there is a link, and it is not far behind."""
        return self.is_open and self._bulk_bytes < ROOMY_BYTES

    def open(self) -> None:
        """A welcome: from here on messages go to its link."""
        self.is_open = True
        self._closed.clear()
        self._wake.set()

    def close(self) -> None:
        """The link died: what waits is dropped, for all that must arrive is kept elsewhere."""
        self.is_open = self._is_waiting = False
        self._control.clear()
        self._bulk.clear()
        self._bulk_bytes = 0
        self._disarm()
        self._closed.set()

    async def closed(self) -> None:
        """Until there is no link."""
        await self._closed.wait()

    def put(self, message: Any, size: int = 0) -> None:
        """Control: leaves at the end of this turn. ``size``: bytes of the values inside."""
        if self.is_open:
            self._control.append((message, size + _MESSAGE_BYTES))
            self._wake.set()

    def put_bulk(self, message: Any, size: int) -> None:
        """Leaves in order, behind all control."""
        if self.is_open:
            self._bulk.append((message, size + _MESSAGE_BYTES))
            self._bulk_bytes += size + _MESSAGE_BYTES
            self._wake.set()

    def put_lazily(self, message: Any) -> None:
        """Control that may wait a few milliseconds for company."""
        if not self.is_open:
            return
        self._control.append((message, _MESSAGE_BYTES))
        if self._timer is None and not self._wake.is_set():
            self._timer = asyncio.get_running_loop().call_later(LAZY_S, self._wake.set)

    def owe(self) -> None:
        """Credit may be owed."""
        self._wake.set()

    async def send_to(self, link: Link) -> None:
        """Until the link dies or the caller cancels."""
        while True:
            self._is_waiting = True
            await self._wake.wait()
            self._is_waiting = False
            self._wake.clear()
            self._disarm()
            while messages := self._take():
                reports = any(isinstance(each, Succeeded | Failed) for each in messages)
                if reports:
                    self._faults.reach("report.before")
                for frame in frames_of(messages):
                    await link.send(frame)
                if reports:
                    self._faults.reach("report.after")
            self._sent.set()

    async def flush(self) -> None:
        """Until all that waits now is handed to the link."""
        while self._control or self._bulk:
            self._sent.clear()
            self._wake.set()
            await self._sent.wait()

    def idle_violation(self) -> str | None:
        """The sender may sleep only on nothing, or on what may wait for company."""
        if not self._is_waiting or self._wake.is_set() or self._timer:
            return None
        if self._slots.owed():
            return "credit is owed and not granted"
        return "messages wait and the sender sleeps" if self._control or self._bulk else None

    def _take(self) -> list[Any]:
        messages: list[Any] = [Credit(totals)] if (totals := self._slots.grant()) else []
        room = FRAME_VALUES_BYTES
        for lane in (self._control, self._bulk):
            while lane and (room >= lane[0][1] or not messages):
                message, size = lane.popleft()
                messages.append(message)
                room -= size
                if lane is self._bulk:
                    self._bulk_bytes -= size
        return _without_starts_that_ended(messages)

    def _disarm(self) -> None:
        if self._timer:
            self._timer.cancel()
            self._timer = None


def _without_starts_that_ended(messages: list[Any]) -> list[Any]:
    """Who hears of an attempt's end in a frame need not hear of its start there."""
    ended = {message.attempt for message in messages if isinstance(message, Succeeded | Failed)}
    if not ended:
        return messages
    return [message for message in messages if not (isinstance(message, Started) and message.attempt in ended)]
