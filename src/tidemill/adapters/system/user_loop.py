"""The place where a worker runs user code: an event loop in a thread of its own, and threads for sync bodies.

A body that never returns must not keep the process alive, so the threads are daemons, and nobody joins a busy one.
"""

import asyncio
import contextlib
import sys
import sysconfig
import threading
import traceback
from collections.abc import Callable
from contextvars import copy_context
from queue import SimpleQueue

Call = Callable[[], None]

_STANDARD = sysconfig.get_path("stdlib")
MOST_WAITING = 1000
CLOSE_S = 1.0  # for the user loop to end what it has cancelled


class UserLoop:
    """Opened and closed on the control loop.

    Args:
        threads: sync bodies at once, beside those that wait for runs that they started; each thread is made when it
            is first needed.
        new_loop: makes the user loop.
    """

    def __init__(self, threads: int, new_loop: Callable[[], asyncio.AbstractEventLoop]) -> None:
        self._most, self._new_loop = threads + MOST_WAITING, new_loop
        self._calls: SimpleQueue[Call | None] = SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._idle = threading.Semaphore(0)
        self._changed = threading.Condition()
        self._is_closed = False

    async def open(self) -> None:
        self._control, self._control_context = asyncio.get_running_loop(), copy_context()
        self._loop, self._user_context = self._new_loop(), copy_context()
        self._thread = threading.Thread(target=self._run, name="tidemill-user-loop", daemon=True)
        self._thread.start()

    async def close(self) -> None:
        """Cancel what runs on the user loop; threads that are busy are left behind."""
        self._is_closed = True
        for _ in self._threads:
            self._calls.put(None)
        self.nudge()
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._end)
            await self._control.run_in_executor(None, self._thread.join, CLOSE_S)

    def wake_user(self, call: Call) -> None:
        with contextlib.suppress(RuntimeError):  # it is closed: nobody waits for this any more
            self._loop.call_soon_threadsafe(call, context=self._user_context)

    def wake_control(self, call: Call) -> None:
        with contextlib.suppress(RuntimeError):
            self._control.call_soon_threadsafe(call, context=self._control_context)

    def in_thread(self, name: str, call: Call) -> None:
        """From the control loop."""
        self._calls.put(call)
        if not self._idle.acquire(blocking=False) and len(self._threads) < self._most:
            thread = threading.Thread(target=self._work, name=f"tidemill-body-{len(self._threads)}", daemon=True)
            self._threads.append(thread)
            thread.start()

    def block_until(self, is_ready: Callable[[], bool]) -> None:
        with self._changed:
            self._changed.wait_for(lambda: is_ready() or self._is_closed)

    def nudge(self) -> None:
        with self._changed:
            self._changed.notify_all()

    def whereabouts(self) -> str:
        frame = sys._current_frames().get(self._thread.ident or 0)  # noqa: SLF001 - the documented way to look
        stack = traceback.extract_stack(frame) if frame else []
        if not (places := [each for each in stack if not each.filename.startswith(_STANDARD)] or stack):
            return ""
        return f"{places[-1].filename}:{places[-1].lineno} in {places[-1].name}"

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()
        self._loop.close()

    def _end(self) -> None:
        ending = self._loop.create_task(self._cancel_all())
        ending.add_done_callback(lambda _: self._loop.stop())

    async def _cancel_all(self) -> None:
        tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=CLOSE_S / 2)

    def _work(self) -> None:
        while True:
            if (call := self._calls.get()) is None:
                return
            call()
            self._idle.release()
