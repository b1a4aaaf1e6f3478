"""What a beat writes, in one statement where it may be: the statements of `save.sql` that it needs, joined.

All parts of one statement see the same moment, so a table that loses rows and gets others takes two, unless they are
about other steps. What sweeps, and what looks at what was written, comes after.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any

from tidemill.adapters.storage.keeping import OF_OWNER, OF_RUN
from tidemill.adapters.storage.packing import (
    BINDINGS,
    LOADS,
    Bound,
    history_bindings,
    pack,
    queue_bindings,
    queue_key,
    stale_fires,
    tag_bindings,
)
from tidemill.adapters.storage.postgres.connection import Meter
from tidemill.adapters.storage.postgres.loading import parameters, shifted
from tidemill.adapters.storage.postgres.turns import Turns
from tidemill.adapters.storage.statements import statements
from tidemill.core.ids import RunId
from tidemill.core.rows import Changes
from tidemill.core.webhooks import KEPT
from tidemill.ports.store import BlobGoneError, ClaimLostError, HeldElsewhereError

# Rows that a table may hold already, by how many of their columns are the key.
_KEYS = {
    **dict.fromkeys(("runs", "limits", "cached", "lanes", "graphs", "submit_keys", "schedules", "outbox", "blobs"), 1),
    **dict.fromkeys(("sessions",), 1),
    **dict.fromkeys(("scopes", "steps", "emitted", "fires", "registered", "pauses", "waits", "attributes"), 2),
    **dict.fromkeys(("attempts", "values", "timers_put", "artifacts", "tasks", "shelves", "kept", "posted"), 3),
    **dict.fromkeys(("chunks", "streams", "mailboxes"), 4),
    "signals": 5,
}
_FIRST = ("values_drop", "timers_drop", "schedules_drop", "pauses_drop", "kept_drop", "tagged_drop", "queue_drop")
_LAST = ("registered_drop", "mailboxes_drop", "sent", "extended")
# Rows that runs share: what was not there when it was looked for may not be there now.
_CHECKED = ("runs", "limits", "schedules", "submit_keys", "mailboxes", "signals", "shelves", "kept")
_EPOCHS = {
    "tasks": ("tasks",),
    "graphs": ("graphs",),
    "lanes": ("lanes",),
    "pauses": ("pauses", "pauses_drop"),
    "registered": ("registered", "registered_drop"),
    "schedules": ("schedules", "schedules_drop"),
}
# Where PostgreSQL has other columns than SQLite, or the list answers something.
_OWN: Mapping[str, Callable[[Changes], list[Bound]]] = {
    "sessions": lambda c: [(r.id, r.worker, r.server, int(r.live), r.seen_at, pack(r)) for r in c.sessions],
    "extended": lambda c: [(int(r.live), r.seen_at, pack(r), r.id, r.server) for r in c.extended],
    "notes": lambda c: [(r.server, pack(r)) for r in c.notes],
    "blobs": lambda c: [(digest, size, c.blobs_at.get(digest, 0)) for digest, size in c.blobs.items()],
    "blob_refs": lambda c: list(c.blob_refs),
    "queue_drop": lambda c: [queue_key(row) for row in c.queue_drop],
    "queue_put": lambda c: [queue_bindings(row) for row in c.queue_put],
    "history": history_bindings,
}
_BINDINGS = {**dict(BINDINGS), **_OWN}

Absent = set[tuple[str, Any]]
"""Keys of shared rows, with the names of their lists, that were not there when the beat looked."""


class Saving:
    """The writes of one beat. ``absent`` is the beat's own set: what is made leaves it."""

    def __init__(self, line: Turns, meter: Meter, absent: Absent) -> None:
        self._line, self._meter, self._absent = line, meter, absent
        self._next = 0  # number of a history row

    async def save(self, changes: Changes) -> Sequence[int]:
        rows = _rows_of(changes)
        self._meter.rows_written += sum(map(len, rows.values()))
        for name in [name for name in _FIRST if name in rows and not _is_apart(name, rows)]:
            await self._alone(name, rows.pop(name))
        last = {name: rows.pop(name) for name in _LAST if name in rows and not _is_apart(name, rows)}
        numbers = await self._together(rows)
        for name, bound in last.items():
            await self._alone(name, bound)
        await self._afterwards(changes)
        return numbers

    async def _alone(self, name: str, rows: Sequence[Bound]) -> None:
        found = await self._line.fetch(_save()[name], *zip(*rows, strict=True))
        if name == "queue_drop":
            _check_claims(len(found), rows)

    async def _together(self, rows: Mapping[str, Sequence[Bound]]) -> Sequence[int]:
        if not rows:
            return ()
        names = tuple(rows)
        bound: list[Any] = [self._next] if "history" in rows else []
        for name in names:
            bound += zip(*rows[name], strict=True)
        base, claimed, blobs, *met = (await self._line.fetch(_joined(names), *bound))[0]
        if "queue_drop" in rows:
            _check_claims(claimed, rows["queue_drop"])
        if (refused := len(rows.get("blobs", ())) - blobs) > 0:
            raise BlobGoneError(f"{refused} of {len(rows['blobs'])} blobs are being removed: upload again")
        for name, packed in zip([name for name in _CHECKED if name in rows], met, strict=True):
            self._check_made(name, packed)
        self._absent.difference_update({key for key in self._absent if key[0] in rows})
        if base is None:
            return ()
        self._next = base + len(rows["history"])
        return range(base, self._next)

    def _check_made(self, name: str, updated: Sequence[bytes]) -> None:
        for packed in updated:
            key = LOADS[name].key(LOADS[name].unpack(packed))
            if (name, key) in self._absent:
                raise HeldElsewhereError(RunId(key) if name == "runs" else None)

    async def _afterwards(self, changes: Changes) -> None:
        """Rows of bounded tables whose time is over go when others come; blobs that are named must be there."""
        await self._name_blobs(changes)
        await self._sweep(changes)
        if changes.sweep or changes.blobs_leave or changes.blobs_claim or changes.blobs_drop:
            await self._let_leave(changes)
        raised = [kind for kind, lists in _EPOCHS.items() if any(getattr(changes, name) for name in lists)]
        if raised:
            await self._line.fetch(_save()["epochs"], raised)

    async def _name_blobs(self, changes: Changes) -> None:
        if changes.blob_refs:
            named = {digest for _, digest in changes.blob_refs}
            there = await self._line.fetch(_save()["named"], list(named))
            if (lost := len(named) - len(there)) > 0:
                raise BlobGoneError(f"{lost} of {len(named)} blobs that are named are gone: upload again")

    async def _sweep(self, changes: Changes) -> None:
        for name, at in _sweeps(changes):
            await self._line.fetch(_save()[name], at)
        if stale := stale_fires(changes):
            await self._line.fetch(_save()["fires_sweep"], *zip(*stale, strict=True))
        for hook in sorted({row.hook for row in (*changes.outbox, *changes.sent) if row.due_at is None}):
            await self._line.fetch(_save()["outbox_sweep"], hook, KEPT)
        if gone := [name for kind, name in changes.registered_drop if kind == "webhook"]:
            await self._line.fetch(_save()["outbox_drop"], gone)

    async def _let_leave(self, changes: Changes) -> None:
        sql, fetch = _save(), self._line.fetch
        if changes.blobs_leave:  # first their locks, then a new look at who names them
            held = [digest for (digest,) in await fetch(sql["may_leave"], list(changes.blobs_leave))]
            await fetch(sql["leave"], held, [changes.blobs_leave[digest] for digest in held])
        if changes.blobs_claim:
            await fetch(sql["claim"], list(changes.blobs_claim), list(changes.blobs_claim.values()))
        if changes.blobs_drop:
            await fetch(sql["drop"], changes.blobs_drop)
        for run, limit in changes.sweep.items():
            if await fetch(_keeping()["is_removing"], run):
                await self._sweep_run(run, limit)

    async def _sweep_run(self, run: RunId, limit: int) -> None:
        sql = _keeping()
        owned = [(table, b"r" + run) for table in OF_OWNER]
        for table, key in [*((table, run) for table in OF_RUN), *owned, ("blob_ref", run)]:
            limit -= len(await self._line.fetch(f"{sql[f'sweep_{table}']} returning 1", key, limit))
            if limit <= 0:
                return
        await self._line.fetch(sql["sweep_run"], run)


