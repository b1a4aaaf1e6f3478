"""The children of one worker: warm ones kept ahead, one for each work, replaced when they are old or dead.

A work never waits for another one's end: whoever grants credit has counted. It waits only while a child starts.
"""

import asyncio
import logging
from collections import deque

from tidemill.adapters.backends.process.child_process import ChildProcess
from tidemill.adapters.backends.process.frames import Rest, Room, Stop
from tidemill.adapters.backends.process.launch import Command
from tidemill.core.bodies import Crashed
from tidemill.core.errors import InputError, UnavailableError
from tidemill.core.run import Code, Failure
from tidemill.ports.backend import Work
from tidemill.sdk.processes import Processes

log = logging.getLogger(__name__)

DELAYS_S = (0.1, 0.5, 2.0, 5.0, 15.0)
FAREWELL_S = 3.0
MIB = 1024 * 1024
_NOT_BEGUN = Failure(code=Code.CANCELLED, message="it was told to stop before it began")


class NotReadyError(UnavailableError):
    """A child process cannot be made ready; the text is what it said."""


class ChildCrew:
    """On the control loop.

    Args:
        targets: what each child must be able to run.
        warm: children to keep ready, busy ones counted.
    """

    def __init__(self, command: Command, limits: Processes, warm: int, targets: frozenset[str]) -> None:
        self.targets = targets
        self._command, self._limits, self._warm = command, limits, warm
        self._children: dict[ChildProcess, None] = {}
        self._idle: list[ChildProcess] = []
        self._waiting: deque[Work] = deque()
        self._again: set[int] = set()  # works (by id) whose child died before it began
        self._starts: set[asyncio.Task[None]] = set()
        self._first: asyncio.Future[None] | None = None
        self._failures = 0  # starts in a row
        self._retry: asyncio.TimerHandle | None = None
        self._is_closed = False

    async def open(self) -> None:
        """Until one child is ready. Raises NotReadyError."""
        self._first = asyncio.get_running_loop().create_future()
        self._start()
        await self._first
        self._first = None
        self._fill()

    async def close(self) -> None:
        self._is_closed = True
        if self._retry:
            self._retry.cancel()
        children = [*self._children]
        for child in children:
            if child in self._idle:
                child.leave()
            elif not child.is_leaving:
                child.kill("its worker ends")
        self._idle.clear()
        await _all_gone(children)
        for child in children:
            child.kill("its worker ends")
        await _all_gone(children)
        for start in self._starts:
            start.cancel()

    # Work -------------------------------------------------------------------------------------------

    def begin(self, work: Work) -> None:
        while self._idle:
            child = self._idle.pop()
            if self._is_worn(child, 0):
                child.leave()
            elif not child.is_gone:
                self._hand(work, child)
                return
        self._waiting.append(work)
        if self._starting < len(self._waiting):
            self._start()

    def stop(self, work: Work) -> None:
        child: ChildProcess | None = work.grip
        if child is not None:
            child.say(Stop())
        elif work in self._waiting:
            self._waiting.remove(work)
            work.end(_NOT_BEGUN)

    def kill(self, work: Work) -> None:
        child: ChildProcess | None = work.grip
        if child is None:
            self.stop(work)
        elif child.work is work:
            child.kill("it was killed, since it did not stop")

    def make_room(self, work: Work) -> None:
        child: ChildProcess | None = work.grip
        if child is not None and child.work is work:
            child.say(Room(work.durable))

    def _hand(self, work: Work, child: ChildProcess) -> None:
        try:
            child.begin(work)
        except InputError as error:
            work.end(Failure(code=Code.PERMANENT, message=str(error)))
            self._free(child)

    # Children ---------------------------------------------------------------------------------------

    def is_ready(self, child: ChildProcess) -> None:
        self._failures = 0
        if self._first and not self._first.done():
            self._first.set_result(None)
        self._free(child)
        self._fill()

    def is_free(self, child: ChildProcess, rest: Rest) -> None:
        if self._is_worn(child, rest.rss_bytes):
            child.leave()
            self._fill()
        else:
            self._free(child)

    def is_gone(self, child: ChildProcess, why: str, work: Work | None) -> None:
        self._children.pop(child, None)
        if child in self._idle:
            self._idle.remove(child)
            log.warning("an idle process of tasks has ended, and is replaced: %s", why)
        if work is not None:
            self._give_again(work, child)
        if not child.is_ready:
            self._not_started(why)
        elif not self._is_closed:
            self._fill()

    def _give_again(self, work: Work, child: ChildProcess) -> None:
        work.grip = None
        if id(work) in self._again or self._is_closed:
            self._again.discard(id(work))
            work.end(Crashed(*child.how))
        elif work.is_told_to_stop:
            work.end(_NOT_BEGUN)
        else:
            self._again.add(id(work))
            self.begin(work)

    def _free(self, child: ChildProcess) -> None:
        if self._waiting:
            self._hand(self._waiting.popleft(), child)
        elif len(self._idle) >= self._warm or self._is_closed:
            child.leave()
        else:
            self._idle.append(child)

    def _is_worn(self, child: ChildProcess, rss_bytes: int) -> bool:
        limits = self._limits
        return (
            child.served >= limits.recycle_after
            or (limits.max_age_s is not None and asyncio.get_running_loop().time() - child.began > limits.max_age_s)
            or (limits.max_memory_mib is not None and rss_bytes > limits.max_memory_mib * MIB)
        )

    @property
    def _starting(self) -> int:
        return sum(not child.is_ready for child in self._children)

    def _fill(self) -> None:
        """Have as many as are to be warm; one starts after the other, so that a start does not take the machine."""
        alive = sum(not child.is_leaving for child in self._children)
        if alive < self._warm and not self._starting and not self._is_closed and self._retry is None:
            self._start()

    def _start(self) -> None:
        child = ChildProcess(self._command, self)
        self._children[child] = None
        start = asyncio.get_running_loop().create_task(self._start_one(child), name="start of a process")
        self._starts.add(start)
        start.add_done_callback(self._starts.discard)

    async def _start_one(self, child: ChildProcess) -> None:
        try:
            await child.start()
        except OSError as error:
            self._children.pop(child, None)
            self._not_started(f"no process can be started: {error.strerror or error}")

    def _not_started(self, why: str) -> None:
        if self._is_closed:
            return
        if self._first and not self._first.done():
            self._first.set_exception(NotReadyError(why))
            return
        log.error("a process of tasks cannot be made ready: %s", why)
        while self._waiting:
            text = f"no process for it can be made ready: {why}"
            self._waiting.popleft().end(Failure(code=Code.TRANSIENT, message=text))
        delay_s = DELAYS_S[min(self._failures, len(DELAYS_S) - 1)]
        self._failures += 1
        if self._retry is None:
            self._retry = asyncio.get_running_loop().call_later(delay_s, self._try_again)

    def _try_again(self) -> None:
        self._retry = None
        self._fill()


async def _all_gone(children: list[ChildProcess]) -> None:
    waits = [asyncio.ensure_future(child.gone.wait()) for child in children if not child.is_gone]
    if waits:
        _, late = await asyncio.wait(waits, timeout=FAREWELL_S)
        for wait in late:
            wait.cancel()
