"""Cost laws on PostgreSQL: pages that a claim touches, as the database counts them, and statements. Never time."""

import json
import re
from typing import Any

import pytest

from tests.contracts.store.postgres import a_postgres
from tests.contracts.store.sample import AT, LANE, OTHER_LANE, a_queued, a_run, a_timer, an_attempt, run_id, write
from tidemill.adapters.storage.postgres.access import BEATS
from tidemill.adapters.storage.postgres.connection import connect
from tidemill.adapters.storage.postgres.store import PostgresStore
from tidemill.adapters.storage.statements import statements
from tidemill.core.ids import RunId
from tidemill.core.lanes import parked_lane
from tidemill.core.rows import Changes, Entry, History, Keys, Queued

FEW, MORE, CLAIMED = 100, 5_000, 50
BEAT = statements("postgres/sql/beat")
# A step found takes a page of each level of a tree, and one of the table: so many times as many pages may there be.
ONE_LEVEL, TWO_LEVELS = 1.4, 2.5


def rows(first: int, count: int, lane: bytes = LANE, place: int = 0) -> list[Queued]:
    return [a_queued(run_id(n), order=place + n, lane=lane) for n in range(first, first + count)]


async def fill(store: PostgresStore, queued: list[Queued], *, due_at: int | None = None) -> None:
    """Queued steps with their runs, ten thousand a beat; with timers, if they are to have some."""
    for start in range(0, len(queued), 10_000):
        bite = queued[start : start + 10_000]
        runs = [a_run(row.run) for row in bite]
        timers = [] if due_at is None else [a_timer(row.run, due_at=due_at) for row in bite]
        await write(store, Changes(runs=runs, queue_put=bite, timers_put=timers))


async def touched(store: PostgresStore, statement: str, *bound: object) -> tuple[int, int]:
    """Rows that a statement gives, and pages that it touches, in the same session as that of beats."""
    connection = await connect(store.access, BEATS)
    transaction = connection.transaction()
    await transaction.start()
    for _ in range(2):  # the first time reads the catalogue too, and marks what is dead
        found = await connection.fetchval(f"explain (analyze, buffers, format json) {statement}", *bound)
    await transaction.rollback()
    await connection.close()
    plan: dict[str, Any] = json.loads(found)[0]["Plan"]
    return plan["Actual Rows"], plan["Shared Hit Blocks"] + plan["Shared Read Blocks"]


async def claim(store: PostgresStore, lanes: list[bytes]) -> tuple[int, int]:
    return await touched(store, BEAT["heads"], lanes, CLAIMED, CLAIMED)


async def look(store: PostgresStore) -> int:
    """Pages for what is due and what has waited for too long, when nothing is."""
    due, timers = await touched(store, BEAT["due"], AT - 1, 100)
    expired, queued = await touched(store, BEAT["expired"], AT - 1, 100)
    assert due == expired == 0
    return timers + queued


@pytest.mark.parametrize("many", [30_000, pytest.param(100_000, marks=pytest.mark.slow)])
async def test_a_claim_touches_as_many_pages_in_a_long_queue_as_in_a_short_one(postgres_url: str, many: int) -> None:
    store = await a_postgres(postgres_url)
    await fill(store, rows(0, FEW), due_at=AT * 2)
    few, idle = await claim(store, [LANE]), await look(store)
    await fill(store, rows(1000, MORE), due_at=AT * 2)
    more = await claim(store, [LANE])
    await fill(store, rows(20_000, many), due_at=AT * 2)
    long = await claim(store, [LANE])
    assert few[0] == more[0] == long[0] == CLAIMED
    assert long[1] <= more[1] * ONE_LEVEL
    assert long[1] <= few[1] * TWO_LEVELS
    assert await look(store) <= idle + 4  # two trees that are two levels higher

    # The head fits nobody who asks, waits for a limit, or is held by another beat: it costs nothing.
    await fill(store, rows(700_000, MORE, parked_lane(b"limit".ljust(32)), place=-900_000))
    assert (await claim(store, [LANE]))[1] <= long[1] + 1
    await fill(store, rows(900_000, CLAIMED, OTHER_LANE))
    beside = await claim(store, [OTHER_LANE])
    assert beside[0] == CLAIMED
    assert beside[1] <= long[1] * ONE_LEVEL
    holder = await store.begin(0)
    held = await holder.heads([LANE], CLAIMED)
    assert len(held) == CLAIMED
    assert (await claim(store, [LANE]))[0] == 0
    await holder.rollback()

    # Nor do those that were claimed before: no vacuum has come by.
    for start in range(1000, 5000, 500):
        await write(store, Changes(queue_drop=rows(start, 500)))
    await write(store, Changes(queue_drop=rows(0, FEW)))
    await claim(store, [LANE])
    assert (await claim(store, [LANE]))[1] <= long[1] * ONE_LEVEL
    await store.close()


async def test_a_beat_takes_as_many_statements_for_1000_claims_as_for_one(postgres_url: str) -> None:
    store = await a_postgres(postgres_url)
    assert (await store.peers.look()).others == 0
    await fill(store, rows(0, 1100))
    taken = []
    for limit in (1, 1000):
        before = store.counts().statements
        beat = await store.begin(0)
        heads = await beat.heads([LANE], limit)
        assert len(heads) == limit
        await beat.load(Keys(runs=[RunId(row.run) for row in heads], steps=[(row.run, row.path) for row in heads]))
        attempts = [an_attempt(row.run) for row in heads]
        history = [History(row.run, AT, (Entry("attempt_leased", row.path, 1),)) for row in heads]
        await beat.save(Changes(queue_drop=list(heads), attempts=attempts, history=history))
        await beat.commit()
        taken.append(store.counts().statements - before)
    assert taken == [5, 5], taken  # begin, heads, load, save, commit
    await store.close()


@pytest.mark.parametrize("name", ["heads", "due", "expired", "hold", "queued", "held_by", "elsewhere", "notes"])
async def test_no_plan_of_a_beat_reads_a_whole_table(postgres_url: str, name: str) -> None:
    store = await a_postgres(postgres_url)
    connection = await connect(store.access, BEATS)
    sql = BEAT[name]
    types = {int(number) for number in re.findall(r"\$(\d+)", sql)}
    prepared = await connection.prepare(sql)
    bound = [[] if each.kind == "array" else b"" if each.name == "bytea" else "" if each.name == "text" else 0
             for each in prepared.get_parameters()]  # fmt: skip
    assert len(bound) == len(types)
    plan = "\n".join(line for (line,) in await connection.fetch(f"explain {sql}", *bound))
    assert "Seq Scan" not in plan, plan
    await connection.close()
    await store.close()
