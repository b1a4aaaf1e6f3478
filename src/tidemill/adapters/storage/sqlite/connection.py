"""Opening the file: modes that are read back, errors in our words, migrations."""

import contextlib
from collections.abc import Iterable, Mapping, Sequence
from enum import Enum
from typing import Any

import apsw

from tidemill.adapters.storage.errors import StoreDamagedError, StoreRefusedError
from tidemill.adapters.storage.statements import migrations
from tidemill.ports.faults import NO_FAULTS, Faults
from tidemill.ports.store import StoreFullError, StoreLostError

_STATEMENTS = 200  # prepared ones kept; more than there are
_BUSY_MS = 1000  # a foreign reader of the file, such as a back-up, may make us wait this long
_CACHE_KIB = 16 * 1024
_WAL_LIMIT_BYTES = 64 * 1024 * 1024

Bindings = Sequence[Any] | Mapping[str, Any]
Row = tuple[Any, ...]


class Synchronous(Enum):
    """NORMAL may lose the last commits when the power fails, never when the process dies."""

    FULL = 2
    NORMAL = 1


class Schema(Enum):
    """The value marks the file, in its header."""

    STORE = 0x54494445  # "TIDE"
    LOGS = 0x5449444C  # "TIDL"


def open_writer(
    path: str, schema: Schema, synchronous: Synchronous, vfs: str | None, faults: Faults = NO_FAULTS
) -> apsw.Connection:
    """The one connection that writes; its schema is ours when this returns."""
    try:
        db = apsw.Connection(path, vfs=vfs, statementcachesize=_STATEMENTS)
    except apsw.Error as error:
        raise lost(error) from error
    try:
        if vfs:  # no shared memory there: a file that is in WAL mode cannot even be read without this
            _set(db, "locking_mode", "exclusive")
        _check_owner(db, path, schema)
        _set_modes(db, synchronous)
        migrate(db, path, schema, faults)
    except BaseException as error:
        with contextlib.suppress(apsw.Error):
            db.close()
        if isinstance(error, apsw.Error):
            raise lost(error, path) from error
        raise
    return db


def open_reader(path: str) -> apsw.Connection:
    try:
        db = apsw.Connection(path, flags=apsw.SQLITE_OPEN_READONLY, statementcachesize=_STATEMENTS)
        db.set_busy_timeout(_BUSY_MS)
        _set(db, "query_only", 1)
        _set(db, "cache_size", -_CACHE_KIB)
    except apsw.Error as error:
        raise lost(error) from error
    return db


def steps_of(schema: Schema) -> Sequence[str]:
    return migrations(f"sqlite/migrations/{schema.name.lower()}")


def migrate(db: apsw.Connection, path: str, schema: Schema, faults: Faults = NO_FAULTS) -> None:
    """Bring the schema up to ours, one transaction for each step; refuse one that is newer."""
    steps = steps_of(schema)
    version = int(db.pragma("user_version"))
    if version > len(steps):
        message = (
            f"{path} was written by a newer Tidemill (schema {version}; this one knows {len(steps)}): "
            "install that version or a later one, or restore a copy from before its upgrade"
        )
        raise StoreRefusedError(message)
    for number, text in enumerate(steps[version:], start=version + 1):
        with db:
            db.execute(text).fetchall()
            db.pragma("user_version", number)
            db.pragma("application_id", schema.value)
            faults.reach("store.migrate.before")
        faults.reach("store.migrate.after")


def fetch(db: apsw.Connection, sql: str, bindings: Bindings = ()) -> list[Row]:
    """All rows; read to the end, so that no read transaction stays open."""
    try:
        return db.execute(sql, bindings).fetchall()
    except apsw.Error as error:
        raise lost(error) from error


def fetch_each(db: apsw.Connection, sql: str, many: Iterable[Bindings]) -> list[Row]:
    """The rows of one statement run for each of many bindings, joined."""
    try:
        return db.executemany(sql, many).fetchall()
    except apsw.Error as error:
        raise lost(error) from error


def lost(error: Exception, path: str = "") -> StoreLostError | StoreDamagedError:
    match error:
        case apsw.CorruptError() | apsw.NotADBError():
            return StoreDamagedError(str(error), path)
        case apsw.FullError():
            return StoreFullError(str(error))
        case apsw.BusyError():
            return StoreLostError(f"another program holds the file ({error})")
        case _:
            return StoreLostError(str(error))


def _check_owner(db: apsw.Connection, path: str, schema: Schema) -> None:
    owner = db.pragma("application_id")
    if owner != schema.value and (owner != 0 or db.execute("select 1 from sqlite_schema limit 1").fetchall()):
        raise StoreRefusedError(f"{path} is not a {schema.name.lower()} file of ours: name a file of its own")


def _set_modes(db: apsw.Connection, synchronous: Synchronous) -> None:
    db.set_busy_timeout(_BUSY_MS)
    _set(db, "journal_mode", "wal")
    _set(db, "synchronous", synchronous.value)
    _set(db, "temp_store", 2)
    _set(db, "cache_size", -_CACHE_KIB)
    _set(db, "journal_size_limit", _WAL_LIMIT_BYTES)
    db.wal_autocheckpoint(0)


def _set(db: apsw.Connection, pragma: str, value: str | int) -> None:
    db.pragma(pragma, value)
    if (got := db.pragma(pragma)) != value:
        raise StoreRefusedError(f"SQLite refuses {pragma}={value} here and stays at {got}; is the disk a network one?")
