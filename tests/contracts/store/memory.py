"""A store as a few dictionaries: what the port says, in the fewest words. Nobody uses it; stores are compared to it."""

from collections.abc import Callable, Iterable, Sequence
from operator import attrgetter
from typing import Any

from tidemill.core.ids import Instant, Path, RunId, SessionId
from tidemill.core.rows import Changes, History, Lane, Queued, Schedule, Timer
from tidemill.core.run import UNFINISHED, Attempt, Run, Step
from tidemill.core.served import KINDS
from tidemill.core.wait_rows import WaitRow
from tidemill.ports.store import RunFilter

Key = Any
KeyOf = Callable[[Any], Key]

# Lists of `Changes` that replace what was there, and the key of a row.
PUTS: dict[str, KeyOf] = {
    "runs": attrgetter("id"),
    "scopes": attrgetter("run", "path"),
    "steps": attrgetter("run", "path"),
    "attempts": attrgetter("run", "path", "number"),
    "artifacts": attrgetter("run", "path", "name"),
    "streams": attrgetter("run", "path", "number", "first"),
    "emitted": attrgetter("run", "number"),
    "timers_put": attrgetter("run", "path", "kind"),
    "sessions": attrgetter("id"),
    "limits": attrgetter("key"),
    "cached": attrgetter("key"),
    "schedules": attrgetter("name"),
    "submit_keys": attrgetter("name"),
    "waits": attrgetter("run", "path"),
    "mailboxes": attrgetter("address"),
    "signals": attrgetter("address", "id"),
    "pauses": attrgetter("kind", "name"),
    "attributes": attrgetter("run", "path"),
    "shelves": attrgetter("key"),
    "kept": attrgetter("owner", "name", "key"),
    "posted": attrgetter("owner", "name", "number"),
    "graphs": attrgetter("digest"),
    "lanes": attrgetter("id"),
    "tasks": lambda row: (row.definition.name, row.definition.digest, row.definition.implementation),
    "registered": lambda row: (KINDS[type(row)], row.name),
}
MAPS = ("values", "chunks", "blobs", "tagged")  # are dictionaries already
# What goes, and the table that it goes from: before the puts of its beat, and after them.
DROPS: dict[str, tuple[str, KeyOf]] = {
    "values_drop": ("values", lambda key: key),
    "timers_drop": ("timers_put", lambda key: key),
    "kept_drop": ("kept", lambda key: key),
    "pauses_drop": ("pauses", attrgetter("kind", "name")),
    "schedules_drop": ("schedules", attrgetter("name")),
}
LATE_DROPS: dict[str, tuple[str, KeyOf]] = {
    "registered_drop": ("registered", lambda key: key),
    "mailboxes_drop": ("mailboxes", lambda key: key),
}


class Lost(Exception):  # noqa: N818  # an answer of the model, not an error of ours
    """A claim of a row that is not there."""


