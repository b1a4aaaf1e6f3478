"""What is done at one server is done for both."""

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path

import pytest

from tests.contracts.store.postgres import a_postgres
from tests.orchestrators.conftest import SETTINGS, Pair
from tests.orchestrators.parts import on_postgres
from tests.orchestrators.tasks import Crowd, alone, count, double, nap, pairs, wide
from tests.server.mill import Mill, mill
from tidemill import Schedule
from tidemill.adapters.storage.postgres.store import PostgresStore
from tidemill.adapters.system.ws_link import WsAddress, WsDialer
from tidemill.client.remote import AsyncClient
from tidemill.core.ids import parse_run_id
from tidemill.core.rows import Fire, FireKind, History
from tidemill.engine.inbox import Departure
from tidemill.ports.peers import Duty, Look
from tidemill.sdk.errors import RunCancelledError
from tidemill.wire.worker import PATH, SUBPROTOCOL

WITHIN_S = 30.0


@pytest.mark.feature("K5")
async def test_a_worker_of_one_server_does_what_the_other_was_given(pair: Pair) -> None:
    first, second = pair
    async with second.worker(pairs), AsyncClient(first.url) as client:
        runs = [await client.submit(double, number) for number in range(20)]
        assert [await run.result(WITHIN_S) for run in runs] == [2 * number for number in range(20)]


@pytest.mark.feature("K5")
async def test_both_take_part_in_one_map_and_its_join_is_exact(pair: Pair) -> None:
    first, second = pair
    async with first.worker(pairs, name="a", slots=5), second.worker(pairs, name="b", slots=5):
        async with AsyncClient(first.url) as client:
            run = await client.submit(wide, list(range(300)))
            assert await run.result(WITHIN_S) == sum(2 * number for number in range(300))
        held = await first.engine.queries.attempts(parse_run_id(run.id), None, 1000)
        assert Counter(attempt.number for attempt in held) == {1: 301}
        assert {attempt.worker for attempt in held} == {"a", "b"}


@pytest.mark.promise("P8")
async def test_a_limit_holds_over_both(pair: Pair) -> None:
    first, second = pair
    Crowd.most = 0
    async with (
        first.worker(pairs, name="a"),
        second.worker(pairs, name="b"),
        AsyncClient(first.url) as one,
        AsyncClient(second.url) as other,
    ):
        runs = [await client.submit(alone, number) for number in range(10) for client in (one, other)]
        assert [await run.result(WITHIN_S) for run in runs] == [number for number in range(10) for _ in (1, 2)]
    assert Crowd.most == 1


async def test_a_cancel_reaches_a_worker_of_the_other_server(pair: Pair) -> None:
    first, second = pair
    async with second.worker(pairs), AsyncClient(first.url) as client:
        run = await client.submit(nap, 3600.0)
        async for event in run.events():
            if event.kind == "attempt_started":
                break
        await client.cancel(run.id, "enough")
        with pytest.raises(RunCancelledError):
            await run.result(WITHIN_S)


async def test_a_stream_is_read_at_the_server_that_does_not_have_it(pair: Pair) -> None:
    first, second = pair
    async with second.worker(pairs), AsyncClient(first.url) as client:
        run = await client.submit(count, 50)
        assert [item async for item in run.stream()] == list(range(50))


async def test_a_graph_that_one_has_is_known_to_the_other(pair: Pair) -> None:
    first, second = pair
    async with first.worker(pairs), AsyncClient(first.url) as one, AsyncClient(second.url) as other:
        await (await one.submit(wide, [1])).result(WITHIN_S)
        assert await (await other.submit_named("wide", {"xs": [1, 2]})).result(WITHIN_S) == 6


async def test_a_reader_of_the_feed_sees_what_both_write_once_and_in_order(pair: Pair) -> None:
    first, second = pair
    seen: list[tuple[int, History]] = []

    async def follow() -> None:
        async for number, row in first.engine.feed.follow(None, 0):
            if isinstance(row, History):
                seen.append((number, row))

    following = asyncio.create_task(follow())
    async with (
        first.worker(pairs, name="a"),
        second.worker(pairs, name="b"),
        AsyncClient(first.url) as one,
        AsyncClient(second.url) as other,
    ):
        runs = [await client.submit(double, 1) for _ in range(30) for client in (one, other)]
        for run in runs:
            await run.result(WITHIN_S)
    stored = await first.engine.queries.feed(0, None, 10_000)
    await until(lambda: len(seen) >= len(stored))
    following.cancel()
    assert [number for number, _ in seen] == [number for number, _ in stored]


@pytest.mark.feature("K5")
async def test_a_worker_whose_server_goes_moves_with_what_it_holds(postgres_url: str, tmp_path: Path) -> None:
    open_mill = partial(mill, tmp_path, parts=on_postgres(postgres_url), settings=SETTINGS)
    async with AsyncExitStack() as going, open_mill() as second:
        first = await going.enter_async_context(open_mill())
        dialer = WsDialer(*(WsAddress(f"ws{each.url[4:]}{PATH}", SUBPROTOCOL, 1 << 20) for each in (first, second)))
        async with first.worker(pairs, name="w", dialer=dialer), AsyncClient(second.url) as client:
            run = await client.submit(nap, 1.0)
            async for event in run.events():
                if event.kind == "attempt_started":
                    break
            await going.aclose()
            assert await run.result(WITHIN_S) == 1.0
            (attempt,) = await second.engine.queries.attempts(parse_run_id(run.id), None, 9)
            assert attempt.number == 1


