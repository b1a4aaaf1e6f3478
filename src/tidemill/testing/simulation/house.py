"""A server, two workers and a client of a user's own workflow: real engine, API, client and worker code."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

from tidemill.adapters.backends.inline.body import Surroundings
from tidemill.adapters.cron.almanac import CronAlmanac
from tidemill.adapters.files.local import LocalFiles
from tidemill.adapters.storage.folder.blobs import FolderBlobs
from tidemill.adapters.storage.sqlite.logs import SqliteLogs
from tidemill.adapters.storage.sqlite.store import SqliteOptions, SqliteStore
from tidemill.adapters.system.capture import captured_output
from tidemill.assembly.offers import offered
from tidemill.assembly.settings import Settings
from tidemill.client.blobs import HttpBlobs
from tidemill.client.children import ChildClient
from tidemill.client.identity import Identity
from tidemill.client.remote import AsyncClient
from tidemill.core.definitions import Pools
from tidemill.core.errors import TidemillError, UnavailableError
from tidemill.core.ids import parse_run_id, text_of, uuid7
from tidemill.engine.engine import Engine
from tidemill.engine.together import EngineSettings
from tidemill.ports.backend import speaking
from tidemill.ports.link import LinkRefusedError
from tidemill.sdk.options import Backend
from tidemill.sdk.worker import Worker, tasks_in
from tidemill.server.app import Backing, WebSettings, build_app
from tidemill.server.sessions import WorkerDesk
from tidemill.testing.recording import Call, Recorder, RecordingBackend
from tidemill.testing.simulation.borders import users_world
from tidemill.testing.simulation.chance import stream
from tidemill.testing.simulation.plans import Case, Draw
from tidemill.testing.simulation.promises import Witness
from tidemill.testing.simulation.stage import TurnStage
from tidemill.testing.simulation.turns import Turns
from tidemill.testing.simulation.web import Answering, LinkTransport
from tidemill.testing.simulation.world import Outcome, Ports, World
from tidemill.worker.runtime import WorkerPorts, WorkerRuntime
from tidemill.worker.settings import Reconnect, WorkerSettings

SERVER, WORKERS, CLIENT = "server", ("worker-1", "worker-2"), "client"
LEASE = timedelta(seconds=60)  # long, for each heartbeat costs steps, and a lost lease costs no real time
SETTINGS = EngineSettings(lease=LEASE, heartbeat=LEASE / 3)
AT_ONCE = 16  # tasks of one worker
ASK_AGAIN_S = 0.2
NEVER_S = 1e9
MOST_STEPS = 20_000_000

Story = Callable[[AsyncClient], Awaitable[Any]]


class Told:
    """How the client's story ended."""

    def __init__(self) -> None:
        self.result: Any = None
        self.error: Exception | None = None
        self.done = asyncio.Event()


