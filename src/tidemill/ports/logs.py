"""What tasks print and log: a store of its own, so that it never enters a beat. Losing a little is allowed."""

from collections.abc import Sequence
from typing import Protocol

from msgspec import Struct

from tidemill.core.ids import Instant, Path, RunId
from tidemill.ports.faults import durable


class LogRow(Struct, frozen=True, gc=False):
    run: RunId
    path: Path
    number: int
    at: Instant
    level: str  # a name of `logging`, or STDOUT, STDERR
    logger: str
    text: str


class Logs(Protocol):
    @durable("logs.commit.before", "logs.commit.after")
    async def append(self, rows: Sequence[LogRow]) -> Sequence[int]:
        """Store a batch; give each row's sequence number. Keeps head and tail of 1 MiB per attempt, and a count."""
        ...

    async def read(self, run: RunId, path: Path | None, after: int, limit: int) -> Sequence[tuple[int, LogRow]]:
        """Rows of a run, or of one step, with a sequence number above ``after``, in order."""
        ...

    async def forget(self, run: RunId, limit: int) -> int:
        """Remove rows of a run, at most so many; give how many went, 0: none is left."""
        ...

    async def close(self) -> None: ...
