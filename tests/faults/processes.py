"""A server and a worker as real processes, that a test may kill at any moment and start again."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

COMMAND = [sys.executable, "-m", "tidemill.cli.main"]
READY_S = 30.0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Program:
    """One process of the command line, in a group of its own; its output goes to a file."""

    def __init__(self, log: Path, *arguments: str, **environment: str) -> None:
        self.log, self.arguments = log, arguments
        self.environment = {**os.environ, **environment}
        self.wrapper: list[str] = []  # a command that becomes this one
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [*self.wrapper, *COMMAND, *self.arguments, "--end-with-parent"],
                stdout=log,
                stderr=log,
                stdin=subprocess.PIPE,  # its end tells the process that the tests are gone
                env=self.environment,
                start_new_session=True,
            )

    def kill(self) -> None:
        """SIGKILL to the process and all it started."""
        assert self.process is not None
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self._let_go()

    def stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.kill()
        self._let_go()

    def _let_go(self) -> None:
        if self.process is not None and self.process.stdin is not None:
            self.process.stdin.close()


class Mill:
    """One server with one worker. ``lease_s`` is long, so that nothing can hide behind its end."""

    def __init__(self, folder: Path, worker: Path, **environment: str) -> None:
        self.url = f"http://127.0.0.1:{free_port()}"
        port, self.data = self.url.rpartition(":")[2], folder / "data"
        settings = {"TIDEMILL_LEASE_S": "3600", "TIDEMILL_ON_LOST": "fail", **environment}
        self.server = Program(folder / "server.log", "server", "--port", port, "--data", str(self.data), **settings)
        self.worker = Program(
            folder / "worker.log", "worker", str(worker), "--url", self.url, TIDEMILL_DATA=str(folder / "worker")
        )

    def __enter__(self) -> Self:
        self.server.start()
        self.worker.start()
        self.wait_for("/api/v1/tasks", '"live":true')
        return self

    def __exit__(self, *_: object) -> None:
        self.worker.stop()
        self.server.stop()

    @contextmanager
    def telling(self) -> Iterator[None]:
        """What the processes said goes with an error."""
        try:
            yield
        except BaseException as error:
            for program in (self.server, self.worker):
                error.add_note(f"{program.log.name}:\n{program.log.read_text()[-3000:]}")
            raise

    def wait_for(self, path: str, text: str) -> None:
        """Until an answer of the server holds ``text``."""
        end = time.monotonic() + READY_S
        while time.monotonic() < end:
            try:
                with urllib.request.urlopen(self.url + path, timeout=5) as answer:  # loopback
                    if text in answer.read().decode():
                        return
            except OSError:
                pass
            time.sleep(0.05)
        raise AssertionError(f"{self.url}{path} never says {text!r}")
