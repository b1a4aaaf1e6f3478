"""A server on a real store and a clock that stands still, driven from outside one word at a time.

After each word `settle` waits until the server has nothing more to do, so what it did is there to be looked at.
"""

import asyncio
import hashlib
import itertools
from collections.abc import Coroutine
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

from tests.engine.bench import NOOP, NUMBER, lone, mapped, noop, workflow_of
from tests.engine.peer import Mill
from tidemill.adapters.system.memory_link import MemoryLink
from tidemill.core.definitions import Pools
from tidemill.core.graph import Graph, SignalWait, TimeWait, WaitNode, Workflow
from tidemill.core.ids import Digest, Instant
from tidemill.core.terms import Constant, Ref
from tidemill.engine.together import EngineSettings
from tidemill.ports.link import LinkDownError
from tidemill.wire import worker as wire

T = TypeVar("T")
QUIET_TURNS = 15
SETTINGS = EngineSettings(lease=timedelta(seconds=30), heartbeat=timedelta(hours=9), soon=timedelta(0))


class StillClock:
    """Moves when it is told to."""

    def __init__(self) -> None:
        self.at: Instant = 1_900_000_000_000_000

    def now(self) -> Instant:
        return self.at

    def monotonic(self) -> float:
        return self.at / 1e6


class Counted:
    """Chance that is the same each time: an example that fails must fail again."""

    def __init__(self) -> None:
        self._count = itertools.count()

    def bytes(self, count: int) -> bytes:
        return hashlib.shake_128(str(next(self._count)).encode()).digest(count)


def chained() -> Workflow:
    body = Graph(
        inputs={"x": NUMBER},
        nodes={"noop": noop(Ref(port="x")), "then": noop(Ref(node="noop"))},
        outputs={"value": Ref(node="then")},
        types={"value": NUMBER},
    )
    return workflow_of(body)


def signalled() -> Workflow:
    hold = WaitNode(SignalWait("go"), NUMBER, within_s=100.0)
    body = Graph(
        inputs={"x": NUMBER},
        nodes={"hold": hold, "noop": noop(Ref(node="hold"))},
        outputs={"value": Ref(node="noop")},
        types={"value": NUMBER},
    )
    return workflow_of(body)


def timed() -> Workflow:
    task = noop(Ref(port="x"))
    after = type(task)(task.task, task.inputs, task.outputs, task.schema, after=("hold",))
    body = Graph(
        inputs={"x": NUMBER},
        nodes={"hold": WaitNode(TimeWait(for_s=Constant(60)), {"type": "null"}), "noop": after},
        outputs={"value": Ref(node="noop")},
        types={"value": NUMBER},
    )
    return workflow_of(body)


WORKFLOWS = {
    "lone": lone(),
    "chain": chained(),
    "mapped": mapped(window=2),
    "signal": signalled(),
    "timed": timed(),
}


class Line:
    """One connection of one instance of a worker."""

    def __init__(self, link: MemoryLink, worker: str, instance: bytes) -> None:
        self.link, self.worker, self.instance = link, worker, instance
        self.received = self.granted = 0
        self.listed: set[tuple[bytes, str, int]] = set()  # what it said that it has, when it dialled

    @property
    def is_open(self) -> bool:
        return not self.link._incoming.is_closed

    def read(self) -> list[Any]:
        """What has come."""
        frames, heard = self.link._incoming.frames, []
        while frames:
            heard += wire.decode_to_worker(frames.popleft())
        return heard


class Life:
    """Servers, one after the other, on one folder."""

    def __init__(self, folder: Path) -> None:
        self.clock = StillClock()
        self.mill = Mill(folder, settings=SETTINGS, clock=lambda: self.clock)
        self.mill.entropy = Counted()
        self.graphs: dict[str, Digest] = {}
        self._runner = asyncio.Runner()
        self._over: asyncio.Event
        self._living: asyncio.Task[None]

    def do(self, work: Coroutine[Any, Any, T]) -> T:
        return self._runner.run(work)

    def start(self) -> None:
        self.do(self._start())

    def stop(self) -> None:
        self.do(self._stop())

    def close(self) -> None:
        self.stop()
        self._runner.close()

    async def _start(self) -> None:
        self._over, ready = asyncio.Event(), asyncio.Event()
        self._living = asyncio.create_task(self._live(ready))
        await ready.wait()
        for shape, workflow in WORKFLOWS.items():
            self.graphs[shape] = await self.mill.published(workflow)
        await self._settle()

    async def _live(self, ready: asyncio.Event) -> None:
        async with self.mill.opened():
            ready.set()
            await self._over.wait()

    async def _stop(self) -> None:
        self._over.set()
        await self._living

    def settle(self) -> None:
        self.do(self._settle())

    async def _settle(self) -> None:
        quiet = 0
        async with asyncio.timeout(60):
            while quiet < QUIET_TURNS:
                await asyncio.sleep(0)
                quiet = quiet + 1 if self._is_quiet() else 0

    def _is_quiet(self) -> bool:
        engine = self.mill.engine
        unread = any(link._outgoing.frames and not link._outgoing.is_closed for link in self.mill._links)
        return not (engine._beating or len(engine._inbox) or engine._inbox.hurried or unread)

    def connect(self, worker: str, instance: bytes) -> Line:
        peer = self.do(self._connect(worker, instance))
        return Line(peer, worker, instance)

    async def _connect(self, worker: str, instance: bytes) -> MemoryLink:
        return self.mill.connect(worker, instance).link

    def say(self, line: Line, *messages: Any) -> None:
        """Say it, and wait until all that follows is done."""
        with suppress(LinkDownError):
            self.do(line.link.send(wire.encode_frame(list(messages))))
        self.settle()

    def hello(self, line: Line, refs: list[wire.AttemptRef], is_held: bool) -> None:
        held, done = (tuple(refs), ()) if is_held else ((), tuple(refs))
        self.say(line, wire.Hello(wire.PROTOCOL, line.worker, line.instance, (NOOP,), Pools(100), held, done))

    def cut(self, line: Line) -> None:
        self.do(line.link.close())
        self.settle()

    def advance(self, by_s: float) -> None:
        self.clock.at += round(by_s * 1e6)
        self.mill.engine.ring()
        self.settle()
