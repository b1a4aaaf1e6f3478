"""PostgreSQL as the contract suite opens it."""

from tidemill.adapters.storage.postgres.access import PostgresOptions
from tidemill.adapters.storage.postgres.store import PostgresStore, open_postgres
from tidemill.adapters.system.entropy import OsEntropy
from tidemill.ports.faults import NO_FAULTS, Faults


async def a_postgres(url: str, faults: Faults = NO_FAULTS) -> PostgresStore:
    return await open_postgres(url, OsEntropy(), faults, PostgresOptions(connections=2))
