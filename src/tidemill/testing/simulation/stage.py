"""What a simulated worker has instead of a second loop, threads and real files."""

import asyncio
from collections.abc import Callable
from contextvars import Context, copy_context
from typing import NoReturn

from tidemill.core.errors import UnavailableError
from tidemill.ports.stage import Call
from tidemill.ports.threads import Threads
from tidemill.testing.simulation.turns import Turns


class SharedStage:
    """Everything on the control loop, sync bodies through the Threads port: with the faults of that."""

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


class NoFiles:
    """The Files of a worker whose tasks touch none."""

    def find(self, digest: bytes) -> None:
        return None

    def remove_all(self) -> None:
        """There is none."""

    def _refuse(self, *_: object, **__: object) -> NoReturn:
        raise UnavailableError("a simulated worker keeps no files")

    fetch = folder = copy_bytes = copy_file = read = remove = _refuse


class TurnStage(SharedStage):
    """The same, where sync bodies run in threads that take turns with the loop, and so may wait."""

    def __init__(self, threads: Threads, turns: Turns) -> None:
        super().__init__(threads)
        self._turns = turns
        self._blocked: list[tuple[Call, Context]] = []

    def in_thread(self, name: str, call: Call) -> None:
        self._turns.start(call, self._context.copy())

    def block_until(self, is_ready: Callable[[], bool]) -> None:
        while not is_ready():
            self._turns.wait_on(self._blocked)

    def nudge(self) -> None:
        blocked, self._blocked = self._blocked, []
        for resume, context in blocked:
            self._loop.call_soon(resume, context=context)
