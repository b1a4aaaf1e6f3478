"""Where a server keeps what it knows: a file in the data folder, or a PostgreSQL that others may share."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

from msgspec import Struct

from tidemill.adapters.storage.sqlite.connection import Synchronous
from tidemill.adapters.storage.sqlite.logs import SqliteLogs
from tidemill.adapters.storage.sqlite.store import SqliteOptions, SqliteStore
from tidemill.assembly.setting_kinds import Durability, SettingsError
from tidemill.assembly.settings import Settings
from tidemill.ports.entropy import Entropy
from tidemill.ports.faults import Faults
from tidemill.ports.logs import Logs
from tidemill.ports.store import Store
from tidemill.ports.threads import Threads

_SYNCHRONOUS = {Durability.FULL: Synchronous.FULL, Durability.NORMAL: Synchronous.NORMAL}


class Needs(Struct, frozen=True):
    """What a store stands on."""

    data: Path
    threads: Threads
    entropy: Entropy
    faults: Faults


@asynccontextmanager
async def stores(settings: Settings, needs: Needs) -> AsyncIterator[tuple[Store, Logs]]:
    """The durable store and the logs, open in this block.

    Raises:
        InputError: they cannot be ours, or not with these settings; the text says what to do.
        StoreLostError: the disk or the database does not answer.
    """
    async with AsyncExitStack() as stack:
        if settings.database_url:
            yield await postgres().open_both(settings, needs.entropy, needs.faults, stack)
            return
        options = SqliteOptions(_SYNCHRONOUS[settings.synchronous])
        store = SqliteStore(needs.data / "tidemill.db", needs.threads, needs.entropy, needs.faults, options)
        stack.push_async_callback(store.close)
        logs = SqliteLogs(needs.data / "logs.db", needs.threads, faults=needs.faults)
        stack.push_async_callback(logs.close)
        yield store, logs


def postgres() -> Any:
    """The module `assembly.postgres`, whose driver is an extra. Raises SettingsError."""
    try:
        return import_module("tidemill.assembly.postgres")
    except ModuleNotFoundError as error:
        if error.name != "asyncpg":
            raise
        raise SettingsError('database_url needs asyncpg: pip install "tidemill[postgres]"') from None
