"""One attempt as what goes around its program sees it: middleware, which is Python, has a Context."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar

from tidemill.core.bodies import COLD, LocalFile, SharedCall, SharedEnd
from tidemill.core.ids import parse_digest
from tidemill.core.telling import Emission
from tidemill.ports.backend import Work
from tidemill.ports.clock import Clock
from tidemill.ports.files import Files
from tidemill.ports.threads import Threads
from tidemill.sdk.definition import Definition
from tidemill.sdk.errors import NoLocalCopyError, PermanentError
from tidemill.sdk.file import File, known
from tidemill.sdk.ports import ChildRun, IfExists
from tidemill.sdk.saving import SavedNames

T = TypeVar("T")
R_co = TypeVar("R_co", covariant=True)


@dataclass(frozen=True)
class Surroundings:
    """What the bodies of a worker share. ``environment`` is what every program gets: never a secret of the worker."""

    clock: Clock
    threads: Threads
    files: Files
    environment: dict[str, str]

    def locate(self, file: File) -> str:
        """The local path of an input's file, which was fetched before."""
        if (path := self.files.find(parse_digest(file.digest))) is None:
            raise NoLocalCopyError(file.name or file.digest)
        return path


class ProgramPorts:
    """The AttemptPort and the FilesPort of one attempt."""

    def __init__(self, work: Work, around: Surroundings) -> None:
        self._work, self._around = work, around
        self._saved = SavedNames()

    def is_cancelled(self) -> bool:
        return self._work.is_told_to_stop

    def now(self) -> datetime:
        return datetime.fromtimestamp(self._around.clock.now() / 1_000_000, UTC)

    def progress(self, fraction: float, stage: str, message: str) -> None:
        self._work.progress(fraction, stage, message)

    def heartbeat(self, details: str) -> None:
        self._work.heartbeat(details)

    def emit(self, emission: Emission) -> None:
        self._work.emit(emission)

    def measure(self, name: str, value: float, unit: str) -> bool:
        return self._work.measure(name, value, unit)

    def log(self, level: str, logger: str, text: str) -> None:
        self._work.log(level, logger, text)

    def save_bytes(self, name: str, data: bytes, if_exists: IfExists, media_type: str) -> File:
        self._saved.check(name, if_exists)
        media_type = media_type or File(name).media_type
        return self._keep(name, self._around.files.copy_bytes(self._work.use_folder(), data, media_type))

    def save_file(self, name: str, path: str, if_exists: IfExists, media_type: str) -> File:
        self._saved.check(name, if_exists)
        media_type = media_type or File(name).media_type
        return self._keep(name, self._around.files.copy_file(self._work.use_folder(), path, media_type))

    def child(
        self, definition: Definition[..., R_co], args: Sequence[Any], kwargs: Mapping[str, Any]
    ) -> ChildRun[R_co]:
        raise PermanentError(f"what goes around a program starts no runs: {definition.name} has no place to wait")

    def share(self, call: SharedCall) -> SharedEnd:
        raise PermanentError(f"what goes around a program has no stores and channels: {call.name} has no place to wait")

    async def ashare(self, call: SharedCall) -> SharedEnd:
        return self.share(call)

    def mark_hot(self, name: str, size: int) -> None:
        self._work.mark_model(name, size)

    def mark_cold(self, name: str) -> None:
        self._work.mark_model(name, COLD)

    def folder(self) -> str:
        return self._around.files.folder(self._work.use_folder())

    def in_thread(self, function: Callable[[], T]) -> Awaitable[T]:
        return self._around.threads.call("task.files", function)

    def _keep(self, name: str, copy: LocalFile) -> File:
        self._work.save(name, copy)
        self._saved.add(name)
        return known(digest=copy.digest, size=copy.size, media_type=copy.media_type, name=name, path=copy.path)
