"""A TCP proxy on loopback with weather: latency, jitter, narrow lines, holes, resets, half-open ends.

```text
client ──► proxy ──► target        up: what the client says      down: what it hears
```
A hole loses no bytes: as with real packets, what was sent is delivered when the hole closes, or never.
"""

import asyncio
import contextlib
import socket
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from random import Random
from types import TracebackType
from typing import Self

CHUNK_BYTES = 16 * 1024
LINE_CHUNKS = 64  # of one direction; then the sender feels it
SOCKET_BYTES = 64 * 1024
HOST = "127.0.0.1"


class End(Enum):
    """Of a proxied connection."""

    CLIENT = "client"
    TARGET = "target"


@dataclass(frozen=True)
class Way:
    """How one direction is. ``bytes_per_s`` 0 has no limit."""

    delay_s: float = 0.0
    jitter_s: float = 0.0  # at most this is added; the order stays
    bytes_per_s: float = 0.0
    is_open: bool = True  # else it is a hole


@dataclass(frozen=True)
class Weather:
    up: Way = Way()
    down: Way = Way()
    refuses: bool = False  # new connections are reset


FAIR = Weather()
HOLE = Way(is_open=False)


class Proxy:
    """Listens on ``port``; each connection goes to one of ``targets``, in turn, that takes it."""

    def __init__(self, targets: Sequence[int], seed: str = "", port: int = 0) -> None:
        self.targets, self.port, self.accepted = list(targets), port, 0
        self.random = Random(seed)
        self.weather = FAIR
        self._changed = asyncio.Event()
        self._pairs: set[_Pair] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"

    @property
    def connections(self) -> int:
        return len(self._pairs)

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, HOST, self.port, limit=CHUNK_BYTES)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, kind: type[BaseException] | None, _: object, __: TracebackType | None) -> None:
        self._server.close()
        self.reset()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def set(self, weather: Weather) -> None:
        """From now on, for what is connected too."""
        self.weather = weather
        self._changed.set()
        self._changed = asyncio.Event()

    async def spell(self, weather: Weather, seconds: float) -> None:
        """For a while; then it is fair again."""
        self.set(weather)
        try:
            await asyncio.sleep(seconds)
        finally:
            self.set(FAIR)

    def reset(self) -> None:
        """Break all connections at once: both ends hear of it."""
        for pair in tuple(self._pairs):
            pair.abort(End.CLIENT)
            pair.abort(End.TARGET)

    def half_open(self, gone: End) -> None:
        """One end of all connections is gone, and the other one is told nothing."""
        for pair in tuple(self._pairs):
            pair.forget(gone)

    async def passable(self, way: str) -> Way:
        """The way as it is, once it is open."""
        while not (found := self._way(way)).is_open:
            await self._changed.wait()
        return found

    def _way(self, name: str) -> Way:
        return self.weather.up if name == "up" else self.weather.down

    def due_in(self, name: str) -> float:
        way = self._way(name)
        return way.delay_s + way.jitter_s * self.random.random()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            onwards = None if self.weather.refuses else await self._dial()
            if onwards is None:
                _abort(writer)
                return
            pair = _Pair(self, (reader, writer), onwards)
            self._pairs.add(pair)
            try:
                await pair.run()
            finally:
                self._pairs.discard(pair)
        except asyncio.CancelledError:
            _abort(writer)  # the proxy closes; nobody waits for this task to be cancelled
        finally:
            self._tasks.discard(task)

    async def _dial(self) -> "tuple[asyncio.StreamReader, asyncio.StreamWriter] | None":
        first = self.accepted % len(self.targets)
        for target in (*self.targets[first:], *self.targets[:first]):
            with contextlib.suppress(OSError):
                return await asyncio.open_connection(HOST, target, limit=CHUNK_BYTES)
        return None


class _Pair:
    """Two connections that are one to their ends."""

    def __init__(
        self,
        proxy: Proxy,
        client: tuple[asyncio.StreamReader, asyncio.StreamWriter],
        target: tuple[asyncio.StreamReader, asyncio.StreamWriter],
    ) -> None:
        self._proxy = proxy
        self._ends = {End.CLIENT: client, End.TARGET: target}
        self._forgotten: set[End] = set()
        for _, writer in self._ends.values():
            writer.transport.set_write_buffer_limits(SOCKET_BYTES)
            for option in (socket.SO_RCVBUF, socket.SO_SNDBUF):
                writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, option, SOCKET_BYTES)

    async def run(self) -> None:
        """Until both directions have ended, or one of them broke and the other was told."""
        try:
            async with asyncio.TaskGroup() as group:
                for name, start, end in (("up", End.CLIENT, End.TARGET), ("down", End.TARGET, End.CLIENT)):
                    line = asyncio.Queue[tuple[float, bytes]](LINE_CHUNKS)
                    group.create_task(self._read(name, start, line))
                    group.create_task(self._write(name, end, line))
        except* (OSError, _BrokenError):
            pass
        finally:
            self.abort(End.CLIENT)
            self.abort(End.TARGET)

    async def _read(self, name: str, start: End, line: "asyncio.Queue[tuple[float, bytes]]") -> None:
        now = asyncio.get_running_loop().time
        while True:
            try:
                data = await self._ends[start][0].read(CHUNK_BYTES)
            except OSError:
                await self._if_not_forgotten(start)
                data = b""
            else:
                if not data:
                    await self._if_forgotten_wait(start)
            await line.put((now() + self._proxy.due_in(name), data))
            if not data:
                return

    async def _write(self, name: str, end: End, line: "asyncio.Queue[tuple[float, bytes]]") -> None:
        writer, now = self._ends[end][1], asyncio.get_running_loop().time
        while True:
            due, data = await line.get()
            await asyncio.sleep(max(0.0, due - now()))
            way = await self._proxy.passable(name)
            if end in self._forgotten:
                continue  # into the void
            if not data:
                writer.write_eof()
                return
            try:
                writer.write(data)
                await writer.drain()
            except OSError:
                await self._if_not_forgotten(end)
            if way.bytes_per_s:
                await asyncio.sleep(len(data) / way.bytes_per_s)

    async def _if_not_forgotten(self, end: End) -> None:
        await self._if_forgotten_wait(end)
        raise _BrokenError

    async def _if_forgotten_wait(self, end: End) -> None:
        """The other end is not told: it waits until it gives up by itself, or the proxy closes."""
        if end in self._forgotten:
            await asyncio.Event().wait()

    def forget(self, gone: End) -> None:
        self._forgotten.add(gone)
        _abort(self._ends[gone][1])

    def abort(self, end: End) -> None:
        _abort(self._ends[end][1])


class _BrokenError(Exception):
    pass


def _abort(writer: asyncio.StreamWriter) -> None:
    """End it by a reset, as a host does that knows nothing of the connection any more."""
    with contextlib.suppress(OSError, AttributeError):  # its socket may be closed
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
