"""What happens to a database: restarts, lost sessions, no room, locks, time limits, bad lines. Tidemill goes on.

Two servers on one PostgreSQL, two workers, a load of all kinds of tasks; after each trouble the audit of a storm.
"""

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.postgres import PostgresServer
from tests.storm.proxy import HOLE, Proxy, Way, Weather
from tests.storm.site import Plan, Site
from tests.storm.sky import Sky
from tests.storm.storm import Size, endure

asyncpg = pytest.importorskip("asyncpg", reason="the driver of PostgreSQL is not installed")

DATABASE = "storm"
TROUBLE_S = 4.0
OURS = "from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()"
SIZE = Size(servers=2, tasks=200, seconds=9.0, kills=0, workers=2, in_flight=30, lease_s=4.0)


@dataclass(frozen=True)
class Scene:
    server: PostgresServer
    line: Proxy

    async def run(self, sql: str) -> str:
        return await asyncio.to_thread(self.server.run, sql, DATABASE)

    async def cut_off_all(self) -> None:
        await self.run(f"select pg_terminate_backend(pid) {OURS}")

    @asynccontextmanager
    async def session(self) -> AsyncIterator[Any]:
        """Of somebody else."""
        connection = await asyncpg.connect(self.server.socket_url(DATABASE))
        try:
            yield connection
        finally:
            await connection.close()


Trouble = Callable[[Scene], Awaitable[None]]


async def left_alone(_: Scene) -> None:
    """Then the servers have only each other: each connection of a client may lead to another one."""


async def restarted(scene: Scene) -> None:
    await asyncio.to_thread(scene.server.stop)
    await asyncio.sleep(1)
    await asyncio.to_thread(scene.server.start)


async def killed(scene: Scene) -> None:
    await asyncio.to_thread(scene.server.kill)
    await asyncio.to_thread(scene.server.start)


async def one_session_killed(scene: Scene) -> None:
    """Then PostgreSQL ends all sessions, and recovers."""
    pids = (await scene.run(f"select pid {OURS} and backend_type = 'client backend'")).split()
    os.kill(int(pids[0]), signal.SIGKILL)
    await asyncio.sleep(TROUBLE_S)


async def sessions_ended_again_and_again(scene: Scene) -> None:
    for _ in range(20):
        await scene.cut_off_all()
        await asyncio.sleep(0.1)


async def no_connection_left(scene: Scene) -> None:
    async with AsyncExitStack() as stack:
        await scene.cut_off_all()
        with contextlib.suppress(asyncpg.TooManyConnectionsError):
            while True:
                await stack.enter_async_context(scene.session())
        await asyncio.sleep(TROUBLE_S)


async def a_table_locked(scene: Scene) -> None:
    async with scene.session() as other, other.transaction():
        await other.execute("lock table tidemill.run in access exclusive mode")
        await asyncio.sleep(TROUBLE_S)


async def all_runs_locked(scene: Scene) -> None:
    async with scene.session() as other, other.transaction():
        await other.execute("select 1 from tidemill.run for update")
        await asyncio.sleep(TROUBLE_S)


async def statements_limited(scene: Scene) -> None:
    await _with_default(scene, "statement_timeout = '1ms'")


async def read_only(scene: Scene) -> None:
    """As after a fail-over that is not complete."""
    await _with_default(scene, "default_transaction_read_only = on")


async def _with_default(scene: Scene, setting: str) -> None:
    async with scene.session() as other:  # from before
        await other.execute(f"alter database {DATABASE} set {setting}")
        await other.execute(f"select pg_terminate_backend(pid) {OURS}")
        await asyncio.sleep(TROUBLE_S)
        await other.execute(f"alter database {DATABASE} reset {setting.split(maxsplit=1)[0]}")
        await other.execute(f"select pg_terminate_backend(pid) {OURS}")


async def frozen(scene: Scene) -> None:
    pids = [scene.server.pid, *map(int, (await scene.run("select pid from pg_stat_activity")).split())]
    alive = [pid for pid in pids if Path(f"/proc/{pid}").exists()]
    for pid in alive:
        os.kill(pid, signal.SIGSTOP)
    await asyncio.sleep(TROUBLE_S)
    for pid in alive:
        os.kill(pid, signal.SIGCONT)


async def in_a_hole(scene: Scene) -> None:
    await scene.line.spell(Weather(up=HOLE, down=HOLE), TROUBLE_S)


async def deaf(scene: Scene) -> None:
    """What is sent arrives, and no answer does: commits that nobody hears of."""
    await scene.line.spell(Weather(down=HOLE), TROUBLE_S)
    scene.line.reset()


async def on_a_slow_line(scene: Scene) -> None:
    way = Way(delay_s=0.01, jitter_s=0.02, bytes_per_s=2_000_000)
    await scene.line.spell(Weather(up=way, down=way), TROUBLE_S)


async def reset_again_and_again(scene: Scene) -> None:
    for _ in range(20):
        scene.line.reset()
        await asyncio.sleep(0.1)


TROUBLES: list[Trouble] = [
    left_alone,
    restarted,
    killed,
    one_session_killed,
    sessions_ended_again_and_again,
    no_connection_left,
    a_table_locked,
    all_runs_locked,
    statements_limited,
    read_only,
    frozen,
    in_a_hole,
    deaf,
    on_a_slow_line,
    reset_again_and_again,
]


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("trouble", TROUBLES, ids=lambda each: each.__name__)
async def test_the_database_may_be(tmp_path: Path, own_postgres: PostgresServer, trouble: Trouble) -> None:
    own_postgres.run(f"create database {DATABASE}")
    async with Proxy([own_postgres.port]) as line:
        database = own_postgres.url(DATABASE).replace(f":{own_postgres.port}/", f":{line.port}/")
        plan = Plan(workers=2, servers=2, lease_s=SIZE.lease_s, database=database)

        async def meet() -> None:
            await asyncio.sleep(2)
            await trouble(Scene(own_postgres, line))

        async with Site(tmp_path, plan, trouble.__name__) as site:
            report = await endure(site, Sky(site, SIZE.lease_s), SIZE, meet())
    print(report.longest_stall_s, report.findings.counts, report.notes.counts)
    assert report.wrong == []
    assert set(report.notes.told) == set(report.notes.accepted)
