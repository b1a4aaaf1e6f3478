"""One repetition: a system started on an empty store, one workload, what it gave, and what it cost."""

import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from pathlib import Path

from benchmarks import accounts
from benchmarks.figures import NOISY_CORES, Repetition
from benchmarks.plan import Kind, Size, Workload
from benchmarks.processes import Conversation, Program
from benchmarks.systems.system import System

OPEN_S, STAGE_S = 60.0, 120.0
SETTLE_S = 2.0  # at most, for others to fall quiet
LOOK_S = 0.25
UNDISTURBED = 0.0  # memory, and the CPU of who does nothing, do not depend on what others do


class Stand:
    """The processes of one repetition, by role."""

    def __init__(self, system: System, folder: Path, workload: str) -> None:
        self._system, self._folder, self._workload = system, folder, workload
        self.programs: dict[str, Program] = {}

    @property
    def roles(self) -> dict[str, int]:
        return {role: program.pid for role, program in self.programs.items()}

    def start(self) -> Conversation:
        self.programs |= self._system.start(self._folder)
        self.start_worker()
        command = ["-m", "benchmarks.client", self._system.name, self._system.address(self._folder)]
        client = self.programs["client"] = Program("client", command, self._folder)
        talk = Conversation(client)
        talk.ask({"load": "open"}, OPEN_S)
        return talk

    def start_worker(self) -> None:
        self.programs["worker"] = self._system.start_worker(self._folder, self._workload)

    def stop_worker(self) -> None:
        self.programs.pop("worker").stop()

    def stop(self) -> None:
        """The last that was started goes first."""
        while self.programs:
            self.programs.popitem()[1].stop()


@contextmanager
def standing(system: System, under: Path, workload: str) -> Iterator[tuple[Stand, Conversation]]:
    with ExitStack() as stack:
        folder = Path(tempfile.mkdtemp(prefix=f"{system.name}-", dir=under))
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        stand = Stand(system, folder, workload)
        stack.callback(stand.stop)
        yield stand, stand.start()


def repetition(system: System, workload: Workload, size: Size, under: Path) -> Repetition:
    """Raises ProcessEndedError."""
    with standing(system, under, workload.name) as (stand, talk):
        match workload.kind:
            case Kind.LOAD:
                return _load(stand, talk, workload, size)
            case Kind.BACKLOG:
                return _backlog(stand, talk, workload, size)
            case Kind.IDLE:
                return _idle(stand, talk, workload, size)
            case Kind.MEMORY:
                return _memory(stand, talk, workload, size)


def _load(stand: Stand, talk: Conversation, workload: Workload, size: Size) -> Repetition:
    talk.ask({"load": workload.load, "size": asdict(size)}, STAGE_S)
    _settle(stand.roles)
    before = accounts.snapshot(stand.roles)
    found = talk.ask({}, STAGE_S)
    return _repetition(found, before, accounts.snapshot(stand.roles))


def _backlog(stand: Stand, talk: Conversation, workload: Workload, size: Size) -> Repetition:
    stand.stop_worker()
    filled = talk.ask({"load": workload.load, "size": asdict(size)}, STAGE_S)
    _settle(stand.roles)
    stand.start_worker()
    talk.ask({}, STAGE_S)
    before = accounts.snapshot(stand.roles)
    found = talk.ask({}, STAGE_S)
    return _repetition(filled | found, before, accounts.snapshot(stand.roles))


def _idle(stand: Stand, talk: Conversation, workload: Workload, size: Size) -> Repetition:
    talk.ask({"load": workload.load, "size": asdict(size)}, STAGE_S)
    time.sleep(1.0)
    roles = {role: pid for role, pid in stand.roles.items() if role != "client"}
    woken = {role: accounts.wakeups(pid) for role, pid in roles.items()}
    before = accounts.snapshot(stand.roles)
    time.sleep(size.seconds)
    after = accounts.snapshot(stand.roles)
    spent = accounts.cpu_between(before, after)
    seconds = after.at - before.at
    figures = {"cpu_s_per_minute": sum(spent[role] for role in roles) / seconds * 60}
    for role, pid in roles.items():
        figures[f"{role}_cpu_s_per_minute"] = spent[role] / seconds * 60
        figures[f"{role}_wakeups_per_s"] = (accounts.wakeups(pid) - woken[role]) / seconds
    return Repetition(figures, 0, spent, UNDISTURBED)


def _memory(stand: Stand, talk: Conversation, workload: Workload, size: Size) -> Repetition:
    talk.ask({"load": workload.load, "size": asdict(size)}, STAGE_S)
    roles = {role: pid for role, pid in stand.roles.items() if role != "client"}
    figures = {f"{role}_idle_mib": accounts.pss_mib(pid) for role, pid in roles.items()}
    before = accounts.snapshot(stand.roles)
    found = talk.ask({}, STAGE_S)
    after = accounts.snapshot(stand.roles)
    figures |= {f"{role}_after_load_mib": accounts.pss_mib(pid) for role, pid in roles.items()}
    figures |= {f"{role}_peak_mib": accounts.peak_mib(pid) for role, pid in roles.items()}
    figures["after_load_mib"] = sum(figures[f"{role}_after_load_mib"] for role in roles)
    tasks = round(found["tasks"])
    return Repetition({**found, **figures, "tasks": tasks}, tasks, accounts.cpu_between(before, after), UNDISTURBED)


def _repetition(found: Mapping[str, float], before: accounts.Snapshot, after: accounts.Snapshot) -> Repetition:
    return Repetition(
        figures=found,
        tasks=round(found["tasks"]),
        cpu_s=accounts.cpu_between(before, after),
        foreign_cores=accounts.foreign_cores(before, after),
    )


def _settle(roles: Mapping[str, int]) -> None:
    """Wait a while for others to fall quiet."""
    until = time.monotonic() + SETTLE_S
    while time.monotonic() < until:
        before = accounts.snapshot(roles)
        time.sleep(LOOK_S)
        if accounts.foreign_cores(before, accounts.snapshot(roles)) <= NOISY_CORES:
            return
