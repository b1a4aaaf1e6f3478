"""The worker's end of the port: a Work that keeps what it is told."""

import asyncio
from collections.abc import Callable
from typing import Any

from tidemill.core.bodies import (
    AttemptFacts,
    ChildCall,
    ChildCancelled,
    ChildEnd,
    Completed,
    Crashed,
    Encoded,
    LocalFile,
    SharedCall,
    SharedEnd,
)
from tidemill.core.run import Failure
from tidemill.core.telling import Emission
from tidemill.core.values import Argument, Encoding, Given
from tidemill.ports.backend import Ending
from tidemill.sdk.memory import Memory
from tidemill.sdk.plans import plan_of


class Heard:
    """Made and awaited on the loop; told from any thread."""

    def __init__(self, target: str, **inputs: Any) -> None:
        self.target = target
        self.inputs: dict[str, Argument] = {
            name: Given(plan_of(Any).encode(value).inline) for name, value in inputs.items()
        }
        self.grip: Any = None
        self.is_told_to_stop = False
        self.durable = 0
        self.facts = AttemptFacts(run="run-1", path="step", number=3, task=target, worker="w1")
        self.folder_name = "private"
        self.is_folder_used = False
        self.said: list[tuple[float, str, str]] = []
        self.beats: list[str] = []
        self.lines: list[tuple[str, str, str]] = []
        self.omitted = 0
        self.items: list[bytes] = []
        self.started: list[ChildCall] = []
        self.peak_kib = 0
        self.emissions: list[Emission] = []
        self.measured: list[tuple[str, float, str]] = []
        self.models: dict[str, int] = {}
        self.saved: dict[str, LocalFile] = {}
        self.endings: list[Ending] = []
        self._memory = Memory()
        self._loop = asyncio.get_running_loop()
        self._news = asyncio.Event()

    def _tell(self) -> None:
        self._loop.call_soon_threadsafe(self._news.set)

    def use_folder(self) -> str:
        self.is_folder_used = True
        return self.folder_name

    def progress(self, fraction: float, stage: str, message: str) -> None:
        self.said.append((fraction, stage, message))
        self._tell()

    def heartbeat(self, details: str) -> None:
        self.beats.append(details)

    def log(self, level: str, logger: str, text: str) -> None:
        self.lines.append((level, logger, text))

    def omit(self, lines: int) -> None:
        self.omitted += lines

    def add_item(self, item: Encoded) -> None:
        self.items.append(item.data)
        self._tell()

    def mark_model(self, name: str, size: int) -> None:
        self.models[name] = size

    def save(self, name: str, file: LocalFile) -> None:
        self.saved[name] = file

    def emit(self, emission: Emission) -> None:
        self.emissions.append(emission)

    def measure(self, name: str, value: float, unit: str) -> bool:
        self.measured.append((name, value, unit))
        return True

    def start_child(self, call: ChildCall) -> None:
        self.started.append(call)

    def await_child(self, key: bytes, hear: Callable[[ChildEnd], None]) -> None:
        self._loop.call_soon_threadsafe(hear, ChildCancelled(key.hex(), "nobody runs it here"))

    def share(self, call: SharedCall, hear: Callable[[SharedEnd], None]) -> None:
        self._loop.call_soon_threadsafe(hear, self._memory.share(call))

    def end(self, ending: Ending) -> None:
        self.endings.append(ending)
        self._tell()

    # For tests --------------------------------------------------------------------------------------

    async def until(self, is_so: Callable[[], bool]) -> None:
        async with asyncio.timeout(60):
            while not is_so():
                self._news.clear()
                if is_so():
                    return
                await self._news.wait()

    async def begun(self) -> None:
        await self.until(lambda: bool(self.said) or bool(self.endings))

    async def ended(self) -> Ending:
        await self.until(lambda: bool(self.endings))
        assert len(self.endings) == 1
        return self.endings[0]

    async def result(self) -> Any:
        ending = await self.ended()
        assert isinstance(ending, Completed), ending
        return plan_of(Any).decode_bytes(ending.outputs["value"].data, Encoding.MSGPACK)

    async def failure(self) -> Failure:
        ending = await self.ended()
        assert isinstance(ending, Failure), ending
        return ending

    async def crash(self) -> Crashed:
        ending = await self.ended()
        assert isinstance(ending, Crashed), ending
        return ending

    def output(self, level: str) -> list[str]:
        return [text for each, _, text in self.lines if each == level]
