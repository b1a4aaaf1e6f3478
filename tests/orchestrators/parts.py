"""What a server of these tests stands on."""

from itertools import count
from pathlib import Path

from tests.server.mill import Parts
from tidemill.adapters.storage.postgres.store import open_postgres
from tidemill.adapters.storage.sqlite.logs import SqliteLogs
from tidemill.adapters.system.entropy import OsEntropy
from tidemill.adapters.system.threads import ThreadPool
from tidemill.ports.logs import Logs
from tidemill.ports.store import Store

_numbers = count(1)


def on_postgres(url: str) -> Parts:
    async def parts(folder: Path, threads: ThreadPool) -> tuple[Store, Logs]:
        logs = SqliteLogs(folder / f"logs-{next(_numbers)}.db", threads)
        return await open_postgres(url, OsEntropy()), logs

    return parts
