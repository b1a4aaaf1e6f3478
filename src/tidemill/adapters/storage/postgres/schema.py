"""Opening the database: is it one that we can use, is the schema ours, does it need a migration."""

from collections.abc import Mapping
from typing import Any

from tidemill.adapters.storage.errors import StoreRefusedError
from tidemill.adapters.storage.postgres.access import MIGRATION, Access
from tidemill.adapters.storage.postgres.connection import connect
from tidemill.adapters.storage.postgres.faults import FAILURES, refused
from tidemill.adapters.storage.statements import migrations, statements
from tidemill.ports.faults import Faults

OLDEST = 140000  # PostgreSQL 14
_VERSION = "tidemill_schema"


async def open_schema(access: Access, faults: Faults, made: Mapping[str, bytes]) -> dict[str, bytes]:
    """Bring the schema up to ours, and give what the store has under the names of ``made``, which is for a new one.

    Several servers may do this at once: one of them migrates. One that is killed leaves whole steps behind, and the
    next one goes on. Raises StoreRefusedError or StoreLostError.
    """
    try:
        connection = await connect(access, MIGRATION)
        try:
            await _check(connection, access)
            await _migrate(connection, access, faults)
            return await _kept(connection, made)
        finally:
            await connection.close(timeout=5.0)
    except (*FAILURES, ValueError) as error:
        raise refused(error, access) from error


async def schema_of(access: Access) -> tuple[int, int]:
    """The version of the server (150007), and of the schema there (0: none); it changes nothing."""
    try:
        connection = await connect(access, MIGRATION)
        try:
            server = await _check(connection, access)
            return server, await _version(connection, access)
        finally:
            await connection.close(timeout=5.0)
    except (*FAILURES, ValueError) as error:
        raise refused(error, access) from error


async def _check(connection: Any, access: Access) -> int:
    version, encoding, is_copy = await connection.fetchrow(statements("postgres/sql/open")["server"])
    if version < OLDEST:
        message = f"{access.shown} is PostgreSQL {version // 10000}: Tidemill needs {OLDEST // 10000} or later"
        raise StoreRefusedError(message)
    if encoding != "UTF8":
        message = (
            f"{access.shown} keeps texts as {encoding}: make a database with encoding UTF8 (createdb -E UTF8 NAME)"
        )
        raise StoreRefusedError(message)
    if is_copy:
        raise StoreRefusedError(f"{access.shown} is a standby, which only reads: name the server that writes")
    return int(version)


async def _version(connection: Any, access: Access) -> int:
    sql, schema = statements("postgres/sql/open"), access.options.schema
    if await connection.fetchval(sql["is_ours"], f'"{schema}".{_VERSION}'):
        return int(await connection.fetchval(sql["version"]) or 0)
    if await connection.fetchval(sql["tables"], f'"{schema}"'):
        message = (
            f"the schema {schema!r} in {access.shown} holds tables of another program: "
            "name a schema of its own (database_schema)"
        )
        raise StoreRefusedError(message)
    return 0


async def _migrate(connection: Any, access: Access, faults: Faults) -> None:
    steps = migrations("postgres/migrations")
    async with connection.transaction():
        await connection.fetch(statements("postgres/sql/open")["lock"], access.options.schema)
        await _make_schema(connection, access)
    version = -1
    while version < len(steps):
        async with connection.transaction():
            await connection.fetch(statements("postgres/sql/open")["lock"], access.options.schema)
            version = await _version(connection, access)
            if version > len(steps):
                raise StoreRefusedError(_newer(access, version, len(steps)))
            if version < len(steps):
                await _step(connection, steps[version], version + 1, faults)
    faults.reach("store.migrate.after")


async def _make_schema(connection: Any, access: Access) -> None:
    """Beforehand by somebody who may, or by us."""
    schema = access.options.schema
    there, usable = await connection.fetchrow(statements("postgres/sql/open")["schema"], f'"{schema}"')
    if there and not usable:
        raise StoreRefusedError(f"{access.shown}: the user may not use the schema {schema!r}: {_ask(schema)}")
    if there:
        return
    try:
        await connection.execute(f'create schema if not exists "{schema}"')
    except FAILURES as error:
        mapped = refused(error, access)
        if isinstance(mapped, StoreRefusedError):
            raise StoreRefusedError(f"{mapped}; {_ask(schema)}") from error
        raise


async def _step(connection: Any, text: str, number: int, faults: Faults) -> None:
    sql = statements("postgres/sql/open")
    await connection.execute(sql["begin_schema"])
    await connection.execute(text)
    await connection.execute(sql["set_version"], number)
    faults.reach("store.migrate.before")


async def _kept(connection: Any, made: Mapping[str, bytes]) -> dict[str, bytes]:
    sql = statements("postgres/sql/open")
    for name, value in made.items():
        await connection.execute(sql["make"], name, value)
    return {name: bytes(await connection.fetchval(sql["kept"], name)) for name in made}


def _ask(schema: str) -> str:
    return f"let an administrator run: create schema {schema} authorization USER"


def _newer(access: Access, version: int, known: int) -> str:
    return (
        f"{access.shown} was written by a newer Tidemill (schema {version}; this one knows {known}): "
        "install that version or a later one, or restore a copy from before its upgrade"
    )
