"""Each back-end, ready to run the tasks of the zoo. A new one joins with a branch in `place`."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractContextManager, asynccontextmanager, nullcontext
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from tests.contracts.backends import zoo, zoo_programs
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
from tidemill.assembly.programs import programs
from tidemill.assembly.settings import variables_now
from tidemill.ports.backend import BackendPort, speaking
from tidemill.sdk.options import Backend
from tidemill.sdk.processes import Processes

ZOO = Path(zoo.__file__)


@dataclass(frozen=True)
class Place:
    name: str
    backend: BackendPort
    folder: Path  # the worker's
    numbers: Iterator[int] = field(default_factory=count)  # of attempts: each has a folder

    def begin(self, task: str, **inputs: Any) -> Heard:
        work = Heard(f"zoo.{task}", **inputs)
        work.folder_name += str(next(self.numbers) or "")
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
    crews, limit = dict.fromkeys(zoo.zoo.tasks, "zoo"), limits or Processes(count=1)
    return ProcessBackend(Command(command, str(folder), variables_now), crews, {"zoo": limit}, 1)


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=["inline", "process", "program"])
async def place(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Place]:
    """One for all tests of a file: what one of them breaks, the next one would notice."""
    tmp_path = tmp_path_factory.mktemp("worker")
    if request.param == "process":
        async with _apart(tmp_path) as made:
            yield made
        return
    if request.param == "program":
        files = LocalFiles(tmp_path, threads := ThreadPool(1))
        path = {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.defpath}"}
        backend = programs([zoo_programs.zoo], SystemClock(), threads, files, path)[Backend.PROGRAM]
        await backend.open()
        yield Place(request.param, backend, tmp_path)
        await backend.close()
        threads.close()
        return
    threads, stage = ThreadPool(1), UserLoop(4, asyncio.new_event_loop)
    around = Surroundings(SystemClock(), threads, LocalFiles(tmp_path, threads))
    await stage.open()
    yield Place(request.param, InlineBackend(zoo.zoo.tasks, stage, around), tmp_path)
    await stage.close()
    threads.close()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def apart(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Place]:
    """Processes alone: what only bodies apart can be asked to survive."""
    async with _apart(tmp_path_factory.mktemp("worker")) as made:
        yield made


@asynccontextmanager
async def _apart(folder: Path) -> AsyncIterator[Place]:
    backend = processes(folder)
    await backend.open()
    yield Place("process", backend, folder)
    await backend.close()
