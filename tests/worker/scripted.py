"""A server that speaks the protocol word by word: it says what a test tells it, and hears everything."""

import asyncio
import contextlib
import threading
import time
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from tidemill.adapters.backends.inline.backend import InlineBackend
from tidemill.adapters.backends.inline.body import Surroundings
from tidemill.adapters.files.local import LocalFiles
from tidemill.adapters.system.clock import SystemClock
from tidemill.adapters.system.disk import OsDisk
from tidemill.adapters.system.entropy import OsEntropy
from tidemill.adapters.system.memory_link import MemoryLink, link_pair
from tidemill.adapters.system.threads import ThreadPool
from tidemill.adapters.system.user_loop import UserLoop
from tidemill.core.bodies import ChildCall, SharedCall, SharedEnd
from tidemill.core.sharing import Fence
from tidemill.core.values import Argument, Given, Inline
from tidemill.ports.blobs import BlobMissingError
from tidemill.sdk.memory import Memory
from tidemill.sdk.options import Backend
from tidemill.sdk.plans import plan_of
from tidemill.sdk.worker import Worker, tasks_in
from tidemill.wire import worker as wire
from tidemill.worker.runtime import WorkerPorts, WorkerRuntime
from tidemill.worker.settings import Reconnect, WorkerSettings

T = TypeVar("T")
RUN = bytes(range(16))
STORE = b"s" * 16


class ScriptedCaller:
    """The Caller of a test: it notes what is asked, and runs end as they are told to."""

    def __init__(self) -> None:
        self.calls: list[tuple[ChildCall, str]] = []
        self.statuses: deque[str | Exception] = deque()
        self.asked = asyncio.Condition()
        self.memory = Memory()
        self.answering, self.sharing = asyncio.Event(), asyncio.Event()
        self.answering.set()
        self.ends: dict[str, asyncio.Future[dict[str, Argument]]] = defaultdict(
            lambda: asyncio.get_running_loop().create_future()
        )

    async def submit(self, call: ChildCall, run: str, parent: str) -> str:
        async with self.asked:
            self.calls.append((call, run))
            self.asked.notify_all()
        status = self.statuses.popleft() if self.statuses else "running"
        if isinstance(status, Exception):
            raise status
        return status

    async def outputs(self, run: str) -> dict[str, Argument]:
        return await self.ends[run]

    async def share(self, call: SharedCall, fence: Fence) -> SharedEnd:
        self.sharing.set()
        await self.answering.wait()
        return self.memory.share(call)

    async def called(self, count: int) -> list[str]:
        """The runs that were asked for, once there are so many."""
        async with self.asked, asyncio.timeout(10):
            await self.asked.wait_for(lambda: len(self.calls) >= count)
        return [run for _, run in self.calls]

    def end(self, run: str, value: object) -> None:
        self.ends[run].set_result({"value": Given(Inline(msgspec.msgpack.encode(value)))})

    async def close(self) -> None:
        """Nothing is open."""


class MemoryBlobs:
    """The Fetcher of a test: blobs and lists in dicts, and a count of what was asked."""

    def __init__(self) -> None:
        self.blobs: dict[bytes, bytes] = {}
        self.lists: dict[tuple[str, str], bytes] = {}
        self.reads: list[bytes] = []
        self.writes: list[bytes] = []
        self.fails: deque[Exception] = deque()
        self.hold: asyncio.Event | None = None  # reads wait for it

    async def read_blob(self, digest: bytes) -> AsyncIterator[bytes]:
        if self.hold:
            await self.hold.wait()
        self.reads.append(digest)
        if self.fails:
            raise self.fails.popleft()
        if digest not in self.blobs:
            raise BlobMissingError(digest)
        yield self.blobs[digest]

    async def read_list(self, run: bytes, path: str, port: str) -> bytes:
        return self.lists[path, port]

    async def has_blob(self, digest: bytes) -> bool:
        return digest in self.blobs

    async def write_blob(self, digest: bytes, size: int, data: AsyncIterator[bytes]) -> None:
        if self.fails:
            raise self.fails.popleft()
        self.writes.append(digest)
        self.blobs[digest] = b"".join([chunk async for chunk in data])

    async def close(self) -> None:
        """Nothing is open."""


