"""The file of a run: a tar whose members come in this order (docs/design/keeping.md).

```text
tidemill-run.json     RunHead
graphs/DIGEST.json    the run's graph, and that of its origin, as published
blobs/DIGEST          bytes that the run names
rows/NUMBER.msgpack   RunRows
logs/NUMBER.msgpack   LogRows
end.json              RunTail: without it, the file is half a file
```
"""

from msgspec import Struct, field

from tidemill.core.ids import Digest, Instant, Path, RunId
from tidemill.core.rows import Artifact, Emitted, History, StreamItems
from tidemill.core.run import Attempt, Run, Step
from tidemill.core.scopes import ScopeRow
from tidemill.core.shared_rows import Attributes, Kept, Posted, Shelf
from tidemill.core.values import Value
from tidemill.core.wait_rows import Mailbox, SignalRow, WaitRow

FORMAT, VERSION = "tidemill.run", 1
HEAD, TAIL = "tidemill-run.json", "end.json"


class RunHead(Struct, frozen=True):
    """``version`` rises when an older server could not read the file any more."""

    format: str
    version: int
    run: str
    workflow: str
    status: str
    created_at: str
    ended_at: str
    tidemill: str  # that wrote it


class RunTail(Struct, frozen=True):
    """The sha256 of each member but the blobs, whose names say theirs, in hexadecimal, in order; and how many blobs."""

    members: dict[str, str]
    blobs: int


class RunRows(Struct, omit_defaults=True):
    """Rows of one run as the store has them; each row is in one member."""

    run: list[Run] = field(default_factory=list)
    scopes: list[ScopeRow] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    attempts: list[Attempt] = field(default_factory=list)
    values: list[tuple[Path, str, Value]] = field(default_factory=list)
    chunks: list[tuple[Path, str, int, bytes]] = field(default_factory=list)
    streams: list[StreamItems] = field(default_factory=list)
    artifacts: list[Artifact] = field(default_factory=list)
    emitted: list[Emitted] = field(default_factory=list)
    waits: list[WaitRow] = field(default_factory=list)
    mailboxes: list[Mailbox] = field(default_factory=list)
    signals: list[SignalRow] = field(default_factory=list)
    attributes: list[Attributes] = field(default_factory=list)
    history: list[History] = field(default_factory=list)
    posted: list[Posted] = field(default_factory=list)
    kept: list[Kept] = field(default_factory=list)
    shelves: list[Shelf] = field(default_factory=list)
    blobs: list[Digest] = field(default_factory=list)  # that the run names


class LoggedLine(Struct, array_like=True):
    path: Path
    number: int
    at: Instant
    level: str
    logger: str
    text: str


class LogLines(Struct):
    lines: list[LoggedLine]


class Imported(Struct, frozen=True):
    run: str
    workflow: str
    status: str
    rows: int
    blobs: int


def run_of(rows: RunRows, run: RunId) -> bool:
    """Whether all rows are those of one run."""
    plain = (*rows.scopes, *rows.steps, *rows.attempts, *rows.streams, *rows.artifacts, *rows.emitted, *rows.waits)
    owners = [*(each.owner for each in rows.posted), *(each.owner for each in rows.kept)]
    owners += [each.owner for each in rows.shelves]
    mails = [*(each.address.run for each in rows.mailboxes), *(each.address.run for each in rows.signals)]
    runs = [each.id for each in rows.run] + [each.run for each in (*plain, *rows.attributes, *rows.history)]
    return {*runs, *mails} <= {run} and set(owners) <= {b"r" + run}
