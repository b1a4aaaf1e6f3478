"""Two ends of a link inside one process, with a bounded window."""

import asyncio
from collections import deque

from tidemill.ports.link import LinkDownError


class _Pipe:
    """Frames in one direction."""

    def __init__(self, window: int) -> None:
        self.frames: deque[bytes] = deque()
        self.is_closed = False
        self._window = window
        self._changed = asyncio.Event()

    @property
    def is_full(self) -> bool:
        return len(self.frames) >= self._window

    def wake(self) -> None:
        """Whoever waits looks again."""
        self._changed.set()

    async def change(self) -> None:
        self._changed.clear()
        await self._changed.wait()

    def close(self) -> None:
        self.is_closed = True
        self.wake()


class MemoryLink:
    def __init__(self, incoming: _Pipe, outgoing: _Pipe) -> None:
        self._incoming, self._outgoing = incoming, outgoing

    async def send(self, frame: bytes) -> None:
        pipe = self._outgoing
        while pipe.is_full and not pipe.is_closed:
            await pipe.change()
        if pipe.is_closed:
            raise LinkDownError("the link was closed")
        pipe.frames.append(frame)
        pipe.wake()

    async def receive(self) -> bytes:
        pipe = self._incoming
        while not pipe.frames:
            if pipe.is_closed:
                raise LinkDownError("the link was closed")
            await pipe.change()
        frame = pipe.frames.popleft()
        pipe.wake()
        return frame

    async def close(self) -> None:
        self._incoming.close()
        self._outgoing.close()


def link_pair(window: int = 64) -> tuple[MemoryLink, MemoryLink]:
    """Both ends of a new link; a sender waits while ``window`` frames are unread."""
    there, back = _Pipe(window), _Pipe(window)
    return MemoryLink(back, there), MemoryLink(there, back)
