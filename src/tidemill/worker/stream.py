"""What one attempt gives while it runs, on its way: numbered, and sent again until it is durable."""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any, Generic, TypeVar

import msgspec

from tidemill.core.bodies import Encoded, LocalFile
from tidemill.core.telling import EMISSION_LIMIT_BYTES, Emission
from tidemill.wire.worker import FRAME_VALUES_BYTES, AttemptRef, Chunk, Event

T = TypeVar("T")


class Outgoing(Generic[T]):
    """What is numbered and must arrive. Filled where the body runs, emptied by the control loop.

    Each end of a deque has one owner.

    Args:
        wake: tells the control loop that something waits.
    """

    def __init__(self, attempt: AttemptRef, wake: Callable[[], None]) -> None:
        self._attempt, self._wake = attempt, wake
        self._unsent: deque[T] = deque()
        self._unacknowledged: deque[T] = deque()
        self.count = 0  # made
        self.durable = 0  # acknowledged
        self._moved = asyncio.Event()

    @property
    def is_durable(self) -> bool:
        return self.count == self.durable

    def add(self, item: T) -> None:
        self.count += 1
        self._unsent.append(item)
        self._wake()

    def acknowledge(self, upto: int) -> None:
        """Those before ``upto`` are durable."""
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

    @property
    def _next(self) -> int:
        """The number of the next one to be sent."""
        return self.durable + len(self._unacknowledged)


class Events(Outgoing[Emission]):
    """What a body tells of its run; bounded by how many an attempt may tell."""

    def take(self) -> tuple[Event, int] | None:
        """The next message and its size; None when nothing waits."""
        first, told, size = self._next, list[Emission](), 0
        while self._unsent and size < FRAME_VALUES_BYTES // 2:
            told.append(self._unsent.popleft())
            size += len(told[-1].message) + _size_of(told[-1].payload)
        self._unacknowledged.extend(told)
        return (Event(self._attempt, first, tuple(told)), size) if told else None


def _size_of(payload: Any) -> int:
    return len(bytes(payload)) if isinstance(payload, msgspec.Raw) else EMISSION_LIMIT_BYTES


class Stream(Outgoing[Encoded]):
    """``is_uploading`` and ``uploading`` are the control loop's: files of items go before their items."""

    def __init__(self, attempt: AttemptRef, wake: Callable[[], None]) -> None:
        super().__init__(attempt, wake)
        self.is_uploading = False
        self.uploading = asyncio.Lock()

    @property
    def local(self) -> tuple[LocalFile, ...]:
        """Files that must be uploaded before the next item can go."""
        return self._unsent[0].local if self._unsent else ()

    def mark_uploaded(self) -> None:
        """The files of the next item are with the server."""
        self._unsent[0] = Encoded(self._unsent[0].data, self._unsent[0].refs)

    def take(self) -> tuple[Chunk, int] | None:
        """The next message and its size; None when nothing can go now."""
        first = self._next
        items: list[Encoded] = []
        room = FRAME_VALUES_BYTES
        while self._unsent and not self.local and (room >= len(self._unsent[0].data) or not items):
            items.append(self._unsent.popleft())
            room -= len(items[-1].data)
        self._unacknowledged.extend(items)
        data = tuple([item.data for item in items])
        return (Chunk(self._attempt, first, data), FRAME_VALUES_BYTES - room) if items else None
