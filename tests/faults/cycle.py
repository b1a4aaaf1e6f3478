"""A server and a worker in one process that submit, lease and complete until a fault point ends it."""

import asyncio
import sys
from pathlib import Path

from tests.engine.peer import Mill
from tidemill.adapters.system.faults import CrashFaults

RUNS = 8


async def main(folder: Path, plan: str) -> None:
    """Prints what was acknowledged: `submitted RUN`, then `done RUN VALUE`."""
    async with Mill(folder, CrashFaults(plan)).opened() as mill:
        graph = await mill.published()
        peer = mill.connect("w", b"1" * 16)
        await peer.hello()
        await peer.grant(RUNS)
        for number in range(RUNS):
            run = await mill.submit(graph, x=number)
            print("submitted", run.hex(), flush=True)
            ref = await peer.take()
            await peer.succeed(ref, number)
            print("done", ref.run.hex(), number, flush=True)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2]))
