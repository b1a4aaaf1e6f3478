"""Reads of committed rows for everybody but the beat: the same statements for SQLite and PostgreSQL."""

import heapq
from collections.abc import Iterator, Sequence
from itertools import islice

import msgspec

from tidemill.adapters.storage.keeping import PackedKeeping
from tidemill.adapters.storage.packing import (
    Bound,
    unpack_artifact,
    unpack_attempt,
    unpack_attributes,
    unpack_delivery,
    unpack_emitted,
    unpack_fire,
    unpack_graph,
    unpack_history,
    unpack_kept,
    unpack_lane,
    unpack_pause,
    unpack_posted,
    unpack_registered,
    unpack_run,
    unpack_schedule,
    unpack_scope,
    unpack_session,
    unpack_step,
    unpack_stream,
    unpack_task,
    unpack_value,
    unpack_wait,
)
from tidemill.core.ids import Digest, Instant, Path, RunId
from tidemill.core.rows import (
    Artifact,
    Emitted,
    Fire,
    GraphRow,
    History,
    LaneRow,
    Pause,
    Schedule,
    Session,
    StreamItems,
    TaskRow,
)
from tidemill.core.run import STATUSES, UNFINISHED, Attempt, Run, Step
from tidemill.core.scopes import ScopeRow
from tidemill.core.served import Registered
from tidemill.core.shared_rows import Attributes, Kept, Posted
from tidemill.core.sharing import ABOVE_ALL
from tidemill.core.values import Value
from tidemill.core.wait_rows import WaitKind, WaitRow
from tidemill.core.webhooks import Delivery
from tidemill.ports.store import NEWEST, GraphCursor, RunFilter, RunsFound, WaitFilter

LOOKED_AT = 1000  # runs of one page that is about few of them
_ABOVE_ALL = b"\xff" * 17  # greater than any run's id


