"""What a store answers about what may go, and about one run as a whole (docs/design/keeping.md).

Removing a run, in this order, each step a commit, each repeatable:

1. ``Changes.runs``: its row with ``hidden=REMOVING``, ``Changes.tagged``: no tags. From then on nobody sees it.
2. ``Changes.sweep``: rows of a run that is hidden so, at most so many; its names of blobs go after all others, and its
   own row last. A run that is not hidden so loses nothing.

Removing a blob: `Changes.blobs_leave` marks it, or `Changes.blobs_claim` makes a marked row for bytes that no row
knows; then the bytes go; then `Changes.blobs_drop` takes the marked row. A marked blob counts as missing in `load`,
`rows` and `save`. Where several processes write, naming a blob and marking it must exclude each other: one of the two
commits fails, or sees the other.
"""

from collections.abc import Sequence
from typing import Protocol

from msgspec import Struct

from tidemill.core.ids import Digest, Instant, RunId
from tidemill.core.rows import Changes
from tidemill.core.run import Run

Moment = tuple[Instant, RunId]  # when a run ended (`Run.aged_at`), and which


class EndedFilter(Struct, frozen=True):
    """Runs of one workflow with one final status, up to ``upto``, the earliest end first. Hidden ones are none."""

    workflow: str
    status: str
    upto: Moment
    after: Moment = (0, RunId(b""))
    limit: int = 100


class BlobRow(Struct, frozen=True):
    digest: Digest
    size: int
    touched_at: Instant  # when its bytes came last
    is_named: bool
    is_leaving: bool


class Part(Struct, frozen=True):
    """Some rows of a run, as a beat would write them; ``rest_after`` leads to the next ones, None: there are none."""

    changes: Changes
    rest_after: bytes | None


class Keeping(Protocol):
    """Reads of committed rows; each is bounded by its ``limit``."""

    async def workflows(self, after: str, limit: int) -> Sequence[str]:
        """Names of workflows of which a run has ended, in order; costs nothing for each further run."""
        ...

    async def ended(self, which: EndedFilter) -> Sequence[Run]: ...

    async def nth_ended(self, workflow: str, status: str, skip: int) -> Moment | None:
        """The run that ended latest but for ``skip`` others of this workflow and status."""
        ...

    async def hidden(self, limit: int) -> Sequence[Run]:
        """Runs that are on their way in or out, by id."""
        ...

    async def blobs(self, after: bytes, limit: int) -> Sequence[BlobRow]:
        """By digest."""
        ...

    async def leaving(self, limit: int) -> Sequence[Digest]:
        """Blobs that are marked."""
        ...

    async def part(self, run: RunId, after: bytes, limit: int) -> Part:
        """Rows of a run, each once; ``after`` b"" starts. Of one that is not final they may not fit together.

        Queue rows, timers, and keys of submissions are none of them. `save` of all parts in another store makes the
        same run there; the rows of the run itself are in the first part.
        """
        ...
