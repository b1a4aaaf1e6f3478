"""huey's client: it enqueues into the same SQLite file, and polls it for results every millisecond."""

import os
from typing import Any

from benchmarks.systems.system import NotPossibleError

START_S = 20.0


class HueyClient:
    polls = True
    has_both = False

    def __init__(self, path: str) -> None:
        os.environ["BENCH_HUEY_DB"] = path
        from huey.api import chord

        from benchmarks.systems import huey_tasks

        self._tasks, self._chord = huey_tasks, chord

    async def open(self) -> None:
        self._get(self._tasks.noop(7), START_S)

    async def start(self) -> Any:
        return self._tasks.noop(7)

    async def start_apart(self) -> Any:
        return await self.start()

    async def finish(self, handle: Any) -> None:
        if self._get(handle) != 7:
            raise RuntimeError("a no-op gave another result")

    async def start_turn(self, data: bytes) -> Any:
        return self._tasks.turn(data)

    async def finish_turn(self, handle: Any) -> bytes:
        found: bytes = self._get(handle)
        return found

    async def fan_out(self, count: int) -> None:
        tasks = [self._tasks.noop.s(number) for number in range(count)]
        found = self._tasks.queue.enqueue(self._chord(tasks, self._tasks.total.s()))
        if self._get(found.callback) != count * (count - 1) // 2:
            raise RuntimeError("the join gave another result")

    async def chain(self, count: int) -> None:
        first = self._tasks.noop.s(7)
        for _ in range(count - 1):
            first.then(self._tasks.noop)
        if self._get(list(self._tasks.queue.enqueue(first))[-1]) != 7:
            raise RuntimeError("the chain gave another result")

    async def loop(self, count: int) -> None:
        raise NotPossibleError("loops are not measured here")

    async def close(self) -> None: ...

    def _get(self, handle: Any, within_s: float = 120.0) -> Any:
        return handle.get(blocking=True, timeout=within_s, backoff=1.0, max_delay=0.001)


def connect(address: str) -> HueyClient:
    return HueyClient(address)
