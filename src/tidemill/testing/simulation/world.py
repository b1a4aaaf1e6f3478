"""Hosts, each with a disk that outlives its processes, a network between them, and the faults of a case."""

import asyncio
import gc
import warnings
from collections.abc import Callable, Coroutine
from contextlib import AbstractContextManager
from contextvars import Context
from dataclasses import dataclass, field
from typing import Any

import apsw
from msgspec import Struct

from tidemill.ports.probe import Probe
from tidemill.testing.faults import Fault, Kind
from tidemill.testing.simulation.chance import SimEntropy, stream
from tidemill.testing.simulation.clock import SimClock, Ticking
from tidemill.testing.simulation.disk import Ending, SimDisk, SimFiles
from tidemill.testing.simulation.guards import SimulationError
from tidemill.testing.simulation.loop import Schedule, SimLoop
from tidemill.testing.simulation.net import Net, SimDialer, SimLink, Weather
from tidemill.testing.simulation.plans import Case
from tidemill.testing.simulation.processes import OUTSIDE, PROCESS, Process
from tidemill.testing.simulation.threads import Mood, SimThreads
from tidemill.testing.simulation.vfs import SimVFS

RESTART_S = 0.5
CLOCK_STEPS = 5  # a clock is set by so many times the span of its fault
MOST_STEPS = 1_000_000  # more is a livelock
LASTING = (Kind.FREEZE, Kind.CUT, Kind.CUT_ONE_WAY, Kind.SLOW_DISK)
WRITES = ("store.commit", "logs.commit", "blob.write", "spool.write")  # calls of the Threads port that a disk may fail
MOODS = {
    Kind.COMMIT_FULL: Mood.FULL,
    Kind.COMMIT_UNSYNCED: Mood.UNSYNCED,
    Kind.COMMIT_LOST: Mood.LOST,
}


class Ports:
    """All that one process has of the world."""

    def __init__(self, world: "World", host: "Host") -> None:
        purpose = host.name, host.lives
        self.process = Process(host.name)
        self.net = world.net
        self.clock = SimClock(host.clocks)
        self.entropy = SimEntropy(stream(world.case.seed, "entropy", *purpose))
        self.threads = SimThreads(stream(world.case.seed, "threads", *purpose), host.disk.refuse, _lost)
        self.files = SimFiles(host.disk)
        self.vfs = SimVFS(host.disk)

    def dialer(self, address: str) -> SimDialer:
        return SimDialer(self.net, self.process, address)

    def listen(self, address: str) -> "asyncio.Queue[SimLink]":
        return self.net.listen(self.process, address)

    async def accept(self, group: asyncio.TaskGroup, address: str, talk: Callable[[SimLink], Any]) -> None:
        """Serve whoever dials ``address``, for ever; ``talk`` has a link until it returns."""
        calls = self.listen(address)

        async def one(link: SimLink) -> None:
            try:
                await talk(link)
            finally:
                await link.close()

        while True:
            group.create_task(one(await calls.get()))

    def watch(self, probe: Probe) -> None:
        """Ask ``probe`` at each quiet moment."""
        self.process.probes.append(probe)


def _lost(name: str) -> Exception:
    error = apsw.IOError if name.startswith(("store.", "logs.")) else OSError
    return error("simulated: it is done, and says that it failed")


Boot = Callable[[Ports], Coroutine[Any, Any, None]]
Check = Callable[[SimDisk], None]


@dataclass
class Host:
    name: str
    boot: Boot
    check: Check
    clocks: Ticking
    disk: SimDisk = field(default_factory=SimDisk)
    lives: int = 0
    ports: Ports | None = None


@dataclass(frozen=True)
class Outcome:
    failure: str | None
    digest: str
    moves: dict[int, int]
    steps: int
    time_s: float
    disk_calls: dict[str, int]


class Note(Struct, frozen=True):
    """``at_s``: seconds of virtual time since the start."""

    at_s: float
    where: str
    what: str

    def __str__(self) -> str:
        return f"{self.at_s:12.3f} s  {self.where:<9} {self.what}"