class ScriptedServer:
    """The server's end of the protocol."""

    def __init__(self) -> None:
        self.dials: asyncio.Queue[MemoryLink] = asyncio.Queue()
        self.refusal: Exception | None = None
        self.dialled_at: list[float] = []
        self.heard: list[Any] = []  # of all links, in order
        self.frames: list[list[Any]] = []
        self.link: MemoryLink
        self._unseen: deque[Any] = deque()

    async def dial(self) -> MemoryLink:
        self.dialled_at.append(time.monotonic())
        if self.refusal:
            refusal, self.refusal = self.refusal, None
            raise refusal
        near, far = link_pair()
        self.dials.put_nowait(far)
        return near

    async def accept(self, **facts: Any) -> wire.Hello:
        """The next connection, welcomed."""
        hello = await self.greeted()
        keep = (*hello.held, *hello.unacknowledged)
        stale = facts.pop("stale", ())
        keep = tuple(ref for ref in keep if ref not in stale)
        welcome = {"lease_s": 30.0, "heartbeat_s": 10.0, **facts}
        await self.say(wire.Welcome(wire.PROTOCOL, STORE, keep=keep, stale=stale, **welcome))
        return hello

    async def greeted(self) -> wire.Hello:
        """The next connection's hello, unanswered."""
        self.link = await asyncio.wait_for(self.dials.get(), 10)
        self._unseen.clear()
        return await self.hear(wire.Hello)

    async def say(self, *messages: Any) -> None:
        await self.link.send(wire.encode_frame(list(messages)))

    async def hear(self, kind: type[T], where: Callable[[T], bool] = lambda _: True) -> T:
        """The next message of a kind; others are passed over."""
        async with asyncio.timeout(10):
            while True:
                while self._unseen:
                    message = self._unseen.popleft()
                    if isinstance(message, kind) and where(message):
                        return message
                await self._read()

    async def _read(self) -> None:
        data = await self.link.receive()
        assert len(data) <= wire.FRAME_LIMIT_BYTES, "a server would end the connection"
        frame = wire.decode_to_server(data)
        self.frames.append(frame)
        self.heard += frame
        self._unseen += frame

    async def silence(self) -> list[Any]:
        """What arrives until the worker has answered a ping: then all that it had to say was said."""
        await self.say(wire.Ping())
        seen = len(self.heard)
        await self.hear(wire.Heartbeat)
        return self.heard[seen:]

    async def hang_up(self) -> None:
        await self.link.close()

    def all_of(self, kind: type[T]) -> list[T]:
        return [message for message in self.heard if isinstance(message, kind)]


def ref(path: str = "step", number: int = 1) -> wire.AttemptRef:
    return wire.AttemptRef(RUN, path, number)


def given(**values: Any) -> dict[str, Argument]:
    return {name: Given(plan_of(Any).encode(value).inline) for name, value in values.items()}


def assign(task: str, path: str = "step", /, number: int = 1, **facts: Any) -> wire.Assign:
    inputs = facts.pop("inputs", {})
    return wire.Assign(ref(path, number), task, inputs if isinstance(inputs, dict) else {}, **facts)


def value_of(message: wire.Succeeded, port: str = "value") -> Any:
    value = message.outputs[port]
    assert isinstance(value, Inline)
    return plan_of(Any).decode(Given(value))


class Bench:
    """One worker process and its server, with the folder that outlives both."""

    def __init__(self, folder: Path, *workers: Worker, **settings: Any) -> None:
        self.server, self.blobs, self.caller = ScriptedServer(), MemoryBlobs(), ScriptedCaller()
        self.folder, self.workers = folder, workers
        self.stage = UserLoop(8, asyncio.new_event_loop)
        self.settings = WorkerSettings(
            **{"name": "w1", "folder": folder, "reconnect": Reconnect(0.001, 0.01), **settings}
        )
        self.threads = ThreadPool()
        around = Surroundings(SystemClock(), self.threads, LocalFiles(folder, self.threads))
        inline = InlineBackend(tasks_in(workers), self.stage, around)
        self.runtime = WorkerRuntime(
            workers,
            WorkerPorts(
                dialer=self.server,
                clock=around.clock,
                threads=self.threads,
                entropy=OsEntropy(),
                disk=OsDisk(folder),
                stage=self.stage,
                fetcher=self.blobs,
                caller=self.caller,
                files=around.files,
                backends=dict.fromkeys(Backend, inline),
            ),
            self.settings,
        )

    def again(self, **settings: Any) -> "Bench":
        """The next life of the same worker."""
        return Bench(self.folder, *self.workers, **settings)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[ScriptedServer]:
        """Runs the worker; stops it at once at the end, as kill -9 would, if it has not left by itself."""
        self.task = asyncio.create_task(self.runtime.run())
        try:
            yield self.server
        finally:
            if not self.task.done():
                self.runtime.stop()
                await self.task
            self.threads.close()

    @contextlib.asynccontextmanager
    async def connected(self, **welcome: Any) -> AsyncIterator[ScriptedServer]:
        async with self.running() as server:
            await server.accept(**welcome)
            yield server


class Gate:
    """Where tasks of a test wait by name; opened from the test's own thread."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._open: set[str] = set()
        self._seen: set[tuple[str, str]] = set()
        self._waiting: list[tuple[str, asyncio.AbstractEventLoop, asyncio.Event]] = []

    def open(self, *names: str) -> None:
        with self._changed:
            self._open.update(names)
            self._changed.notify_all()
            for name, loop, event in self._waiting:
                if name in names:
                    loop.call_soon_threadsafe(event.set)

    def note(self, what: str, name: str) -> None:
        with self._changed:
            self._seen.add((what, name))
            self._changed.notify_all()

    def block(self, name: str) -> None:
        """In a thread, or on a loop that is to be blocked."""
        self.note("reached", name)
        with self._changed:
            assert self._changed.wait_for(lambda: name in self._open, 10)

    async def hold(self, name: str) -> None:
        """On the user loop."""
        event = asyncio.Event()
        with self._changed:
            self._waiting.append((name, asyncio.get_running_loop(), event))
            if name in self._open:
                event.set()
        self.note("reached", name)
        try:
            await event.wait()
        except asyncio.CancelledError:
            self.note("cancelled", name)
            raise

    async def reached(self, *names: str) -> None:
        await asyncio.to_thread(self._await, "reached", names)

    async def cancelled(self, *names: str) -> None:
        await asyncio.to_thread(self._await, "cancelled", names)

    async def noted(self, what: str, name: str) -> None:
        await asyncio.to_thread(self._await, what, (name,))

    def _await(self, what: str, names: tuple[str, ...]) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: all((what, name) in self._seen for name in names), 10), names
