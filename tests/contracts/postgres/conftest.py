"""Two stores on one database, as two servers have them."""

from collections.abc import AsyncIterator

import pytest

from tests.contracts.store.postgres import a_postgres
from tidemill.adapters.storage.postgres.store import PostgresStore

Pair = tuple[PostgresStore, PostgresStore]


@pytest.fixture
async def pair(postgres_url: str) -> AsyncIterator[Pair]:
    one, two = await a_postgres(postgres_url), await a_postgres(postgres_url)
    yield one, two
    await one.close()
    await two.close()
