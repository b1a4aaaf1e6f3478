"""How long it takes until work goes on after a kill: trials under load, read from the rows and the ledger afterwards.

```text
server   killed, away for a while, started     -> the first execution of an attempt that was leased after the start
worker   killed, never to come back            -> the last of the steps that it held is leased again
servers  one of two killed                     -> the longest time in which no execution began
cancel   of code that keeps a core busy        -> the proof that it was killed
```
"""

import asyncio
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import pairwise
from math import inf
from pathlib import Path
from random import Random
from typing import Any

from tests.storm import tasks
from tests.storm.audit import read_ledger
from tests.storm.site import Plan, Site, ready
from tidemill import AsyncClient
from tidemill.adapters.storage.packing import unpack_attempt
from tidemill.client.remote import AsyncRun
from tidemill.core.errors import UnavailableError
from tidemill.core.ids import text_of
from tidemill.core.run import Attempt, AttemptEnded, End
from tidemill.engine.together import EngineSettings
from tidemill.server.conversation import GRACE_S

AWAY_S = 3.0  # the longest time that a server is away
TASK_MS = 100
MANY = 220  # in flight: enough for all workers, also while what several dead ones held waits for their leases
APART_S = 5.0  # between the death of a server and its return, and the other way round
AT_ONCE = 3  # busy processes
SETTLE_S = 2.5  # of load, before a kill


@dataclass(frozen=True)
class Trials:
    count: int
    lease_s: float = EngineSettings().lease.total_seconds()
    database: str = ""


