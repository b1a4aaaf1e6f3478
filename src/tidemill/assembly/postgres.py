"""The store on PostgreSQL, joined from its parts. Importing this needs the extra `postgres`."""

import asyncio
import logging
from contextlib import AsyncExitStack

from tidemill.adapters.storage.postgres.access import Access, Durable, PostgresOptions, access_to
from tidemill.adapters.storage.postgres.logs import PostgresLogs
from tidemill.adapters.storage.postgres.schema import schema_of
from tidemill.adapters.storage.postgres.store import PostgresStore, open_postgres
from tidemill.assembly.setting_kinds import Durability
from tidemill.assembly.settings import Settings
from tidemill.ports.entropy import Entropy
from tidemill.ports.faults import Faults
from tidemill.ports.store import StoreLostError

_PAUSE_S = 0.5
_log = logging.getLogger("tidemill")

_DURABLE = {Durability.FULL: Durable.ON, Durability.NORMAL: Durable.OFF}


async def open_both(
    settings: Settings, entropy: Entropy, faults: Faults, stack: AsyncExitStack
) -> tuple[PostgresStore, PostgresLogs]:
    """The store and the logs; ``stack`` closes them. A database that does not answer yet is waited for.

    What is under way when the wait is over goes on: a migration takes as long as it takes.

    Raises:
        InputError: only a person can mend it.
        StoreLostError: it does not, for as long as the settings say.
    """
    time, said = asyncio.get_running_loop().time, ""
    until = time() + settings.database_wait_s
    while True:
        try:
            return await _opened(settings, entropy, faults, stack)
        except StoreLostError as error:
            if time() >= until:
                raise
            if error.reason != said:
                said, wait_s = error.reason, settings.database_wait_s
                _log.warning("this server waits up to %.0f s for its database: %s", wait_s, said)
            await asyncio.sleep(_PAUSE_S)


async def _opened(
    settings: Settings, entropy: Entropy, faults: Faults, stack: AsyncExitStack
) -> tuple[PostgresStore, PostgresLogs]:
    async with AsyncExitStack() as attempt:
        store = await open_postgres(settings.database_url, entropy, faults, _access(settings).options)
        attempt.push_async_callback(store.close)
        logs = PostgresLogs(store.access, faults)
        attempt.push_async_callback(logs.close)
        await logs.open()
        stack.push_async_callback(attempt.pop_all().aclose)
    return store, logs


async def look_at(settings: Settings) -> str:
    """What is there, in words. Raises InputError or StoreLostError."""
    access = _access(settings)
    version, step = await schema_of(access)
    schema = settings.database_schema
    made = f"schema {schema} (step {step})" if step else f"no schema {schema} yet; the first server makes it"
    return f"PostgreSQL {version // 10000}.{version % 10000} at {access.shown}, {made}"


def _access(settings: Settings) -> Access:
    durable = _DURABLE[settings.synchronous]
    options = PostgresOptions(settings.database_schema, settings.database_connections, durable)
    return access_to(settings.database_url, options)
