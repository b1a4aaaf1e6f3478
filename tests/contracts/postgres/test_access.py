"""A database that cannot be used is refused with what to do, and nobody is shown the password."""

import asyncio
import socket
from contextlib import AsyncExitStack
from urllib.parse import quote

import asyncpg
import pytest

from tests.contracts.store.postgres import a_postgres
from tests.contracts.store.sample import R1, a_run, write
from tests.postgres import PASSWORD, PostgresServer, installations
from tidemill.adapters.storage.errors import StoreRefusedError
from tidemill.adapters.storage.postgres.access import Access, PostgresOptions, access_to
from tidemill.adapters.storage.postgres.schema import schema_of
from tidemill.adapters.storage.postgres.store import open_postgres
from tidemill.adapters.storage.statements import migrations, statements
from tidemill.adapters.system.entropy import OsEntropy
from tidemill.assembly.postgres import open_both
from tidemill.assembly.settings import Settings
from tidemill.core.rows import Changes, Keys
from tidemill.ports.faults import NO_FAULTS
from tidemill.ports.store import RunFilter, Store, StoreLostError

SECRET = "p@ss/w:rd%"


async def refusal(url: str, options: PostgresOptions = PostgresOptions()) -> str:  # noqa: B008 -- it is frozen
    with pytest.raises((StoreRefusedError, StoreLostError)) as caught:
        await (await open_postgres(url, OsEntropy(), options=options)).close()
    texts = [str(caught.value), repr(caught.value)]
    assert not [text for text in texts if SECRET in text or quote(SECRET, safe="") in text or PASSWORD in text]
    return texts[0]


async def test_what_is_wrong_with_the_address_is_said(postgres_server: PostgresServer) -> None:
    secret = quote(SECRET, safe="")
    nobody = socket.socket()
    nobody.bind(("127.0.0.1", 0))
    closed = nobody.getsockname()[1]
    assert "refuses this user or password" in await refusal(postgres_server.url(password=SECRET))
    assert "has no such database: make it (createdb" in await refusal(postgres_server.url("nowhere"))
    assert "is not listening" in await refusal(f"postgresql://u:{secret}@127.0.0.1:{closed}/x")
    assert "is a host that nobody knows" in await refusal(f"postgresql://u:{secret}@nowhere.invalid/x")
    assert "must look like postgresql://" in await refusal(f"mysql://u:{secret}@h/x")
    assert "two hexadecimal digits" in await refusal(f"postgresql://u:{SECRET}@h:1/x")
    assert "is no name for a schema" in await refusal(postgres_server.url(), PostgresOptions(schema="no; drop"))
    nobody.close()


def test_the_address_is_shown_without_its_password() -> None:
    secret = quote(SECRET, safe="")
    access = access_to(f"postgresql://ann:{secret}@db.example:5432/mill?sslmode=require", PostgresOptions())
    assert access.shown == "postgresql://ann@db.example:5432/mill"
    assert access.hide(f"it is {SECRET} or {secret}") == "it is … or …"
    assert Access("postgresql:///mill?password=abc").hide("abc") == "…"


async def test_a_user_without_rights_is_told_what_to_ask_for(
    postgres_server: PostgresServer, empty_postgres_url: str
) -> None:
    name = empty_postgres_url.partition("@/")[2].partition("?")[0]
    postgres_server.run("create user guest password 'guest'")
    try:
        url = postgres_server.url(name, "guest", "guest")
        assert "create schema tidemill authorization" in await refusal(url)
        postgres_server.run("create schema tidemill authorization guest", name)
        store = await a_postgres(url)  # no superuser, no right to create a schema
        await write(store, Changes(runs=[a_run()]))
        await store.peers.look()
        assert await store.runs(RunFilter()) == [a_run()]
        await store.close()
        postgres_server.run("create schema other; create table other.x (y int)", name)
        assert "tables of another program" in await refusal(empty_postgres_url, PostgresOptions(schema="other"))
    finally:
        postgres_server.run("drop owned by guest", name)
        postgres_server.run("drop owned by guest")
        postgres_server.run("drop user guest")


