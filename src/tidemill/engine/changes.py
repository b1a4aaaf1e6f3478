"""What a beat writes: the changed rows of its overlay, and what was recorded beside decisions."""

from collections.abc import Sequence

from tidemill.core.overlay import Overlay
from tidemill.core.rows import Changes, History, Queued

# Lists of rows that are recorded as they are when a run is imported, or an import is given up.
_OF_RUNS = (
    *("runs", "scopes", "steps", "attempts", "streams", "artifacts", "emitted", "history", "waits", "mailboxes"),
    *("signals", "attributes", "shelves", "kept", "posted"),
)


def changes_of(overlay: Overlay, left: Sequence[Queued], recorded: Sequence[Changes]) -> Changes:
    """Everything of one beat; ``left`` are queue rows that only the store knew."""
    changes = Changes(
        runs=list(overlay.runs.changed.values()),
        scopes=list(overlay.scopes.changed.values()),
        steps=list(overlay.steps.changed.values()),
        attempts=list(overlay.attempts.changed.values()),
        values=overlay.values.changed,
        chunks=overlay.chunks.changed,
        queue_put=list(overlay.ready.values()),
        queue_drop=[*overlay.left.values(), *left],
        timers_put=list(overlay.timers_put.values()),
        timers_drop=list(overlay.timers_drop),
        streams=overlay.streams,
        artifacts=overlay.artifacts,
        emitted=overlay.emitted,
        limits=list(overlay.limits.changed.values()),
        cached=list(overlay.cached.changed.values()),
        blob_refs=list(overlay.blob_refs),
        lanes=list(overlay.lanes.values()),
        schedules=list(overlay.schedules.changed.values()),
        schedules_drop=list(overlay.schedules_drop.values()),
        fires=overlay.fires,
        submit_keys=list(overlay.submit_keys.changed.values()),
        values_drop=list(overlay.values_drop),
        waits=list(overlay.waits.changed.values()),
        mailboxes=[each for each in overlay.mailboxes.changed.values() if not each.is_empty],
        mailboxes_drop=[each.address for each in overlay.mailboxes.changed.values() if each.is_empty],
        signals=list(overlay.signals.changed.values()),
        tagged=overlay.tagged,
        attributes=list(overlay.attributes.changed.values()),
        shelves=list(overlay.shelves.changed.values()),
        kept_drop=list(overlay.kept_drop),
        kept=list(overlay.kept.changed.values()),
        posted=overlay.posted,
        history=[History(run, overlay.at, tuple(entries)) for run, entries in overlay.history.items()],
    )
    for each in recorded:
        _add(changes, each)
    if changes.extended:  # a session that came or went in this beat has its row already
        written = {row.id for row in changes.sessions}
        changes.extended = list({row.id: row for row in changes.extended if row.id not in written}.values())
    changes.blobs_at = dict.fromkeys(changes.blobs, overlay.at)
    return changes


def _add(changes: Changes, each: Changes) -> None:
    changes.sessions += each.sessions
    changes.extended += each.extended
    changes.tasks += each.tasks
    changes.graphs += each.graphs
    changes.pauses += each.pauses
    changes.pauses_drop += each.pauses_drop
    changes.blobs.update(each.blobs)
    changes.outbox += each.outbox
    changes.sent += each.sent
    changes.registered += each.registered
    changes.registered_drop += each.registered_drop
    changes.sweep.update(each.sweep)
    changes.blobs_leave.update(each.blobs_leave)
    changes.blobs_claim.update(each.blobs_claim)
    changes.blobs_drop += each.blobs_drop
    changes.blob_refs += each.blob_refs
    for name in _OF_RUNS:
        if many := getattr(each, name):
            getattr(changes, name).extend(many)
    changes.values.update(each.values)
    changes.chunks.update(each.chunks)
    changes.tagged.update(each.tagged)
