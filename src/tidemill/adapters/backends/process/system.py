"""How a child has ended, and its end by force, with all that it started."""

import contextlib
import os
import signal
import sys
from collections import defaultdict
from pathlib import Path


def name_of(code: int) -> str:
    """How a process ended: the signal's name, or its exit code."""
    if code >= 0:
        return f"exit code {code}"
    try:
        return signal.Signals(-code).name
    except ValueError:
        return f"signal {-code}"


def kill_group(pid: int) -> None:
    """End a process that leads its group, the group, and what has left the group but not the family."""
    strays = _family_of(pid) if sys.platform == "linux" else []
    for kill, number in [(os.killpg, pid), *((os.kill, stray) for stray in strays)]:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            kill(number, signal.SIGKILL)


def _family_of(pid: int) -> list[int]:
    """All processes below one."""
    children = defaultdict[int, list[int]](list)
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError, ValueError, IndexError):
                stat = (entry / "stat").read_bytes()
                children[int(stat.rpartition(b")")[2].split()[1])].append(int(entry.name))
    found, pending = [], [pid]
    while pending:
        below = children[pending.pop()]
        found += below
        pending += below
    return found
