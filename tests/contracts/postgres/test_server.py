"""The server that tests start is a real one: it syncs, and what it acknowledged outlives it."""

import pytest

from tests.postgres import PostgresServer, _is_alive


def test_what_was_committed_outlives_a_server_that_is_killed(own_postgres: PostgresServer) -> None:
    assert own_postgres.run("show fsync") == "on"
    own_postgres.run("create table kept (x int)")
    own_postgres.run("insert into kept values (7)")
    pid = own_postgres.pid
    own_postgres.kill()
    assert not _is_alive(pid)
    own_postgres.start()
    assert own_postgres.run("select x from kept") == "7"
    own_postgres.stop()
    own_postgres.start(max_connections="20")
    assert own_postgres.run("show max_connections") == "20"


@pytest.mark.parametrize("number", [1, 2])
def test_each_test_has_an_empty_database(postgres_server: PostgresServer, empty_postgres_url: str, number: int) -> None:
    name = empty_postgres_url.partition("@/")[2].partition("?")[0]
    postgres_server.run(f"create table t{number} (x int)", name)
    assert postgres_server.run("select count(*) from pg_tables where schemaname = 'public'", name) == "1"
