"""One attempt as its own code sees it: the ports that the SDK asks for, called where the body runs."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeVar

from tidemill.core.bodies import COLD, AttemptFacts, LocalFile
from tidemill.core.ids import parse_digest
from tidemill.ports.backend import Work
from tidemill.ports.clock import Clock
from tidemill.ports.files import Files
from tidemill.ports.threads import Threads
from tidemill.sdk.errors import InvalidInputError, NoLocalCopyError
from tidemill.sdk.file import File, known
from tidemill.sdk.ports import IfExists

T = TypeVar("T")

NAME_LIMIT = 255


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


class BodyPorts:
    """The AttemptPort, the FilesPort and the Speaker of one attempt."""

    __slots__ = ("_around", "_folder", "_partial", "_saved", "count", "room", "running", "work")

    def __init__(self, work: Work, around: Surroundings) -> None:
        self.work, self._around = work, around
        self.running: asyncio.Task[None] | None = None  # of an async body
        self.room: asyncio.Event | None = None  # an async stream waits for it
        self.count = 0  # items of its stream so far
        self._folder = ""
        self._saved: set[str] = set()
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

    def save_bytes(self, name: str, data: bytes, if_exists: IfExists, media_type: str) -> File:
        self._check_name(name, if_exists)
        media_type = media_type or File(name).media_type
        return self._keep(name, self._around.files.copy_bytes(self._own_folder(), data, media_type))

    def save_file(self, name: str, path: str, if_exists: IfExists, media_type: str) -> File:
        self._check_name(name, if_exists)
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

    def flush(self) -> None:
        """The body has ended: what it printed without a line end is a line too."""
        for level, text in (self._partial or {}).items():
            if text:
                self.log(level, "", text)

    def _own_folder(self) -> str:
        self._folder = self._folder or self.work.use_folder()
        return self._folder

    def _check_name(self, name: str, if_exists: IfExists) -> None:
        if not name or len(name) > NAME_LIMIT or name.startswith("/") or ".." in name.split("/") or "\0" in name:
            raise InvalidInputError(
                f"{name!r} is no name for a file; use a relative one without '..', up to {NAME_LIMIT} long"
            )
        if if_exists is IfExists.REFUSE and name in self._saved:
            raise FileExistsError(f"the name {name!r} is taken; replace_bytes and replace_file write over it")

    def _keep(self, name: str, copy: LocalFile) -> File:
        self.work.save(name, copy)
        self._saved.add(name)
        return known(digest=copy.digest, size=copy.size, media_type=copy.media_type, name=name, path=copy.path)
