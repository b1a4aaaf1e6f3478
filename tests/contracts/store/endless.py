"""A process that writes beats for ever, and prints the number of each that was acknowledged."""

import asyncio
import sys
from itertools import count
from pathlib import Path

from tests.contracts.store.sample import a_run, a_step, run_id, write
from tidemill.adapters.storage.sqlite.store import SqliteStore
from tidemill.adapters.system.entropy import OsEntropy
from tidemill.adapters.system.threads import ThreadPool
from tidemill.core.rows import Changes, Entry, History
from tidemill.core.values import Inline


async def main(path: Path) -> None:
    store = SqliteStore(path, ThreadPool(), OsEntropy())
    for number in count(1):
        run = run_id(number)
        values = {(run, "ocr", f"p{n}"): Inline(bytes([number % 256]) * 16_000) for n in range(8)}
        history = [History(run, number, (Entry("run_created"),))]
        await write(store, Changes(runs=[a_run(run)], steps=[a_step(run)], values=values, history=history))
        print(number, flush=True)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
