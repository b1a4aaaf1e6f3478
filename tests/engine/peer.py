"""A server without sockets, and workers that speak the protocol word by word."""

import asyncio
import itertools
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from tests.engine.bench import NOOP, lone
from tidemill.adapters.storage.folder.blobs import FolderBlobs
from tidemill.adapters.storage.sqlite.logs import SqliteLogs
from tidemill.adapters.storage.sqlite.store import SqliteOptions, SqliteStore
from tidemill.adapters.system.clock import SystemClock
from tidemill.adapters.system.disk import OsDisk
from tidemill.adapters.system.entropy import OsEntropy
from tidemill.adapters.system.memory_link import MemoryLink, link_pair
from tidemill.adapters.system.threads import ThreadPool
from tidemill.core.definitions import Pools, TaskDefinition
from tidemill.core.documents import document_of
from tidemill.core.graph import Workflow
from tidemill.core.ids import Digest, RunId, digest_of, uuid7
from tidemill.core.rows import Keys
from tidemill.core.run import Attempt, Code, Ended, Failure, Run, Step
from tidemill.core.values import Inline
from tidemill.engine.engine import Engine
from tidemill.engine.orders import Order, SubmitRefused
from tidemill.engine.together import EngineSettings
from tidemill.ports.clock import Clock
from tidemill.ports.entropy import Entropy
from tidemill.ports.faults import NO_FAULTS, Faults
from tidemill.ports.link import LinkDownError
from tidemill.server.sessions import WorkerDesk
from tidemill.wire import worker as wire

M = TypeVar("M")
WITHIN_S = 20.0
SETTINGS = EngineSettings(lease=timedelta(seconds=30), heartbeat=timedelta(seconds=5))
SHORT = EngineSettings(lease=timedelta(seconds=0.3), heartbeat=timedelta(seconds=5))
_pack = msgspec.msgpack.encode


class Peer:
    """One connection of a worker; hears everything, says what it is told to."""

    def __init__(self, link: MemoryLink, worker: str, instance: bytes) -> None:
        self.link, self.worker, self.instance = link, worker, instance
        self.received = 0
        self._unread: deque[Any] = deque()

    async def say(self, *messages: Any) -> None:
        await self.link.send(wire.encode_frame(list(messages)))

    async def hear(self, kind: type[M]) -> M:
        """The next message of a kind; what came before it is passed over, but for assignments and acknowledgements."""
        kept: deque[Any] = deque()
        try:
            while True:
                while self._unread:
                    message = self._unread.popleft()
                    if isinstance(message, kind):
                        return message
                    kept.append(message)
                frame = await asyncio.wait_for(self.link.receive(), WITHIN_S)
                self._unread.extend(each for each in wire.decode_to_worker(frame) if not isinstance(each, wire.Ping))
        finally:
            self._unread.extendleft(reversed(kept))

    def unheard(self, kind: type[M]) -> list[M]:
        """What has come and was not heard yet."""
        while self.link._incoming.frames:  # a look, not a wait
            self._unread.extend(wire.decode_to_worker(self.link._incoming.frames.popleft()))
        return [each for each in self._unread if isinstance(each, kind)]

    async def hello(
        self, *, tasks: tuple[TaskDefinition, ...] = (NOOP,), total: int = 100, **more: Any
    ) -> wire.Welcome:
        pools = more.pop("pools", Pools(total))
        await self.say(wire.Hello(wire.PROTOCOL, self.worker, self.instance, tasks, pools, **more))
        return await self.hear(wire.Welcome)

    async def grant(self, total: int, **pools: int) -> None:
        await self.say(wire.Credit({"": total, **pools}))

    async def take(self) -> wire.AttemptRef:
        assigned = await self.hear(wire.Assign)
        self.received += 1
        return assigned.attempt

    async def succeed(self, ref: wire.AttemptRef, value: object = 1) -> None:
        """Report, and wait until it is acknowledged."""
        await self.report(ref, value)
        await self.acknowledged(ref)

    async def report(self, ref: wire.AttemptRef, value: object = 1) -> None:
        await self.say(wire.Succeeded(ref, {"value": Inline(_pack(value))}))

    async def fail(self, ref: wire.AttemptRef, code: Code, proof: Any = None) -> None:
        await self.say(wire.Failed(ref, Failure(code, "it broke"), proof))
        await self.acknowledged(ref)

    async def acknowledged(self, ref: wire.AttemptRef) -> None:
        while ref not in (await self.hear(wire.Ack)).attempts:
            pass

    async def is_cut_off(self) -> bool:
        """Whether the server ended the connection."""
        try:
            while True:
                await asyncio.wait_for(self.link.receive(), WITHIN_S)
        except LinkDownError:
            return True


