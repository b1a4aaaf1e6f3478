"""Where storms take place: a folder, a server, workers, and a line (a Proxy) between each two that talk.

```text
client ─ line ─┬─ server ─┬─ store
worker ─ line ─┤          │
worker ─ line ─┴─ server ─┘         a line leads to whichever server takes the connection, in turn
```
"""

import asyncio
import contextlib
import signal
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from tests.storm import tasks
from tests.storm.fleet import WAIT_S, Member
from tests.storm.proxy import HOST, Proxy
from tests.storm.rows import PostgresRows, Rows, SqliteRows
from tidemill import AsyncClient

READY_S = 60.0
SLOTS = 40  # of a worker
DATABASE = "TIDEMILL_DATABASE_URL"


@dataclass(frozen=True)
class Plan:
    """What stands on a site.

    Args:
        processes: of each worker, for tasks that run in them.
        lease_s: 0 leaves it as it is by default.
        database: of PostgreSQL; "" is SQLite, which has one server.
    """

    workers: int = 2
    servers: int = 1
    processes: int = 1
    lease_s: float = 0.0
    database: str = ""


class Site:
    """Of real processes, from the start to the end of the block."""

    def __init__(self, folder: Path, plan: Plan, seed: str = "") -> None:
        self.folder, self.plan, self.seed = folder, plan, seed
        self.ledger = folder / "executions.txt"
        self.sessions: list[int] = []  # of all that was started
        self.wrong: list[str] = []
        self._stack = contextlib.AsyncExitStack()

    async def __aenter__(self) -> Self:
        self.folder.mkdir(parents=True, exist_ok=True)
        self._ports = [free_port() for _ in range(self.plan.servers)]
        self.servers = [self._server(number, port) for number, port in enumerate(self._ports)]
        self.to_client = await self._line("client")
        lines = [await self._line(f"w{number}") for number in range(self.plan.workers)]
        self.workers = [self._worker(f"w{number}", line.url) for number, line in enumerate(lines)]
        self.lines = [self.to_client, *lines]
        for member in (*self.servers, *self.workers):
            self.start(member)
        return self

    async def __aexit__(self, *_: object) -> None:
        for member in (*self.workers, *self.servers):
            member.destroy()
        await self._stack.aclose()

    def start(self, member: Member) -> None:
        member.start()
        self.sessions.append(member.pid)

    def rename(self, member: Member) -> None:
        """The next process is another worker: nobody says hello for what this one held."""
        place = member.arguments.index("--id") + 1
        member.arguments[place] = f"{member.name}-{member.starts}"

    async def end(self) -> None:
        """All is told to end, workers first; what does not, is ended."""
        for members in (self.workers, self.servers):
            for member in members:
                member.is_busy = True
                if member.is_alive:
                    member.ask_to_end()
            await asyncio.gather(*(self.gone(member) for member in members if member.process is not None))

    async def gone(self, member: Member) -> None:
        """After SIGTERM; what is wrong with it is noted."""
        ends = asyncio.get_running_loop().time() + WAIT_S
        while not member.has_ended():
            if asyncio.get_running_loop().time() > ends:
                self.wrong.append(f"{member.name} did not end within {WAIT_S:.0f} s of SIGTERM")
                member.destroy()
                return
            await asyncio.sleep(0.05)
        if member.exits[-1] and not (member.is_unready and member.exits[-1] == -signal.SIGTERM):
            self.wrong.append(f"{member.name} ended with {member.exits[-1]} after SIGTERM: {member.last_words(3)}")

    def rows(self) -> Rows:
        """Of the store, once nobody uses it any more."""
        return PostgresRows(self.plan.database) if self.plan.database else SqliteRows(self.folder / "data/tidemill.db")

    async def _line(self, name: str) -> Proxy:
        return await self._stack.enter_async_context(Proxy(self._ports, f"{self.seed} {name}"))

    def _server(self, number: int, port: int) -> Member:
        settings = {"TIDEMILL_PORT": str(port)}
        if self.plan.lease_s:
            settings["TIDEMILL_LEASE_S"] = f"{self.plan.lease_s:g}"
        if self.plan.database:
            settings[DATABASE] = self.plan.database
        arguments = ["server", "--data", str(self.folder / "data")]
        return Member(f"server{number}", self.folder / f"server{number}.log", arguments, settings)

    def _worker(self, name: str, url: str) -> Member:
        settings = {
            "TIDEMILL_URL": url,
            "TIDEMILL_DATA": str(self.folder / name),
            "TIDEMILL_DRAIN_S": "1",
            "TIDEMILL_CONCURRENCY": str(SLOTS),
            "TIDEMILL_POOLS": f"storm.processes={self.plan.processes}",
            tasks.LEDGER: str(self.ledger),
        }
        place = str(Path(tasks.__file__))
        return Member(name, self.folder / f"{name}.log", ["worker", place, "--id", name], settings)


async def ready(client: AsyncClient, workers: int) -> None:
    """Until so many workers are connected."""
    async with asyncio.timeout(READY_S):
        while True:
            with contextlib.suppress(Exception):  # it is not there yet, in whatever way
                if sum(worker.live for worker in await client.workers()) >= workers:
                    return
            await asyncio.sleep(0.1)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port
