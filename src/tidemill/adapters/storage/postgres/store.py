"""The durable store on PostgreSQL, which any number of servers may share (docs/design/orchestrators.md).

```text
one connection    beats: begin, lock and load, save, commit
one               peers: a look each second, NOTIFY, LISTEN (peers.py)
a few             queries
one               logs (logs.py)
```
"""

from tidemill.adapters.storage.errors import StoreMisusedError
from tidemill.adapters.storage.postgres.access import BEATS, QUERIES, Access, PostgresOptions, access_to
from tidemill.adapters.storage.postgres.beat import PostgresBeat
from tidemill.adapters.storage.postgres.connection import Line, Meter
from tidemill.adapters.storage.postgres.peers import PostgresPeers
from tidemill.adapters.storage.postgres.pool import Pool
from tidemill.adapters.storage.postgres.queries import PostgresQueries
from tidemill.adapters.storage.postgres.schema import open_schema
from tidemill.adapters.storage.postgres.turns import Turns
from tidemill.core.ids import Instant, RunId
from tidemill.ports.entropy import Entropy
from tidemill.ports.faults import NO_FAULTS, Faults
from tidemill.ports.store import Counts

_DEFAULT = PostgresOptions()


class PostgresStore(PostgresQueries):
    """Make it with `open_postgres`; use it on one event loop. ``server`` is the id of this server among its peers."""

    def __init__(self, access: Access, kept: dict[str, bytes], server: bytes, faults: Faults) -> None:
        self.access = access
        self._id, self._secret = kept["id"], kept["secret"]
        self._meter = Meter()
        self.peers = PostgresPeers(access, server, self._meter)
        self._turns = Turns(Line(access, BEATS, self._meter), self._meter, faults)
        self._queries = Pool(access, QUERIES, access.options.connections, self._meter)
        self._beat: PostgresBeat | None = None
        super().__init__(self._queries)

    @property
    def id(self) -> bytes:
        return self._id

    @property
    def secret(self) -> bytes:
        return self._secret

    async def begin(self, now: Instant, wait_for: RunId | None = None) -> PostgresBeat:
        if self._beat is not None:
            raise StoreMisusedError("a beat is open already")
        await self._turns.begin(wait_for)
        self._beat = PostgresBeat(self._turns, now, self.peers, self._ended)
        return self._beat

    def counts(self) -> Counts:
        """What was asked of the database since the store was opened."""
        return self._meter.counts()

    async def close(self) -> None:
        await self._turns.settled()
        await self._turns.rollback()
        await self._turns.line.close()
        await self.peers.close()
        await self._queries.close()

    async def open(self) -> None:
        await self._queries.open()

    def _ended(self) -> None:
        self._beat = None


async def open_postgres(
    url: str, entropy: Entropy, faults: Faults = NO_FAULTS, options: PostgresOptions = _DEFAULT
) -> PostgresStore:
    """Open the store in a database, or make it. Raises StoreRefusedError or StoreLostError."""
    access = access_to(url, options)
    made = {"id": entropy.bytes(16), "secret": entropy.bytes(32)}
    store = PostgresStore(access, await open_schema(access, faults, made), entropy.bytes(16), faults)
    await store.open()
    return store
