"""One attempt as its own code sees it: the ports that the SDK asks for, called where the body runs."""

import hashlib
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeVar

from tidemill.core.ids import parse_digest, text_of
from tidemill.ports.clock import Clock
from tidemill.ports.threads import Threads
from tidemill.sdk.errors import InvalidInputError, NoLocalCopyError
from tidemill.sdk.file import File, LocalFile, known
from tidemill.sdk.ports import AttemptFacts, IfExists
from tidemill.wire.worker import Published
from tidemill.worker.attempt import LiveAttempt, Saved
from tidemill.worker.files import Files
from tidemill.worker.stream import Stream
from tidemill.worker.voice import Voice

T = TypeVar("T")

NAME_LIMIT = 255


speaking: ContextVar["BodyPorts | None"] = ContextVar("speaking", default=None)  # whose code runs


@dataclass(frozen=True)
class Surroundings:
    """What bodies share."""

    clock: Clock
    threads: Threads
    files: Files
    worker: str

    def locate(self, file: File) -> str:
        """The local path of an input's file, which was fetched before the body began."""
        if (path := self.files.find(parse_digest(file.digest))) is None:
            raise NoLocalCopyError(file.name or file.digest)
        return path


class BodyPorts:
    """The AttemptPort, the FilesPort and the Speaker of one attempt.

    Args:
        call: tells the control loop that the attempt has something to say.
    """

    __slots__ = ("_around", "_attempt", "_call", "_partial")

    def __init__(self, attempt: LiveAttempt, around: Surroundings, call: Callable[[LiveAttempt], None]) -> None:
        self._attempt, self._around, self._call = attempt, around, call
        self._partial: dict[str, str] | None = None  # output without its line end, by stream

    @property
    def facts(self) -> AttemptFacts:
        assign = self._attempt.assign
        return AttemptFacts(
            run=text_of(assign.attempt.run),
            path=assign.attempt.path,
            number=assign.attempt.number,
            task=assign.task,
            worker=self._around.worker,
            workflow=assign.workflow,
            priority=assign.priority,
            tags=assign.tags,
            deadline=self._deadline(),
        )

    def _deadline(self) -> datetime | None:
        assign, began_at = self._attempt.assign, self._around.clock.now()
        ends = [assign.deadline_at] if assign.deadline_at is not None else []
        if assign.timeout_s is not None:
            ends.append(began_at + int(assign.timeout_s * 1_000_000))
        return datetime.fromtimestamp(min(ends) / 1_000_000, UTC) if ends else None

    def is_cancelled(self) -> bool:
        return self._attempt.stop is not None

    def now(self) -> datetime:
        return datetime.fromtimestamp(self._around.clock.now() / 1_000_000, UTC)

    def progress(self, fraction: float, stage: str, message: str) -> None:
        self._live()
        self._voice().progress(fraction, stage, message)

    def heartbeat(self, details: str) -> None:
        self._live()
        if details:
            self._voice().details = details

    def save_bytes(self, name: str, data: bytes, if_exists: IfExists, media_type: str) -> File:
        self._check_name(name, if_exists)
        media_type = media_type or File(name).media_type
        return self._keep(name, self._around.files.copy_bytes(self._folder(), data, media_type))

    def save_file(self, name: str, path: str, if_exists: IfExists, media_type: str) -> File:
        self._check_name(name, if_exists)
        media_type = media_type or File(name).media_type
        return self._keep(name, self._around.files.copy_file(self._folder(), path, media_type))

    def folder(self) -> str:
        return self._around.files.folder(self._folder())

    def in_thread(self, function: Callable[[], T]) -> Awaitable[T]:
        return self._around.threads.call("task.files", function)

    def log(self, level: str, logger: str, text: str) -> None:
        self._voice().line(self._around.clock.now(), level, logger, text)

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

    def stream(self) -> Stream:
        attempt = self._attempt
        if attempt.stream is None:
            attempt.stream = Stream(attempt.ref, lambda: self._call(attempt))
        return attempt.stream

    def _voice(self) -> Voice:
        attempt = self._attempt
        if attempt.voice is None:
            attempt.voice = Voice(attempt.ref, lambda: self._call(attempt))
        return attempt.voice

    def _live(self) -> None:
        self._attempt.seen = self._around.clock.monotonic()

    def _folder(self) -> str:
        if not self._attempt.folder:
            attempt = self._attempt.ref
            place = hashlib.sha256(attempt.path.encode()).hexdigest()[:16]
            self._attempt.folder = f"{attempt.run.hex()}-{place}-{attempt.number}"
        return self._attempt.folder

    def _check_name(self, name: str, if_exists: IfExists) -> None:
        if not name or len(name) > NAME_LIMIT or name.startswith("/") or ".." in name.split("/") or "\0" in name:
            raise InvalidInputError(
                f"{name!r} is no name for a file; use a relative one without '..', up to {NAME_LIMIT} long"
            )
        if if_exists is IfExists.REFUSE and name in self._attempt.saved:
            raise FileExistsError(f"the name {name!r} is taken; replace_bytes and replace_file write over it")

    def _keep(self, name: str, copy: LocalFile) -> File:
        self._live()
        published = Published(name, copy.digest, copy.size, copy.media_type)
        self._attempt.saved[name] = Saved(published, copy)
        return known(digest=copy.digest, size=copy.size, media_type=copy.media_type, name=name, path=copy.path)