class World:
    def __init__(self, case: Case, most_steps: int = MOST_STEPS) -> None:
        self.case = case
        self.loop = SimLoop(Schedule(case.seed, case.spread, case.moves), max_steps=most_steps)
        self.loop.on_quiet = self._ask_all
        self.net = Net(self.loop, case.seed, Weather(tail_s=case.tail_s, window=case.window))
        self.hosts: dict[str, Host] = {}
        self.notes: list[Note] = []
        self.struck: list[Fault] = []  # a fault of a host that was dead at its time is none
        self.closed: AbstractContextManager[None] | None = None  # what keeps the real world out, if not all of it
        self._chance = stream(case.seed, "world")
        self._vfs: list[SimVFS] = []

    def note(self, where: str, what: str) -> None:
        """For people; it is no part of the digest."""
        self.notes.append(Note(self.loop.time(), where, what))

    def add(self, name: str, boot: Boot, check: Check = lambda _: None) -> Host:
        """A host that boots when the run starts. ``check`` sees what is on its disk at each death and at the end."""
        chance = stream(self.case.seed, "clocks", name)
        pace, ahead_s = 1 + self.case.drift * (2 * chance() - 1), self.case.skew_s * (chance() - 0.5)
        host = self.hosts[name] = Host(name, boot, check, Ticking(self.loop.time, pace, ahead_s))
        return host

    def run(self, story: Callable[[], Coroutine[Any, Any, None]], within_s: float) -> Outcome:
        """Until ``story`` ends; it must within ``within_s`` of virtual time."""
        failure = None
        try:
            self.loop.run(self._main(story, within_s), self.closed)
        except AssertionError as error:
            failure = str(error)
        finally:
            self._clear_away()
        crime = next(iter(self.loop.crimes), None)
        calls = {host.name: host.disk.calls for host in self.hosts.values()}
        loop = self.loop
        return Outcome(crime or failure, loop.digest, loop.schedule.moves, loop.steps, loop.time(), calls)

    def _clear_away(self) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # of coroutines that the dead did not begin any more
            for vfs in self._vfs:
                vfs.close()
            self.loop.power_off()
            gc.collect(1)  # a whole world, all young

    async def _main(self, story: Callable[[], Coroutine[Any, Any, None]], within_s: float) -> None:
        for host in self.hosts.values():
            self._start(host)
        for fault in self.case.faults:
            self.plan(fault)
        try:
            async with asyncio.timeout(within_s):
                await story()
        except TimeoutError:
            raise AssertionError(f"P4: not at its end after {within_s} s") from None
        for host in self.hosts.values():
            host.check(host.disk.copy())

    def plan(self, fault: Fault) -> None:
        self.loop.call_at(fault.at, self._befall, fault, context=OUTSIDE)

    def _start(self, host: Host) -> None:
        host.lives += 1
        self.note(host.name, "starts" if host.lives == 1 else "starts again")
        ports = host.ports = Ports(self, host)
        self._vfs.append(ports.vfs)
        host.disk.on_death = lambda: self._die_inside_a_call(host)

        def boot() -> None:
            PROCESS.set(ports.process)
            main = self.loop.create_task(host.boot(ports))
            main.add_done_callback(lambda task: self._exited(host, task), context=OUTSIDE)

        Context().run(boot)

    def _exited(self, host: Host, task: "asyncio.Task[None]") -> None:
        if host.ports and host.ports.process.alive:
            self.loop.crimes.append(f"{host.name} ended by itself: {task.exception()!r}")

    def _die_inside_a_call(self, host: Host) -> None:
        if host.ports:
            host.ports.process.kill()  # at once; the rest after the step that is running
        self.loop.call_soon(self._bury, host, Ending.POWER, context=OUTSIDE)

    def kill(self, host: Host, ending: Ending) -> None:
        if host.ports and host.ports.process.alive:
            host.ports.process.kill()
            self._bury(host, ending)

    def _bury(self, host: Host, ending: Ending) -> None:
        if host.ports:
            self.net.bury(host.ports.process, silently=ending is Ending.POWER)
        self.note(host.name, "is killed" if ending is Ending.KILL else "loses its power")
        host.disk = host.disk.after(ending, self._chance)
        host.check(host.disk.copy())
        self.loop.call_later(RESTART_S, self._start, host, context=OUTSIDE)

    def _ask_all(self) -> None:
        for host in self.hosts.values():
            if host.ports and (violation := host.ports.process.idle_violation()):
                raise SimulationError(f"P4: {violation}")

    def _befall(self, fault: Fault) -> None:
        self.loop.trace("fault", fault.kind.value, fault.host, fault.span)
        host = self.hosts[fault.host]
        if host.ports is None or not host.ports.process.alive:
            return
        self.struck.append(fault)
        self._strike(fault, host, host.ports)

    def _strike(self, fault: Fault, host: Host, ports: Ports) -> None:
        kind = fault.kind
        if kind not in (Kind.KILL, Kind.POWER):
            self.note(host.name, f"fault: {kind.value}" + (f" for {fault.span:g} s" if kind in LASTING else ""))
        match kind:
            case Kind.KILL | Kind.POWER:
                self.kill(host, Ending.KILL if kind is Kind.KILL else Ending.POWER)
            case Kind.CRASH_POINT:
                host.disk.die_at = host.disk.calls + 1 + int(fault.span * 10)
            case Kind.FREEZE:
                self._freeze(ports.process, fault.span)
            case Kind.CUT | Kind.CUT_ONE_WAY:
                self._cut(host, fault.span, kind)
            case Kind.DROP:
                self.net.drop(host.name)
            case _:
                self._impair(fault, host, ports)

    def _impair(self, fault: Fault, host: Host, ports: Ports) -> None:
        """What lets it live."""
        match fault.kind:
            case Kind.SLOW_DISK:
                ports.threads.slow_s = 0.3
                self.loop.call_later(fault.span, setattr, ports.threads, "slow_s", 0.0, context=OUTSIDE)
            case Kind.CLOCK_FORWARD | Kind.CLOCK_BACK:
                host.clocks.ahead_s += CLOCK_STEPS * (fault.span if fault.kind is Kind.CLOCK_FORWARD else -fault.span)
            case kind:
                ports.threads.expect(MOODS[kind], *WRITES)

    def _freeze(self, process: Process, span: float) -> None:
        process.freeze()
        self.loop.call_later(span, lambda: self.loop.put_back(process.thaw()), context=OUTSIDE)

    def _cut(self, host: Host, span: float, kind: Kind) -> None:
        others = [other for other in self.hosts if other != host.name]
        pairs = [(other, host.name) for other in others]
        if kind is Kind.CUT:
            pairs += [(host.name, other) for other in others]
        for pair in pairs:
            self.net.cut(*pair)
            self.loop.call_later(span, self.net.mend, *pair, context=OUTSIDE)
