"""Rows by key, in bulk: the same for a beat and for a query."""

from collections.abc import Collection

import apsw

from tidemill.adapters.storage.packing import LOADS, no_rows, unpack_value
from tidemill.adapters.storage.sqlite.connection import Bindings, Row, fetch_each
from tidemill.adapters.storage.statements import statements
from tidemill.core.rows import Keys, Rows


def load_rows(db: apsw.Connection, keys: Keys) -> Rows:
    sql = statements("sqlite/sql/load")
    rows = no_rows(keys)
    for name, load in LOADS.items():
        if wanted := getattr(keys, name):
            found = getattr(rows, name)
            for (packed,) in fetch_each(db, sql[name], map(load.bind, wanted)):
                row = load.unpack(packed)
                found[load.key(row)] = row
    for run, path, port, packed in _each(db, sql["values"], keys.values):
        rows.values[run, path, port] = unpack_value(packed)
    for run, path, param, number, data in _each(db, sql["chunks"], keys.chunks):
        rows.chunks[run, path, param, number] = data
    for digest, size in _each(db, sql["blobs"], [(digest,) for digest in keys.blobs]):
        rows.blobs[digest] = size
    return rows


def _each(db: apsw.Connection, sql: str, keys: Collection[Bindings]) -> list[Row]:
    return fetch_each(db, sql, keys) if keys else []
