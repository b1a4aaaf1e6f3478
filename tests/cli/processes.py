"""Real `tidemill` processes, bounded in time and ended by their ids."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.house.source import ROOT

WITHIN_S = 60.0

MILL = """
import time
from pathlib import Path
from typing import Annotated
from tidemill import Clamp, Context, Directory, File, PermanentError, TaskFiles, Worker, collect, injected
from tidemill import map_over, workflow

mill = Worker("mill")


@mill.task
def double(x: int) -> int:
    print("doubling", x)
    return 2 * x


@mill.task
def cut(width: Annotated[int, Clamp(1, 8)]) -> int:
    return width


@mill.task
def louder(notes: Directory, *, files: TaskFiles = injected) -> Directory:
    for path in notes.path.rglob("*.txt"):
        files.write(f"loud/{path.relative_to(notes.path)}", path.read_text().upper())
    return Directory(files.path_to("loud"))


@mill.task
def slow(x: int, seconds: float = 0.2) -> int:
    time.sleep(seconds)
    with Path("executed.txt").open("a") as seen:
        seen.write(f"{x}\\n")
    if x == 3:
        raise PermanentError("three is not ground")
    return x


@mill.task
def total(xs: list[int]) -> int:
    return sum(xs)


@mill.task
def shout(ctx: Context, files: list[File]) -> File:
    return ctx.save_bytes("loud.html", "\\n".join(f.name + " " + f.read_text().upper() for f in files).encode())


@mill.task
def fail(x: int) -> int:
    raise PermanentError("no flour")


@mill.task
def scratch(text: str, *, files: TaskFiles = injected) -> int:
    return len(files.write("note.txt", text).read_text())


@workflow
def grind(xs: list[int]) -> int:
    return total(map_over(slow, xs, window=2))


@workflow
def read(folder: list[File]) -> File:
    return shout(folder)


@mill.task
def count(loud: File) -> int:
    return len(loud.read())
"""


def environment(**settings: str) -> dict[str, str]:
    ours = {name: value for name, value in os.environ.items() if not name.startswith("TIDEMILL_")}
    # A port that nobody listens on: what is not told of a server must not find one of somebody else.
    defaults = {"PYTHONPATH": str(ROOT / "src"), "TIDEMILL_PORT": "0", "NO_COLOR": "1"}
    return ours | defaults | settings


def command(*arguments: str) -> list[str]:
    """`tidemill …`, or a program that is named by its file."""
    if arguments[0].endswith(".py"):
        return [sys.executable, *arguments]
    return [sys.executable, "-P", "-m", "tidemill", *arguments]


@dataclass(frozen=True)
class Said:
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@dataclass(frozen=True)
class Mill:
    """A folder with a ``mill.py``, where commands are run."""

    folder: Path

    def tidemill(self, *arguments: str, **settings: str) -> Said:
        done = subprocess.run(
            command(*arguments),
            cwd=self.folder,
            env=environment(**settings),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=WITHIN_S,
            check=False,
        )
        return Said(done.returncode, done.stdout, done.stderr)

    @contextmanager
    def process(self, *arguments: str, **settings: str) -> Iterator["Process"]:
        process = Process(self.folder, arguments, settings)
        try:
            yield process
        finally:
            process.end()

    @contextmanager
    def server(self, **settings: str) -> Iterator[tuple["Process", str]]:
        with self.process("server", "--port", "0", **settings) as process:
            yield process, process.wait_for(r"serves (http://\S+)")[1]

    def executed(self) -> list[str]:
        seen = self.folder / "executed.txt"
        return seen.read_text().split() if seen.exists() else []


class Process:
    def __init__(self, folder: Path, arguments: tuple[str, ...], settings: Mapping[str, str]) -> None:
        self._log = folder / f"{'-'.join(arguments)[:40].replace('/', '_')}-{time.monotonic_ns()}.log"
        with self._log.open("wb") as out:
            self.popen = subprocess.Popen(
                command(*arguments),
                cwd=folder,
                env=environment(**settings),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def said(self) -> str:
        return self._log.read_text()

    def wait_for(self, pattern: str) -> re.Match[str]:
        """Until it says so."""

        def said() -> re.Match[str] | None:
            has_ended = self.popen.poll() is not None
            found = re.search(pattern, self.said)
            assert found or not has_ended, f"it ended and never said {pattern!r}: {self.said}"
            return found

        return until(said, lambda: f"{pattern!r} in what it says: {self.said}")

    def send(self, number: int) -> None:
        self.popen.send_signal(number)

    def ended(self) -> int:
        return self.popen.wait(WITHIN_S)

    def end(self) -> None:
        for number in (signal.SIGTERM, signal.SIGKILL):
            if self.popen.poll() is None:
                self.popen.send_signal(number)
                try:
                    self.popen.wait(20)
                except subprocess.TimeoutExpired:
                    continue


def until(look: Callable[[], Any], what: Callable[[], str]) -> Any:
    ends = time.monotonic() + WITHIN_S
    while time.monotonic() < ends:
        if found := look():
            return found
        time.sleep(0.02)
    raise AssertionError(f"in vain waited for {what()}")


def children_of(pid: int) -> list[int]:
    """Living processes that ``pid`` started, oldest first."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, parent = stat.read_text().rpartition(") ")[2].split()[:2]
        except (OSError, ValueError):
            continue
        if int(parent) == pid and state != "Z":
            found.append(int(stat.parent.name))
    return sorted(found)


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] != "Z"
    except OSError:
        return False
