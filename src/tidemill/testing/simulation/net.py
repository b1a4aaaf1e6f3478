"""Links as a stream transport gives them: in order, each frame once, until the link dies; then a suffix is lost.

So loss is a dead link, a repetition is our own after the next hello, and frames of an old link may arrive after the
new one's hello. Knobs: delay, tail, window; cuts one or both ways; a close that the peer never learns of.
"""

import asyncio
from collections import deque
from dataclasses import dataclass

from tidemill.ports.link import LinkDownError
from tidemill.testing.simulation.chance import Chance, stream
from tidemill.testing.simulation.processes import OUTSIDE, Process

RESEND_S = 0.2  # how long a frame that met a cut waits before it tries again
NO_ANSWER_S = 1.0
LONG_TAIL = 0.05  # this share of frames takes `tail_s` longer


@dataclass(frozen=True)
class Weather:
    """How a network is, without faults."""

    delay_s: float = 0.002
    tail_s: float = 0.0
    window: int = 8  # frames on the way or unread before a sender waits


class SimLink:
    """One end of a link."""

    def __init__(self, net: "Net", owner: Process, host: str, chance: Chance) -> None:
        self.owner, self.host = owner, host
        self.peer: SimLink
        self.is_down = False
        self._net, self._chance = net, chance
        self._unread: deque[bytes] = deque()
        self._flight: deque[bytes] = deque()
        self._wake, self._room = asyncio.Event(), asyncio.Event()
        self._last = 0.0

    async def send(self, frame: bytes) -> None:
        while not self.is_down and len(self._flight) + len(self.peer._unread) >= self._net.weather.window:
            self._room.clear()
            await self._room.wait()
        if self.is_down or not self.owner.alive:
            raise LinkDownError(f"the link from {self.host} to {self.peer.host} is down")
        self._flight.append(frame)
        self._last = max(self._last, self._net.loop.time() + self._net.delay(self._chance))
        self._net.loop.call_at(self._last, self._arrive, context=OUTSIDE)

    async def receive(self) -> bytes:
        while not self._unread:
            if self.is_down:
                raise LinkDownError(f"the link from {self.peer.host} to {self.host} is down")
            self._wake.clear()
            await self._wake.wait()
        frame = self._unread.popleft()
        self.peer._room.set()
        return frame

    async def close(self) -> None:
        if not self.is_down and self.owner.alive:
            self.hang_up()

    def hang_up(self) -> None:
        """Close; the peer learns of it, unless the way to it is cut."""
        self.fall_silent()
        self._net.loop.call_later(self._net.delay(self._chance), self._tell, context=OUTSIDE)

    def fall_silent(self) -> None:
        """Close; the peer stays half-open until its own timeout. What this end had received stays readable."""
        self.is_down = True
        self._wake.set()
        self._room.set()

    def _arrive(self) -> None:
        if not self._flight or self.peer.is_down:
            return
        if self._net.is_cut(self.host, self.peer.host):
            self._net.loop.call_later(RESEND_S, self._arrive, context=OUTSIDE)
            return
        self.peer._take(self._flight.popleft())

    def _take(self, frame: bytes) -> None:
        self._unread.append(frame)
        self._wake.set()

    def _tell(self) -> None:
        if self._net.is_cut(self.host, self.peer.host):
            return
        for _ in range(int(self._chance() * (len(self._flight) + 1))):  # a prefix still arrives, the suffix is lost
            self.peer._take(self._flight.popleft())
        self.peer.fall_silent()


class Net:
    """All links of a world. Hosts have names; an address is a host's name and a service, `server:worker`."""

    def __init__(self, loop: asyncio.AbstractEventLoop, seed: str, weather: Weather) -> None:
        self.loop, self.weather = loop, weather
        self._seed = seed
        self._cuts: dict[tuple[str, str], int] = {}  # how many faults cut this direction now
        self._listening: dict[str, tuple[Process, asyncio.Queue[SimLink]]] = {}
        self._ends: list[SimLink] = []
        self._dials: dict[str, int] = {}

    def delay(self, chance: Chance) -> float:
        return self.weather.delay_s * (0.5 + chance()) + (self.weather.tail_s if chance() < LONG_TAIL else 0.0)

    def is_cut(self, source: str, target: str) -> bool:
        return self._cuts.get((source, target), 0) > 0

    def cut(self, source: str, target: str) -> None:
        self._cuts[source, target] = self._cuts.get((source, target), 0) + 1

    def mend(self, source: str, target: str) -> None:
        self._cuts[source, target] -= 1

    def listen(self, owner: Process, address: str) -> asyncio.Queue[SimLink]:
        """Accept by `await queue.get()`."""
        self._listening[address] = owner, asyncio.Queue()
        return self._listening[address][1]

    async def dial(self, owner: Process, address: str) -> SimLink:
        count = self._dials[owner.name] = self._dials.get(owner.name, 0) + 1
        target = address.partition(":")[0]
        await asyncio.sleep(self.weather.delay_s)
        if self.is_cut(owner.name, target) or self.is_cut(target, owner.name):
            await asyncio.sleep(NO_ANSWER_S)
            raise LinkDownError(f"{address} does not answer")
        listener = self._listening.get(address)
        if listener is None or not listener[0].alive:
            raise LinkDownError(f"{address} refuses the connection")
        near = SimLink(self, owner, owner.name, stream(self._seed, "link", owner.name, count, "near"))
        far = SimLink(self, listener[0], target, stream(self._seed, "link", owner.name, count, "far"))
        near.peer, far.peer = far, near
        self._ends += [near, far]
        listener[1].put_nowait(far)
        return near

    def drop(self, host: str) -> None:
        """Break every link of ``host``."""
        for end in self._ends:
            if end.owner.name == host and not end.is_down:
                end.hang_up()

    def bury(self, process: Process, *, silently: bool) -> None:
        """The end of a process closes its links; the end of its machine does so without a word."""
        for end in self._ends:
            if end.owner is process and not end.is_down:
                end.fall_silent() if silently else end.hang_up()
        self._ends = [end for end in self._ends if end.owner is not process]


class SimDialer:
    """The Dialer port of one process towards one address."""

    def __init__(self, net: Net, owner: Process, address: str) -> None:
        self._net, self._owner, self._address = net, owner, address

    async def dial(self) -> SimLink:
        return await self._net.dial(self._owner, self._address)
