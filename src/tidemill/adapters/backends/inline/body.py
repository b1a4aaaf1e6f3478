"""One attempt as its own code sees it: the ports that the SDK asks for, called where the body runs."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any, TypeVar

from tidemill.core.bodies import COLD, AttemptFacts, ChildEnd, LocalFile, SharedCall, SharedEnd
from tidemill.core.ids import parse_digest
from tidemill.core.sharing import NotShared
from tidemill.core.telling import Emission
from tidemill.ports.backend import Work
from tidemill.ports.clock import Clock
from tidemill.ports.files import Files
from tidemill.ports.stage import Stage
from tidemill.ports.threads import Threads
from tidemill.sdk.children import Children, RemoteChild
from tidemill.sdk.definition import Definition
from tidemill.sdk.errors import CancelledRunError, NoLocalCopyError
from tidemill.sdk.file import File, known
from tidemill.sdk.ports import IfExists
from tidemill.sdk.saving import SavedNames

OVERTAKEN = NotShared("overtaken", "the attempt was told to stop")
T = TypeVar("T")
R_co = TypeVar("R_co", covariant=True)


@dataclass(frozen=True)
class Surroundings:
    """What bodies share."""

    clock: Clock
    threads: Threads
    files: Files

    def locate(self, file: File) -> str:
        """The local path of an input's file, which was fetched before the body began."""
        if (path := self.files.find(parse_digest(file.digest))) is None:
            raise NoLocalCopyError(file.name or file.digest)
        return path


class _Waiter:
    """Waits for children where the body runs."""

    def __init__(self, work: Work, stage: Stage) -> None:
        self._work, self._stage = work, stage

    def wait(self, key: bytes) -> ChildEnd:
        ends: list[ChildEnd] = []

        def hear(end: ChildEnd) -> None:
            ends.append(end)
            self._stage.nudge()

        self._work.await_child(key, hear)
        self._stage.block_until(lambda: bool(ends) or self._work.is_told_to_stop)
        if not ends:
            raise CancelledRunError("the attempt was told to stop")
        return ends[0]

    async def wait_async(self, key: bytes) -> ChildEnd:
        loop = asyncio.get_running_loop()
        ended: asyncio.Future[ChildEnd] = loop.create_future()

        def settle(end: ChildEnd) -> None:
            if not ended.done():
                ended.set_result(end)

        self._work.await_child(key, lambda end: self._stage.wake_user(partial(settle, end)))
        return await ended


def _is_on_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


class BodyPorts:
    """The AttemptPort, the FilesPort and the Speaker of one attempt."""

    __slots__ = (
        "_around",
        "_children",
        "_folder",
        "_last",
        "_partial",
        "_saved",
        "_stage",
        "count",
        "room",
        "running",
        "work",
    )

    def __init__(self, work: Work, around: Surroundings, stage: Stage) -> None:
        self.work, self._around, self._stage = work, around, stage
        self._children: Children | None = None
        self.running: asyncio.Task[None] | None = None  # of an async body
        self.room: asyncio.Event | None = None  # an async stream waits for it
        self.count = 0  # items of its stream so far
        self._folder = ""
        self._saved = SavedNames()
        self._last: tuple[Callable[[], None], ...] = ()
        self._partial: dict[str, str] | None = None  # output without its line end, by stream

    @property
    def facts(self) -> AttemptFacts:
        return self.work.facts

    def is_cancelled(self) -> bool:
        return self.work.is_told_to_stop

    def now(self) -> datetime:
        return datetime.fromtimestamp(self._around.clock.now() / 1_000_000, UTC)

    def progress(self, fraction: float, stage: str, message: str) -> None:
        self.work.progress(fraction, stage, message)

    def heartbeat(self, details: str) -> None:
        self.work.heartbeat(details)

    def child(
        self, definition: Definition[..., R_co], args: Sequence[Any], kwargs: Mapping[str, Any]
    ) -> RemoteChild[R_co]:
        self._children = self._children or Children(_Waiter(self.work, self._stage), self.work.start_child)
        return self._children.start(definition, self.facts, args, kwargs)

    def share(self, call: SharedCall) -> SharedEnd:
        if _is_on_loop():
            return NotShared("blocking", "it would hold up all async tasks: await the one with an 'a' before its name")
        ends: list[SharedEnd] = []

        def hear(end: SharedEnd) -> None:
            ends.append(end)
            self._stage.nudge()

        self.work.share(call, hear)
        self._stage.block_until(lambda: bool(ends) or self.work.is_told_to_stop)
        return ends[0] if ends else OVERTAKEN

    async def ashare(self, call: SharedCall) -> SharedEnd:
        ended: asyncio.Future[SharedEnd] = asyncio.get_running_loop().create_future()

        def settle(end: SharedEnd) -> None:
            if not ended.done():
                ended.set_result(end)

        self.work.share(call, lambda end: self._stage.wake_user(partial(settle, end)))
        return await ended

    def emit(self, emission: Emission) -> None:
        self.work.emit(emission)

    def measure(self, name: str, value: float, unit: str) -> bool:
        return self.work.measure(name, value, unit)

    def save_bytes(self, name: str, data: bytes, if_exists: IfExists, media_type: str) -> File:
        self._saved.check(name, if_exists)
        media_type = media_type or File(name).media_type
        return self._keep(name, self._around.files.copy_bytes(self._own_folder(), data, media_type))

    def save_file(self, name: str, path: str, if_exists: IfExists, media_type: str) -> File:
        self._saved.check(name, if_exists)
        media_type = media_type or File(name).media_type
        return self._keep(name, self._around.files.copy_file(self._own_folder(), path, media_type))

    def mark_hot(self, name: str, size: int) -> None:
        self.work.mark_model(name, size)

    def mark_cold(self, name: str) -> None:
        self.work.mark_model(name, COLD)

    def folder(self) -> str:
        return self._around.files.folder(self._own_folder())

    def in_thread(self, function: Callable[[], T]) -> Awaitable[T]:
        return self._around.threads.call("task.files", function)

    def log(self, level: str, logger: str, text: str) -> None:
        self.work.log(level, logger, text)

    def write(self, level: str, text: str) -> None:
        if self._partial is None:
            self._partial = {}
        *lines, rest = (self._partial.get(level, "") + text).split("\n")
        self._partial[level] = rest
        for line in lines:
            self.log(level, "", line)

    def before_end(self, call: Callable[[], None]) -> None:
        """Programs that it started may have written something that is still on its way."""
        self._last = (*self._last, call)

    def flush(self) -> None:
        """The body has ended: what it printed without a line end is a line too."""
        for call in self._last:
            call()
        for level, text in (self._partial or {}).items():
            if text:
                self.log(level, "", text)

    def _own_folder(self) -> str:
        self._folder = self._folder or self.work.use_folder()
        return self._folder

    def _keep(self, name: str, copy: LocalFile) -> File:
        self.work.save(name, copy)
        self._saved.add(name)
        return known(digest=copy.digest, size=copy.size, media_type=copy.media_type, name=name, path=copy.path)
