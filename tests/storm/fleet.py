"""Servers and workers as processes, that are killed, stopped and started again; ended by their ids, and no others."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.house.source import ROOT

COMMAND = (sys.executable, "-P", "-m", "tidemill")
WAIT_S = 30.0
YOUNG_S = 30.0


def environment(**settings: str) -> dict[str, str]:
    """Ours without Tidemill's settings, and with its sources."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith("TIDEMILL_")}
    paths = [str(ROOT / "src"), str(ROOT), ours.get("PYTHONPATH", "")]
    return {
        **ours,
        "PYTHONPATH": os.pathsep.join(path for path in paths if path),
        "NO_COLOR": "1",
        **settings,
    }


@dataclass
class Member:
    """One place in the fleet: a process at a time, in a session of its own; what it says goes to ``log``."""

    name: str
    log: Path
    arguments: list[str]
    settings: Mapping[str, str]
    process: subprocess.Popen[bytes] | None = None
    starts: int = 0
    started_at: float = 0.0
    is_paused: bool = False
    is_busy: bool = False  # somebody is at work on it
    is_unready: bool = False  # it was told to end when it was young
    exits: list[int] = field(default_factory=list)  # of those that were not killed

    @property
    def is_alive(self) -> bool:
        return self.process is not None and self.process.poll() is None

    @property
    def identity(self) -> str:
        """Of a worker: its id."""
        return self.arguments[self.arguments.index("--id") + 1]

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    def start(self) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [*COMMAND, *self.arguments, "--end-with-parent"],
                stdout=log,
                stderr=log,
                stdin=subprocess.PIPE,  # its end tells the process that we are gone
                env=environment(**self.settings),
                start_new_session=True,
            )
        self.starts += 1
        self.started_at = time.monotonic()
        self.is_paused = False

    def kill(self) -> None:
        """SIGKILL to it alone; its children have to notice."""
        self._send(signal.SIGKILL)
        self._reap()

    def pause(self) -> None:
        self._send(signal.SIGSTOP)
        self.is_paused = True

    def resume(self) -> None:
        self._send(signal.SIGCONT)
        self.is_paused = False

    @property
    def is_young(self) -> bool:
        """It may not have got so far that it listens to signals: then SIGTERM ends it as the system does."""
        return time.monotonic() - self.started_at < YOUNG_S

    def ask_to_end(self) -> None:
        self.is_unready = self.is_young
        self._send(signal.SIGTERM)

    def has_ended(self) -> bool:
        """Whether it went by itself; then its exit code is noted."""
        if self.process is None or self.process.poll() is None:
            return False
        self.exits.append(self.process.returncode)
        self._let_go()
        return True

    def destroy(self) -> None:
        """It and all that it started."""
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self._reap()

    def _send(self, number: int) -> None:
        if self.process is not None:
            self.process.send_signal(number)

    def _reap(self) -> None:
        if self.process is not None:
            self.process.wait(WAIT_S)
            self._let_go()

    def _let_go(self) -> None:
        if self.process is not None and self.process.stdin is not None:
            self.process.stdin.close()
        self.process = None

    def last_words(self, count: int = 15) -> str:
        lines = self.log.read_text(errors="replace").splitlines() if self.log.exists() else []
        return "\n".join(lines[-count:])


def survivors(sessions: Iterable[int]) -> list[int]:
    """Living processes of these sessions: each member leads one."""
    ours, found = set(sessions), []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(") ")[2].split()
        except OSError:
            continue
        if fields[0] != "Z" and int(fields[3]) in ours:
            found.append(int(stat.parent.name))
    return found


def gone_within(sessions: Iterable[int], seconds: float) -> list[int]:
    """Those that are still there after so long."""
    ends = time.monotonic() + seconds
    sessions = list(sessions)
    while (left := survivors(sessions)) and time.monotonic() < ends:
        time.sleep(0.1)
    return left
