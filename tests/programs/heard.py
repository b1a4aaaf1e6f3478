"""One attempt, as a back-end sees it, that keeps what it hears."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from tidemill.adapters.files.local import LocalFiles
from tidemill.adapters.system.clock import SystemClock
from tidemill.adapters.system.threads import ThreadPool
from tidemill.assembly.programs import programs
from tidemill.core.bodies import AttemptFacts, ChildCall, ChildEnd, Encoded, LocalFile
from tidemill.core.telling import Emission
from tidemill.core.values import Argument, Given
from tidemill.ports.backend import BackendPort, Ending
from tidemill.sdk.options import Backend
from tidemill.sdk.program import ProgramTask
from tidemill.sdk.worker import Worker


class Heard:
    """A Work."""

    def __init__(self, target: str, inputs: Mapping[str, Argument], folder: str) -> None:
        self.target, self.inputs, self.folder = target, inputs, folder
        self.grip: Any = None
        self.is_told_to_stop = False
        self.durable = 0
        self.peak_kib = 0
        self.facts = AttemptFacts(run="r", path="s", number=1, task=target, worker="w1")
        self.lines: list[tuple[str, str]] = []
        self.items: list[Encoded] = []
        self.told: list[Any] = []
        self.peak_kib = 0
        self.ended: asyncio.Future[Ending] = asyncio.get_running_loop().create_future()
        self._loop, self._waiting = asyncio.get_running_loop(), dict[str, asyncio.Event]()

    def use_folder(self) -> str:
        return self.folder

    def progress(self, fraction: float, stage: str, message: str) -> None: ...

    def heartbeat(self, details: str) -> None: ...

    def emit(self, emission: Emission) -> None:
        self.told.append(emission)

    def measure(self, name: str, value: float, unit: str) -> bool:
        self.told.append((name, value, unit))
        return True

    def log(self, level: str, logger: str, text: str) -> None:
        self.lines.append((level, text))
        self._loop.call_soon_threadsafe(self._note, text)

    def add_item(self, item: Encoded) -> None:
        self.items.append(item)
        self._loop.call_soon_threadsafe(self._note, f"item {len(self.items)}")

    def mark_model(self, name: str, size: int) -> None: ...

    def start_child(self, call: ChildCall) -> None: ...

    def await_child(self, key: bytes, hear: Callable[[ChildEnd], None]) -> None: ...

    def save(self, name: str, file: LocalFile) -> None: ...

    def end(self, ending: Ending) -> None:
        self._loop.call_soon_threadsafe(self.ended.set_result, ending)

    async def hears(self, text: str) -> None:
        await self._waiting.setdefault(text, asyncio.Event()).wait()

    def _note(self, text: str) -> None:
        self._waiting.setdefault(text, asyncio.Event()).set()


class Stand:
    """A back-end of programs, and attempts for it."""

    def __init__(self, worker: Worker, folder: Path) -> None:
        self._tasks, self.threads = worker.tasks, ThreadPool()
        self.files = LocalFiles(folder, self.threads)
        environment = {"PATH": os.environ["PATH"], "HOME": str(folder)}
        self.backend: BackendPort = programs([worker], SystemClock(), self.threads, self.files, environment)[
            Backend.PROGRAM
        ]
        self._count = 0

    def begin(self, task: ProgramTask[..., Any], *args: object, told: bool = False) -> Heard:
        self._count += 1
        inputs = {name: Given(encoded.inline) for name, encoded in task.bind(args, {}).items()}
        heard = Heard(task.name, inputs, f"a{self._count}")
        heard.is_told_to_stop = told
        self.backend.begin(heard)
        return heard

    def stop(self, heard: Heard) -> None:
        heard.is_told_to_stop = True
        self.backend.stop(heard)


@asynccontextmanager
async def stand(worker: Worker, folder: Path) -> AsyncIterator[Stand]:
    made = Stand(worker, folder)
    await made.backend.open()
    try:
        yield made
    finally:
        await made.backend.close()
        made.threads.close()
