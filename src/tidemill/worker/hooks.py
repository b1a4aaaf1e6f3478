"""What user code does once per worker process: `on_start` before anything is taken, `on_stop` after all of it."""

import logging
from collections.abc import Iterable

from tidemill.core.errors import TidemillError
from tidemill.ports.errand import in_body_thread, on_user_loop
from tidemill.ports.stage import Stage
from tidemill.sdk.callables import is_coroutine, name_of
from tidemill.sdk.failures import public_text
from tidemill.sdk.worker import Hook, Worker

log = logging.getLogger(__name__)


class StartFailedError(TidemillError):
    """An `on_start` failed, so the worker takes nothing."""

    def __init__(self, worker: str, hook: str, error: BaseException) -> None:
        text = public_text(str(error))
        super().__init__(
            f"the worker {worker} did not start: its on_start {hook} failed with {type(error).__name__}: {text}"
        )


class Hooks:
    """On the control loop, while the stage is open."""

    def __init__(self, workers: Iterable[Worker], stage: Stage) -> None:
        self._workers, self._stage = tuple(workers), stage

    async def start(self) -> None:
        """In order. Raises StartFailedError."""
        for worker in self._workers:
            for hook in worker.start_hooks:
                try:
                    await self._run(hook)
                except Exception as error:
                    log.exception("on_start %s of %s failed", name_of(hook), worker.name)
                    raise StartFailedError(worker.name, name_of(hook), error) from error

    async def stop(self) -> None:
        """In reverse. What fails is logged, and the rest goes on."""
        for worker in reversed(self._workers):
            for hook in reversed(worker.stop_hooks):
                try:
                    await self._run(hook)
                except Exception:
                    log.exception("on_stop %s of %s failed", name_of(hook), worker.name)

    async def _run(self, hook: Hook) -> None:
        if is_coroutine(hook):
            await on_user_loop(self._stage, hook)
        else:
            await in_body_thread(self._stage, hook)
