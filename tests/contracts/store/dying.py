"""A process that writes beats (or blobs) until a fault point ends it; it prints what was acknowledged."""

import asyncio
import sys
from collections.abc import AsyncIterator
from pathlib import Path

from tests.contracts.store.postgres import a_postgres
from tests.contracts.store.sample import LANE, a_queued, a_run, a_step, run_id, write
from tidemill.adapters.storage.folder.blobs import FolderBlobs
from tidemill.adapters.storage.sqlite.store import SqliteStore
from tidemill.adapters.system.disk import OsDisk
from tidemill.adapters.system.entropy import OsEntropy
from tidemill.adapters.system.faults import CrashFaults
from tidemill.adapters.system.threads import ThreadPool
from tidemill.core.ids import digest_of
from tidemill.core.rows import Changes, Entry, History
from tidemill.core.values import Inline
from tidemill.ports.store import Store

BEATS = 12
VALUES = 64  # of 16 KiB: enough for a checkpoint every few beats


def beat_of(number: int) -> Changes:
    run = run_id(number)
    return Changes(
        runs=[a_run(run)],
        steps=[a_step(run)],
        values={(run, "ocr", f"p{n}"): Inline(bytes([number]) * 16_000) for n in range(VALUES)},
        queue_put=[a_queued(run, order=number, lane=LANE)],
        queue_drop=[a_queued(run_id(number - 1), order=number - 1, lane=LANE)] if number > 1 else [],
        history=[History(run, number, (Entry("run_created"),))],
    )


def blob_of(number: int) -> bytes:
    return bytes([number]) * 1_500_000


async def main(what: str, place: str, plan: str) -> None:
    threads = ThreadPool()
    faults = CrashFaults(plan)
    folder = Path(place)
    if what == "store":
        store: Store = (
            await a_postgres(place, faults)
            if place.startswith("postgresql:")
            else SqliteStore(folder / "tidemill.db", threads, OsEntropy(), faults)
        )
        for number in range(1, BEATS + 1):
            await write(store, beat_of(number))
            print(number, flush=True)
    else:
        blobs = FolderBlobs(OsDisk(folder / "blobs"), threads, faults)
        for number in range(1, 4):
            await blobs.write(_halves(blob_of(number)), None, 1 << 24)
            print(number, flush=True)
        for number in range(1, 4):
            await blobs.delete(digest_of(blob_of(number)))


async def _halves(data: bytes) -> AsyncIterator[bytes]:
    yield data[: len(data) // 2]
    yield data[len(data) // 2 :]


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], sys.argv[3]))
