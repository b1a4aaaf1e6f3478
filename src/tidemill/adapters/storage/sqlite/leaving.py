"""Blobs that come, and what goes in a beat: rows of runs being removed, blobs that nobody names (ports/keeping.py)."""

import apsw

from tidemill.adapters.storage.keeping import OF_OWNER, OF_RUN
from tidemill.adapters.storage.sqlite.connection import fetch, fetch_each
from tidemill.adapters.storage.statements import statements
from tidemill.core.ids import RunId
from tidemill.core.rows import Changes
from tidemill.ports.store import BlobGoneError


def come_and_go(db: apsw.Connection, changes: Changes) -> None:
    if changes.blobs or changes.blob_refs:
        _name_blobs(db, changes)
    if changes.sweep or changes.blobs_leave or changes.blobs_claim or changes.blobs_drop:
        _let_leave(db, changes)


def _name_blobs(db: apsw.Connection, changes: Changes) -> None:
    """Note blobs that came, and who names which. Raises BlobGoneError."""
    sql = statements("sqlite/sql/save")
    before = db.total_changes()
    db.executemany(sql["blobs"], [(*item, changes.blobs_at.get(item[0], 0)) for item in changes.blobs.items()])
    if (refused := len(changes.blobs) - (db.total_changes() - before)) > 0:
        raise BlobGoneError(f"{refused} of {len(changes.blobs)} blobs are being removed: upload again")
    db.executemany(sql["blob_refs"], changes.blob_refs)
    named = dict.fromkeys(digest for _, digest in changes.blob_refs)
    if (lost := len(named) - len(fetch_each(db, sql["is_blob_there"], [(digest,) for digest in named]))) > 0:
        raise BlobGoneError(f"{lost} of {len(named)} blobs that are named are gone: upload again")


def _let_leave(db: apsw.Connection, changes: Changes) -> None:
    sql = statements("sql/keeping")
    db.executemany(sql["leave"], list(changes.blobs_leave.items()))
    db.executemany(sql["claim"], list(changes.blobs_claim.items()))
    db.executemany(sql["drop"], [(digest,) for digest in changes.blobs_drop])
    for run, limit in changes.sweep.items():
        if fetch(db, sql["is_removing"], (run,)):
            _sweep(db, run, limit)


def _sweep(db: apsw.Connection, run: RunId, limit: int) -> None:
    sql = statements("sql/keeping")
    owned = [(table, b"r" + run) for table in OF_OWNER]
    for table, key in [*((table, run) for table in OF_RUN), *owned, ("blob_ref", run)]:
        db.execute(sql[f"sweep_{table}"], (key, limit))
        limit -= db.changes()
        if limit <= 0:
            return
    db.execute(sql["sweep_run"], (run,))
