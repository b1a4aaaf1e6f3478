"""What goes to one worker, gathered into frames that a link takes."""

import asyncio
from collections import deque
from collections.abc import Iterator
from typing import Any

from tidemill.ports.faults import NO_FAULTS, Faults
from tidemill.ports.link import Link
from tidemill.wire.worker import FRAME_LIMIT_BYTES, Ack, Assign, ChunkAck, EventAck, ToWorker, encode_frame

FRAME_MESSAGES = 64
FRAME_BYTES = FRAME_LIMIT_BYTES // 4


class Outbox:
    """What goes to one worker; one sender, so that no beat ever waits for a socket."""

    def __init__(self, link: Link, faults: Faults = NO_FAULTS) -> None:
        self.link, self._faults = link, faults
        self._waiting: deque[ToWorker] = deque()
        self._bell = asyncio.Event()
        self._is_closed = False

    def put(self, message: ToWorker) -> None:
        self._waiting.append(message)
        self._bell.set()

    def close(self, last: ToWorker) -> None:
        """Nothing follows ``last``."""
        self.put(last)
        self._is_closed = True

    async def send_all(self) -> None:
        """Until the link is down, or the last message is sent; what gathered in the meantime leaves together."""
        while not self._is_closed:
            await self._bell.wait()
            self._bell.clear()
            await self.flush()

    async def flush(self) -> None:
        while self._waiting:
            some = [self._waiting.popleft() for _ in range(min(FRAME_MESSAGES, len(self._waiting)))]
            acks = any(isinstance(each, Ack | ChunkAck | EventAck) for each in some)
            leases = any(isinstance(each, Assign) for each in some)
            if acks:
                self._faults.reach("ack.before")
            if leases:
                self._faults.reach("lease.before")
            for frame in _frames(_joined(some)):
                await self.link.send(frame)
            if acks:
                self._faults.reach("ack.after")
            if leases:
                self._faults.reach("lease.after")


def _frames(messages: list[Any]) -> Iterator[bytes]:
    """One frame, or several where it would be too large for a link."""
    frame = encode_frame(messages)
    if len(frame) <= FRAME_BYTES or len(messages) == 1:
        yield frame
        return
    middle = len(messages) // 2
    yield from _frames(messages[:middle])
    yield from _frames(messages[middle:])


def _joined(messages: list[ToWorker]) -> list[Any]:
    """Acknowledgements of one frame as one message."""
    acks = [message.attempts[0] for message in messages if isinstance(message, Ack)]
    if len(acks) < 2:
        return messages
    return [Ack(tuple(acks)), *(message for message in messages if not isinstance(message, Ack))]