class House:
    """One world, built for one run of it."""

    def __init__(self, case: Case, workers: Sequence[Worker], folder: Path, draw: Draw | None) -> None:
        self.world, self.witness = World(case, MOST_STEPS), Witness()
        self.recorder, self.told = Recorder(), Told()
        self._workers, self._folder, self._draw = tuple(workers), folder, draw
        self._offered = offered(self._workers, Settings())
        largest = (task.batch.size for worker in workers for task in worker.tasks.values() if task.batch)
        self._at_once = max(AT_ONCE, *largest, 1)
        turns = self._turns = Turns(self.world.loop)
        self.world.loop.in_thread = turns.call
        self.world.closed = self._closed(case.seed)
        self.world.add(SERVER, self._serve, self.witness.check)
        for name in WORKERS:
            self.world.add(name, self._work)

    @contextmanager
    def _closed(self, seed: str) -> Iterator[None]:
        with users_world(self.world.loop.crimes.append, self._turns, stream(seed, "users")):
            try:
                yield
            finally:
                self._turns.end()

    def play(self, story: Story, within_s: float) -> Outcome:
        """Until the story has ended, and what is late has come."""
        self.world.add(CLIENT, partial(self._use, story))

        async def whole() -> None:
            await self.told.done.wait()
            await asyncio.sleep(3 * LEASE.total_seconds())  # what is late comes now, and must change nothing
            self.witness.is_over = self.told.error is None or not isinstance(self.told.error, UnavailableError)

        with _quiet(), captured_output(speaking.get):
            return self.world.run(whole, within_s)

    # Server ----------------------------------------------------------------------------------------

    async def _serve(self, ports: Ports) -> None:
        try:
            await self._served(ports)
        except BaseException:
            if ports.process.alive:  # else its disk died under it, and nobody hears
                raise

    async def _served(self, ports: Ports) -> None:
        store = SqliteStore("tidemill.db", ports.threads, ports.entropy, options=SqliteOptions(vfs=ports.vfs.name))
        logs = SqliteLogs("logs.db", ports.threads, ports.vfs.name)
        blobs = FolderBlobs(ports.files, ports.threads)
        engine = Engine(store, blobs, ports.clock, ports.entropy, SETTINGS)
        ports.watch(engine)
        self.witness.held = lambda: [
            f"{path} of {seat.session.worker}" for seat in engine.seats.all() for _, path, _ in seat.held
        ]
        app = build_app(Backing(engine, blobs, logs, ports.clock, ports.entropy, CronAlmanac()), WebSettings())
        async with asyncio.TaskGroup() as group:
            group.create_task(engine.run())
            group.create_task(ports.accept(group, f"{SERVER}:worker", WorkerDesk(engine, logs).serve))
            group.create_task(ports.accept(group, f"{SERVER}:http", Answering(app).serve))

    # Workers ---------------------------------------------------------------------------------------

    async def _work(self, ports: Ports) -> None:
        """Under a supervisor, which starts a refused worker again."""
        while True:
            runtime = WorkerRuntime(self._workers, self._around(ports), self._settings(ports.process.name))
            ports.process.probes[:] = [runtime]
            try:
                await runtime.run()
            except LinkRefusedError:
                await asyncio.sleep(1)
            except BaseException:
                if ports.process.alive:
                    raise
                return

    def _settings(self, name: str) -> WorkerSettings:
        offers, labels = self._offered
        return WorkerSettings(
            name=name,
            folder=self._folder / name,
            pools=Pools(self._at_once),
            reconnect=Reconnect(most_s=2.0),
            labels=labels,
            offers=offers,
            blocked_s=NEVER_S,  # one loop for all: none can be blocked alone
            stuck_s=NEVER_S,
        )

    def _around(self, ports: Ports) -> WorkerPorts:
        name, stage = ports.process.name, TurnStage(ports.threads, self._turns)
        files = LocalFiles(self._folder / name, ports.threads)
        transport = LinkTransport(ports.dialer(f"{SERVER}:http"))
        around = Surroundings(ports.clock, ports.threads, files)
        inline = RecordingBackend(tasks_in(self._workers), stage, around, self.recorder, partial(self._heard, ports))
        return WorkerPorts(
            dialer=ports.dialer(f"{SERVER}:worker"),
            clock=ports.clock,
            threads=ports.threads,
            entropy=ports.entropy,
            disk=ports.files,
            stage=stage,
            backends=dict.fromkeys((Backend.INLINE, Backend.PROCESS), inline),
            files=files,
            fetcher=HttpBlobs(transport),
            caller=ChildClient(transport, SimIdentity(ports)),
        )

    def _heard(self, ports: Ports, call: Call) -> bool:
        if self._turns.is_over or not ports.process.alive:
            return False
        what = "begins" if call.ending is None else call.outcome
        self.world.note(call.worker, f"{call.task} ({call.path}, attempt {call.attempt}): {what}")
        self._moment()
        return True

    def _moment(self) -> None:
        """Something has happened: a fault may be near."""
        if self._draw and not self.told.done.is_set() and (fault := self._draw.next(self.world.loop.time())):
            self.world.plan(fault)

    # Client ----------------------------------------------------------------------------------------

    async def _use(self, story: Story, ports: Ports) -> None:
        client = WitnessedClient(ports, self.witness, self.world.note)
        self._moment()
        await _served(client, tasks_in(self._workers))
        try:
            self.told.result = await story(client)
        except (TidemillError, TimeoutError) as error:
            self.told.error = error
        self.world.note(CLIENT, "has its result" if self.told.error is None else f"hears: {self.told.error}")
        self.told.done.set()
        await asyncio.Event().wait()


@contextmanager
def _quiet() -> Iterator[None]:
    """What servers and workers log about faults is no news here; the trace tells of them."""
    log = logging.getLogger("tidemill")
    was, log.propagate = log.propagate, False
    log.addHandler(silent := logging.NullHandler())
    try:
        yield
    finally:
        log.propagate = was
        log.removeHandler(silent)


async def _served(client: AsyncClient, tasks: Iterable[str]) -> None:
    """Returns when the server knows the tasks of a worker."""
    while True:
        try:
            if {*tasks} <= {each.definition.name for each in await client.tasks()}:
                return
        except UnavailableError:
            pass
        await asyncio.sleep(ASK_AGAIN_S)


class SimIdentity(Identity):
    """Names and instants of the simulated world."""

    def __init__(self, ports: Ports) -> None:
        self._ports, self._numbers = ports, count()

    def run_id(self) -> str:
        return text_of(uuid7(self._ports.clock.now(), self._ports.entropy.bytes(16), next(self._numbers) & 0xFFF))

    def now(self) -> datetime:
        return datetime.fromtimestamp(self._ports.clock.now() / 1e6, UTC)

    def token(self) -> str:
        return self._ports.entropy.bytes(16).hex()


class WitnessedClient(AsyncClient):
    """What it was told is durable must be there at each later moment."""

    def __init__(self, ports: Ports, witness: Witness, note: Callable[[str, str], None]) -> None:
        transport = LinkTransport(ports.dialer(f"{SERVER}:http"))
        super().__init__(transport=transport, identity=SimIdentity(ports))
        self._witness, self._note = witness, note

    async def _submit(self, target: Any, *, plain: Any = None, values: Any = None) -> Any:
        run = await super()._submit(target, plain=plain, values=values)
        self._witness.acknowledged[parse_run_id(run.id)] = f"run {run.id}"
        self._note(CLIENT, f"is told that run {run.id} is durable")
        return run
