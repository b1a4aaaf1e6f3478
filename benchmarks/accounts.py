"""What the kernel says about processes: CPU, memory, wake-ups, and the CPU that others use. Linux only."""

import os
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

TICKS_PER_S = os.sysconf("SC_CLK_TCK")
MIB = 1024 * 1024


@dataclass(frozen=True)
class ProcessTimes:
    """``session`` is the process that began the group which this one belongs to."""

    pid: int
    session: int
    cpu_s: float
    parent: int = 0


@dataclass(frozen=True)
class Snapshot:
    """CPU seconds so far: of each role, of all that is ours, of the whole machine; and when."""

    at: float
    cpu_s: Mapping[str, float]
    ours_s: float
    machine_s: float


def parse_stat(text: str) -> ProcessTimes:
    """/proc/PID/stat; the name in it may hold spaces and parentheses."""
    pid, rest = text.split(" ", 1)
    fields = rest.rsplit(")", 1)[1].split()
    return ProcessTimes(int(pid), int(fields[3]), (int(fields[11]) + int(fields[12])) / TICKS_PER_S, int(fields[1]))


def parse_machine(text: str) -> float:
    """/proc/stat: seconds that any processor was busy; neither idle nor waiting for a disk."""
    user, nice, system, _idle, _iowait, irq, softirq, steal = map(int, text.split("\n", 1)[0].split()[1:9])
    return (user + nice + system + irq + softirq + steal) / TICKS_PER_S


def parse_rollup(text: str) -> float:
    """/proc/PID/smaps_rollup: the proportional set size in MiB."""
    for line in text.splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024 / MIB
    raise ValueError("smaps_rollup without Pss")


def parse_peak(text: str) -> float:
    """/proc/PID/status: the highest resident size so far, in MiB."""
    for line in text.splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024 / MIB
    raise ValueError("status without VmHWM")


def parse_switches(text: str) -> int:
    """/proc/PID/task/TID/status: how often the thread went to sleep by itself, and so was woken."""
    for line in text.splitlines():
        if line.startswith("voluntary_ctxt_switches:"):
            return int(line.split()[1])
    return 0


def parse_file_system(mounts: str, folder: str) -> str:
    """/proc/mounts: the kind of file system that holds ``folder``, an absolute path."""
    best, kind = "", "unknown"
    for line in mounts.splitlines():
        _device, point, found = line.split()[:3]
        inside = folder == point or folder.startswith(point.rstrip("/") + "/")
        if inside and len(point) >= len(best):
            best, kind = point, found
    return kind


def processes() -> Iterable[ProcessTimes]:
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                yield parse_stat((entry / "stat").read_text("utf-8", "replace"))
            except (OSError, IndexError):
                continue  # it has ended since


def snapshot(roles: Mapping[str, int]) -> Snapshot:
    """``roles``: the process that began each role's session."""
    cpu = dict.fromkeys(roles, 0.0)
    by_session = {pid: role for role, pid in roles.items()}
    ours = 0.0
    there = {each.pid: each for each in processes()}
    for each in there.values():
        role = _role(each, there, by_session)
        if role is not None:
            cpu[role] += each.cpu_s
        if role is not None or each.pid == os.getpid():
            ours += each.cpu_s
    return Snapshot(time.perf_counter(), cpu, ours, parse_machine(Path("/proc/stat").read_text()))


def _role(each: ProcessTimes, there: Mapping[int, ProcessTimes], by_session: Mapping[int, str]) -> str | None:
    """That of its session, or of an ancestor's: each process of a PostgreSQL begins a session."""
    while each.session not in by_session:
        if each.parent not in there or each.parent == each.pid:
            return None
        each = there[each.parent]
    return by_session[each.session]


def foreign_cores(before: Snapshot, after: Snapshot) -> float:
    """Cores used by processes that are not ours, on average."""
    busy = (after.machine_s - before.machine_s) - (after.ours_s - before.ours_s)
    return max(0.0, busy / (after.at - before.at)) if after.at > before.at else 0.0


def cpu_between(before: Snapshot, after: Snapshot) -> dict[str, float]:
    return {role: after.cpu_s[role] - spent for role, spent in before.cpu_s.items()}


def members(session: int) -> list[int]:
    return [each.pid for each in processes() if each.session == session]


def pss_mib(session: int) -> float:
    """Memory of a role: each shared page counts in parts, so roles add up."""
    return sum(parse_rollup(Path("/proc", str(pid), "smaps_rollup").read_text()) for pid in members(session))


def peak_mib(session: int) -> float:
    """The most memory that the processes of a role ever had in RAM, shared pages counted in full."""
    return sum(parse_peak(Path("/proc", str(pid), "status").read_text()) for pid in members(session))


def wakeups(session: int) -> int:
    """How often threads of a role were woken so far."""
    found = 0
    for pid in members(session):
        for thread in Path("/proc", str(pid), "task").iterdir():
            found += parse_switches((thread / "status").read_text())
    return found
