"""Tidemill itself in a simulated world: one server, two workers, one client that repeats what it was not told."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import Any

import msgspec

from tests.simulation.chance import stream
from tests.simulation.clock import START_AT
from tests.simulation.invariants import Ledger
from tests.simulation.plans import Case
from tests.simulation.stage import NoFiles, SharedStage
from tests.simulation.workflows import WORKFLOWS, tasks_of
from tests.simulation.world import Outcome, Ports, World
from tidemill.adapters.backends.inline.backend import InlineBackend
from tidemill.adapters.backends.inline.body import Surroundings
from tidemill.adapters.storage.folder.blobs import FolderBlobs
from tidemill.adapters.storage.sqlite.logs import SqliteLogs
from tidemill.adapters.storage.sqlite.store import SqliteOptions, SqliteStore
from tidemill.core.commands import AnswerSignal
from tidemill.core.definitions import Pools
from tidemill.core.documents import document_of
from tidemill.core.errors import UnavailableError
from tidemill.core.events import RunChanged, SignalSent
from tidemill.core.ids import RunId, digest_of, uuid7
from tidemill.core.rows import Keys
from tidemill.core.run import Ended, Failed, Halted, Run, Succeeded
from tidemill.core.values import Given, Inline
from tidemill.core.wait_rows import NOBODY, Address, WaitKind
from tidemill.engine.beats import EngineSettings
from tidemill.engine.engine import Engine
from tidemill.engine.orders import Order
from tidemill.ports.link import Link, LinkDownError, LinkRefusedError
from tidemill.ports.store import StoreLostError
from tidemill.sdk.options import Backend
from tidemill.sdk.worker import Worker, tasks_in
from tidemill.server.sessions import WorkerDesk
from tidemill.worker.runtime import WorkerPorts, WorkerRuntime
from tidemill.worker.settings import Reconnect, WorkerSettings

HOSTS = ("server", "first", "second")
WITHIN_S = 120.0
LOOK_S = 0.3
SETTINGS = EngineSettings(lease=timedelta(seconds=2), heartbeat=timedelta(seconds=0.5))
RUNS = 9

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
        group.create_task(_accept(ports, group, "server:worker", desk.serve))
        group.create_task(_accept(ports, group, "server:client", lambda link: _answer(engine, link)))


async def _accept(ports: Ports, group: asyncio.TaskGroup, address: str, talk: Callable[[Link], Any]) -> None:
    calls = ports.listen(address)

    async def one(link: Link) -> None:
        try:
            await talk(link)
        finally:
            await link.close()

    while True:
        group.create_task(one(await calls.get()))


async def _answer(engine: Engine, link: Link) -> None:
    """In the place of HTTP: each question has one answer."""
    try:
        while True:
            what, index = _unpack(await link.receive())
            answer = {"submit": _submit, "look": _look}.get(what)
            try:
                said = await (answer(engine, index) if answer else _meddle(engine, what, index))
                await link.send(_pack(said))
            except StoreLostError:
                await link.send(_pack(("again", index)))
    except LinkDownError:
        return


async def _submit(engine: Engine, index: int) -> Any:
    workflow, given = WORKFLOWS[index % len(WORKFLOWS)], index
    published = await engine.publish(document_of(workflow))
    order = Order(
        run=run_of(index),
        graph=published.digest,
        workflow=workflow.name,
        inputs={"number": Inline(_pack(given))},
        submitted=digest_of(b"%d" % index),
    )
    (answer,) = await engine.submit([order])
    assert isinstance(answer, Run), answer
    return "accepted", index


async def _meddle(engine: Engine, what: str, index: int) -> Any:
    run = run_of(index)
    match what:
        case "pause":
            await engine.pause(run, "client", "")
        case "resume":
            await engine.resume(run, "client")
        case "signal":  # the same one again and again
            address = Address(NOBODY, WaitKind.SIGNAL, "go", str(2 * index))
            said = await engine.signal(SignalSent(address, "once", Inline(_pack(index)), digest_of(b"%d" % index)))
            assert isinstance(said, AnswerSignal), said
        case _:
            await engine.change(RunChanged(run, priority=int(what)))
    return "meddled", index


async def _look(engine: Engine, index: int) -> Any:
    run = (await engine.queries.rows(Keys(runs=[run_of(index)]))).runs[run_of(index)]
    match run and run.state:
        case Ended(outcome=Succeeded()):
            assert run
            given = (await engine.reader.outputs(run))["value"]
            assert isinstance(given, Given)
            assert isinstance(given.value, Inline)
            return "ended", index, _unpack(given.value.data)
        case Ended(outcome=Failed(failure=failure)):
            return "ended", index, failure.code.value
        case Halted(reason=reason):
            raise AssertionError(f"run {index} is halted: {reason}")
        case None:
            return "unknown", index
        case _:
            return "running", index


def run_of(index: int) -> RunId:
    return RunId(uuid7(START_AT, digest_of(b"%d" % index)[:16], index))


# Client --------------------------------------------------------------------------------------------


MEDDLES = 60  # looks, after which each run is let go on


async def use(ports: Ports, case: Case, ledger: Ledger) -> None:
    chance, looks = stream(case.seed, "meddle"), count()

    def meddling() -> str:
        """What is done to a run before it is looked at; "" is nothing."""
        if not case.meddling:
            return ""
        if next(looks) > MEDDLES:
            return "resume"
        if chance() >= case.meddling:
            return ""
        return ("pause", "pause", "resume", "5", "-5", "signal", "signal")[int(chance() * 7)]

    while True:
        try:
            link = await ports.dialer("server:client").dial()
            try:
                await _use(link, ledger, meddling)
            finally:
                await link.close()
        except (LinkDownError, TimeoutError):
            await asyncio.sleep(0.2)


async def _use(link: Link, ledger: Ledger, meddling: Callable[[], str]) -> None:
    while len(ledger.results) < RUNS:
        for index in range(RUNS):
            if index not in ledger.acknowledged:
                await _ask(link, ledger, "submit", index)
            elif index not in ledger.results:
                if what := meddling():
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
        workers = [tasks_of(case.seed, ledger.begin)]
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


def run(case: Case) -> Outcome:
    return world_of(case)[0]()


def world_of(case: Case) -> tuple[Callable[[], Outcome], World]:
    world, ledger = World(case), Ledger(run_of)
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
