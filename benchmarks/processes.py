"""Processes that a benchmark starts, each in a session of its own, and ends."""

import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

import msgspec

ROOT = Path(__file__).parent.parent
STOP_S = 10.0


class ProcessEndedError(RuntimeError):
    """A process that we need has ended, or does not answer."""


class Program:
    """``pid`` is also the number of the session, which holds all that the program starts."""

    def __init__(self, name: str, command: Sequence[str], folder: Path, env: Mapping[str, str] | None = None) -> None:
        self.name, self._log = name, folder / f"{name}.log"
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, *command],
                cwd=ROOT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE if name == "client" else log,
                stderr=log,
                env=environment() | dict(env or {}),
                start_new_session=True,
            )
        self.pid = self._process.pid

    @property
    def stdin(self) -> IO[bytes]:
        assert self._process.stdin is not None
        return self._process.stdin

    @property
    def stdout(self) -> IO[bytes]:
        assert self._process.stdout is not None
        return self._process.stdout

    def check(self) -> None:
        if self._process.poll() is not None:
            raise ProcessEndedError(f"the {self.name} ended ({self._process.returncode}): {self.last_words()}")

    def last_words(self) -> str:
        return self._log.read_text("utf-8", "replace")[-600:].strip()

    def stop(self) -> None:
        """Ask, wait, then kill the session."""
        if self._process.poll() is None:
            self._process.terminate()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(STOP_S)
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()


class Conversation:
    """Lines of JSON with a client process: one question, one answer."""

    def __init__(self, program: Program) -> None:
        self._program = program
        self._buffer = b""

    def ask(self, question: object, within_s: float) -> dict[str, Any]:
        """Raises ProcessEndedError: it ended, failed, or took too long."""
        self._program.check()
        self._program.stdin.write(msgspec.json.encode(question) + b"\n")
        self._program.stdin.flush()
        answer = msgspec.json.decode(self._line(time.monotonic() + within_s), type=dict[str, Any])
        if "error" in answer:
            raise ProcessEndedError(str(answer["error"]))
        return answer

    def _line(self, until: float) -> bytes:
        pipe = self._program.stdout.fileno()
        while b"\n" not in self._buffer:
            if not select.select([pipe], [], [], max(0.0, until - time.monotonic()))[0]:
                raise ProcessEndedError("the client did not answer in time")
            chunk = os.read(pipe, 65536)
            if not chunk:
                raise ProcessEndedError(f"the client ended: {self._program.last_words()}")
            self._buffer += chunk
        line, self._buffer = self._buffer.split(b"\n", 1)
        return line


def environment() -> dict[str, str]:
    """Ours without settings of Tidemill, and with its sources."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("TIDEMILL_")}
    paths = [str(ROOT / "src"), str(ROOT), kept.get("PYTHONPATH", "")]
    return kept | {"PYTHONPATH": os.pathsep.join(path for path in paths if path)}


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port
