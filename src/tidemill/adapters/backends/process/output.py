"""What a child writes to its standard output or error, as lines of the attempt that it runs."""

import asyncio
import contextlib
import logging
import os
from collections import deque
from collections.abc import Callable

from tidemill.ports.backend import Work

log = logging.getLogger(__name__)

READ_BYTES = 64 * 1024  # what a pipe holds
READS_AT_ONCE = 4
FREE_BYTES = 1024 * 1024  # of one attempt; after that only the newest pass
TAIL_BYTES = 16 * 1024  # of each beat
BEAT_S = 0.1
KEPT_LINES = 20


class Output:
    """The reading end of one pipe. On the control loop.

    Args:
        work: whose output it is at this moment; None while the child is idle.
    """

    def __init__(self, file: int, level: str, work: Callable[[], Work | None]) -> None:
        self._file, self._level, self._work = file, level, work
        self.last_lines: deque[str] = deque(maxlen=KEPT_LINES)  # of what it wrote while idle
        self._rest = b""  # without its line end
        self._held = bytearray()  # the newest, once it has written too much
        self._passed = self._omitted = 0
        self._timer: asyncio.TimerHandle | None = None
        self._loop = asyncio.get_running_loop()
        os.set_blocking(file, False)
        self._loop.add_reader(file, self._read)

    def finish(self) -> None:
        """The body has ended: what lies in the pipe is its too, and a line without an end is a line."""
        self._read()
        self._release()
        if self._rest:
            self._say([self._rest])
        self._rest, self._passed = b"", 0

    def close(self) -> None:
        self.finish()
        if self._timer:
            self._timer.cancel()
        self._loop.remove_reader(self._file)
        os.close(self._file)

    def _read(self) -> None:
        with contextlib.suppress(BlockingIOError, InterruptedError):
            for _ in range(READS_AT_ONCE):
                if not (data := os.read(self._file, READ_BYTES)):
                    self._loop.remove_reader(self._file)  # nobody has the other end any more
                    return
                self._take(data)

    def _take(self, data: bytes) -> None:
        if self._passed + len(data) <= FREE_BYTES:
            self._passed += len(data)
            self._split(data)
            return
        self._held += data
        if (over := len(self._held) - TAIL_BYTES) > TAIL_BYTES:
            self._omitted += self._held.count(b"\n", 0, over)
            del self._held[:over]
        if self._timer is None:
            self._timer = self._loop.call_later(BEAT_S, self._release)

    def _release(self) -> None:
        """What was held goes on its way."""
        if self._timer:
            self._timer.cancel()
            self._timer = None
        if not self._held:
            return
        if self._omitted and (work := self._work()):
            work.omit(self._omitted)
        held, self._held, self._omitted = bytes(self._held), bytearray(), 0
        self._split(held)

    def _split(self, data: bytes) -> None:
        *lines, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > TAIL_BYTES:
            lines.append(self._rest)
            self._rest = b""
        self._say(lines)

    def _say(self, lines: list[bytes]) -> None:
        work = self._work()
        for line in lines:
            text = line.decode("utf-8", "replace")
            if work is not None:
                work.log(self._level, "", text)
            else:
                self.last_lines.append(text)
                log.debug("a process of tasks says: %s", text)
