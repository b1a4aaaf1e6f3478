"""The store of simulated servers, as the contract suite opens it."""

import time
from collections.abc import Awaitable, Callable

from tests.simulation.database import Database, Line
from tests.simulation.shared import SharedStore
from tidemill.adapters.system.entropy import OsEntropy
from tidemill.ports.threads import Threads
from tidemill.testing.simulation.chance import stream
from tidemill.testing.simulation.disk import SimDisk
from tidemill.testing.simulation.processes import Process
from tidemill.testing.simulation.vfs import SimVFS


def simulated(threads: Threads) -> Callable[[], Awaitable[SharedStore]]:
    """Each call connects one more server to the same database."""
    made: list[Database] = []

    async def connect() -> SharedStore:
        if not made:
            vfs = SimVFS(SimDisk())
            made.append(Database(vfs.name, OsEntropy(), lambda: time.time_ns() // 1000, time.monotonic))
            made[0].is_strict = False
        line = Line(made[0], Process("server"), stream("contract", "line"), lambda: False)
        return SharedStore(line, threads, OsEntropy())

    return connect
