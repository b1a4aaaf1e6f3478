"""What SQLite's file must be, and when it is refused."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import apsw
import pytest

from tests.contracts.store.sample import a_run, everything, write
from tests.contracts.store.sqlite import open_sqlite
from tidemill.adapters.storage.errors import StoreDamagedError, StoreRefusedError
from tidemill.adapters.storage.sqlite.connection import Schema, Synchronous, migrate
from tidemill.adapters.storage.sqlite.logs import SqliteLogs
from tidemill.adapters.storage.sqlite.store import SqliteOptions, SqliteStore
from tidemill.adapters.storage.statements import migrations, statements
from tidemill.adapters.system.entropy import OsEntropy
from tidemill.adapters.system.threads import ThreadPool
from tidemill.core.rows import Changes
from tidemill.ports.store import RunFilter, StoreLostError


def place_of(group: str) -> str:
    return "sql/queries" if group == "queries" else f"sqlite/sql/{group}"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "tidemill.db"


def schema_of(db: apsw.Connection) -> list[tuple[str, ...]]:
    return db.execute("select type, name, tbl_name, sql from sqlite_schema order by type, name").fetchall()


@pytest.fixture
def fresh() -> Iterator[apsw.Connection]:
    db = apsw.Connection(":memory:")
    migrate(db, "fresh", Schema.STORE)
    yield db
    db.close()


@pytest.mark.parametrize("version", range(len(migrations("sqlite/migrations/store"))))
def test_a_migrated_schema_is_a_fresh_one(fresh: apsw.Connection, version: int) -> None:
    db = apsw.Connection(":memory:")
    for number, text in enumerate(migrations("sqlite/migrations/store")[:version], start=1):
        db.execute(text)
        db.pragma("user_version", number)
    migrate(db, "old", Schema.STORE)
    assert schema_of(db) == schema_of(fresh)
    assert db.pragma("user_version") == fresh.pragma("user_version") == len(migrations("sqlite/migrations/store"))


@pytest.mark.parametrize("group", ["load", "beat", "save", "queries", "open"])
def test_each_statement_fits_the_schema_and_uses_an_index(fresh: apsw.Connection, group: str) -> None:
    whole_tables = {"queries.tasks", "queries.lanes", "queries.registered", "queries.pauses", "beat.lane_counts"}
    whole_tables |= {"open.graphs", "open.schedules"}  # once, when an older store is opened
    for name, text in statements(place_of(group)).items():
        numbered = [int(number) for number in re.findall(r"\?(\d+)", text)]
        bindings = (None,) * max(numbered, default=text.count("?"))
        plan = [row[3] for row in fresh.execute(f"explain query plan {text}", bindings)]
        assert not any("TEMP B-TREE" in line for line in plan) or f"{group}.{name}" in whole_tables, (name, plan)
        scans = [line for line in plan if line.startswith("SCAN") and "USING" not in line]
        ordered = {"queries.runs", "queries.feed"}
        assert not scans or f"{group}.{name}" in whole_tables | ordered, (name, plan)


def test_statements_take_no_time_and_no_chance_from_sqlite() -> None:
    for group in ("load", "beat", "save", "queries", "open", "logs"):
        for text in statements(place_of(group)).values():
            assert not any(word in text for word in ("random", "datetime", "strftime", "current_time", "'now'"))
            assert not text.startswith("select") or "order by" in text or "=" in text or "min(" in text


async def test_a_newer_schema_is_refused_with_advice(path: Path, threads: ThreadPool) -> None:
    await open_sqlite("sqlite", path, threads).close()
    db = apsw.Connection(str(path))
    db.pragma("user_version", 999)
    db.close()
    with pytest.raises(StoreRefusedError, match=r"newer Tidemill \(schema 999; this one knows \d+\): install"):
        open_sqlite("sqlite", path, threads)


@pytest.mark.parametrize("statement", ["create table other (x)", "pragma application_id = 77"])
def test_a_database_of_another_program_is_refused(path: Path, threads: ThreadPool, statement: str) -> None:
    db = apsw.Connection(str(path))
    db.execute(statement).fetchall()
    db.close()
    with pytest.raises(StoreRefusedError, match="name a file of its own"):
        open_sqlite("sqlite", path, threads)
    with pytest.raises(StoreRefusedError, match="name a file of its own"):
        SqliteLogs(path, threads)


def test_a_file_that_is_no_database_is_refused(path: Path, threads: ThreadPool) -> None:
    path.write_bytes(b"this is a letter to my aunt" * 100)
    with pytest.raises(StoreDamagedError, match="not a database"):
        open_sqlite("sqlite", path, threads)


def test_a_folder_that_is_not_there_is_said(path: Path, threads: ThreadPool) -> None:
    with pytest.raises((StoreRefusedError, StoreLostError), match=r"none\.db"):
        open_sqlite("sqlite", path.parent / "nowhere" / "none.db", threads)


async def test_a_second_server_is_refused_while_the_first_lives(path: Path, threads: ThreadPool) -> None:
    store = open_sqlite("sqlite", path, threads)
    for _ in range(2):
        with pytest.raises(StoreRefusedError, match="in use by another server"):
            open_sqlite("sqlite", path, threads)
    await store.close()
    await open_sqlite("sqlite", path, threads).close()


def test_a_server_that_was_killed_leaves_no_lock(path: Path, threads: ThreadPool) -> None:
    script = (
        "import os, sys; from tidemill.adapters.storage.sqlite.lock import FileLock;"
        "FileLock(sys.argv[1]); os.kill(os.getpid(), 9)"
    )
    env = {"PYTHONPATH": ":".join(filter(None, sys.path))}
    assert subprocess.run([sys.executable, "-c", script, str(path)], env=env, check=False).returncode == -9
    open_sqlite("sqlite", path, threads)


@pytest.mark.parametrize("mode", list(Synchronous))
async def test_the_modes_are_those_that_were_asked_for(path: Path, threads: ThreadPool, mode: Synchronous) -> None:
    store = SqliteStore(path, threads, OsEntropy(), options=SqliteOptions(synchronous=mode))
    assert store._writer.db.pragma("journal_mode") == "wal"
    assert store._writer.db.pragma("synchronous") == mode.value
    await store.close()


def test_a_mode_that_does_not_take_is_refused(path: Path, threads: ThreadPool) -> None:
    other = apsw.Connection(str(path))
    other.execute("pragma journal_mode=delete; begin exclusive; create table x (y)").fetchall()
    with pytest.raises((StoreRefusedError, StoreLostError)):
        open_sqlite("sqlite", path, threads)
    other.close()


async def test_the_log_stays_bounded_and_is_cut_at_the_end(path: Path, threads: ThreadPool) -> None:
    store = open_sqlite("sqlite", path, threads)
    largest = 0
    for _ in range(20):
        changes = everything()
        changes.queue_put = []
        changes.chunks = {(b"1" * 16, "p", "x", n): bytes(60_000) for n in range(20)}  # type: ignore[misc]
        await write(store, changes)
        largest = max(largest, path.with_name("tidemill.db-wal").stat().st_size)
    assert largest < 8 * 1024 * 1024
    await store.close()
    assert not path.with_name("tidemill.db-wal").exists()


async def test_a_copy_of_the_file_beside_a_server_can_be_read(path: Path, threads: ThreadPool) -> None:
    store = open_sqlite("sqlite", path, threads)
    await write(store, everything())
    source = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
    copy = apsw.Connection(str(path.with_name("copy.db")))
    with copy.backup("main", source, "main") as backup:
        backup.step()
    source.close()
    copy.close()
    await store.close()
    again = open_sqlite("sqlite", path.with_name("copy.db"), threads)
    assert await again.runs(RunFilter()) == [a_run()]
    await again.close()


async def test_runs_of_a_store_without_a_table_of_tags_are_found_by_theirs(path: Path, threads: ThreadPool) -> None:
    store = open_sqlite("sqlite", path, threads)
    await write(store, Changes(runs=[a_run()]))
    await store.close()
    db = apsw.Connection(str(path))
    db.execute("delete from meta where name = 'tagged'")
    db.close()
    for _ in range(2):
        store = open_sqlite("sqlite", path, threads)
        assert (await store.find(RunFilter(tags=(("who", "ann"),)))).runs == [a_run()]
        await store.close()
