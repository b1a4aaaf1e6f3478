"""A storm: a fleet of real processes under load and blows, and then the audit of what is left."""

import asyncio
import contextlib
import itertools
from collections import Counter
from collections.abc import AsyncIterator, Awaitable
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter

from tests.storm.audit import Audit, Findings, read_ledger
from tests.storm.fleet import gone_within
from tests.storm.load import Load, Notes
from tests.storm.plan import Blow, orders, strikes
from tests.storm.proxy import FAIR
from tests.storm.site import Plan, Site, ready
from tests.storm.sky import Sky
from tidemill import AsyncClient

CALM_S = 60.0  # after the last blow, and the last submission: all must have ended by then


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
    servers: int = 1
    database: str = ""  # a URL of PostgreSQL; "" is SQLite, which has one server


@dataclass
class Report:
    size: Size
    notes: Notes
    findings: Findings
    struck: Counter[Blow] = field(default_factory=Counter)
    kills: int = 0
    took_s: float = 0.0
    longest_stall_s: float = 0.0
    stall_after: str = ""  # the blows in it, from its begin

    @property
    def wrong(self) -> list[str]:
        return self.findings.wrong


async def blow_over(size: Size, folder: Path) -> Report:
    """One storm in an empty folder, from the first process to the audit."""
    plan = Plan(size.workers, size.servers, lease_s=size.lease_s, database=size.database)
    async with Site(folder, plan, size.seed) as site:
        sky = Sky(site, size.lease_s)
        return await endure(site, sky, size, sky.follow(strikes(size.seed, size.kills, size.seconds)))


async def endure(site: Site, sky: Sky, size: Size, trouble: Awaitable[None]) -> Report:
    """Load and trouble, the end of all processes, and the audit."""
    began = perf_counter()
    async with AsyncClient(site.to_client.url) as client:
        await ready(client, size.workers)
        load = Load(client, orders(size.seed, size.tasks, size.most_ms), size.tasks, size.seconds)
        async with watching(sky.watch(), load.sample(), load.tend()):
            await weather(site, load, size, trouble)
    await site.end()
    left = await asyncio.to_thread(gone_within, site.sessions, 10.0)
    rows = site.rows()
    audit = Audit(rows, list(read_ledger(site.ledger)), load.notes)
    findings = await asyncio.to_thread(audit.run)
    rows.close()
    findings.wrong += [*load.notes.wrong, *site.wrong, *(f"process {pid} outlived its worker" for pid in left)]
    report = Report(size, load.notes, findings, sky.struck, sky.kills, perf_counter() - began)
    report.longest_stall_s, report.stall_after = _longest_stall(load, sky)
    return report


async def weather(site: Site, load: Load, size: Size, trouble: Awaitable[None]) -> None:
    """Load and trouble; what a slow machine has not submitted by then; then calm, in which all must end."""
    working = asyncio.create_task(load.run(size.in_flight))
    submitting = asyncio.create_task(load.submitted.wait())
    try:
        await trouble
        for line in site.lines:
            line.set(FAIR)
        await asyncio.wait([working, submitting], timeout=size.seconds, return_when=asyncio.FIRST_COMPLETED)
        done, _ = await asyncio.wait([working], timeout=CALM_S)
        if not done:
            late = f"{CALM_S:.0f} s after the last blow and the last submission"
            load.notes.wrong += [f"run {run} has not ended {late}" for run in load.open_runs]
            load.notes.wrong += await load.explain()
    finally:
        working.cancel()
        submitting.cancel()
        await asyncio.gather(working, submitting, return_exceptions=True)


@contextlib.asynccontextmanager
async def watching(*loops: object) -> AsyncIterator[None]:
    """These go on for as long as the block; one that fails ends it."""
    async with asyncio.TaskGroup() as group:
        running = [group.create_task(each) for each in loops]  # type: ignore[arg-type]
        yield
        for task in running:
            task.cancel()


def _longest_stall(load: Load, sky: Sky) -> tuple[float, str]:
    """The longest time without the end of a run, and the blows that fell then or shortly before."""
    ends = load.notes.ends
    gaps = [(later - sooner, sooner, later) for sooner, later in itertools.pairwise(ends)]
    if not gaps:
        return 0.0, ""
    length, since, until = max(gaps)
    blows = [f"{at - since:+.1f} s {blow.value}" for at, blow in sky.moments if since - 5 <= at <= until]
    return length, "; ".join(blows)
