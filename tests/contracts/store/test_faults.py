"""A disk or a commit that fails: nothing is acknowledged, nothing is half there, and the store goes on."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import apsw
import pytest

from tests.contracts.store.conftest import OpenStore
from tests.contracts.store.sample import GRAPH, LANE, R1, R2, a_queued, a_run, a_step, everything, write
from tests.contracts.store.sqlite import open_sqlite
from tidemill.adapters.storage.errors import StoreMisusedError
from tidemill.adapters.storage.sqlite.store import SqliteStore
from tidemill.adapters.system.threads import ThreadPool
from tidemill.core.rows import Changes, Keys
from tidemill.core.values import Inline
from tidemill.ports.store import RowRefusedError, RunFilter, Store, StoreFullError, StoreLostError

T = TypeVar("T")
KINDS = ["sqlite", "sqlite-one-connection"]


class HeldThreads:
    """Runs each call when told to, and then perhaps says that it failed."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()
        self.go = asyncio.Event()
        self.go.set()
        self.error_before: Exception | None = None
        self.error_after: Exception | None = None

    async def call(self, name: str, function: Callable[[], T]) -> T:
        self.asked.set()
        await self.go.wait()
        if self.error_before:
            raise self.error_before
        result = function()
        if self.error_after:
            raise self.error_after
        return result