class Mill:
    """An engine that beats on a real file."""

    def __init__(
        self,
        folder: Path,
        faults: Faults = NO_FAULTS,
        settings: EngineSettings = SETTINGS,
        clock: Callable[[], Clock] = SystemClock,
    ) -> None:
        self.folder, self.faults, self.settings, self.clock = folder, faults, settings, clock
        self.entropy: Entropy = OsEntropy()
        self.names = itertools.count(1)
        self.options = SqliteOptions()
        self.engine: Engine
        self.store: SqliteStore
        self._desk: WorkerDesk
        self._group: asyncio.TaskGroup
        self._links: list[MemoryLink] = []

    @asynccontextmanager
    async def opened(self) -> AsyncIterator["Mill"]:
        """One life of the server."""
        threads, entropy, clock = ThreadPool(), self.entropy, self.clock()
        self.store = SqliteStore(self.folder / "t.db", threads, entropy, self.faults, self.options)
        logs = SqliteLogs(self.folder / "logs.db", threads)
        blobs = FolderBlobs(OsDisk(self.folder / "blobs"), threads)
        self.engine = Engine(self.store, blobs, clock, entropy, self.settings)
        self._desk, self._links = WorkerDesk(self.engine, logs), []
        try:
            async with asyncio.TaskGroup() as self._group:
                beating = self._group.create_task(self.engine.run())
                yield self
                for link in self._links:
                    await link.close()
                beating.cancel()
        finally:
            await self.store.close()
            await logs.close()
            threads.close()

    # Workers ---------------------------------------------------------------------------------------

    def connect(self, worker: str = "", instance: bytes | None = None) -> Peer:
        """A link that the server has taken; nothing is said yet."""
        number = next(self.names)
        here, there = link_pair()
        self._links.append(here)
        self._group.create_task(self._serve(there))
        return Peer(here, worker or f"worker{number}", instance or number.to_bytes(16, "big"))

    async def _serve(self, link: MemoryLink) -> None:
        try:
            await self._desk.serve(link)
        finally:
            await link.close()

    async def worker(self, credit: int = 100, **more: Any) -> Peer:
        """A worker that takes attempts."""
        peer = self.connect()
        await peer.hello(**more)
        if credit:
            await peer.grant(credit)
        return peer

    # Clients ---------------------------------------------------------------------------------------

    async def published(self, workflow: Workflow | None = None) -> Digest:
        return (await self.engine.publish(document_of(workflow or lone()))).digest

    def order(self, graph: Digest, watch: str = "", **inputs: Any) -> Order:
        run = RunId(uuid7(self.engine.clock.now(), self.entropy.bytes(16)))
        values = {name: Inline(_pack(each)) for name, each in (inputs or {"x": 1}).items()}
        return Order(run, graph, "test", values, digest_of(_pack(values)), watch=watch)

    async def submit(self, graph: Digest, **inputs: Any) -> RunId:
        [run] = await self.engine.submit([self.order(graph, **inputs)])
        assert not isinstance(run, SubmitRefused), run
        return run.id

    async def started(self) -> RunId:
        """A run of one task."""
        return await self.submit(await self.published())

    # Rows ------------------------------------------------------------------------------------------

    async def run(self, run: RunId) -> Run:
        row = (await self.store.rows(Keys(runs=[run]))).runs[run]
        assert row is not None
        return row

    async def step(self, run: RunId, path: str = "noop") -> Step:
        row = (await self.store.rows(Keys(steps=[(run, path)]))).steps[run, path]
        assert row is not None
        return row

    async def attempt(self, ref: wire.AttemptRef) -> Attempt:
        key = (RunId(ref.run), ref.path, ref.number)
        row = (await self.store.rows(Keys(attempts=[key]))).attempts[key]
        assert row is not None
        return row

    async def ended(self, run: RunId) -> Run:
        """The run, when it has ended."""
        return await self.until(run, lambda row: isinstance(row.state, Ended))

    async def until(self, run: RunId, holds: Callable[[Run], bool]) -> Run:
        """Follow the feed until the run is as it should be."""
        async with asyncio.timeout(WITHIN_S):
            async for _ in self.engine.feed.follow(run, 0):
                row = await self.run(run)
                if holds(row):
                    return row
        raise AssertionError("the feed ended")

    async def seen(self, run: RunId, kind: str, number: int = 0) -> dict[str, Any]:
        """The first entry of a kind (about an attempt) in the run's history; waits for it."""
        async with asyncio.timeout(WITHIN_S):
            async for _, row in self.engine.feed.follow(run, 0):
                for entry in getattr(row, "events", ()):
                    if entry.kind == kind and number in {0, entry.number}:
                        return {"path": entry.path, "number": entry.number, **entry.detail}
        raise AssertionError("the feed ended")
