"""Where user code runs. Control (link, heartbeats, credit, cancel) never shares a loop with it in production.

```text
control loop (main thread)  --wake_user-->     user loop (a thread of its own): async bodies
                            --in_thread-->     a thread of the pool: one sync body
                            <--wake_control--  both
```
"""

import asyncio
from collections.abc import Callable
from contextvars import copy_context
from typing import Protocol

from tidemill.ports.threads import Threads

Call = Callable[[], None]


class Stage(Protocol):
    """Opened and closed on the control loop. What it calls must not raise."""

    async def open(self) -> None: ...

    async def close(self) -> None:
        """Cancel what still runs on the user loop; threads that do not end are left behind."""
        ...

    def wake_user(self, call: Call) -> None:
        """Run ``call`` soon on the user loop. From any thread."""
        ...

    def wake_control(self, call: Call) -> None:
        """Run ``call`` soon on the control loop. From any thread."""
        ...

    def in_thread(self, name: str, call: Call) -> None:
        """Run ``call`` in a thread of the pool; it waits for one when all are taken. From the control loop."""
        ...

    def block_until(self, is_ready: Callable[[], bool]) -> None:
        """Wait, in a thread of the pool, until ``is_ready``; it is asked again after each `nudge`."""
        ...

    def nudge(self) -> None:
        """Something that a thread may wait for has changed."""
        ...

    def whereabouts(self) -> str:
        """What the user loop executes at this moment: file, line and function, or ""."""
        ...


class SharedStage:
    """Everything on the control loop, sync bodies through the Threads port: for simulations and tests."""

    def __init__(self, threads: Threads) -> None:
        self._threads = threads
        self._running: dict[asyncio.Task[None], None] = {}

    async def open(self) -> None:
        self._loop, self._context = asyncio.get_running_loop(), copy_context()

    async def close(self) -> None:
        for task in [*self._running]:
            task.cancel()

    def wake_user(self, call: Call) -> None:
        self._loop.call_soon(call, context=self._context)

    def wake_control(self, call: Call) -> None:
        self._loop.call_soon(call, context=self._context)

    def in_thread(self, name: str, call: Call) -> None:
        task = self._loop.create_task(self._threads.call(name, call), context=self._context.copy())
        self._running[task] = None
        task.add_done_callback(self._running.pop)

    def block_until(self, is_ready: Callable[[], bool]) -> None:
        if not is_ready():
            raise RuntimeError("a sync stream is ahead of the server, and on a shared loop it cannot wait")

    def nudge(self) -> None:
        """Nobody waits here."""

    def whereabouts(self) -> str:
        return ""
