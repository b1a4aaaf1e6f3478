"""What the SDK needs of the process that runs a task; the worker implements it."""

from collections.abc import Awaitable, Callable, Generator, Mapping, Sequence
from datetime import datetime
from enum import Enum
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from tidemill.core.bodies import SharedCall, SharedEnd
from tidemill.core.telling import Emission
from tidemill.sdk.file import File

if TYPE_CHECKING:
    from tidemill.sdk.definition import Definition

T = TypeVar("T")
R_co = TypeVar("R_co", covariant=True)


class IfExists(Enum):
    """What saving under a name does that this run has used already."""

    REFUSE = "refuse"
    REPLACE = "replace"


class ChildRun(Protocol[R_co]):
    """A run that a task has started. It belongs to the task's run, and stops when that ends.

    While a body waits here, its place among the worker's attempts is another's.
    """

    def result(self) -> R_co:
        """Wait for the end, in code that is not async. Raises RunFailedError, RunCancelledError."""
        ...

    def __await__(self) -> Generator[Any, None, R_co]:
        """The same in async code."""
        ...


class AttemptPort(Protocol):
    """One attempt. Called from the thread that the body runs in; none but ``share`` waits for the server."""

    def is_cancelled(self) -> bool: ...

    def now(self) -> datetime: ...

    def progress(self, fraction: float, stage: str, message: str) -> None: ...

    def heartbeat(self, details: str) -> None: ...

    def child(
        self, definition: "Definition[..., R_co]", args: Sequence[Any], kwargs: Mapping[str, Any]
    ) -> "ChildRun[R_co]":
        """Start a run that belongs to this one."""
        ...

    def emit(self, emission: Emission) -> None:
        """An event of the run that has been checked."""
        ...

    def measure(self, name: str, value: float, unit: str) -> bool:
        """Whether there was room for another name."""
        ...

    def share(self, call: SharedCall) -> SharedEnd:
        """Ask a store or channel, in code that is not async; waits for the answer."""
        ...

    def ashare(self, call: SharedCall) -> Awaitable[SharedEnd]:
        """The same in async code."""
        ...

    def log(self, level: str, logger: str, text: str) -> None: ...

    def save_bytes(self, name: str, data: bytes, if_exists: IfExists, media_type: str) -> File: ...

    def save_file(self, name: str, path: str, if_exists: IfExists, media_type: str) -> File:
        """Take a copy; the caller may change or delete the original afterwards."""
        ...

    def mark_hot(self, name: str, size: int) -> None: ...

    def mark_cold(self, name: str) -> None: ...


class FilesPort(Protocol):
    def folder(self) -> str:
        """The attempt's private folder; made at the first call."""
        ...

    def in_thread(self, function: Callable[[], T]) -> Awaitable[T]:
        """Run a blocking function off the loop."""
        ...
