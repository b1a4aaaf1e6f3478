"""The items of one attempt's stream on their way: numbered, resent until they are durable, bounded by back-pressure."""

import asyncio
from collections import deque
from collections.abc import Callable

from tidemill.core.bodies import Encoded, LocalFile
from tidemill.wire.worker import FRAME_VALUES_BYTES, AttemptRef, Chunk


class Stream:
    """Filled where the body runs, emptied by the control loop; each end of a deque has one owner.

    ``is_uploading`` and ``uploading`` are the control loop's: files of items go before their items.

    Args:
        wake: tells the control loop that items wait.
    """

    def __init__(self, attempt: AttemptRef, wake: Callable[[], None]) -> None:
        self._attempt, self._wake = attempt, wake
        self._unsent: deque[Encoded] = deque()
        self._unacknowledged: deque[Encoded] = deque()
        self.count = 0  # made
        self.durable = 0  # acknowledged
        self.is_uploading = False
        self.uploading = asyncio.Lock()
        self._moved = asyncio.Event()

    @property
    def is_durable(self) -> bool:
        return self.count == self.durable

    def add(self, item: Encoded) -> None:
        self.count += 1
        self._unsent.append(item)
        self._wake()

    @property
    def local(self) -> tuple[LocalFile, ...]:
        """Files that must be uploaded before the next item can go."""
        return self._unsent[0].local if self._unsent else ()

    def mark_uploaded(self) -> None:
        """The files of the next item are with the server."""
        self._unsent[0] = Encoded(self._unsent[0].data, self._unsent[0].refs)

    def take(self) -> tuple[Chunk, int] | None:
        """The next message and its size; None when nothing can go now."""
        first = self.durable + len(self._unacknowledged)
        items: list[Encoded] = []
        room = FRAME_VALUES_BYTES
        while self._unsent and not self.local and (room >= len(self._unsent[0].data) or not items):
            items.append(self._unsent.popleft())
            room -= len(items[-1].data)
        self._unacknowledged.extend(items)
        data = tuple([item.data for item in items])
        return (Chunk(self._attempt, first, data), FRAME_VALUES_BYTES - room) if items else None

    def acknowledge(self, upto: int) -> None:
        """Items before ``upto`` are durable."""
        while self.durable < upto and self._unacknowledged:
            self._unacknowledged.popleft()
            self.durable += 1
        self._moved.set()

    async def wait(self) -> None:
        """Until more is acknowledged. On the control loop."""
        self._moved.clear()
        await self._moved.wait()

    def rewind(self) -> None:
        """The link died: what is not acknowledged is to be sent again."""
        self._unsent.extendleft(reversed(self._unacknowledged))
        self._unacknowledged.clear()