@pytest.mark.promise("P4")
async def test_a_session_whose_lease_ends_is_not_forgotten_for_a_hello_that_comes_to_nothing(
    pair: Pair, postgres_url: str
) -> None:
    first, _ = pair
    other = await a_postgres(postgres_url)
    async with first.worker(pairs, name="w"):
        [seat] = first.engine.seats.of_worker("w")
        session = seat.session.id
        greeting = await other.begin(0)
        assert [each.id for each in await greeting.elsewhere("w")] == [session]
        first.engine.put(Departure(seat.session))
        await asyncio.sleep(0.1)  # it meets the lock, again and again
        await greeting.rollback()
        async with asyncio.timeout(WITHIN_S):
            while any(each.live for each in await first.engine.queries.sessions(9)):  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(0.02)
    await other.close()


async def test_a_pause_at_one_holds_the_other_back(pair: Pair) -> None:
    first, second = pair
    async with second.worker(pairs), AsyncClient(first.url) as client:
        await until(lambda: first.engine.catalog.latest("pairs.double"))
        await client.pause(task="pairs.double", reason="inventory")
        await until(second.engine.seats.pauses.all)
        run = await client.submit(double, 4)
        why = await client.why(run.id)
        assert "inventory" in str(why)
        await client.resume(task="pairs.double")
        assert await run.result(WITHIN_S) == 8


async def test_a_schedule_fires_at_one_of_them_and_at_the_other_when_that_ends(
    postgres_url: str, tmp_path: Path
) -> None:
    open_mill = partial(mill, tmp_path, parts=on_postgres(postgres_url), settings=SETTINGS)
    async with AsyncExitStack() as going, open_mill() as second:
        first = await going.enter_async_context(open_mill())
        async with second.worker(pairs), AsyncClient(second.url) as client:
            await client.schedules.put(Schedule(name="often", target=double, inputs={"x": 1}, every=1))
            await fired(second, 2)
            assert first.engine.neighbours.holds(Duty.CHORES) is not second.engine.neighbours.holds(Duty.CHORES)
            await going.aclose()
            await fired(second, len(await fires(second)) + 2)
        due = [fire.due_at for fire in await fires(second) if fire.kind is FireKind.STARTED]
        assert len(set(due)) == len(due)


async def test_with_nothing_to_do_each_looks_once_a_second_and_asks_nothing_else(pair: Pair) -> None:
    first, _ = pair
    store = first.engine.queries
    assert isinstance(store, PostgresStore)
    looks = Counter[str]()
    look = store.peers.look

    async def counted() -> Look:
        looks["all"] += 1
        return await look()

    async with first.worker(pairs):
        setattr(store.peers, "look", counted)  # noqa: B010 - it is a method
        async with asyncio.timeout(WITHIN_S):
            asked = looked = 0
            while not 0 < asked <= looked:  # what began before, or a worker that comes back, is over some time
                before, seen = store.counts().statements, looks["all"]
                await asyncio.sleep(3)
                asked, looked = store.counts().statements - before, looks["all"] - seen


async def fired(at: Mill, times: int) -> None:
    async with asyncio.timeout(WITHIN_S):
        while len(await fires(at)) < times:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.05)


async def until(is_so: Callable[[], object]) -> None:
    async with asyncio.timeout(WITHIN_S):
        while not is_so():  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.02)


async def fires(at: Mill) -> Sequence[Fire]:
    (row,) = await at.engine.queries.schedules("", 10)
    return await at.engine.queries.fires(row.id, 1 << 60, 500)


@pytest.mark.feature("K5")
async def test_a_task_writes_as_many_rows_with_two_servers_as_with_one(postgres_url: str, tmp_path: Path) -> None:
    """And asks as much, but for two words that tell the other of its two beats."""
    start = partial(mill, tmp_path, parts=on_postgres(postgres_url))
    async with start() as first, first.worker(pairs), AsyncClient(first.url) as client:
        asked, written = await _least_cost(client, first)
        async with start() as second:
            while not (first.engine.neighbours.others and second.engine.neighbours.others):  # noqa: ASYNC110 - they look each second
                await asyncio.sleep(0.02)
            asked_by_both, written_by_both = await _least_cost(client, first, second)
    assert written == written_by_both
    assert asked <= asked_by_both <= asked + 2


async def _least_cost(client: AsyncClient, *servers: Mill) -> tuple[int, int]:
    """Statements and rows of one task: of many, the one in which nothing else happened."""

    def spent() -> tuple[int, int]:
        stores = [server.engine.queries for server in servers]
        counts = [store.counts() for store in stores if isinstance(store, PostgresStore)]
        assert len(counts) == len(servers)
        return sum(each.statements for each in counts), sum(each.rows_written for each in counts)

    costs = []
    for number in range(30):
        before = spent()
        assert await (await client.submit(double, number)).result(WITHIN_S) == 2 * number
        costs.append(tuple(after - sooner for after, sooner in zip(spent(), before, strict=True)))
    statements, rows = zip(*costs, strict=True)
    return min(statements), min(rows)
