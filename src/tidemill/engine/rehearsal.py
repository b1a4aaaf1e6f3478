"""Rehearsals: a run is moved by the core alone, over rows in memory, until only a worker could take it further.

Nothing is written and nobody hears of it. What is recorded of its origin is read as it is needed.
"""

import asyncio
from collections import deque
from collections.abc import Iterator, Sequence

import msgspec
from msgspec import Struct

from tidemill.core.catalog import Catalog
from tidemill.core.chunks import elements_of, pack, plain
from tidemill.core.commands import Command, FetchLists, FetchOperands, Sweep
from tidemill.core.decide import Needs, decide
from tidemill.core.errors import InputError, InternalError
from tidemill.core.events import Event, FetchFailed, ListFetched, OperandsFetched, RunSubmitted, StepsFound, TimerDue
from tidemill.core.ids import Digest, Instant, Path, RunId
from tidemill.core.needed import keys_of
from tidemill.core.overlay import Overlay
from tidemill.core.rows import Entry, Keys, Rows, TimerKind
from tidemill.core.run import Code, Failure, Run
from tidemill.core.values import Blob, Encoding, Inline, Output, Source
from tidemill.engine.graphs import Graphs
from tidemill.ports.blobs import Blobs
from tidemill.ports.store import Queries

EVENTS_AT_MOST = 5_000
STEPS_AT_MOST = 100_000
FETCHED_LIMIT_BYTES = 16 * 1024 * 1024
_encode = msgspec.msgpack.Encoder().encode
_MOVED_BY_TIME = (TimerKind.FEED, TimerKind.FETCH, TimerKind.SWEEP)


class Rehearsed(Struct, frozen=True):
    """How far a run came. ``ended`` is its status, or "" when it would go on with ``fresh``."""

    run: Run
    reused: tuple[Path, ...]  # steps that took the recorded result
    fresh: tuple[Path, ...]  # steps that a worker would be given
    taken: tuple[str, ...]  # what was decided on the way: states, arms
    is_cut: bool  # it was longer than what is rehearsed

    @property
    def ended(self) -> str:
        return "" if self.fresh or self.is_cut or self.run.status == "running" else self.run.status


class Rehearsal:
    """Moves one run at a time."""

    def __init__(self, queries: Queries, graphs: Graphs, catalog: Catalog, blobs: Blobs) -> None:
        self._queries, self._graphs, self._catalog, self._blobs = queries, graphs, catalog, blobs

    async def run(self, event: RunSubmitted, at: Instant) -> Rehearsed:
        """Move the run that ``event`` submits as far as recorded results take it."""
        overlay = Overlay(at, bytes(16), self._catalog, self._graphs.layouts)
        left: deque[Event] = deque([event])
        count = 0
        while left and count < EVENTS_AT_MOST and len(overlay.steps.changed) < STEPS_AT_MOST:
            count += 1
            await asyncio.sleep(0)  # reading rows waits for nobody: beats and heartbeats come in between
            commands = await self._settle(overlay, left.popleft())
            left += [each for command in commands for each in await self._answers(overlay, command)]
            left += _timers(overlay)
        entries = overlay.history.get(event.run, [])
        fresh = tuple(path for run, path in overlay.ready if run == event.run)
        return Rehearsed(_run(overlay, event.run), tuple(_reused(entries)), fresh, tuple(_taken(entries)), bool(left))

    async def _settle(self, overlay: Overlay, event: Event) -> Sequence[Command]:
        await self._load(overlay, keys_of(event))
        while isinstance(outcome := decide(overlay, event), Needs):
            for digest in outcome.graphs:
                if await self._graphs.layout(digest) is None:
                    raise InternalError(f"the graph sha256:{digest.hex()} of a run is not in the store")
            await self._load(overlay, outcome.keys)
        overlay.lay(outcome)
        return outcome.commands

    async def _load(self, overlay: Overlay, keys: Keys) -> None:
        if keys:
            rows: Rows = await self._queries.rows(keys)
            overlay.learn(rows)

    # What the shell would answer -------------------------------------------------------------------

    async def _answers(self, overlay: Overlay, command: Command) -> Sequence[Event]:
        match command:
            case Sweep(run=run, prefix=prefix):
                below = [path for of, path in overlay.steps.changed if of == run and path.startswith(prefix)]
                return [StepsFound(run, prefix, tuple(sorted(below)), (), "")]
            case FetchLists(run=run, path=path) | FetchOperands(run=run, path=path):
                try:
                    return [await self._fetched(overlay, command)]
                except InputError as error:
                    return [FetchFailed(run, path, Failure(Code.INVALID_INPUT, str(error)))]
            case _:
                return ()

    async def _fetched(self, overlay: Overlay, order: FetchLists | FetchOperands) -> Event:
        if isinstance(order, FetchOperands):
            values = {place: Inline(await self._bytes(overlay, (order.run, *place))) for place in order.places}
            return OperandsFetched(order.run, order.path, values)
        lengths: dict[str, int] = {}
        chunks: dict[str, dict[int, bytes]] = {}
        for param, source in order.lists.items():
            elements = await self._elements(overlay, order.run, source)
            lengths[param] = len(elements)
            chunks[param] = dict(enumerate(pack(elements, Encoding.MSGPACK)))
        return ListFetched(order.run, order.path, lengths, chunks, done=True)

    async def _elements(self, overlay: Overlay, run: RunId, source: Source) -> Sequence[bytes]:
        if not isinstance(source, Output):
            raise InputError("a list that skips elements is not rehearsed")
        return elements_of(await self._bytes(overlay, (run, source.path, source.port)), Encoding.MSGPACK, source.fields)

    async def _bytes(self, overlay: Overlay, place: tuple[RunId, Path, str]) -> bytes:
        value = overlay.values.rows.get(place)
        match value:
            case Blob(digest=digest, size=size) if size <= FETCHED_LIMIT_BYTES:
                data = await self._blobs.fetch(Digest(digest), FETCHED_LIMIT_BYTES)
            case Inline(data=data):
                pass
            case _:
                raise InputError(f"{place[2]!r} of {place[1]!r} is too large, or too far away, to be rehearsed")
        return data if value.encoding is Encoding.MSGPACK else _encode(plain(data, Encoding.JSON))


def _timers(overlay: Overlay) -> list[Event]:
    """What goes on by itself; what waits for a time to come does not."""
    due = [
        timer for timer in overlay.timers_put.values() if timer.kind in _MOVED_BY_TIME and timer.due_at <= overlay.at
    ]
    for timer in due:
        del overlay.timers_put[timer.run, timer.path, timer.kind]
    return [TimerDue(timer) for timer in due]


def _run(overlay: Overlay, run: RunId) -> Run:
    row = overlay.runs.rows[run]
    if row is None:
        raise InternalError("a rehearsed run has no row")
    return row


def _reused(entries: Sequence[Entry]) -> Iterator[Path]:
    return (entry.path for entry in entries if entry.kind == "step_reused")


def _taken(entries: Sequence[Entry]) -> Iterator[str]:
    """The ways that were taken, each in a few words."""
    for entry in entries:
        match entry.kind:
            case "branch_taken":
                yield f"{entry.path}: {entry.detail['arm']}"
            case "state_entered":
                yield entry.path
            case "step_failed":
                yield f"{entry.path}: failed"
            case "run_ending" | "run_succeeded" | "run_failed":
                yield f"ends: {entry.detail.get('outcome', '')}"
            case _:
                pass
