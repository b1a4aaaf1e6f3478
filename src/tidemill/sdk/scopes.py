"""What one process keeps for its tasks: instances that are made once, and the loop that async user code runs on.

Here alone the SDK touches threads and a loop, since a sync body may need what only a loop can make, and the other way
round. A worker binds its user loop; where nobody binds one (a plain call, a child process), a loop of its own is
started when it is first needed.
"""

import asyncio
import logging
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from contextvars import copy_context
from enum import Enum
from functools import partial
from types import TracebackType
from typing import Any, Self, TypeVar

from tidemill.sdk.gathering import Gathering

T = TypeVar("T")

Exit = AbstractContextManager[Any] | AbstractAsyncContextManager[Any]


class Calls(Enum):
    """Who uses a scope."""

    ONE = "one"
    MANY = "many"


log = logging.getLogger("tidemill.teardown")


class WorkerScope:
    """Opened empty; ``close`` (or ``aclose``, on its loop) tears down what was made, in reverse order.

    Args:
        calls: how many there will be; one waits for no company.
    """

    def __init__(self, calls: Calls) -> None:
        self.calls = calls
        self.slots: dict[Any, Future[Any]] = {}  # what is made, or being made, by its key
        self.exits: list[Exit] = []
        self.gatherings: dict[str, Gathering] = {}  # of tasks whose calls run together
        self._owned: set[asyncio.Task[Any]] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._starting = threading.Lock()

    def bind(self, loop: asyncio.AbstractEventLoop) -> None:
        """Async user code runs on this loop, which runs in another thread than sync bodies do."""
        self._loop = loop

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        with self._starting:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                self._thread = threading.Thread(target=self._loop.run_forever, name="tidemill-scope", daemon=True)
                self._thread.start()
            return self._loop

    def on_loop(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run it on the loop, and wait; from a thread that is not the loop's."""
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result()

    def own(self, task: asyncio.Task[Any]) -> None:
        """Keep a task of the loop that no attempt owns."""
        self._owned.add(task)
        task.add_done_callback(self._owned.discard)

    def close(self) -> None:
        """From a thread that is not the loop's."""
        close_all(self.taken(), None, self)
        if self._thread is not None and self._loop is not None:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._loop.close()

    async def aclose(self) -> None:
        """On the loop that was bound."""
        await close_all_async(self.taken(), None)

    def taken(self) -> list[Exit]:
        """What is to be torn down; nothing is kept from here on."""
        exits, self.exits, self.slots = self.exits, [], {}
        return exits


async def in_own_thread(function: Callable[[], T]) -> T:
    """Run a blocking function in a thread of its own, with the caller's context variables."""
    done: Future[T] = Future()
    done.set_running_or_notify_cancel()  # a caller that is cancelled leaves it running
    context = copy_context()

    def run() -> None:
        try:
            done.set_result(context.run(function))
        except BaseException as error:  # noqa: BLE001  # it is raised where the caller waits
            done.set_exception(error)

    threading.Thread(target=run, name="tidemill-own", daemon=True).start()
    return await asyncio.wrap_future(done)


class Errands:
    """Coroutines that a thread gives to a loop, one after the other, until the loop's side cancels them."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._running: set[asyncio.Task[Any]] = set()
        self._is_cancelled = False

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """In the thread. Returns when it has ended, also by a cancel: its ``finally`` blocks have run then."""
        done: Future[T] = Future()
        done.set_running_or_notify_cancel()
        self._loop.call_soon_threadsafe(self._start, coroutine, done)
        return done.result()

    def _start(self, coroutine: Coroutine[Any, Any, T], done: Future[T]) -> None:
        task = asyncio.ensure_future(coroutine)
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        task.add_done_callback(partial(_hand_over, done))
        if self._is_cancelled:
            task.cancel()

    def cancel(self) -> None:
        """On the loop. What is begun later is cancelled too."""
        self._is_cancelled = True
        for task in self._running:
            task.cancel()


def _hand_over(done: Future[T], task: asyncio.Task[T]) -> None:
    if task.cancelled():
        done.set_exception(asyncio.CancelledError())
    elif (error := task.exception()) is not None:
        done.set_exception(error)
    else:
        done.set_result(task.result())


def close_all(exits: list[Exit], error: BaseException | None, scope: WorkerScope) -> None:
    """Tear down in reverse order. A teardown that fails is logged, and the next ones go on."""
    for each in reversed(exits):
        try:
            if isinstance(each, AbstractContextManager):
                each.__exit__(*_seen(error))
            else:
                scope.on_loop(_leave(each, error))
        except BaseException as failed:  # noqa: BLE001  # the result stands; whoever reads the log learns of it
            _report(failed, error)


async def close_all_async(exits: list[Exit], error: BaseException | None) -> None:
    """`close_all` on the loop."""
    for each in reversed(exits):
        try:
            if isinstance(each, AbstractContextManager):
                each.__exit__(*_seen(error))
            else:
                await _leave(each, error)
        except BaseException as failed:  # noqa: BLE001  # as above
            _report(failed, error)


async def _leave(manager: AbstractAsyncContextManager[Any], error: BaseException | None) -> None:
    await manager.__aexit__(*_seen(error))


def _seen(error: BaseException | None) -> tuple[Any, Any, Any]:
    return (type(error), error, error.__traceback__) if error is not None else (None, None, None)


def _report(failed: BaseException, error: BaseException | None) -> None:
    if failed is not error:
        log.error("a teardown failed; the result of its task stands", exc_info=failed)