@pytest.fixture(params=KINDS)
async def held(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[SqliteStore, HeldThreads]:
    threads = HeldThreads()
    return open_sqlite(request.param, tmp_path / "tidemill.db", threads), threads


async def test_a_commit_that_fails_leaves_nothing_and_the_store_goes_on(
    held: tuple[SqliteStore, HeldThreads],
) -> None:
    store, threads = held
    threads.error_before = OSError("no")
    with pytest.raises(StoreLostError):
        await write(store, everything())
    assert await store.runs(RunFilter()) == []
    assert await store.queue_counts() == []
    threads.error_before = None
    await write(store, everything())
    assert await store.runs(RunFilter()) == [a_run()]
    await store.close()


async def test_a_commit_whose_answer_is_lost_is_counted_as_it_is(held: tuple[SqliteStore, HeldThreads]) -> None:
    store, threads = held
    threads.error_after = OSError("lost")
    with pytest.raises(StoreLostError):
        await write(store, everything())
    threads.error_after = None
    beat = await store.begin(0)
    assert await beat.heads([LANE], 10) == [a_queued()]
    await beat.save(Changes(queue_drop=[a_queued()]))
    await beat.commit()
    assert await store.queue_counts() == []
    await store.close()


async def test_a_cancelled_commit_ends_by_itself(held: tuple[SqliteStore, HeldThreads]) -> None:
    store, threads = held
    beat = await store.begin(0)
    await beat.save(everything())
    threads.go.clear()
    committing = asyncio.create_task(beat.commit())
    await threads.asked.wait()
    committing.cancel()
    await asyncio.wait([committing])
    asyncio.get_running_loop().call_later(0.01, threads.go.set)
    await beat.rollback()
    assert await store.runs(RunFilter()) == [a_run()]
    assert [row.waiting for row in await store.queue_counts()] == [1]
    await store.close()


async def test_nobody_touches_the_connection_during_a_commit(held: tuple[SqliteStore, HeldThreads]) -> None:
    store, threads = held
    beat = await store.begin(0)
    await beat.save(everything())
    threads.go.clear()
    committing = asyncio.create_task(beat.commit())
    await threads.asked.wait()
    with pytest.raises(StoreMisusedError):
        store._writer.begin_reading()
    with pytest.raises(StoreMisusedError):
        await beat.load(Keys(runs=[R1]))
    querying = asyncio.create_task(store.rows(Keys(runs=[R1])))
    opening = asyncio.create_task(store.begin(0))
    await asyncio.sleep(0)
    threads.go.set()
    await committing
    assert (await querying).runs[R1] in [None, a_run()]
    beat = await opening
    assert (await beat.load(Keys(runs=[R1]))).runs == {R1: a_run()}
    await beat.rollback()
    await store.close()


BAD_ROWS = {
    "too large a number": Changes(steps=[a_step(), a_step(path="x")], chunks={(R1, "a", "b", 2**63): b""}),
    "a lone surrogate": Changes(values={(R1, "\ud800", "x"): Inline(b"")}),
    "no bytes": Changes(blob_refs=[(R1, None)]),  # type: ignore[list-item]
    "the wrong type": Changes(runs=[a_run(R2)], blobs={GRAPH: "many"}),  # type: ignore[dict-item]
}


@pytest.mark.parametrize("fault", BAD_ROWS)
async def test_a_row_that_cannot_be_kept_is_refused_with_its_beat(store: Store, fault: str) -> None:
    await write(store, Changes(runs=[a_run()]))
    beat = await store.begin(0)
    await beat.save(Changes(queue_put=[a_queued()]))
    with pytest.raises(RowRefusedError):
        await beat.save(BAD_ROWS[fault])
    await beat.rollback()
    assert await store.runs(RunFilter()) == [a_run()]
    assert await store.steps(R1, "", 10) == []
    assert await store.queue_counts() == []
    await write(store, Changes(queue_put=[a_queued()]))


@pytest.mark.parametrize("open_store", ["postgres"], indirect=True)
async def test_a_text_that_is_too_long_for_an_index_is_refused(store: Store) -> None:
    with pytest.raises(RowRefusedError):
        await write(store, Changes(steps=[a_step(path="random".join(map(str, range(3000))))]))
    await write(store, Changes(steps=[a_step()]))
    assert await store.steps(R1, "", 10) == [a_step()]


async def test_a_full_disk_is_said_and_passes(threads: ThreadPool, tmp_path: Path) -> None:
    store = open_sqlite("sqlite", tmp_path / "tidemill.db", threads)
    await write(store, everything())
    db = store._writer.db
    db.pragma("max_page_count", db.pragma("page_count") + 3)
    values = {(R1, "ocr", f"p{n}"): Inline(bytes(16_000)) for n in range(10)}
    for _ in range(2):
        with pytest.raises(StoreFullError):
            await write(store, Changes(values=values, queue_drop=[a_queued()]))
    assert await store.values(R1, "ocr") == {}
    db.pragma("max_page_count", 1_000_000)
    await write(store, Changes(values=values, queue_drop=[a_queued()]))
    assert len(await store.values(R1, "ocr")) == 10
    await store.close()


class SickFile(apsw.VFSFile):
    broken: str | None = None

    def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802 -- SQLite's name
        if SickFile.broken == "write":
            raise apsw.FullError
        super().xWrite(data, offset)

    def xSync(self, flags: int) -> None:  # noqa: N802
        if SickFile.broken == "sync":
            raise apsw.IOError
        super().xSync(flags)


class SickFiles(apsw.VFS):
    def __init__(self) -> None:
        super().__init__("tidemill-sick", "")

    def xOpen(self, name: str | apsw.URIFilename | None, flags: list[int]) -> apsw.VFSFile:  # noqa: N802
        return SickFile("", name, flags)


@pytest.mark.parametrize(("broken", "error"), [("write", StoreFullError), ("sync", StoreLostError)])
async def test_a_disk_that_fails_in_the_commit_leaves_nothing(
    threads: ThreadPool, tmp_path: Path, broken: str, error: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    sick = SickFiles()
    store = open_sqlite("tidemill-sick", tmp_path / "tidemill.db", threads)
    await write(store, Changes(runs=[a_run(R2)]))
    monkeypatch.setattr(SickFile, "broken", broken)
    with pytest.raises(error):
        await write(store, everything())
    monkeypatch.setattr(SickFile, "broken", None)
    assert await store.runs(RunFilter()) == [a_run(R2)]
    await write(store, everything())
    await store.close()
    store = open_sqlite("tidemill-sick", tmp_path / "tidemill.db", threads)
    assert len(await store.runs(RunFilter())) == 2
    await store.close()
    sick.unregister()


async def test_closing_during_a_beat_drops_it(open_store: OpenStore) -> None:
    store = await open_store()
    beat = await store.begin(0)
    await beat.save(everything())
    store = await open_store()
    assert await store.runs(RunFilter()) == []
