"""Rows by key, in bulk: the same for a beat and for a query."""

from collections.abc import Collection, Mapping

import apsw

from tidemill.adapters.storage.sqlite.connection import Bindings, Row, fetch_each
from tidemill.adapters.storage.sqlite.packing import (
    address_key,
    signal_key,
    unpack_attempt,
    unpack_attributes,
    unpack_cached,
    unpack_emitted,
    unpack_kept,
    unpack_limit,
    unpack_mailbox,
    unpack_run,
    unpack_schedule,
    unpack_scope,
    unpack_shelf,
    unpack_signal,
    unpack_step,
    unpack_submit_key,
    unpack_value,
    unpack_wait,
)
from tidemill.adapters.storage.sqlite.statements import statements
from tidemill.core.rows import Keys, Rows


def load_rows(db: apsw.Connection, keys: Keys) -> Rows:
    sql = statements("load")
    rows = Rows(
        runs=dict.fromkeys(keys.runs),
        scopes=dict.fromkeys(keys.scopes),
        steps=dict.fromkeys(keys.steps),
        attempts=dict.fromkeys(keys.attempts),
        values=dict.fromkeys(keys.values),
        chunks=dict.fromkeys(keys.chunks),
        blobs=dict.fromkeys(keys.blobs),
        limits=dict.fromkeys(keys.limits),
        cached=dict.fromkeys(keys.cached),
        schedules=dict.fromkeys(keys.schedules),
        submit_keys=dict.fromkeys(keys.submit_keys),
        waits=dict.fromkeys(keys.waits),
        mailboxes=dict.fromkeys(keys.mailboxes),
        signals=dict.fromkeys(keys.signals),
        told=dict.fromkeys(keys.told),
        attributes=dict.fromkeys(keys.attributes),
        shelves=dict.fromkeys(keys.shelves),
        kept=dict.fromkeys(keys.kept),
    )
    _load_states(db, sql, rows)
    for run, path, port, packed in _each(db, sql["values"], keys.values):
        rows.values[run, path, port] = unpack_value(packed)
    for run, path, param, number, data in _each(db, sql["chunks"], keys.chunks):
        rows.chunks[run, path, param, number] = data
    for digest, size in _each(db, sql["blobs"], [(digest,) for digest in keys.blobs]):
        rows.blobs[digest] = size
    _load_limits(db, sql, rows)
    _load_waits(db, sql, rows)
    _load_shared(db, sql, rows)
    return rows


def _load_shared(db: apsw.Connection, sql: Mapping[str, str], rows: Rows) -> None:
    for (packed,) in _each(db, sql["attributes"], rows.attributes):
        row = unpack_attributes(packed)
        rows.attributes[row.run, row.path] = row
    for (packed,) in _each(db, sql["shelves"], rows.shelves):
        shelf = unpack_shelf(packed)
        rows.shelves[shelf.key] = shelf
    for (packed,) in _each(db, sql["kept"], rows.kept):
        kept = unpack_kept(packed)
        rows.kept[kept.owner, kept.name, kept.key] = kept


def _load_limits(db: apsw.Connection, sql: Mapping[str, str], rows: Rows) -> None:
    for (packed,) in _each(db, sql["limits"], [(key,) for key in rows.limits]):
        limit = unpack_limit(packed)
        rows.limits[limit.key] = limit
    for (packed,) in _each(db, sql["cached"], [(key,) for key in rows.cached]):
        cached = unpack_cached(packed)
        rows.cached[cached.key] = cached
    for (packed,) in _each(db, sql["schedules"], [(name,) for name in rows.schedules]):
        schedule = unpack_schedule(packed)
        rows.schedules[schedule.name] = schedule
    for (packed,) in _each(db, sql["submit_keys"], [(name,) for name in rows.submit_keys]):
        named = unpack_submit_key(packed)
        rows.submit_keys[named.name] = named


def _load_waits(db: apsw.Connection, sql: Mapping[str, str], rows: Rows) -> None:
    for (packed,) in _each(db, sql["waits"], rows.waits):
        wait = unpack_wait(packed)
        rows.waits[wait.run, wait.path] = wait
    for (packed,) in _each(db, sql["mailboxes"], [address_key(each) for each in rows.mailboxes]):
        box = unpack_mailbox(packed)
        rows.mailboxes[box.address] = box
    for (packed,) in _each(db, sql["signals"], [signal_key(each) for each in rows.signals]):
        signal = unpack_signal(packed)
        rows.signals[signal.address, signal.id] = signal
    for (packed,) in _each(db, sql["told"], rows.told):
        told = unpack_emitted(packed)
        rows.told[told.run, told.type] = told


def _load_states(db: apsw.Connection, sql: Mapping[str, str], rows: Rows) -> None:
    for (packed,) in _each(db, sql["runs"], [(run,) for run in rows.runs]):
        found = unpack_run(packed)
        rows.runs[found.id] = found
    for (packed,) in _each(db, sql["scopes"], rows.scopes):
        scope = unpack_scope(packed)
        rows.scopes[scope.run, scope.path] = scope
    for (packed,) in _each(db, sql["steps"], rows.steps):
        step = unpack_step(packed)
        rows.steps[step.run, step.path] = step
    for (packed,) in _each(db, sql["attempts"], rows.attempts):
        attempt = unpack_attempt(packed)
        rows.attempts[attempt.run, attempt.path, attempt.number] = attempt


def _each(db: apsw.Connection, sql: str, keys: Collection[Bindings]) -> list[Row]:
    return fetch_each(db, sql, keys) if keys else []
