"""A store of dictionaries."""

from typing import Any

from tidemill.core.overlay import Overlay
from tidemill.core.rows import Keys, Queued, Rows

TABLES = (
    "runs", "scopes", "steps", "attempts", "values", "chunks", "submit_keys", "waits", "mailboxes", "signals", "told",
)  # fmt: skip


class Tables:
    """A store of dictionaries."""

    def __init__(self) -> None:
        self.runs: dict[Any, Any] = {}
        self.scopes: dict[Any, Any] = {}
        self.steps: dict[Any, Any] = {}
        self.attempts: dict[Any, Any] = {}
        self.values: dict[Any, Any] = {}
        self.chunks: dict[Any, Any] = {}
        self.queue: dict[Any, Queued] = {}
        self.timers: dict[Any, Any] = {}
        self.streams: dict[Any, list[bytes]] = {}
        self.bytes: dict[bytes, bytes] = {}  # of blobs
        self.blobs: dict[Any, int] = {}
        self.submit_keys: dict[Any, Any] = {}
        self.waits: dict[Any, Any] = {}
        self.mailboxes: dict[Any, Any] = {}
        self.signals: dict[Any, Any] = {}
        self.told: dict[Any, Any] = {}

    def load(self, keys: Keys) -> Rows:
        rows = Rows()
        for name in TABLES:
            table = getattr(self, name)
            setattr(rows, name, {key: table.get(key) for key in getattr(keys, name)})
        rows.blobs = {digest: self.blobs.get(digest) for digest in keys.blobs}
        return rows

    def save(self, overlay: Overlay) -> None:
        for row in overlay.streams:
            items = self.streams.setdefault((row.path, row.number), [])
            assert row.first == len(items), "a gap in a stream"
            items += row.items
        for key in overlay.values_drop:
            self.values.pop(key, None)
        for name in TABLES:
            getattr(self, name).update(getattr(overlay, name).changed)
        for key in [*overlay.left, *overlay.left_by_key]:
            del self.queue[key]
        for key, queued in overlay.ready.items():
            assert key not in self.queue, f"{key} is in the queue already"
            self.queue[key] = queued
        for key in overlay.timers_drop:
            self.timers.pop(key, None)
        self.timers.update(overlay.timers_put)
