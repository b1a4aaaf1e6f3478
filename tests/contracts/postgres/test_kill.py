"""A server that dies at a point of a beat leaves on PostgreSQL what it acknowledged, and no half of anything."""

import time

import pytest

from tests.contracts.store.postgres import a_postgres
from tests.contracts.store.test_kill import STORE_POINTS, check_whole, run_until_it_dies
from tests.postgres import PostgresServer

ENDED = "select count(*) from pg_stat_activity where application_name = 'tidemill beats'"


@pytest.mark.promise("P1")
@pytest.mark.parametrize("plan", STORE_POINTS)
async def test_a_killed_server_leaves_each_acknowledged_beat_whole(
    postgres_server: PostgresServer, postgres_url: str, plan: str
) -> None:
    acknowledged = run_until_it_dies("store", postgres_url, plan)
    while postgres_server.run(ENDED) != "0":  # the database notices by itself that its client is gone
        time.sleep(0.02)
    store = await a_postgres(postgres_url)
    await check_whole(store, acknowledged + (".after" in plan))
    await store.close()