class Memory:
    """All rows of one moment."""

    def __init__(self) -> None:
        self.tables: dict[str, dict[Key, Any]] = {name: {} for name in (*PUTS, *MAPS)}
        self.queue: dict[tuple[RunId, Path], Queued] = {}
        self.feed: list[tuple[int, History]] = []

    def copy(self) -> "Memory":
        twin = Memory()
        twin.tables = {name: dict(rows) for name, rows in self.tables.items()}
        twin.queue, twin.feed = dict(self.queue), list(self.feed)
        return twin

    def save(self, changes: Changes) -> None:
        """Raises Lost, after which it is of no use."""
        self._drop(changes, DROPS)
        for name, key_of in PUTS.items():
            self.tables[name].update((key_of(row), row) for row in getattr(changes, name))
        for name in MAPS:
            self.tables[name].update(getattr(changes, name))
        self._drop(changes, LATE_DROPS)
        for row in changes.queue_drop:
            if (there := self.queue.pop((row.run, row.path), None)) is None or _place(there) != _place(row):
                raise Lost
        self.queue.update(((row.run, row.path), row) for row in changes.queue_put)

    def _drop(self, changes: Changes, drops: dict[str, tuple[str, KeyOf]]) -> None:
        for name, (table, key_of) in drops.items():
            for each in getattr(changes, name):
                self.tables[table].pop(key_of(each), None)

    # What a beat asks ------------------------------------------------------------------------------

    def heads(self, lanes: Sequence[Lane], limit: int) -> list[Queued]:
        return [row for lane in lanes for row in sorted(self._queued(lane=lane), key=_place)[:limit]]

    def due(self, at: Instant, limit: int) -> list[Timer]:
        rows = [row for row in self.tables["timers_put"].values() if row.due_at <= at]
        return sorted(rows, key=lambda row: (row.due_at, row.run, row.path, row.kind.value))[:limit]

    def expired(self, at: Instant, limit: int) -> list[Queued]:
        rows = [row for row in self.queue.values() if row.expires_at <= at]
        return sorted(rows, key=lambda row: (row.expires_at, row.run, row.path))[:limit]

    def steps_after(self, run: RunId, path: Path, limit: int) -> list[Step]:
        return self.of_run("steps", run, lambda row: row.path > path)[:limit]

    def queued_after(self, run: RunId, path: Path, limit: int) -> list[Queued]:
        rows = [row for row in self._queued(run=run) if row.path > path]
        return sorted(rows, key=lambda row: row.path)[:limit]

    def alive_children(self, parent: RunId, limit: int) -> list[RunId]:
        return [run.id for run in self.runs() if run.parent == parent and run.status in UNFINISHED][:limit]

    def held_by(self, sessions: Iterable[SessionId]) -> list[Attempt]:
        wanted = set(sessions)
        rows = [row for row in self.tables["attempts"].values() if row.is_live and row.session in wanted]
        return sorted(rows, key=lambda row: (row.session, row.run, row.path, row.number))

    # What anybody asks -----------------------------------------------------------------------------

    def runs(self) -> list[Run]:
        """Oldest first."""
        return [row for _, row in sorted(self.tables["runs"].items())]

    def found(self, which: RunFilter) -> list[Run]:
        """Newest first, all of them."""
        tagged = self.tables["tagged"]
        return [
            run
            for run in reversed(self.runs())
            if (not which.workflow or run.workflow == which.workflow)
            and (not which.statuses or run.status in which.statuses)
            and (which.before is None or run.id < which.before)
            and all(tagged.get(run.id, {}).get(name) == text for name, text in which.tags)
        ]

    def of_run(self, table: str, run: RunId, fits: Callable[[Any], bool] = lambda _: True) -> list[Any]:
        """Rows of a run that have a path, by path."""
        rows = [row for row in self.tables[table].values() if row.run == run and fits(row)]
        return sorted(rows, key=lambda row: (row.path, getattr(row, "number", 0)))

    def values(self, run: RunId, path: Path) -> dict[str, Any]:
        return {port: value for (of, at, port), value in self.tables["values"].items() if (of, at) == (run, path)}

    def counts(self) -> dict[Lane, int]:
        lanes = [row.lane for row in self.queue.values()]
        return {lane: lanes.count(lane) for lane in sorted(set(lanes))}

    def schedules_due(self, at: Instant) -> list[Schedule]:
        rows = [row for row in self.tables["schedules"].values() if row.next_at is not None and row.next_at <= at]
        return sorted(rows, key=lambda row: (row.next_at, row.name))

    def waits(self, workflow: str) -> list[WaitRow]:
        rows = [row for row in self.tables["waits"].values() if row.workflow == workflow and row.closed is None]
        return sorted(rows, key=lambda row: (row.run, row.path))

    def _queued(self, lane: Lane | None = None, run: RunId | None = None) -> list[Queued]:
        return [row for row in self.queue.values() if lane in {None, row.lane} and run in {None, row.run}]


def _place(row: Queued) -> tuple[Lane, int, RunId, Path]:
    return (row.lane, row.order, row.run, row.path)
