"""Tidemill with two or three servers on one store: workers and clients go to any of them, and faults meet each."""

import asyncio
from collections.abc import Callable

from tests.simulation.database import Database, Line
from tests.simulation.invariants import Ledger
from tests.simulation.mill import SETTINGS, WITHIN_S, use, work
from tests.simulation.questions import Questions, run_of
from tests.simulation.repertoire import Repertoire
from tests.simulation.shared import SharedStore
from tidemill.adapters.storage.folder.blobs import FolderBlobs
from tidemill.adapters.storage.sqlite.logs import SqliteLogs
from tidemill.engine.engine import Engine
from tidemill.ports.link import LinkDownError
from tidemill.ports.store import StoreLostError
from tidemill.server.sessions import WorkerDesk
from tidemill.testing.simulation.chance import Chance, stream
from tidemill.testing.simulation.clock import START_AT
from tidemill.testing.simulation.net import SimLink
from tidemill.testing.simulation.plans import Case
from tidemill.testing.simulation.world import Outcome, Ports, World

SERVERS = ("north", "south", "east")
STRUCK = ("north", "south", "first", "second")  # the third server comes to harm by nobody but its neighbours
STORE = "database"


class Together:
    """One world."""

    def __init__(self, case: Case, repertoire: Repertoire, count: int) -> None:
        self.world, self.ledger = World(case), Ledger(run_of, repertoire)
        self.servers = SERVERS[:count]
        self._engines: dict[str, Engine] = {}
        self._ready = asyncio.Event()
        host = self.world.add(STORE, self._keep, self.ledger.check)
        self.ledger.look = lambda: host.disk
        self.ledger.held = self._held
        for name in self.servers:
            self.world.add(name, self._serve)
        for name in ("first", "second"):
            self.world.add(name, lambda ports: work(self._anywhere(ports, "worker"), case, self.ledger))
        self.world.add("client", lambda ports: use(self._anywhere(ports, "client"), case, self.ledger))

    def run(self) -> Outcome:
        async def story() -> None:
            await self.ledger.done.wait()
            await asyncio.sleep(3 * SETTINGS.lease.total_seconds())  # what is late comes now, and must change nothing
            self.ledger.is_over = True

        return self.world.run(story, WITHIN_S)

    def _held(self) -> list[str]:
        return [
            f"{path} of {seat.session.worker} at {name}"
            for name, engine in self._engines.items()
            if (host := self.world.hosts[name]).ports and host.ports.process.alive
            for seat in engine.seats.all()
            for _, path, _ in seat.held
        ]

    async def _keep(self, ports: Ports) -> None:
        loop = self.world.loop
        now: Callable[[], int] = lambda: START_AT + int(loop.time() * 1_000_000)  # noqa: E731
        self.database = Database(ports.vfs.name, ports.entropy, now, loop.time)
        self._ready.set()
        await asyncio.Event().wait()

    async def _serve(self, ports: Ports) -> None:
        """Under a supervisor: a server that cannot reach the store when it starts is started again."""
        while True:
            try:
                await self._served(ports)
            except BaseException as error:
                if ports.process.alive and not _is_lost(error):
                    raise
                if not ports.process.alive:  # its disk died under it, and nobody hears
                    return
                await asyncio.sleep(0.5)

    async def _served(self, ports: Ports) -> None:
        await self._ready.wait()
        name = ports.process.name
        chance = stream(self.world.case.seed, "line", name, self.world.hosts[name].lives)
        line = Line(self.database, ports.process, chance, lambda: self._is_cut(name))
        store = SharedStore(line, ports.threads, ports.entropy)
        logs = SqliteLogs("logs.db", ports.threads, ports.vfs.name)
        engine = Engine(store, FolderBlobs(ports.files, ports.threads), ports.clock, ports.entropy, SETTINGS)
        self._engines[name] = engine
        ports.watch(engine)
        async with asyncio.TaskGroup() as group:
            group.create_task(engine.run())
            group.create_task(ports.accept(group, f"{name}:worker", WorkerDesk(engine, logs).serve))
            group.create_task(ports.accept(group, f"{name}:client", Questions(engine, self.ledger.repertoire).serve))

    def _is_cut(self, server: str) -> bool:
        return self.world.net.is_cut(server, STORE) or self.world.net.is_cut(STORE, server)

    def _anywhere(self, ports: Ports, service: str) -> Ports:
        """Whoever dials gets one of the servers."""
        chance = stream(
            self.world.case.seed, "anywhere", ports.process.name, self.world.hosts[ports.process.name].lives
        )
        ports.dialer = lambda _: AnyDialer(ports, self.servers, service, chance)  # type: ignore[method-assign]
        return ports


def _is_lost(error: BaseException) -> bool:
    """Whether the store is what a server could not reach."""
    if isinstance(error, BaseExceptionGroup):
        return error.split(StoreLostError)[1] is None
    return isinstance(error, StoreLostError)


class AnyDialer:
    """The Dialer port over several addresses: one that does not answer is left for another."""

    def __init__(self, ports: Ports, servers: tuple[str, ...], service: str, chance: Chance) -> None:
        self._ports, self._servers, self._service, self._chance = ports, servers, service, chance

    async def dial(self) -> SimLink:
        first = int(self._chance() * len(self._servers))
        for place in range(len(self._servers)):
            server = self._servers[(first + place) % len(self._servers)]
            try:
                return await self._ports.net.dial(self._ports.process, f"{server}:{self._service}")
            except LinkDownError:
                continue
        raise LinkDownError("no server answers")


def run(case: Case, repertoire: Repertoire) -> Outcome:
    """With two servers or three, as the seed says."""
    return Together(case, repertoire, 2 + int(2 * stream(case.seed, "servers")())).run()
