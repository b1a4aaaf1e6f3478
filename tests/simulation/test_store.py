"""The real store and the real blob folder on a disk that loses what was not synced."""

import asyncio
import hashlib
from contextlib import closing

import apsw
import pytest

from tidemill.adapters.storage.folder.blobs import FolderBlobs
from tidemill.adapters.storage.sqlite.connection import Synchronous
from tidemill.adapters.storage.sqlite.store import SqliteOptions, SqliteStore
from tidemill.core.rows import Changes
from tidemill.ports.store import StoreLostError
from tidemill.testing.faults import Fault, Kind
from tidemill.testing.simulation.disk import SimDisk, SimFiles
from tidemill.testing.simulation.plans import Case, swarm
from tidemill.testing.simulation.vfs import SimVFS
from tidemill.testing.simulation.world import Ports, World

COMMITS = 30


class Ledger:
    """What the writer was told is durable, outside of any process."""

    def __init__(self) -> None:
        self.acknowledged: dict[bytes, int] = {}
        self.done = asyncio.Event()

    def check(self, disk: SimDisk) -> None:
        with closing(SimVFS(disk)) as vfs, closing(apsw.Connection("store.db", vfs=vfs.name)) as db:
            db.execute("pragma locking_mode=exclusive").fetchall()
            assert db.execute("pragma integrity_check").fetchall() == [("ok",)]
            is_made = db.execute("select 1 from sqlite_schema where name = 'blob'").fetchall()
            rows = dict(db.execute("select digest, size from blob order by digest").fetchall()) if is_made else {}
        assert self.acknowledged.items() <= rows.items(), "P1: acknowledged, then lost"
        files = SimFiles(disk)
        for digest in rows:
            name = digest.hex()
            assert hashlib.sha256(files.read(f"{name[:2]}/{name}")).digest() == digest, (
                "a row names a blob that is not there"
            )


async def content(number):
    for part in range(3):
        yield b"%d/%d" % (number, part) * (1 + number * 40)


async def write(ports: Ports, ledger: Ledger, synchronous: Synchronous) -> None:
    options = SqliteOptions(synchronous, vfs=ports.vfs.name)
    try:
        store = SqliteStore("store.db", ports.threads, ports.entropy, options=options)
        blobs = FolderBlobs(ports.files, ports.threads)
        while len(ledger.acknowledged) < COMMITS:
            await asyncio.sleep(0.1)
            try:
                digest, size = await blobs.write(content(len(ledger.acknowledged)), None, 1 << 20)
                beat = await store.begin(0)
                await beat.save(Changes(blobs={digest: size}))
                await beat.commit()
            except StoreLostError:
                continue
            ledger.acknowledged[digest] = size
    except StoreLostError:  # at the start: the process dies, since its disk does
        if ports.process.alive:
            raise
    ledger.done.set()
    await asyncio.Event().wait()


def run(case: Case, synchronous: Synchronous = Synchronous.FULL):
    world, ledger = World(case), Ledger()
    world.add("server", lambda ports: write(ports, ledger, synchronous), ledger.check)

    async def story():
        await ledger.done.wait()

    return world.run(story, 60)


@pytest.mark.parametrize("seed", range(20))
def test_what_was_acknowledged_is_there_after_any_fault(seed):
    case = swarm(f"store/{seed}", ["server"])
    assert run(case).failure is None, case


def test_each_crash_point_is_survived():
    calls = run(Case("0")).disk_calls["server"]
    for point in range(1, calls, 5):
        case = Case("0", (Fault(0.0, Kind.CRASH_POINT, "server", (point - 1) / 10),))
        assert run(case).failure is None, case


def test_a_store_told_not_to_sync_each_commit_is_caught():
    cases = [Case(str(seed), (Fault(1.2, Kind.POWER, "server", 0.0),)) for seed in range(10)]
    assert any("P1: acknowledged, then lost" in run(case, Synchronous.NORMAL).failure for case in cases)