async def test_a_database_in_another_encoding_is_refused(postgres_server: PostgresServer) -> None:
    postgres_server.run("create database latin encoding 'latin1' template template0")
    assert "createdb -E UTF8" in await refusal(postgres_server.socket_url("latin"))
    postgres_server.run("drop database latin")


async def test_too_many_connections_are_said(own_postgres: PostgresServer) -> None:
    own_postgres.stop()
    own_postgres.start(max_connections="5", superuser_reserved_connections="0", autovacuum="off", max_wal_senders="0")
    stores = [await a_postgres(own_postgres.url()) for _ in range(6)]
    try:
        beats = await asyncio.gather(*map(look, stores), return_exceptions=True)
        refused = [str(beat) for beat in beats if isinstance(beat, StoreLostError)]
        assert refused
        assert all("has no connection left: raise its max_connections" in text for text in refused)
    finally:
        for store in stores:
            await store.close()


async def test_servers_that_start_at_once_make_one_schema(empty_postgres_url: str) -> None:
    stores = await asyncio.gather(*(a_postgres(empty_postgres_url) for _ in range(6)))
    assert len({(store.id, store.secret) for store in stores}) == 1
    assert len({store.peers.id for store in stores}) == 6
    assert (await schema_of(stores[0].access))[1] == len(migrations("postgres/migrations"))
    for store in stores:
        await store.close()


async def test_a_newer_schema_is_refused_with_advice(postgres_server: PostgresServer, empty_postgres_url: str) -> None:
    name = empty_postgres_url.partition("@/")[2].partition("?")[0]
    await (await a_postgres(empty_postgres_url)).close()
    postgres_server.run("update tidemill.tidemill_schema set number = 999", name)
    assert "newer Tidemill (schema 999; this one knows" in await refusal(empty_postgres_url)


class Dies(BaseException):
    """A process that ends there."""


class DiesAt:
    def __init__(self, point: str, count: int) -> None:
        self.point, self.left = point, count

    def reach(self, point: str) -> None:
        self.left -= point == self.point
        if self.left == 0 and point == self.point:
            raise Dies


@pytest.mark.parametrize("step", range(1, len(migrations("postgres/migrations")) + 1))
async def test_a_migration_that_dies_half_way_goes_on(empty_postgres_url: str, step: int) -> None:
    with pytest.raises(Dies):
        await a_postgres(empty_postgres_url, DiesAt("store.migrate.before", step))  # type: ignore[arg-type]
    assert (await schema_of(access_to(empty_postgres_url, PostgresOptions())))[1] == step - 1
    store = await a_postgres(empty_postgres_url)
    await write(store, Changes(runs=[a_run()]))
    assert (await store.rows(Keys(runs=[R1]))).runs == {R1: a_run()}
    await store.close()


@pytest.mark.slow
@pytest.mark.parametrize("bins", installations(), ids=str)
async def test_each_version_that_is_here_will_do(bins: object) -> None:
    server = PostgresServer(bins)  # type: ignore[arg-type]
    try:
        server.start()
        store = await a_postgres(server.url())
        await write(store, Changes(runs=[a_run()]))
        assert await store.runs(RunFilter()) == [a_run()]
        assert (await store.peers.look()).others == 0
        await store.close()
    finally:
        server.close()


async def look(store: Store) -> None:
    """In a beat, which stays open."""
    beat = await store.begin(0)
    await beat.load(Keys(runs=[R1]))


async def test_a_server_that_waits_for_its_database_cuts_no_migration_off(empty_postgres_url: str) -> None:
    """Another server is at it, for longer than this one would wait for a database that is not there."""
    settings = Settings(database_url=empty_postgres_url, database_wait_s=0.2)
    migrating = await asyncpg.connect(empty_postgres_url)
    turn = migrating.transaction()
    await turn.start()
    await migrating.execute(statements("postgres/sql/open")["lock"].replace("$1", "'tidemill'"))
    async with AsyncExitStack() as stack:
        opening = asyncio.create_task(open_both(settings, OsEntropy(), NO_FAULTS, stack))
        await asyncio.sleep(1.0)
        assert not opening.done()
        await turn.rollback()
        store, _ = await opening
        assert await store.runs(RunFilter()) == []
    await migrating.close()
