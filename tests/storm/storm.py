"""A storm: a fleet of real processes under load and blows, and then the audit of what is left.

```text
client ─ line ─┐                    one line (a Proxy) for each, so that each has its own weather
worker ─ line ─┼─ server ─ store
worker ─ line ─┘
```
"""

import asyncio
import contextlib
import itertools
import socket
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter
from typing import Self

from tests.storm import tasks
from tests.storm.audit import Audit, Findings, SqliteRows, read_ledger
from tests.storm.fleet import Member, gone_within
from tests.storm.load import Load, Notes
from tests.storm.plan import Blow, orders, strikes
from tests.storm.proxy import FAIR, HOST, Proxy
from tests.storm.sky import Sky
from tidemill import AsyncClient

READY_S = 60.0
CALM_S = 120.0  # after the last blow: all must have ended by then


@dataclass(frozen=True)
class Size:
    """Of a storm. It takes ``seconds`` or somewhat longer."""

    tasks: int = 300
    seconds: float = 8.0
    kills: int = 6
    workers: int = 3
    in_flight: int = 40
    most_ms: int = 60  # the longest task
    lease_s: float = 2.0
    seed: str = "1"


@dataclass
class Report:
    size: Size
    notes: Notes
    findings: Findings
    struck: Counter[Blow] = field(default_factory=Counter)
    kills: int = 0
    took_s: float = 0.0
    longest_stall_s: float = 0.0
    stall_after: str = ""  # the blows in it

    @property
    def wrong(self) -> list[str]:
        return self.findings.wrong


class Site:
    """Where a storm takes place: a folder, the lines, the fleet."""

    def __init__(self, folder: Path, size: Size) -> None:
        self.folder, self.size = folder, size
        self.ledger = folder / "executions.txt"
        self._stack = contextlib.AsyncExitStack()

    async def __aenter__(self) -> Self:
        size, port = self.size, free_port()
        self.to_client = await self._line(port, "client")
        self.servers = [self._server(port)]
        lines = [await self._line(port, f"w{number}") for number in range(size.workers)]
        self.workers = [self._worker(f"w{number}", line.url) for number, line in enumerate(lines)]
        self.sky = Sky(self.servers, self.workers, [self.to_client, *lines], size.lease_s)
        for member in (*self.servers, *self.workers):
            self.sky.start(member)
        return self

    async def __aexit__(self, *_: object) -> None:
        self.sky.destroy()
        await self._stack.aclose()

    async def _line(self, port: int, name: str) -> Proxy:
        return await self._stack.enter_async_context(Proxy([port], f"{self.size.seed} {name}"))

    def _server(self, port: int) -> Member:
        settings = {"TIDEMILL_LEASE_S": f"{self.size.lease_s:g}", "TIDEMILL_PORT": str(port)}
        arguments = ["server", "--data", str(self.folder / "data")]
        return Member("server", self.folder / "server.log", arguments, settings)

    def _worker(self, name: str, url: str) -> Member:
        settings = {
            "TIDEMILL_URL": url,
            "TIDEMILL_DATA": str(self.folder / name),
            "TIDEMILL_DRAIN_S": "1",
            "TIDEMILL_CONCURRENCY": "40",
            "TIDEMILL_POOLS": "storm=1",  # processes
            tasks.LEDGER: str(self.ledger),
        }
        place = str(Path(tasks.__file__))
        return Member(name, self.folder / f"{name}.log", ["worker", place, "--id", name], settings)


async def blow_over(size: Size, folder: Path) -> Report:
    """One storm in an empty folder, from the first process to the audit."""
    began = perf_counter()
    async with Site(folder, size) as site:
        sky = site.sky
        async with AsyncClient(site.to_client.url) as client:
            await ready(client, size.workers)
            load = Load(client, orders(size.seed, size.tasks, size.most_ms), size.tasks, size.seconds)
            async with watching(sky.watch(), load.sample()):
                await weather(site, load)
        await sky.end()
        left = await asyncio.to_thread(gone_within, sky.sessions, 10.0)
        rows = SqliteRows(folder / "data" / "tidemill.db")
        audit = Audit(rows, list(read_ledger(site.ledger)), load.notes)
        findings = await asyncio.to_thread(audit.run)
        rows.close()
    findings.wrong += [*load.notes.wrong, *sky.wrong, *(f"process {pid} outlived its worker" for pid in left)]
    report = Report(size, load.notes, findings, sky.struck, sky.kills, perf_counter() - began)
    report.longest_stall_s, report.stall_after = _longest_stall(load, sky)
    return report


async def weather(site: Site, load: Load) -> None:
    """Load and blows; then calm, in which all must end."""
    size, sky = site.size, site.sky
    working = asyncio.create_task(load.run(size.in_flight))
    try:
        await sky.follow(strikes(size.seed, size.kills, size.seconds))
        for line in sky.lines:
            line.set(FAIR)
        done, _ = await asyncio.wait([working], timeout=CALM_S)
        if not done:
            load.notes.wrong += [
                f"run {run} has not ended {CALM_S:.0f} s after the last blow" for run in load.open_runs
            ]
    finally:
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)


@contextlib.asynccontextmanager
async def watching(*loops: object) -> AsyncIterator[None]:
    """These go on for as long as the block; one that fails ends it."""
    async with asyncio.TaskGroup() as group:
        running = [group.create_task(each) for each in loops]  # type: ignore[arg-type]
        yield
        for task in running:
            task.cancel()


async def ready(client: AsyncClient, workers: int) -> None:
    """Until so many workers are connected."""
    async with asyncio.timeout(READY_S):
        while True:
            with contextlib.suppress(Exception):  # it is not there yet, in whatever way
                if sum(worker.live for worker in await client.workers()) >= workers:
                    return
            await asyncio.sleep(0.1)


def _longest_stall(load: Load, sky: Sky) -> tuple[float, str]:
    """The longest time without the end of a run, and the blows that fell then."""
    ends = load.notes.ends
    gaps = [(later - sooner, sooner, later) for sooner, later in itertools.pairwise(ends)]
    if not gaps:
        return 0.0, ""
    length, since, until = max(gaps)
    blows = [blow.value for at, blow in sky.moments if since - 1 <= at <= until]
    return length, ", ".join(blows)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port
