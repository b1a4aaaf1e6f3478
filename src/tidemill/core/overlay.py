"""The rows of one beat: what was loaded, and over it what the beat's decisions changed.

`Overlay` is mutable and belongs to the beat. A decision works on a `Draft` over it, which is thrown away when rows
are missing or the decision fails, and is laid into the overlay when it is done.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from tidemill.core.catalog import Catalog
from tidemill.core.commands import Command
from tidemill.core.errors import InternalError
from tidemill.core.ids import Digest, Instant, Path, RunId
from tidemill.core.plan import Layout
from tidemill.core.rows import (
    Artifact,
    AttemptKey,
    Cached,
    ChunkKey,
    Emitted,
    Entry,
    Fire,
    Keys,
    Lane,
    LaneRow,
    Limit,
    Queued,
    Rows,
    Schedule,
    StepKey,
    StreamItems,
    SubmitKey,
    Timer,
    TimerKind,
    ValueKey,
)
from tidemill.core.rules import OnLost
from tidemill.core.run import Attempt, Run, Step
from tidemill.core.scopes import ScopeRow
from tidemill.core.shared_rows import Attributes, Kept, KeptKey, Posted, Shelf, ShelfKey
from tidemill.core.tables import GraphMissingError, RowsMissingError, Table
from tidemill.core.values import Blob, Inline, Value
from tidemill.core.wait_rows import Address, EventKey, Mailbox, SignalKey, SignalRow, WaitRow


class Overlay:
    def __init__(
        self,
        at: Instant,
        chance: bytes,
        catalog: Catalog,
        layouts: dict[Digest, Layout],
        lanes_known: Mapping[Lane, LaneRow] = MappingProxyType({}),
    ) -> None:
        self.at, self.chance, self.catalog, self.layouts = at, chance, catalog, layouts
        self.lanes_known = lanes_known  # durable ones of nodes
        self.on_lost = OnLost.FAIL
        self.runs: Table[RunId, Run] = Table()
        self.scopes: Table[StepKey, ScopeRow] = Table()
        self.steps: Table[StepKey, Step] = Table()
        self.attempts: Table[AttemptKey, Attempt] = Table()
        self.values: Table[ValueKey, Value] = Table()
        self.chunks: Table[ChunkKey, bytes] = Table()
        self.decoded: dict[ChunkKey, Sequence[Inline | Blob]] = {}  # chunks, unpacked once a beat
        self.blobs: dict[Digest, int | None] = {}
        self.limits: Table[bytes, Limit] = Table()
        self.cached: Table[bytes, Cached] = Table()
        self.submit_keys: Table[bytes, SubmitKey] = Table()
        self.values_drop: dict[ValueKey, None] = {}
        self.waits: Table[StepKey, WaitRow] = Table()
        self.mailboxes: Table[Address, Mailbox] = Table()
        self.signals: Table[SignalKey, SignalRow] = Table()
        self.told: Table[EventKey, Emitted] = Table()  # the latest event of a type
        self.tagged: dict[RunId, dict[str, str]] = {}
        self.attributes: Table[StepKey, Attributes] = Table()
        self.shelves: Table[ShelfKey, Shelf] = Table()
        self.kept: Table[KeptKey, Kept] = Table()
        self.kept_drop: dict[KeptKey, None] = {}
        self.posted: list[Posted] = []
        self.freed: dict[bytes, None] = {}  # limits with a slot that another step may have
        self.ready: dict[StepKey, Queued] = {}  # became ready in this beat
        self.left: dict[StepKey, Queued] = {}  # rows of the queue table to delete
        self.left_by_key: dict[StepKey, None] = {}
        self.timers_put: dict[tuple[RunId, Path, TimerKind], Timer] = {}
        self.timers_drop: dict[tuple[RunId, Path, TimerKind], None] = {}
        self.blob_refs: dict[tuple[RunId, Digest], None] = {}
        self.streams: list[StreamItems] = []
        self.artifacts: list[Artifact] = []
        self.emitted: list[Emitted] = []
        self.history: dict[RunId, list[Entry]] = {}
        self.lanes: dict[Lane, LaneRow] = {}
        self.schedules: Table[str, Schedule] = Table()
        self.schedules_drop: dict[str, Schedule] = {}
        self.fires: list[Fire] = []

    def learn(self, rows: Rows) -> None:
        self.runs.learn(rows.runs)
        self.scopes.learn(rows.scopes)
        self.steps.learn(rows.steps)
        self.attempts.learn(rows.attempts)
        self.values.learn(rows.values)
        self.chunks.learn(rows.chunks)
        self.blobs.update(rows.blobs)
        self.limits.learn(rows.limits)
        self.cached.learn(rows.cached)
        self.schedules.learn(rows.schedules)
        self.submit_keys.learn(rows.submit_keys)
        self.waits.learn(rows.waits)
        self.mailboxes.learn(rows.mailboxes)
        self.signals.learn(rows.signals)
        self.told.learn(rows.told)
        self.attributes.learn(rows.attributes)
        self.shelves.learn(rows.shelves)
        self.kept.learn(rows.kept)

    def lay(self, draft: "Draft") -> None:
        """Make what a decision changed part of the beat."""
        self._lay_rows(draft)
        if draft.ready or draft.unready or draft.left or draft.left_by_key:
            self._lay_queue(draft)
        if draft.timers_put or draft.timers_drop:
            self._lay_timers(draft)
        if draft.limits or draft.freed or draft.cached or draft.submit_keys or draft.tagged:
            self._lay_rules(draft)
        if draft.waits or draft.mailboxes or draft.signals or draft.told or draft.attributes:
            self._lay_waits(draft)
        if draft.blob_refs:
            self.blob_refs.update(draft.blob_refs)
        if draft.streams or draft.artifacts or draft.emitted:
            self.streams += draft.streams
            self.artifacts += draft.artifacts
            self.emitted += draft.emitted
        for run, entries in draft.history.items():
            self.history.setdefault(run, []).extend(entries)

    def _lay_rows(self, draft: "Draft") -> None:
        """Most decisions change rows of few kinds, and a call costs more than a look."""
        if draft.runs:
            self.runs.put(draft.runs)
        if draft.scopes:
            self.scopes.put(draft.scopes)
        if draft.steps:
            self.steps.put(draft.steps)
        if draft.attempts:
            self.attempts.put(draft.attempts)
        for key in draft.values_drop:
            self.values.rows[key] = None
            self.values.changed.pop(key, None)
            self.values_drop[key] = None
        if draft.values:
            self.values.put(draft.values)
        if draft.chunks:
            self.chunks.put(draft.chunks)

    def _lay_queue(self, draft: "Draft") -> None:
        if draft.ready:
            self.ready.update(draft.ready)
            self.lanes.update(draft.lanes)
        for key in draft.unready:
            if (row := self.ready.pop(key, None)) is None:
                raise InternalError(f"step {key[1]!r} left the queue, but was not put there in this beat")
            if row.limit and not row.home:
                self.freed[row.limit] = None  # it was let go on for a slot in this beat, which another may have
        if draft.left_by_key:
            self.left_by_key.update(dict.fromkeys(draft.left_by_key))
        for queued in draft.left:
            self.left[queued.run, queued.path] = queued

    def _lay_rules(self, draft: "Draft") -> None:
        self.limits.put(draft.limits)
        self.freed.update(draft.freed)
        self.cached.put(draft.cached)
        self.submit_keys.put(draft.submit_keys)
        self.tagged.update(draft.tagged)

    def _lay_waits(self, draft: "Draft") -> None:
        self.waits.put(draft.waits)
        self.mailboxes.put(draft.mailboxes)
        self.signals.put(draft.signals)
        self.told.put(draft.told)
        self.attributes.put(draft.attributes)

    def _lay_timers(self, draft: "Draft") -> None:
        """Drops, then puts: a timer that is due goes, and may set itself anew."""
        for key in draft.timers_drop:
            self.timers_put.pop(key, None)
            self.timers_drop[key] = None
        for timer in draft.timers_put:
            key = (timer.run, timer.path, timer.kind)
            self.timers_drop.pop(key, None)
            self.timers_put[key] = timer


class Draft:
    """What one decision has changed so far, over the overlay. Reading a row that is not loaded raises."""

    __slots__ = (
        "artifacts",
        "at",
        "attempts",
        "attributes",
        "blob_refs",
        "cached",
        "catalog",
        "chance",
        "chunks",
        "commands",
        "emitted",
        "freed",
        "history",
        "lanes",
        "left",
        "left_by_key",
        "limits",
        "mailboxes",
        "over",
        "ready",
        "runs",
        "scopes",
        "signals",
        "steps",
        "streams",
        "submit_keys",
        "tagged",
        "timers_drop",
        "timers_put",
        "told",
        "unready",
        "values",
        "values_drop",
        "waits",
    )

    def __init__(self, over: Overlay) -> None:
        self.over = over
        self.at, self.chance, self.catalog = over.at, over.chance, over.catalog
        self.runs: dict[RunId, Run] = {}
        self.scopes: dict[StepKey, ScopeRow] = {}
        self.steps: dict[StepKey, Step] = {}
        self.attempts: dict[AttemptKey, Attempt] = {}
        self.values: dict[ValueKey, Value] = {}
        self.chunks: dict[ChunkKey, bytes] = {}
        self.limits: dict[bytes, Limit] = {}
        self.cached: dict[bytes, Cached] = {}
        self.submit_keys: dict[bytes, SubmitKey] = {}
        self.values_drop: list[ValueKey] = []
        self.waits: dict[StepKey, WaitRow] = {}
        self.mailboxes: dict[Address, Mailbox] = {}
        self.signals: dict[SignalKey, SignalRow] = {}
        self.told: dict[EventKey, Emitted] = {}
        self.tagged: dict[RunId, dict[str, str]] = {}
        self.attributes: dict[StepKey, Attributes] = {}
        self.freed: dict[bytes, None] = {}
        self.ready: dict[StepKey, Queued] = {}
        self.unready: list[StepKey] = []
        self.left: list[Queued] = []
        self.left_by_key: list[StepKey] = []  # queue rows to delete whose lane is not at hand
        self.timers_put: list[Timer] = []
        self.timers_drop: list[tuple[RunId, Path, TimerKind]] = []
        self.blob_refs: dict[tuple[RunId, Digest], None] = {}
        self.streams: list[StreamItems] = []
        self.artifacts: list[Artifact] = []
        self.emitted: list[Emitted] = []
        self.history: dict[RunId, list[Entry]] = {}
        self.lanes: dict[Lane, LaneRow] = {}
        self.commands: list[Command] = []

    # Reading ---------------------------------------------------------------------------------------

    def run(self, run: RunId) -> Run | None:
        if (row := self.runs.get(run)) is not None:
            return row
        try:
            return self.over.runs.rows[run]
        except KeyError:
            raise RowsMissingError(Keys(runs=[run])) from None

    def scope(self, run: RunId, path: Path) -> ScopeRow | None:
        key = (run, path)
        if (row := self.scopes.get(key)) is not None:
            return row
        try:
            return self.over.scopes.rows[key]
        except KeyError:
            raise RowsMissingError(Keys(scopes=[key])) from None

    def step(self, run: RunId, path: Path) -> Step | None:
        key = (run, path)
        if (row := self.steps.get(key)) is not None:
            return row
        try:
            return self.over.steps.rows[key]
        except KeyError:
            raise RowsMissingError(Keys(steps=[key])) from None

    def attempt(self, run: RunId, path: Path, number: int) -> Attempt | None:
        key = (run, path, number)
        if (row := self.attempts.get(key)) is not None:
            return row
        try:
            return self.over.attempts.rows[key]
        except KeyError:
            raise RowsMissingError(Keys(attempts=[key])) from None

    def value(self, run: RunId, path: Path, port: str) -> Value | None:
        key = (run, path, port)
        if (row := self.values.get(key)) is not None:
            return row
        try:
            return self.over.values.rows[key]
        except KeyError:
            raise RowsMissingError(Keys(values=[key])) from None

    def chunk(self, key: ChunkKey) -> bytes | None:
        if (row := self.chunks.get(key)) is not None:
            return row
        try:
            return self.over.chunks.rows[key]
        except KeyError:
            raise RowsMissingError(Keys(chunks=[key])) from None

    def limit(self, key: bytes) -> Limit:
        if (row := self.limits.get(key)) is not None:
            return row
        try:
            return self.over.limits.rows[key] or Limit(key)
        except KeyError:
            raise RowsMissingError(Keys(limits=[key])) from None

    def cached_result(self, key: bytes) -> Cached | None:
        try:
            return self.over.cached.rows[key]
        except KeyError:
            raise RowsMissingError(Keys(cached=[key])) from None

    def submit_key(self, name: bytes) -> SubmitKey | None:
        if (row := self.submit_keys.get(name)) is not None:
            return row
        try:
            return self.over.submit_keys.rows[name]
        except KeyError:
            raise RowsMissingError(Keys(submit_keys=[name])) from None

    def require_blobs(self, digests: list[Digest]) -> list[Digest]:
        """Those of ``digests`` that nobody has uploaded."""
        unseen = [digest for digest in digests if digest not in self.over.blobs]
        if unseen:
            raise RowsMissingError(Keys(blobs=unseen))
        return [digest for digest in digests if self.over.blobs[digest] is None]

    def layout(self, graph: Digest) -> Layout:
        """Where the paths of a workflow lead."""
        try:
            return self.over.layouts[graph]
        except KeyError:
            raise GraphMissingError(graph) from None

    # Changing --------------------------------------------------------------------------------------

    def put_run(self, row: Run) -> None:
        self.runs[row.id] = row

    def put_scope(self, row: ScopeRow) -> None:
        self.scopes[row.run, row.path] = row

    def put_step(self, row: Step) -> None:
        self.steps[row.run, row.path] = row

    def put_attempt(self, row: Attempt) -> None:
        self.attempts[row.run, row.path, row.number] = row

    def put_limit(self, row: Limit) -> None:
        self.limits[row.key] = row

    def put_cached(self, row: Cached) -> None:
        self.cached[row.key] = row

    def put_submit_key(self, row: SubmitKey) -> None:
        self.submit_keys[row.name] = row

    def note(self, run: RunId, entry: Entry) -> None:
        """Add a line to the run's history."""
        entries = self.history.get(run)
        if entries is None:
            self.history[run] = [entry]
        else:
            entries.append(entry)

    def order(self, command: Command) -> None:
        self.commands.append(command)
