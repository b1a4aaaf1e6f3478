"""Servers, workers and programs as real processes, each with the code of the version that it is to be."""

import os
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Self

from tests.faults.processes import free_port
from tests.upgrade.versions import ROOT

NOW = ROOT / "src"


class House:
    """Processes of any versions, on one data folder and one port."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.data, self.gate = folder, folder / "data", folder / "gate"
        self.url = f"http://127.0.0.1:{free_port()}"
        self.environment = {
            **os.environ,
            "PYTHONDONTWRITEBYTECODE": "1",
            "TIDEMILL_DATA": str(self.data),
            "TIDEMILL_URL": self.url,
            "TIDEMILL_LEASE_S": "2",
            "YARD_GATE": str(self.gate),
        }
        self.processes: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        self.kill()
        if error is not None:
            error.add_note(self.logs())

    def start(self, source: Path, *arguments: str) -> subprocess.Popen[bytes]:
        """A process of the command line of one version."""
        log = (self.folder / f"{arguments[0]}{len(self.processes)}.log").open("wb")
        with log:
            process = subprocess.Popen(
                [sys.executable, "-m", "tidemill.cli.main", *arguments],
                env=self._environment_of(source),
                stdout=log,
                stderr=log,
                cwd=self.folder,
                start_new_session=True,
            )
        self.processes.append(process)
        return process

    def _environment_of(self, source: Path) -> dict[str, str]:
        return {**self.environment, "PYTHONPATH": os.pathsep.join([str(source), str(ROOT)])}

    def server(self, source: Path = NOW) -> subprocess.Popen[bytes]:
        return self.start(source, "server", "--port", self.url.rpartition(":")[2])

    def worker(self, target: str, source: Path = NOW) -> subprocess.Popen[bytes]:
        return self.start(source, "worker", f"tests.upgrade.{target}", "--id", target)

    def run(self, source: Path, *arguments: str) -> str:
        """A program that ends by itself; what it prints."""
        done = subprocess.run(
            [sys.executable, *arguments],
            env=self._environment_of(source),
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(done.stderr + self.logs())
        return done.stdout

    def wait_for(self, *tasks: str) -> None:
        """Until the server knows these tasks."""
        end = time.monotonic() + 60
        while time.monotonic() < end:
            try:
                with urllib.request.urlopen(self.url + "/api/v1/tasks", timeout=5) as answer:  # loopback
                    text = answer.read().decode()
                    if all(name in text for name in tasks):
                        return
            except OSError:
                pass
            time.sleep(0.05)
        raise AssertionError(f"the server never hears of {tasks}")

    def logs(self) -> str:
        return "\n".join(path.read_text()[-2000:] for path in sorted(self.folder.glob("*.log")))

    def kill(self) -> None:
        for process in self.processes:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        self.processes.clear()
