"""What a task logs and prints goes to its attempt; what anything else logs and prints goes where it always went.

A context variable of the worker says whose code runs. Threads that a task starts by itself do not inherit it.
"""

import io
import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol, TextIO

from tidemill.adapters.system.program_output import captured_programs


class Speaker(Protocol):
    """The attempt whose code runs."""

    def log(self, level: str, logger: str, text: str) -> None: ...

    def write(self, level: str, text: str) -> None:
        """A piece of output, with or without line ends."""
        ...


Speaking = Callable[[], Speaker | None]


class AttemptLog(logging.Handler):
    """Takes the records that tasks make, on whatever logger."""

    def __init__(self, level: int, speaking: Speaking) -> None:
        super().__init__(level)
        self._speaking = speaking
        self.setFormatter(logging.Formatter("%(message)s"))

    def emit(self, record: logging.LogRecord) -> None:
        if (speaker := self._speaking()) is None or vars(record).setdefault("taken_for_attempt", self) is not self:
            return  # one process may hold several workers, and a record is taken once
        try:
            speaker.log(record.levelname, record.name, self.format(record))
        except Exception:  # noqa: BLE001 - a message that cannot be formatted is the caller's fault, and logging's way
            self.handleError(record)


class CapturedStream(io.TextIOBase):
    """Stands in for ``sys.stdout`` or ``sys.stderr``."""

    def __init__(self, original: TextIO, level: str, speaking: Speaking) -> None:
        self._original, self._level, self._speaking = original, level, speaking

    def write(self, text: str, /) -> int:
        if (speaker := self._speaking()) is None:
            return self._original.write(text)
        speaker.write(self._level, text)
        return len(text)

    def flush(self) -> None:
        if self._speaking() is None:
            self._original.flush()

    def close(self) -> None:
        """Nothing here is ours to end: what is behind it may be closed by now, and goes on for others if not."""

    def isatty(self) -> bool:
        return self._original.isatty()

    def fileno(self) -> int:
        return self._original.fileno()

    def writable(self) -> bool:
        return True

    @property
    def encoding(self) -> str:  # type: ignore[override]  # a plain attribute in the stub
        return self._original.encoding


@contextmanager
def captured_output(speaking: Speaking, level: int = logging.INFO) -> Iterator[None]:
    """For the life of a worker process: logging from ``level`` on, print and programs of tasks go to ``speaking()``."""
    streams = (sys.stdout, sys.stderr)
    with captured_log(speaking, level):
        sys.stdout = CapturedStream(sys.stdout, "STDOUT", speaking)
        sys.stderr = CapturedStream(sys.stderr, "STDERR", speaking)
        try:
            with captured_programs(speaking):
                yield
        finally:
            sys.stdout, sys.stderr = streams


@contextmanager
def captured_log(speaking: Speaking, level: int = logging.INFO) -> Iterator[None]:
    """Logging of tasks alone, for a process whose output is read from outside."""
    root, log = logging.getLogger(), AttemptLog(level, speaking)
    before = root.level
    root.addHandler(log)
    if before > level or before == logging.NOTSET:
        root.setLevel(level)
    try:
        yield
    finally:
        root.removeHandler(log)
        root.setLevel(before)
