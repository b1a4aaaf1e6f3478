"""A process that dies at a fault point leaves what it acknowledged, and no half of anything."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.contracts.blobs.test_blobs import read
from tests.contracts.store.dying import BEATS, VALUES, beat_of, blob_of
from tests.contracts.store.sample import run_id
from tidemill.adapters.storage.folder.blobs import FolderBlobs
from tidemill.adapters.storage.sqlite.store import SqliteStore
from tidemill.adapters.system.disk import OsDisk
from tidemill.adapters.system.entropy import OsEntropy
from tidemill.adapters.system.threads import ThreadPool
from tidemill.core.ids import digest_of
from tidemill.core.rows import Keys
from tidemill.ports.store import Store

STORE_POINTS = [f"store.{point}:{n}" for point in ("save.before", "commit.before", "commit.after") for n in (1, 7)]
CHECKPOINTS = ["store.checkpoint.before:1", "store.checkpoint.after:2"]
BLOB_POINTS = [
    "blob.write.before:2",
    "blob.write.after:2",
    "blob.sync.before:1",
    "blob.rename.before:2",
    "blob.rename.after:2",
]


def run_until_it_dies(what: str, folder: Path | str, plan: str) -> int:
    """Give the number of the last beat or blob that was acknowledged."""
    command = [sys.executable, "-m", "tests.contracts.store.dying", what, str(folder), plan]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 137, done.stderr
    return len(done.stdout.split())


@pytest.mark.parametrize("plan", [*STORE_POINTS, *CHECKPOINTS])
async def test_a_killed_store_holds_each_acknowledged_beat_whole(tmp_path: Path, plan: str) -> None:
    acknowledged = run_until_it_dies("store", tmp_path, plan)
    threads = ThreadPool()
    store = SqliteStore(tmp_path / "tidemill.db", threads, OsEntropy())
    await check_whole(store, acknowledged + (".after" in plan or "checkpoint" in plan))
    await store.close()
    threads.close()


async def check_whole(store: Store, there: int) -> None:
    """So many beats are there, and of the others there is nothing."""
    assert len(await store.unfinished(None, 100)) == there
    assert there < BEATS
    for number in range(1, BEATS + 1):
        wanted = beat_of(number)
        keys = Keys(runs=[run_id(number)], steps=[(run_id(number), "ocr")], values=list(wanted.values))
        rows = await store.rows(keys)
        found = [row for group in (rows.runs, rows.steps, rows.values) for row in group.values() if row is not None]
        assert len(found) == (2 + VALUES if number <= there else 0)
    assert [row for _, row in await store.feed(0, None, 100)] == [beat_of(n + 1).history[0] for n in range(there)]
    assert sum(count.waiting for count in await store.queue_counts()) == (1 if there else 0)


@pytest.mark.parametrize("plan", ["blob.delete.before:2", "blob.delete.after:2"])
async def test_a_killed_remover_of_blobs_leaves_each_whole_or_gone(tmp_path: Path, plan: str) -> None:
    assert run_until_it_dies("blobs", tmp_path, plan) == 3
    threads = ThreadPool()
    blobs = FolderBlobs(OsDisk(tmp_path / "blobs"), threads)
    there = [number for number in range(1, 4) if await blobs.size(digest_of(blob_of(number))) is not None]
    assert there == ([2, 3] if ".before" in plan else [3])
    assert [await read(blobs, digest_of(blob_of(number))) for number in there] == [blob_of(n) for n in there]
    threads.close()


@pytest.mark.parametrize("plan", BLOB_POINTS)
async def test_a_killed_blob_writer_leaves_whole_blobs_and_no_parts(tmp_path: Path, plan: str) -> None:
    acknowledged = run_until_it_dies("blobs", tmp_path, plan)
    threads = ThreadPool()
    disk = OsDisk(tmp_path / "blobs")
    blobs = FolderBlobs(disk, threads)
    assert disk.list("parts/") == []
    there = 0
    for number in range(1, 4):
        digest = digest_of(blob_of(number))
        if await blobs.size(digest) is not None:
            assert await read(blobs, digest) == blob_of(number)
            there += 1
    assert there == acknowledged + ("rename.after" in plan)
    threads.close()
