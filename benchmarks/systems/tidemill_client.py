"""Our client: one `AsyncClient`."""

import asyncio
import time

from benchmarks.apart import noop_apart
from benchmarks.tasks import STEPS, chain, fan_out, noop, rounds, turn
from tidemill.client.remote import AsyncClient, AsyncRun
from tidemill.core.errors import TidemillError

START_S = 20.0


class TidemillClient:
    polls = False
    has_both = True

    def __init__(self, url: str) -> None:
        self._client = AsyncClient(url)

    async def open(self) -> None:
        until = time.monotonic() + START_S
        while True:
            try:
                await self.finish(await self.start())
                return
            except TidemillError:  # no server yet, or no worker that has announced the task
                if time.monotonic() > until:
                    raise
            await asyncio.sleep(0.05)

    async def start(self) -> AsyncRun[int]:
        return await self._client.submit(noop, 7)

    async def start_apart(self) -> AsyncRun[int]:
        return await self._client.submit(noop_apart, 7)

    async def finish(self, handle: AsyncRun[int]) -> None:
        if await handle.result() != 7:
            raise RuntimeError("a no-op gave another result")

    async def start_turn(self, data: bytes) -> AsyncRun[bytes]:
        return await self._client.submit(turn, data)

    async def finish_turn(self, handle: AsyncRun[bytes]) -> bytes:
        return await handle.result()

    async def fan_out(self, count: int) -> None:
        run = await self._client.submit(fan_out, list(range(count)))
        if await run.result() != count * (count - 1) // 2:
            raise RuntimeError("the join gave another result")

    async def chain(self, count: int) -> None:
        assert count == STEPS
        if await (await self._client.submit(chain, 7)).result() != 7:
            raise RuntimeError("the chain gave another result")

    async def loop(self, count: int) -> None:
        if await (await self._client.submit(rounds, count)).result() != 0:
            raise RuntimeError("the loop gave another result")

    async def close(self) -> None:
        await self._client.close()


def connect(address: str) -> TidemillClient:
    return TidemillClient(address)
