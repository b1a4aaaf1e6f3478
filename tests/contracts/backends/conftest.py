"""Each back-end, ready to run the tasks of the zoo. A new one joins with a branch in `place`."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.contracts.backends import zoo
from tests.contracts.backends.heard import Heard
from tidemill.adapters.backends.inline.backend import InlineBackend
from tidemill.adapters.backends.inline.body import Surroundings
from tidemill.adapters.backends.process.backend import ProcessBackend
from tidemill.adapters.backends.process.launch import Command
from tidemill.adapters.files.local import LocalFiles
from tidemill.adapters.system.capture import captured_output
from tidemill.adapters.system.clock import SystemClock
from tidemill.adapters.system.threads import ThreadPool
from tidemill.adapters.system.user_loop import UserLoop
from tidemill.ports.backend import BackendPort, speaking
from tidemill.sdk.processes import Processes

ZOO = Path(zoo.__file__)


@dataclass(frozen=True)
class Place:
    name: str
    backend: BackendPort
    folder: Path  # the worker's

    def begin(self, task: str, **inputs: Any) -> Heard:
        work = Heard(f"zoo.{task}", **inputs)
        self.backend.begin(work)
        return work

    def stop(self, work: Heard) -> None:
        work.is_told_to_stop = True
        self.backend.stop(work)

    def captured(self) -> AbstractContextManager[None]:
        """Output of what runs in this process; pytest changes the streams between a fixture and its test."""
        return captured_output(speaking.get) if self.name == "inline" else nullcontext()

    async def is_well(self) -> bool:
        """Whether it goes on as if nothing had been."""
        return bool(await self.begin("double", x=21).result() == 42)


def processes(folder: Path, limits: Processes | None = None, target: str = str(ZOO)) -> ProcessBackend:
    command = (sys.executable, "-P", "-m", "tidemill.cli.child", target, str(folder))
    return ProcessBackend(
        Command(command, str(folder)), dict.fromkeys(zoo.zoo.tasks, "zoo"), {"zoo": limits or Processes(count=1)}, 1
    )


@pytest.fixture(params=["inline", "process"])
async def place(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Place]:
    if request.param == "process":
        backend = processes(tmp_path)
        await backend.open()
        yield Place(request.param, backend, tmp_path)
        await backend.close()
        return
    threads, stage = ThreadPool(1), UserLoop(4, asyncio.new_event_loop)
    around = Surroundings(SystemClock(), threads, LocalFiles(tmp_path, threads))
    await stage.open()
    yield Place(request.param, InlineBackend(zoo.zoo.tasks, stage, around), tmp_path)
    await stage.close()
    threads.close()


@pytest.fixture
async def apart(tmp_path: Path) -> AsyncIterator[Place]:
    """Processes alone: what only bodies apart can be asked to survive."""
    backend = processes(tmp_path)
    await backend.open()
    yield Place("process", backend, tmp_path)
    await backend.close()