@dataclass(frozen=True)
class Figures:
    """Seconds, of each trial."""

    what: str
    seconds: Sequence[float]
    bound_s: float

    @property
    def is_held(self) -> bool:
        return max(self.seconds) <= self.bound_s

    def text(self) -> str:
        ordered = sorted(self.seconds)
        middle = ordered[len(ordered) // 2]
        shown = " ".join(f"{each:.2f}" for each in ordered)
        verdict = "held" if self.is_held else "MISSED"
        return (
            f"{self.what}: {len(ordered)} trials, least {ordered[0]:.2f} s, median {middle:.2f} s, "
            f"most {ordered[-1]:.2f} s; bound {self.bound_s:g} s: {verdict}\n  {shown}"
        )


@asynccontextmanager
async def under_load(site: Site, in_flight: int) -> AsyncIterator[AsyncClient]:
    """Short tasks, so many at once, whatever happens to the server."""
    async with AsyncClient(site.to_client.url) as client:
        await ready(client, len(site.workers))
        async with asyncio.TaskGroup() as group:
            running = [group.create_task(_keep(client)) for _ in range(in_flight)]
            await asyncio.sleep(SETTLE_S)
            yield client
            for task in running:
                task.cancel()


async def _keep(client: AsyncClient) -> None:
    while True:
        try:
            run = await client.submit(tasks.grain, 1, TASK_MS)
            await run.result()
        except UnavailableError:
            await asyncio.sleep(0.1)


async def of_server(folder: Path, trials: Trials) -> Figures:
    """Killed under load; the time until the first new dispatch counts from the start of the next process."""
    random, started = Random("recovery"), []
    async with Site(folder, Plan(workers=2)) as site:
        server = site.servers[0]
        async with under_load(site, MANY):
            for _ in range(trials.count):
                await asyncio.to_thread(server.kill)
                await asyncio.sleep(random.random() * AWAY_S)
                started.append(time.time())
                site.start(server)
                await asyncio.sleep(SETTLE_S + 1)
        await site.end()
    found = await attempts(site)
    leased = {(text_of(each.run), each.path, each.number): each.leased_at / 1e6 for each in found}
    began = sorted(
        (each.at, leased[each.run, each.path, each.number])
        for each in read_ledger(site.ledger)
        if (each.run, each.path, each.number) in leased
    )
    spans = [next((at for at, leased_at in began if leased_at > since), inf) - since for since in started]
    return Figures("server killed, first new dispatch after its restart", spans, 3.0)


async def of_worker(folder: Path, trials: Trials) -> Figures:
    """One of two is killed, and another one with another id takes its place."""
    killed: list[float] = []
    async with Site(folder, Plan(workers=2, lease_s=trials.lease_s)) as site:
        async with under_load(site, MANY) as client:
            for number in range(trials.count):
                member = site.workers[number % 2]
                await _busy(client, member.identity)
                killed.append(time.time())
                await asyncio.to_thread(member.kill)
                site.rename(member)
                site.start(member)
            await asyncio.sleep(trials.lease_s + 2)
        await site.end()
    spans = _spans(await attempts(site), killed)
    return Figures("worker killed, the last of what it held leased again", spans, trials.lease_s + 1)


async def _busy(client: AsyncClient, worker: str) -> None:
    """Until it holds something, and has done so for a while."""
    while not any(each.id == worker and each.held for each in await client.workers()):  # noqa: ASYNC110
        await asyncio.sleep(0.1)
    await asyncio.sleep(1)


async def of_two_servers(folder: Path, trials: Trials) -> Figures:
    """Two on one database; one of them is killed: the longest time until some task begins, while it is away."""
    killed: list[float] = []
    async with Site(folder, Plan(workers=2, servers=2, database=trials.database)) as site:
        async with under_load(site, MANY):
            for number in range(trials.count):
                server = site.servers[number % 2]
                killed.append(time.time())
                await asyncio.to_thread(server.kill)
                await asyncio.sleep(APART_S)
                site.start(server)
                await asyncio.sleep(APART_S)
        await site.end()
    begins = sorted(each.at for each in read_ledger(site.ledger))
    spans = [longest_gap([at, *(each for each in begins if at < each < at + APART_S), at + APART_S]) for at in killed]
    return Figures("one of two servers killed, nothing began for", spans, 3.0)


def longest_gap(moments: Sequence[float]) -> float:
    return max(later - sooner for sooner, later in pairwise(moments))


async def of_cancel(folder: Path, trials: Trials) -> Figures:
    """Code that keeps a core busy in a process of its own, and never asks: from the cancel to its proof."""
    spans: list[float] = []
    async with Site(folder, Plan(workers=1, processes=AT_ONCE)) as site, AsyncClient(site.to_client.url) as client:
        await ready(client, 1)
        while len(spans) < trials.count:
            runs = [await client.submit(tasks.spin) for _ in range(min(AT_ONCE, trials.count - len(spans)))]
            while len(_spinning(site.ledger)) < len(spans) + len(runs):  # noqa: ASYNC110
                await asyncio.sleep(0.05)
            spans += await asyncio.gather(*(_cancelled(run) for run in runs))
        left = [pid for pid in _spinning(site.ledger) if Path(f"/proc/{pid}").exists()]
        assert left == [], f"the processes {left} go on"
        await site.end()
    proofs = [each.state.end for each in await attempts(site) if isinstance(each.state, AttemptEnded)]
    assert proofs == [End.KILLED] * trials.count, proofs
    return Figures("cancel of busy sync code in a process, until it was confirmed", spans, GRACE_S + 1)


async def _cancelled(run: AsyncRun[Any]) -> float:
    began = time.monotonic()
    await run.cancel("enough")
    assert (await run.ended()).status == "cancelled"
    return time.monotonic() - began


def _spinning(ledger: Path) -> list[int]:
    return [int(each.by.split("-")[1]) for each in read_ledger(ledger) if each.what == "spin"]


def _spans(found: Sequence[Attempt], killed: Sequence[float]) -> list[float]:
    """From each kill to the last new lease of a step whose attempt was lost with its worker."""
    by_step: dict[tuple[bytes, str], list[Attempt]] = defaultdict(list)
    for each in found:
        by_step[each.run, each.path].append(each)
    lost: dict[str, list[float]] = defaultdict(list)  # worker: when its steps were leased again
    last: dict[str, float] = {}  # worker: its last lease
    for of_step in by_step.values():
        ordered = sorted(of_step, key=lambda each: each.number)
        for each, following in zip(ordered, [*ordered[1:], None], strict=True):
            last[each.worker] = max(last.get(each.worker, 0.0), each.leased_at / 1e6)
            if following is not None:  # no step fails here: only its worker's death brings another attempt
                lost[each.worker].append(following.leased_at / 1e6)
    order = sorted(lost, key=lambda worker: last[worker])
    assert len(order) == len(killed), f"{len(killed)} workers were killed, and {len(order)} lost something"
    return [max(lost[worker]) - at for worker, at in zip(order, killed, strict=True)]


async def attempts(site: Site) -> list[Attempt]:
    """All that there were."""

    def read() -> list[Attempt]:
        rows = site.rows()
        found = [unpack_attempt(packed) for (packed,) in rows.read("select packed from attempt")]
        rows.close()
        return found

    return await asyncio.to_thread(read)
