"""Something to be done on the other side of a stage, and waited for on the control loop."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from tidemill.ports.stage import Stage


async def on_user_loop(stage: Stage, function: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run an async function on the user loop."""
    done = _Done(stage)

    async def run() -> None:
        try:
            await function()
        except BaseException as error:  # noqa: BLE001  # it is raised where it is waited for
            done.end(error)
        else:
            done.end(None)

    def begin() -> None:
        done.running = asyncio.get_running_loop().create_task(run())

    stage.wake_user(begin)
    await done.future


async def in_body_thread(stage: Stage, function: Callable[[], object]) -> None:
    """Run a blocking function in a thread of the pool."""
    done = _Done(stage)

    def run() -> None:
        try:
            function()
        except BaseException as error:  # noqa: BLE001  # it is raised where it is waited for
            done.end(error)
        else:
            done.end(None)

    stage.in_thread("worker.errand", run)
    await done.future


class _Done:
    """Its end, of which the other side tells the control loop."""

    running: asyncio.Task[None] | None = None  # kept, so that it is not collected on its way

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self.future: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def end(self, error: BaseException | None) -> None:
        self._stage.wake_control(lambda: self._settle(error))

    def _settle(self, error: BaseException | None) -> None:
        if self.future.done():
            return
        if error is None:
            self.future.set_result(None)
        elif isinstance(error, Exception):
            self.future.set_exception(error)
        else:
            self.future.set_exception(RuntimeError(f"it ended with {type(error).__name__}"))