class PackedQueries(PackedKeeping):
    """All reads but those that an engine does in its own way."""

    async def runs(self, which: RunFilter) -> Sequence[Run]:
        below = which.before or _ABOVE_ALL
        if which.parent is not None:
            return await self._runs("runs_of_parent", (which.parent, below, which.limit))
        many: list[tuple[str, Bound]]
        if which.workflow:
            many = [("runs_of_workflow", (which.workflow, status)) for status in which.statuses or STATUSES]
        else:
            many = [("runs_of_status", (status,)) for status in which.statuses]
        if not many:
            return [unpack_run(packed) for (packed,) in await self._fetch("runs", (below, which.limit))]
        pages = [await self._runs(name, (*bound, below, which.limit)) for name, bound in many]
        return _first(heapq.merge(*pages, key=lambda run: run.id, reverse=True), which.limit)

    async def find(self, which: RunFilter) -> RunsFound:
        if which.parent is not None or not (which.tags or which.created_before_at):
            found = await self.runs(which)
            return RunsFound(found, found[-1].id if len(found) == which.limit else None)
        looked = await self._candidates(which)
        kept: list[Run] = []
        for number, run in enumerate(looked, 1):
            if _fits(run, which):
                kept.append(run)
            if len(kept) == which.limit and number < len(looked):
                return RunsFound(kept, run.id)
        return RunsFound(kept, looked[-1].id if len(looked) == LOOKED_AT else None)

    async def _candidates(self, which: RunFilter) -> Sequence[Run]:
        if not which.tags:
            return await self.runs(msgspec.structs.replace(which, limit=LOOKED_AT))
        bound = (*which.tags[0], which.before or _ABOVE_ALL, LOOKED_AT)
        return await self._runs("runs_of_tag", bound)

    async def pauses(self) -> Sequence[Pause]:
        return [unpack_pause(packed) for (packed,) in await self._fetch("pauses")]

    async def unfinished(self, after: RunId | None, limit: int) -> Sequence[Run]:
        pages = [await self._runs("unfinished", (status, after or b"", limit)) for status in UNFINISHED]
        return _first(heapq.merge(*pages, key=lambda run: run.id), limit)

    async def steps(self, run: RunId, after: Path, limit: int) -> Sequence[Step]:
        return [unpack_step(packed) for (packed,) in await self._fetch("steps", (run, self._following(after), limit))]

    async def children(self, parent: RunId) -> int:
        count: int = (await self._fetch("children", (parent,)))[0][0]
        return count

    async def scopes(self, run: RunId, after: Path, limit: int) -> Sequence[ScopeRow]:
        return [unpack_scope(packed) for (packed,) in await self._fetch("scopes", (run, self._following(after), limit))]

    async def attempts(self, run: RunId, path: Path | None, limit: int) -> Sequence[Attempt]:
        if path is None:
            rows = await self._fetch("attempts_of_run", (run, limit))
        else:
            rows = await self._fetch("attempts_of_step", (run, path, limit))
        return [unpack_attempt(packed) for (packed,) in rows]

    async def values(self, run: RunId, path: Path) -> dict[str, Value]:
        return {port: unpack_value(packed) for port, packed in await self._fetch("values", (run, path))}

    async def stream(self, run: RunId, path: Path, number: int, first: int, limit: int) -> Sequence[StreamItems]:
        bound = (run, path, number, first, limit)
        return [unpack_stream(packed) for (packed,) in await self._fetch("stream", bound)]

    async def artifacts(self, run: RunId) -> Sequence[Artifact]:
        return [unpack_artifact(packed) for (packed,) in await self._fetch("artifacts", (run,))]

    async def emitted(self, run: RunId, kind: str, after: int, limit: int) -> Sequence[Emitted]:
        if kind:
            rows = await self._fetch("emitted_of_type", (run, kind, after, limit))
        else:
            rows = await self._fetch("emitted", (run, after, limit))
        return [unpack_emitted(packed) for (packed,) in rows]

    async def feed(self, after: int, run: RunId | None, limit: int) -> Sequence[tuple[int, History]]:
        if run is None:
            rows = await self._fetch("feed", (after, limit))
        else:
            rows = await self._fetch("feed_of_run", (run, after, limit))
        return [(number, unpack_history(packed)) for number, packed in rows]

    async def sessions(self, limit: int) -> Sequence[Session]:
        return [unpack_session(packed) for (packed,) in await self._fetch("sessions", (limit,))]

    async def tasks(self) -> Sequence[TaskRow]:
        return [unpack_task(packed) for (packed,) in await self._fetch("tasks")]

    async def lanes(self) -> Sequence[LaneRow]:
        return [unpack_lane(packed) for (packed,) in await self._fetch("lanes")]

    async def graphs(self, limit: int, before: GraphCursor = NEWEST) -> Sequence[GraphRow]:
        return [unpack_graph(packed) for (packed,) in await self._fetch("graphs", (*before, limit))]

    async def graph(self, digest: Digest) -> GraphRow | None:
        rows = await self._fetch("graph", (digest,))
        return unpack_graph(rows[0][0]) if rows else None

    async def attributes(self, run: RunId, after: Path, limit: int) -> Sequence[Attributes]:
        return [unpack_attributes(packed) for (packed,) in await self._fetch("attributes", (run, after, limit))]

    async def kept(self, owner: bytes, name: str, prefix: str, after: str, limit: int) -> Sequence[Kept]:
        rows = await self._fetch("kept", (owner, name, after, prefix, prefix + ABOVE_ALL, limit))
        return [unpack_kept(packed) for (packed,) in rows]

    async def posted(self, owner: bytes, name: str, after: int, limit: int) -> Sequence[Posted]:
        return [unpack_posted(packed) for (packed,) in await self._fetch("posted", (owner, name, after, limit))]

    async def registered(self) -> Sequence[Registered]:
        return [unpack_registered(packed) for (packed,) in await self._fetch("registered")]

    async def deliveries(self, hook: str, before: bytes | None, limit: int) -> Sequence[Delivery]:
        rows = await self._fetch("deliveries", (hook, before or _ABOVE_ALL, limit))
        return [unpack_delivery(packed) for (packed,) in rows]

    async def delivery(self, id: bytes) -> Delivery | None:  # noqa: A002  # its name
        rows = await self._fetch("delivery", (id,))
        return unpack_delivery(rows[0][0]) if rows else None

    async def due_deliveries(self, hook: str, limit: int) -> Sequence[Delivery]:
        return [unpack_delivery(packed) for (packed,) in await self._fetch("due_deliveries", (hook, limit))]

    async def waits(self, which: WaitFilter) -> Sequence[WaitRow]:
        run, path = which.after or (b"", "")
        if which.run is not None:
            bound: Bound = (which.run, self._following(path), int(which.open_only), which.limit)
            return [unpack_wait(packed) for (packed,) in await self._fetch("waits_of_run", bound)]
        kinds = which.kinds or tuple(WaitKind)
        if which.workflow:
            many: list[tuple[str, Bound]] = [("waits_of_workflow", (which.workflow, kind.value)) for kind in kinds]
        elif which.kinds:
            many = [("waits_of_kind", (kind.value,)) for kind in kinds]
        else:
            many = [("waits", ())]
        pages = [await self._fetch(name, (*bound, run, path, which.limit)) for name, bound in many]
        rows = heapq.merge(
            *([unpack_wait(packed) for (packed,) in page] for page in pages), key=lambda row: (row.run, row.path)
        )
        return list(islice(rows, which.limit))

    async def next_due(self) -> Instant | None:
        due_at: Instant | None = (await self._fetch("next_due"))[0][0]
        return due_at

    async def schedules(self, after: str, limit: int) -> Sequence[Schedule]:
        return [unpack_schedule(packed) for (packed,) in await self._fetch("schedules", (after, limit))]

    async def schedules_due(self, at: Instant, limit: int) -> Sequence[Schedule]:
        return [unpack_schedule(packed) for (packed,) in await self._fetch("schedules_due", (at, limit))]

    async def schedules_busy(self, after: str, limit: int) -> Sequence[Schedule]:
        return [unpack_schedule(packed) for (packed,) in await self._fetch("schedules_busy", (after, limit))]

    async def next_fire(self) -> Instant | None:
        next_at: Instant | None = (await self._fetch("next_fire"))[0][0]
        return next_at

    async def fires(self, schedule: bytes, before: int, limit: int) -> Sequence[Fire]:
        return [unpack_fire(packed) for (packed,) in await self._fetch("fires", (schedule, before, limit))]

    async def _runs(self, name: str, bindings: Bound) -> list[Run]:
        return [unpack_run(packed) for (packed,) in await self._fetch(name, bindings)]

    def _following(self, path: Path) -> Path:
        """The least path above this one; "" stays, since it means the start and a scope may have it."""
        return path + self._least if path else path


def _fits(run: Run, which: RunFilter) -> bool:
    return (
        all(run.tags.get(name) == text for name, text in which.tags)
        and (not which.statuses or run.status in which.statuses)
        and which.workflow in ("", run.workflow)
        and (not which.created_before_at or run.created_at < which.created_before_at)
    )


def _first(runs: Iterator[Run], limit: int) -> list[Run]:
    return [run for run, _ in zip(runs, range(limit), strict=False)]
