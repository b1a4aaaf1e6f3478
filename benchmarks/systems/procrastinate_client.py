"""procrastinate's client: it defers jobs, and polls their status every millisecond."""

import asyncio
import time

import psycopg
from procrastinate.exceptions import ConnectorException

from benchmarks.systems.procrastinate_worker import app_on
from benchmarks.systems.system import NotPossibleError

START_S = 30.0


class ProcrastinateClient:
    polls = True
    has_both = False

    def __init__(self, url: str) -> None:
        self._url, self._app = url, app_on(url)
        self._noop = self._app.tasks["noop"]

    async def open(self) -> None:
        self._rows = await psycopg.AsyncConnection.connect(self._url, autocommit=True)
        await self._app.open_async()
        until = time.monotonic() + START_S
        while True:
            try:
                await self.finish(await self.start())
                return
            except ConnectorException:  # no tables yet
                if time.monotonic() > until:
                    raise
            await asyncio.sleep(0.05)

    async def start(self) -> int:
        return await self._noop.defer_async(x=7)

    async def start_apart(self) -> int:
        return await self.start()

    async def finish(self, handle: int) -> None:
        query = "select status from procrastinate_jobs where id = %s"
        while True:
            found = await (await self._rows.execute(query, (handle,), prepare=True)).fetchone()
            if found is not None and found[0] == "succeeded":
                return
            await asyncio.sleep(0.001)

    async def start_turn(self, data: bytes) -> int:
        raise NotPossibleError("it has no results")

    async def finish_turn(self, handle: int) -> bytes:
        raise NotPossibleError("it has no results")

    async def fan_out(self, count: int) -> None:
        raise NotPossibleError("it has no results")

    async def chain(self, count: int) -> None:
        raise NotPossibleError("it has no results")

    async def loop(self, count: int) -> None:
        raise NotPossibleError("it has no results")

    async def close(self) -> None:
        await self._rows.close()
        await self._app.close_async()


def connect(address: str) -> ProcrastinateClient:
    return ProcrastinateClient(address)
