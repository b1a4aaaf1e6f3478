"""Rows in and out of a database: the columns that SQL needs, and the whole row packed with msgpack.

The stores on SQLite and on PostgreSQL share all of this: a new kind of row is added here once, and to the SQL of each.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from tidemill.adapters.storage.sealing import opener, seal
from tidemill.core.ids import RunId
from tidemill.core.notes import Note
from tidemill.core.rows import (
    FIRES_KEPT,
    Artifact,
    Cached,
    Changes,
    Emitted,
    Fire,
    GraphRow,
    History,
    Keys,
    LaneRow,
    Limit,
    Pause,
    Queued,
    Rows,
    Schedule,
    Session,
    StreamItems,
    SubmitKey,
    TaskRow,
    Timer,
)
from tidemill.core.run import Attempt, AttemptEnded, Run, Step
from tidemill.core.scopes import ScopeRow
from tidemill.core.served import KINDS, Registered
from tidemill.core.shared_rows import Attributes, Kept, Posted, Shelf
from tidemill.core.values import Value
from tidemill.core.wait_rows import Address, Mailbox, SignalKey, SignalRow, WaitRow
from tidemill.core.webhooks import Delivery

Bound = tuple[Any, ...]

pack = seal
unpack_run = opener(Run)
unpack_scope: Callable[[bytes], ScopeRow] = opener(ScopeRow)
unpack_step = opener(Step)
unpack_attempt = opener(Attempt)
unpack_value: Callable[[bytes], Value] = opener(Value)
unpack_timer = opener(Timer)
unpack_stream = opener(StreamItems)
unpack_emitted = opener(Emitted)
unpack_artifact = opener(Artifact)
unpack_history = opener(History)
unpack_session = opener(Session)
unpack_lane = opener(LaneRow)
unpack_task = opener(TaskRow)
unpack_graph = opener(GraphRow)
unpack_limit = opener(Limit)
unpack_schedule = opener(Schedule)
unpack_fire = opener(Fire)
unpack_cached = opener(Cached)
unpack_pause = opener(Pause)
unpack_submit_key = opener(SubmitKey)
unpack_delivery = opener(Delivery)
unpack_registered: Callable[[bytes], Registered] = opener(Registered)
unpack_wait = opener(WaitRow)
unpack_mailbox = opener(Mailbox)
unpack_signal = opener(SignalRow)
unpack_attributes = opener(Attributes)
unpack_shelf = opener(Shelf)
unpack_kept = opener(Kept)
unpack_posted = opener(Posted)
unpack_note = opener(Note)


def queued_of(row: Bound) -> Queued:
    return Queued(*row)


# What each list of a beat's changes binds to the statement of the same name in save.sql, in this order. The queue and
# the history are not among them: they answer something.
BINDINGS: Sequence[tuple[str, Callable[[Changes], list[Bound]]]] = (
    ("runs", lambda c: [(r.id, r.workflow, r.status, r.parent, *dates_of(r), pack(r)) for r in c.runs]),
    ("scopes", lambda c: [(r.run, r.path, pack(r)) for r in c.scopes]),
    ("steps", lambda c: [(r.run, r.path, pack(r)) for r in c.steps]),
    (
        "attempts",
        lambda c: [
            (r.run, r.path, r.number, None if type(r.state) is AttemptEnded else r.session, pack(r)) for r in c.attempts
        ],
    ),
    ("values_drop", lambda c: c.values_drop),
    ("values", lambda c: [(*key, pack(value)) for key, value in c.values.items()]),
    ("chunks", lambda c: [(*key, data) for key, data in c.chunks.items()]),
    ("timers_drop", lambda c: [(run, path, kind.value) for run, path, kind in c.timers_drop]),
    ("timers_put", lambda c: [(r.run, r.path, r.kind.value, r.due_at, pack(r)) for r in c.timers_put]),
    ("streams", lambda c: [(r.run, r.path, r.number, r.first, len(r.items), pack(r)) for r in c.streams]),
    ("emitted", lambda c: [(r.run, r.number, r.type, pack(r)) for r in c.emitted]),
    ("artifacts", lambda c: [(r.run, r.path, r.name, pack(r)) for r in c.artifacts]),
    ("sessions", lambda c: [(r.id, int(r.live), r.seen_at, pack(r)) for r in c.sessions]),
    ("extended", lambda c: [(int(r.live), r.seen_at, pack(r), r.id) for r in c.extended]),
    (
        "tasks",
        lambda c: [
            (r.definition.name, r.definition.digest, r.definition.implementation, r.announced_at, pack(r))
            for r in c.tasks
        ],
    ),
    ("lanes", lambda c: [(r.id, pack(r)) for r in c.lanes]),
    ("graphs", lambda c: [(r.digest, r.created_at, pack(r)) for r in c.graphs]),
    ("limits", lambda c: [(r.key, pack(r)) for r in c.limits]),
    ("cached", lambda c: [(r.key, r.expires_at, pack(r)) for r in c.cached]),
    ("schedules_drop", lambda c: [(r.name,) for r in c.schedules_drop]),
    ("schedules", lambda c: [(r.name, r.next_at, int(r.is_busy), pack(r)) for r in c.schedules]),
    ("fires", lambda c: [(r.schedule, r.number, pack(r)) for r in c.fires]),
    ("pauses_drop", lambda c: [(r.kind.value, r.name) for r in c.pauses_drop]),
    ("pauses", lambda c: [(r.kind.value, r.name, pack(r)) for r in c.pauses]),
    ("submit_keys", lambda c: [(r.name, r.expires_at, pack(r)) for r in c.submit_keys]),
    ("outbox", lambda c: [(r.id, r.hook, r.due_at, pack(r)) for r in c.outbox]),
    ("sent", lambda c: [(r.due_at, pack(r), r.id) for r in c.sent]),
    ("registered", lambda c: [(KINDS[type(r)], r.name, pack(r)) for r in c.registered]),
    ("registered_drop", lambda c: list(c.registered_drop)),
    (
        "waits",
        lambda c: [
            (r.run, r.path, r.workflow, r.kind.value, int(r.closed is None), r.opened_at, pack(r)) for r in c.waits
        ],
    ),
    ("mailboxes", lambda c: [(*address_key(r.address), pack(r)) for r in c.mailboxes]),
    ("mailboxes_drop", lambda c: [address_key(each) for each in c.mailboxes_drop]),
    ("signals", lambda c: [(*signal_key((r.address, r.id)), r.expires_at, pack(r)) for r in c.signals]),
    ("attributes", lambda c: [(r.run, r.path, pack(r)) for r in c.attributes]),
    ("shelves", lambda c: [(*r.key, pack(r)) for r in c.shelves]),
    ("kept_drop", lambda c: list(c.kept_drop)),
    ("kept", lambda c: [(r.owner, r.name, r.key, pack(r)) for r in c.kept]),
    ("posted", lambda c: [(r.owner, r.name, r.number, pack(r)) for r in c.posted]),
)


def dates_of(run: Run) -> tuple[int | None, RunId | None]:
    """When it ended, if it is shown; and the run that it takes results from."""
    return run.aged_at, (run.fork.origin if run.fork else None)


def stale_fires(changes: Changes) -> list[Bound]:
    """Lines that are no longer kept; of a schedule that is gone, none is."""
    newest = {row.schedule: row.number - FIRES_KEPT for row in changes.fires}
    return [*newest.items(), *((row.id, row.lines) for row in changes.schedules_drop)]


def address_key(address: Address) -> Bound:
    return (address.run, address.kind.value, address.name, address.key)


def signal_key(key: SignalKey) -> Bound:
    return (*address_key(key[0]), key[1])


def tag_bindings(tagged: Mapping[RunId, Mapping[str, str]]) -> list[Bound]:
    return [(run, name, text) for run, tags in tagged.items() for name, text in tags.items()]


def history_bindings(changes: Changes) -> list[Bound]:
    return [(r.run, pack(r)) for r in changes.history]


def queue_key(row: Queued) -> Bound:
    return (row.lane, row.order, row.run, row.path)


def queue_bindings(row: Queued) -> Bound:
    return (row.lane, row.order, row.run, row.path, row.expires_at, row.limit, row.home)


class Load(NamedTuple):
    """How rows of one list of `Keys` are found: what a key binds, and the key of a row."""

    bind: Callable[[Any], Bound]
    unpack: Callable[[bytes], Any]
    key: Callable[[Any], Any]


# By the name in `Keys` and `Rows`. Values, chunks and blobs are not among them: they do not hold their keys.
LOADS: Mapping[str, Load] = {
    "runs": Load(lambda key: (key,), unpack_run, lambda r: r.id),
    "scopes": Load(tuple, unpack_scope, lambda r: (r.run, r.path)),
    "steps": Load(tuple, unpack_step, lambda r: (r.run, r.path)),
    "attempts": Load(tuple, unpack_attempt, lambda r: (r.run, r.path, r.number)),
    "limits": Load(lambda key: (key,), unpack_limit, lambda r: r.key),
    "cached": Load(lambda key: (key,), unpack_cached, lambda r: r.key),
    "schedules": Load(lambda key: (key,), unpack_schedule, lambda r: r.name),
    "submit_keys": Load(lambda key: (key,), unpack_submit_key, lambda r: r.name),
    "waits": Load(tuple, unpack_wait, lambda r: (r.run, r.path)),
    "mailboxes": Load(address_key, unpack_mailbox, lambda r: r.address),
    "signals": Load(signal_key, unpack_signal, lambda r: (r.address, r.id)),
    "told": Load(tuple, unpack_emitted, lambda r: (r.run, r.type)),
    "attributes": Load(tuple, unpack_attributes, lambda r: (r.run, r.path)),
    "shelves": Load(tuple, unpack_shelf, lambda r: r.key),
    "kept": Load(tuple, unpack_kept, lambda r: (r.owner, r.name, r.key)),
}


def no_rows(keys: Keys) -> Rows:
    """None for each key."""
    asked: dict[str, Any] = {name: dict.fromkeys(getattr(keys, name)) for name in keys.__struct_fields__}
    return Rows(**asked)
