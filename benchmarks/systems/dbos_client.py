"""DBOS's client: it enqueues into the same SQLite file, and polls the rows of its workflows every millisecond."""

import asyncio
import sqlite3
import time
from typing import Any

from dbos import DBOSClient

from benchmarks.systems.system import NotPossibleError

START_S = 30.0


class DbosClient:
    polls = True
    has_both = False

    def __init__(self, path: str) -> None:
        self._path = path

    async def open(self) -> None:
        until = time.monotonic() + START_S
        self._rows = sqlite3.connect(self._path, isolation_level=None)
        while not self._rows.execute("select 1 from sqlite_master where name = 'queues'").fetchone():
            if time.monotonic() > until:
                raise TimeoutError("DBOS did not make its tables")
            await asyncio.sleep(0.1)
        self._client: Any = DBOSClient(system_database_url=f"sqlite:///{self._path}")
        await self.finish(await self.start())

    async def start(self) -> Any:
        return self._client.enqueue({"workflow_name": "noop", "queue_name": "q"}, 7)

    async def start_apart(self) -> Any:
        return await self.start()

    async def finish(self, handle: Any) -> None:
        if await self._result(handle) != 7:
            raise RuntimeError("a no-op gave another result")

    async def start_turn(self, data: bytes) -> Any:
        return self._client.enqueue({"workflow_name": "turn", "queue_name": "q"}, data)

    async def finish_turn(self, handle: Any) -> bytes:
        found: bytes = await self._result(handle)
        return found

    async def fan_out(self, count: int) -> None:
        handle = self._client.enqueue({"workflow_name": "fan_out", "queue_name": "q"}, list(range(count)))
        if await self._result(handle) != count * (count - 1) // 2:
            raise RuntimeError("the join gave another result")

    async def chain(self, count: int) -> None:
        handle = self._client.enqueue({"workflow_name": "chain", "queue_name": "q"}, 7, count)
        if await self._result(handle) != 7:
            raise RuntimeError("the chain gave another result")

    async def loop(self, count: int) -> None:
        raise NotPossibleError("loops are not measured here")

    async def close(self) -> None:
        self._client.destroy()

    async def _result(self, handle: Any) -> Any:
        """Its own waiting polls once a second."""
        query = "select status from workflow_status where workflow_uuid = ?"
        while True:
            row = self._rows.execute(query, (handle.workflow_id,)).fetchone()
            if row and row[0] not in ("ENQUEUED", "PENDING"):
                return handle.get_result()
            await asyncio.sleep(0.001)


def connect(address: str) -> DbosClient:
    return DbosClient(address)
