"""What a data folder holds, what of it would go, and making its files small again."""

import asyncio
import shutil
from collections.abc import Iterator
from pathlib import Path

import apsw
from msgspec import Struct

from tidemill.adapters.storage.sqlite.connection import Schema, open_reader
from tidemill.adapters.storage.sqlite.queries import SqliteQueries
from tidemill.adapters.storage.sqlite.vacuum import FileSize, measure, vacuum
from tidemill.assembly.clock import now_s
from tidemill.core.errors import InputError
from tidemill.core.ids import Instant
from tidemill.core.retention import FINAL_STATUSES, Retention, Rule, last_to_go
from tidemill.engine.keeper import following
from tidemill.ports.keeping import EndedFilter

PAGE = 1000
MOST = 100_000  # runs that are counted
BYTES_PER_S = 100 * 1024 * 1024  # that a vacuum writes on a plain disk; measured: docs/design/keeping.md
WORTH = 0.25  # of a file that is free: then a vacuum gives something back
WORTH_BYTES = 64 * 1024 * 1024
FILES = {"tidemill.db": Schema.STORE, "logs.db": Schema.LOGS}


class Advice(Struct, frozen=True):
    """``going``: runs that the rules let go now, up to MOST are counted. Lengths of time in seconds, sizes in bytes."""

    files: tuple[FileSize, ...]
    blobs: int
    blob_bytes: int
    going: int
    disk_free: int
    needs: int
    takes_s: float
    advice: tuple[str, ...]


def advise(data: Path, retention: Retention) -> Advice:
    """Look; a server may run meanwhile. Raises InputError, UnavailableError."""
    _check(data)
    files = tuple(measure(data / name) for name in FILES if (data / name).exists())
    blobs = [path.stat().st_size for path in _blobs(data / "blobs")]
    going = asyncio.run(_going(data / "tidemill.db", retention))
    used = sum(each.size - each.free for each in files)
    free = shutil.disk_usage(data).free
    needs = max((2 * (each.size - each.free) for each in files), default=0)
    takes_s = used / BYTES_PER_S
    advice = tuple(_advice(files, going, free, needs))
    return Advice(files, len(blobs), sum(blobs), going, free, needs, takes_s, advice)


def vacuum_data(data: Path) -> tuple[tuple[FileSize, FileSize], ...]:
    """Make each file small again; its size before and after. No server may run. Raises InputError, UnavailableError."""
    _check(data)
    done = []
    for name, schema in FILES.items():
        path = data / name
        if path.exists():
            before = measure(path)
            vacuum(path, schema)
            done.append((before, measure(path)))
    return tuple(done)


def _check(data: Path) -> None:
    if not (data / "tidemill.db").exists():
        raise InputError(f"there is no store in {data}: name the data folder of a server with --data")


def _blobs(folder: Path) -> Iterator[Path]:
    return (path for path in folder.rglob("*") if path.is_file()) if folder.exists() else iter(())


async def _going(path: Path, retention: Retention) -> int:
    db = open_reader(str(path))

    async def connect() -> apsw.Connection:
        return db

    try:
        return await _count(SqliteQueries(connect), retention, int(now_s() * 1_000_000))
    finally:
        db.close()


async def _count(queries: SqliteQueries, retention: Retention, at: Instant) -> int:
    count, after = 0, ""
    while names := await queries.workflows(after, PAGE):
        for name in names:
            for status in FINAL_STATUSES:
                count += await _count_of(queries, retention.rule(name, status), (name, status), at)
        after = names[-1]
    return min(count, MOST)


async def _count_of(queries: SqliteQueries, rule: Rule, kind: tuple[str, str], at: Instant) -> int:
    behind = None if rule.count is None else await queries.nth_ended(*kind, rule.count)
    which, count = last_to_go(rule, at, behind), 0
    if which is None:
        return 0
    asked: EndedFilter | None = EndedFilter(*kind, which, limit=PAGE)
    while asked is not None and count < MOST and (runs := await queries.ended(asked)):
        count += len(runs)
        asked = following(asked, runs)
    return count


def _advice(files: tuple[FileSize, ...], going: int, free: int, needs: int) -> Iterator[str]:
    if going:
        yield f"{going:,} runs go by the setting `retain` while a server runs; their room is used again by new rows"
    worth = [each for each in files if each.free >= max(WORTH_BYTES, WORTH * each.size)]
    if worth and free < needs:
        yield f"a vacuum needs {needs:,} bytes on this disk, and {free:,} are free: make room, or leave it"
    elif worth:
        names = " and ".join(each.name for each in worth)
        yield f"much of {names} is free: stop the server, then `tidemill store vacuum` gives it back to the disk"
    else:
        yield "a vacuum would give little back: free pages are used again by new rows"
