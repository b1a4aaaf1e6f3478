"""Threads for work that blocks.

Not `concurrent.futures`: its locks and second future make a hop a quarter slower, and each commit is one.
"""

import asyncio
import contextlib
import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any, TypeVar

T = TypeVar("T")

_Errand = tuple[Callable[[], Any], "asyncio.Future[Any]", asyncio.AbstractEventLoop]


class ThreadPool:
    """Commits have a thread of their own, so that no file of a user delays one."""

    def __init__(self, size: int = 4) -> None:
        self._commits = _Crew("tidemill-commit", 1)
        self._others = _Crew("tidemill-disk", size)

    async def call(self, name: str, function: Callable[[], T]) -> T:
        """A caller that is cancelled leaves the function running."""
        loop = asyncio.get_running_loop()
        done: asyncio.Future[T] = loop.create_future()
        crew = self._commits if name == "store.commit" else self._others
        crew.errands.put((function, done, loop))
        return await done

    def close(self) -> None:
        """Wait for what was asked."""
        self._commits.close()
        self._others.close()


class _Crew:
    def __init__(self, name: str, size: int) -> None:
        self.errands: SimpleQueue[_Errand | None] = SimpleQueue()
        self._threads = [threading.Thread(target=self._work, name=f"{name}-{n}", daemon=True) for n in range(size)]
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        for _ in self._threads:
            self.errands.put(None)
        for thread in self._threads:
            thread.join()

    def _work(self) -> None:
        while (errand := self.errands.get()) is not None:
            function, done, loop = errand
            result, error = None, None
            try:
                result = function()
            except BaseException as caught:  # noqa: BLE001 -- it is raised where the caller waits
                error = caught
            with contextlib.suppress(RuntimeError):  # the loop was closed meanwhile
                loop.call_soon_threadsafe(_settle, done, result, error)
            del errand, function, done, result, error  # nothing is kept alive while this thread sleeps


def _settle(done: "asyncio.Future[Any]", result: object, error: BaseException | None) -> None:
    if done.cancelled():
        return
    if error is None:
        done.set_result(result)
    else:
        done.set_exception(error)
