"""A whole look at a file of ours: SQLite's own check, each row's seal, and whether a row stands under its own key."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import apsw

from tidemill.adapters.storage.packing import LOADS, Bound
from tidemill.adapters.storage.sealing import RowDamagedError, is_whole
from tidemill.adapters.storage.sqlite.connection import Schema, steps_of

_MOST = 20  # problems that are told of one kind
_TABLES = {
    "runs": "run",
    "scopes": "scope",
    "steps": "step",
    "attempts": "attempt",
    "limits": "limit_row",
    "cached": "cached",
    "schedules": "schedule",
    "submit_keys": "submit_key",
    "waits": "wait",
    "mailboxes": "mailbox",
    "signals": "signal",
    "attributes": "attribute",
    "shelves": "shelf",
    "kept": "kept",
}  # of rows that hold their keys, by their name in LOADS


def check_file(path: Path) -> Iterator[str]:
    """What is wrong, in words; a server may run on the file meanwhile. What cannot be read at all is one problem."""
    try:
        db = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
    except apsw.Error as error:
        yield f"{path.name}: {error}"
        return
    try:
        yield from (
            f"{path.name}: {line}" for (line,) in db.execute(f"pragma integrity_check({_MOST})") if line != "ok"
        )
        yield from (f"{path.name}: {each}" for each in _check_header(db))
        for table in _tables_with(db, "packed"):
            yield from _check_rows(db, table)
    except apsw.Error as error:
        yield f"{path.name}: {error}"
    finally:
        db.close()


def named_blobs(path: Path) -> Iterator[tuple[bytes, int]]:
    """Digest and size of each blob that a row names and nobody is removing. Raises apsw.Error."""
    db = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
    try:
        yield from db.execute("select digest, size from blob where deleting = 0")
    finally:
        db.close()


def _check_header(db: apsw.Connection) -> Iterator[str]:
    owner, version = db.pragma("application_id"), int(db.pragma("user_version"))
    schema = next((each for each in Schema if each.value == owner), None)
    if schema is None:
        yield f"the header says that this is no file of ours ({owner:x})"
    elif not 0 < version <= len(steps_of(schema)):
        yield f"the header says that its schema is {version}, which this version does not know"


def _tables_with(db: apsw.Connection, column: str) -> Sequence[str]:
    sql = "select m.name from sqlite_schema m, pragma_table_info(m.name) c where m.type = 'table' and c.name = ?"
    return [str(name) for (name,) in db.execute(sql, (column,)).fetchall()]


def _check_rows(db: apsw.Connection, table: str) -> Iterator[str]:
    columns = db.execute("select name, pk from pragma_table_info(?) where pk > 0 order by pk", (table,)).fetchall()
    keys = [str(name) for name, _ in columns]
    known = next((name for name, its in _TABLES.items() if its == table), None)
    for *key, packed in db.execute(f'select {", ".join(keys)}, packed from "{table}"'):  # noqa: S608 -- names of its own schema
        if not is_whole(packed):
            yield f"the {table} {_shown(key)} is not as it was written"
        elif known is not None and _own_key(known, packed) != tuple(key):
            yield f"the {table} {_shown(key)} stands under a key that is not its own"


def _own_key(name: str, packed: bytes) -> Bound | None:
    load = LOADS[name]
    try:
        return tuple(load.bind(load.key(load.unpack(packed))))
    except RowDamagedError:
        return None


def _shown(key: Sequence[object]) -> str:
    return "/".join(part.hex() if isinstance(part, bytes) else str(part) for part in key)