def _save() -> Mapping[str, str]:
    return statements("postgres/sql/save")


@cache
def _keeping() -> Mapping[str, str]:
    return {name: numbered(text) for name, text in statements("sql/keeping").items()}


def numbered(sql: str) -> str:
    """A statement of both databases as PostgreSQL writes it: `?` is the next parameter, `?2` the second."""
    parts = sql.split("?")
    text, used = parts[0], 0
    for part in parts[1:]:
        if part[:1].isdigit():
            text += f"${part}"
        else:
            used += 1
            text += f"${used}{part}"
    return text


def _rows_of(changes: Changes) -> dict[str, list[Bound]]:
    """What each list binds, for those that have rows; of rows with one key the last one counts."""
    rows = {name: bind(changes) for name, bind in _BINDINGS.items() if getattr(changes, name)}
    if changes.tagged:
        rows["tagged_drop"] = [(run,) for run in changes.tagged]
        rows["tagged"] = tag_bindings(changes.tagged)
    for name, width in _KEYS.items():
        if len(rows.get(name, ())) > 1:
            rows[name] = list({row[:width]: row for row in rows[name]}.values())
    if len(rows.get("extended", ())) > 1:
        rows["extended"] = list({row[3]: row for row in rows["extended"]}.values())
    if len(rows.get("queue_put", ())) > 1:
        rows["queue_put"] = list({row[2:4]: row for row in rows["queue_put"]}.values())
    return {name: listed for name, listed in rows.items() if listed}


