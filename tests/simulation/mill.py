"""Tidemill itself in a simulated world: one server, two workers, one client that repeats what it was not told."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import Any

import msgspec

from tests.simulation.invariants import Ledger
from tests.simulation.questions import Questions, run_of
from tests.simulation.repertoire import Repertoire
from tests.simulation.workflows import Small
from tidemill.adapters.backends.inline.backend import InlineBackend
from tidemill.adapters.backends.inline.body import Surroundings
from tidemill.adapters.storage.folder.blobs import FolderBlobs
from tidemill.adapters.storage.sqlite.logs import SqliteLogs
from tidemill.adapters.storage.sqlite.store import SqliteOptions, SqliteStore
from tidemill.core.definitions import Pools
from tidemill.core.errors import UnavailableError
from tidemill.engine.engine import Engine
from tidemill.engine.together import EngineSettings
from tidemill.ports.link import Link, LinkDownError, LinkRefusedError
from tidemill.sdk.options import Backend
from tidemill.sdk.worker import Worker, tasks_in
from tidemill.server.sessions import WorkerDesk
from tidemill.testing.simulation.chance import stream
from tidemill.testing.simulation.plans import Case
from tidemill.testing.simulation.stage import NoFiles, SharedStage
from tidemill.testing.simulation.world import Outcome, Ports, World
from tidemill.worker.runtime import WorkerPorts, WorkerRuntime
from tidemill.worker.settings import Reconnect, WorkerSettings

HOSTS = ("server", "first", "second")
WITHIN_S = 120.0
LOOK_S = 0.3
SETTINGS = EngineSettings(lease=timedelta(seconds=2), heartbeat=timedelta(seconds=0.5))
SMALL = Small()

_pack = msgspec.msgpack.encode
_unpack = msgspec.msgpack.decode


# Server --------------------------------------------------------------------------------------------


async def serve(ports: Ports, ledger: Ledger) -> None:
    try:
        await _serve(ports, ledger)
    except BaseException:
        if ports.process.alive:  # else its disk died under it, and nobody hears
            raise


async def _serve(ports: Ports, ledger: Ledger) -> None:
    store = SqliteStore("tidemill.db", ports.threads, ports.entropy, options=SqliteOptions(vfs=ports.vfs.name))
    logs = SqliteLogs("logs.db", ports.threads, ports.vfs.name)
    engine = Engine(store, FolderBlobs(ports.files, ports.threads), ports.clock, ports.entropy, SETTINGS)
    ports.watch(engine)
    ledger.held = lambda: [
        f"{path} of {seat.session.worker}" for seat in engine.seats.all() for _, path, _ in seat.held
    ]
    desk = WorkerDesk(engine, logs)
    async with asyncio.TaskGroup() as group:
        group.create_task(engine.run())
        group.create_task(ports.accept(group, "server:worker", desk.serve))
        group.create_task(ports.accept(group, "server:client", Questions(engine, ledger.repertoire).serve))


# Client --------------------------------------------------------------------------------------------


MEDDLES = 60  # looks, after which each run is let go on


async def use(ports: Ports, case: Case, ledger: Ledger) -> None:
    chance, looks = stream(case.seed, "meddle"), count()

    def meddling(index: int) -> str:
        """What is done to a run before it is looked at; "" is nothing."""
        if not case.meddling:
            return ""
        if next(looks) > MEDDLES:
            return "resume"
        if chance() >= case.meddling:
            return ""
        end = "cancel" if ledger.repertoire.may_be_cancelled(index) else "pause"
        return ("pause", end, "resume", "5", "-5", "signal", "signal")[int(chance() * 7)]

    while True:
        try:
            link = await ports.dialer("server:client").dial()
            try:
                await _use(link, ledger, meddling)
            finally:
                await link.close()
        except (LinkDownError, TimeoutError):
            await asyncio.sleep(0.2)


async def _use(link: Link, ledger: Ledger, meddling: Callable[[int], str]) -> None:
    repertoire = ledger.repertoire
    while len(ledger.results) < repertoire.runs:
        for index in range(repertoire.runs):
            origin = repertoire.asked(index).origin
            if index in ledger.results or (origin is not None and origin not in ledger.results):
                continue
            if index not in ledger.accepted:
                await _ask(link, ledger, "submit", index)
                continue
            if what := meddling(index):
                await _ask(link, ledger, what, index)
            await _ask(link, ledger, "look", index)
        await asyncio.sleep(LOOK_S)
    ledger.done.set()
    await asyncio.Event().wait()


async def _ask(link: Link, ledger: Ledger, what: str, index: int) -> None:
    async with asyncio.timeout(5):
        await link.send(_pack((what, index)))
        ledger.hear(*_unpack(await link.receive()))


# Workers -------------------------------------------------------------------------------------------


class NoFetcher:
    """No value here is larger than a frame, and no task starts a run."""

    async def close(self) -> None:
        """Nothing is open."""

    def __getattr__(self, name: str) -> Any:
        raise UnavailableError(f"{name} is not served here")


async def work(ports: Ports, case: Case, ledger: Ledger) -> None:
    """Under a supervisor, which starts a refused worker again."""
    while True:
        workers = [ledger.repertoire.tasks(case.seed, ledger.begin)]
        runtime = WorkerRuntime(workers, _around(ports, workers), _settings(ports.process.name))
        ports.process.probes[:] = [runtime]
        try:
            await runtime.run()
        except LinkRefusedError:
            await asyncio.sleep(1)
        except BaseException:
            if ports.process.alive:
                raise
            return


def _settings(name: str) -> WorkerSettings:
    return WorkerSettings(
        name=name, folder=Path("/nowhere"), pools=Pools(total=3), reconnect=Reconnect(most_s=2.0), answer_s=3.0
    )


def _around(ports: Ports, workers: list[Worker]) -> WorkerPorts:
    stage, files = SharedStage(ports.threads), NoFiles()
    inline = InlineBackend(tasks_in(workers), stage, Surroundings(ports.clock, ports.threads, files))
    return WorkerPorts(
        dialer=ports.dialer("server:worker"),
        clock=ports.clock,
        threads=ports.threads,
        entropy=ports.entropy,
        disk=ports.files,
        stage=stage,
        backends={Backend.INLINE: inline},
        files=files,
        fetcher=NoFetcher(),
        caller=NoFetcher(),
    )


# A run ---------------------------------------------------------------------------------------------


def run(case: Case, repertoire: Repertoire = SMALL) -> Outcome:
    return world_of(case, repertoire)[0]()


def world_of(case: Case, repertoire: Repertoire = SMALL) -> tuple[Callable[[], Outcome], World]:
    world, ledger = World(case), Ledger(run_of, repertoire)
    server = world.add("server", lambda ports: serve(ports, ledger), ledger.check)
    ledger.look = lambda: server.disk
    world.add("first", lambda ports: work(ports, case, ledger))
    world.add("second", lambda ports: work(ports, case, ledger))
    world.add("client", lambda ports: use(ports, case, ledger))

    async def story() -> None:
        await ledger.done.wait()
        await asyncio.sleep(3 * SETTINGS.lease.total_seconds())  # what is late comes now, and must change nothing
        ledger.is_over = True

    return lambda: world.run(story, WITHIN_S), world