def _is_apart(name: str, rows: Mapping[str, Sequence[Bound]]) -> bool:
    """Whether a list can be in one statement with what comes to its table."""
    match name:
        case "queue_drop":
            return not {row[2:] for row in rows[name]} & {row[2:4] for row in rows.get("queue_put", ())}
        case "timers_drop":
            return not set(rows[name]) & {row[:3] for row in rows.get("timers_put", ())}
        case "extended":  # a row that one statement inserts, it cannot change
            return "sessions" not in rows
        case _:
            return False


@cache
def _joined(names: tuple[str, ...]) -> str:
    parts, used = [], 0
    if "history" in names:
        parts.append(f"mark as materialized ({_save()['mark']})")
        used = 1
    for name in names:
        sql = _save()[name]
        parts.append(f"w_{name} as ({shifted(sql, used)})")
        used += parameters(sql)
    answers = [
        "(select base from mark)" if "history" in names else "null::bigint",
        "(select count(*) from w_queue_drop)" if "queue_drop" in names else "0",
        "(select count(*) from w_blobs)" if "blobs" in names else "0",
        *(f"array(select packed from w_{name} where not is_new)" for name in _CHECKED if name in names),  # noqa: S608 -- our own texts
    ]
    return f"with {', '.join(parts)} select {', '.join(answers)}"


def _check_claims(found: int, rows: Sequence[Bound]) -> None:
    if (missing := len(rows) - found) > 0:
        raise ClaimLostError(f"{missing} of {len(rows)} queued steps are gone")


def _sweeps(changes: Changes) -> list[tuple[str, int]]:
    found = []
    if changes.cached:
        found.append(("cached_sweep", max(row.made_at for row in changes.cached)))
    if changes.submit_keys:
        found.append(("submit_keys_sweep", max(row.made_at for row in changes.submit_keys)))
    if changes.signals:
        found.append(("signals_sweep", max(row.sent_at for row in changes.signals)))
    return found
