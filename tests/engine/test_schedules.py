"""Schedules in the engine: clocks that jump between two lives, thousands at one instant, ends of runs, faults."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import pairwise
from pathlib import Path

from msgspec.structs import replace

from tests.engine.peer import Mill
from tests.faults.cycle_schedule import keep
from tidemill.adapters.cron.almanac import CronAlmanac
from tidemill.core.ids import Digest, Instant, RunId, digest_of
from tidemill.core.recurrence import CatchUp, Cron, Every, Overlap, Terms, run_id
from tidemill.core.rows import Call, Fire, FireKind, Keys, Schedule
from tidemill.core.values import Inline
from tidemill.engine.orders import Order

SECOND = 1_000_000
HOUR = 3600 * SECOND


class Skewed:
    """The machine's clock, so much ahead."""

    def __init__(self, mill: Mill, ahead: int) -> None:
        self._clock, self._ahead = mill.engine.clock, ahead

    def now(self) -> Instant:
        return self._clock.now() + self._ahead

    def monotonic(self) -> float:
        return self._clock.monotonic()


@asynccontextmanager
async def living(mill: Mill, ahead: int = 0) -> AsyncIterator[Mill]:
    """One life of a server, on a clock of its own."""
    async with mill.opened():
        graph = await mill.published()
        clock = Skewed(mill, ahead)
        mill.engine.clock = clock
        vars(mill.engine.schedules)["_clock"] = clock

        async def order(row: Schedule, due_at: Instant, run: RunId) -> Order | str:
            if row.call.task == "t.gone":
                return "no such task"
            if row.call.task == "t.broken":
                raise ZeroDivisionError("a fault of ours")
            value = Inline(str(due_at).encode())
            return Order(run, Digest(graph), row.name, {"x": value}, digest_of(value.data))

        mill.engine.schedules.open(CronAlmanac(), order)
        yield mill


def schedule(terms: Terms, cursor_at: Instant, name: str = "s", task: str = "t.noop") -> Schedule:
    return Schedule(name, name.encode() * 16, terms, Call(task=task), cursor_at, cursor_at, cursor_at, 0, cursor_at)


async def settled(mill: Mill, name: str = "s") -> Schedule:
    """As it is when nothing more is due by now, and nothing of it is on its way."""
    async with asyncio.timeout(20):
        while True:
            row = await mill.engine.schedules.find(name)
            if row is not None and (row.next_at is None or row.next_at > mill.engine.clock.now()):
                return row
            await asyncio.sleep(0.005)


async def lines(mill: Mill, row: Schedule) -> list[Fire]:
    return list((await mill.store.fires(row.id, 10_000, 10_000))[::-1])


def wall(mill: Mill) -> Instant:
    return mill.engine.clock.now()


async def test_a_clock_that_jumps_ahead_and_back_repeats_nothing(tmp_path: Path) -> None:
    mill = Mill(tmp_path)
    terms = Terms(Every(HOUR), overlap=Overlap.ALLOW, catch_up=CatchUp.ALL, window_us=1000 * HOUR)
    async with living(mill):
        at = wall(mill)
        await keep(mill, schedule(terms, at - 3 * HOUR))
        assert len(await lines(mill, await settled(mill))) == 3
    async with living(mill, ahead=5 * HOUR):
        assert len(await lines(mill, await settled(mill))) == 8
    async with living(mill):
        row = await settled(mill)
        found = await lines(mill, row)
        assert len(found) == 8
        assert row.next_at is not None
        assert row.next_at > at + 5 * HOUR
    async with living(mill, ahead=7 * HOUR):
        found = await lines(mill, await settled(mill))
        assert {line.kind for line in found} == {FireKind.STARTED}
        assert [b.due_at - a.due_at for a, b in pairwise(found)] == [HOUR] * 9


async def test_what_a_server_slept_through_is_one_line_and_one_run(tmp_path: Path) -> None:
    mill = Mill(tmp_path)
    async with living(mill):
        row = schedule(Terms(Cron("0 * * * *")), wall(mill) - 100 * HOUR)
        await keep(mill, row)
        missed, started = await lines(mill, await settled(mill))
    assert (missed.kind, missed.count) == (FireKind.MISSED, 99)
    assert (started.kind, started.due_at) == (FireKind.STARTED, missed.last_at + HOUR)


async def test_a_thousand_at_one_instant_are_fired_in_bites(tmp_path: Path) -> None:
    mill = Mill(tmp_path)
    async with living(mill):
        at = wall(mill)
        many = [schedule(Terms(Every(24 * HOUR, at)), at - 1, f"s{number}") for number in range(1000)]
        many = [replace(row, id=number.to_bytes(16, "big")) for number, row in enumerate(many)]
        await keep(mill, *many)
        async with asyncio.timeout(60):
            while (await mill.store.next_fire() or 0) <= wall(mill):  # noqa: ASYNC110 - nobody tells of the last one
                await asyncio.sleep(0.02)
        runs = (await mill.store.rows(Keys(runs=[run_id(row.id, at) for row in many]))).runs
        assert len(runs) == 1000
        assert None not in runs.values()


async def test_the_end_of_a_run_lets_the_next_one_go_also_after_a_restart(tmp_path: Path) -> None:
    mill = Mill(tmp_path)
    terms = Terms(Every(HOUR), overlap=Overlap.QUEUE, catch_up=CatchUp.ALL, window_us=1000 * HOUR)
    async with living(mill):
        await keep(mill, schedule(terms, wall(mill) - 3 * HOUR))
        row = await settled(mill)
        assert (len(row.running), len(row.waiting)) == (1, 2)
        peer = mill.connect("w", b"1" * 16)
        await peer.hello()
        await peer.grant(5)
        await peer.succeed(await peer.take())
        second = await peer.take()
        assert RunId(second.run) == run_id(row.id, row.waiting[0])
    async with living(mill):
        peer = mill.connect("w", b"2" * 16)
        await peer.hello()
        await peer.grant(5)
        await peer.succeed(await peer.take())
        third = await peer.take()
        assert RunId(third.run) == run_id(row.id, row.waiting[1])
        kinds = [line.kind.value for line in await lines(mill, row)]
        assert kinds == ["started", "waits", "waits", "started", "started"]


async def test_one_that_cannot_be_worked_out_is_paused_and_the_others_go_on(tmp_path: Path) -> None:
    mill = Mill(tmp_path)
    async with living(mill):
        at = wall(mill)
        gone_zone = Terms(Cron("0 3 * * *"), "Mars/Phobos")
        rows = [
            schedule(gone_zone, at - HOUR, "zone"),
            schedule(Terms(Every(HOUR)), at - HOUR, "fault", "t.broken"),
            schedule(Terms(Every(HOUR)), at - HOUR, "gone", "t.gone"),
            schedule(Terms(Every(HOUR)), at - HOUR, "fine"),
        ]
        await keep(mill, *rows)
        for name in ("zone", "fault"):
            row = await settled(mill, name)
            assert row.paused_at
            assert "cannot be worked out" in row.reason
        for name, kind in (("gone", FireKind.REFUSED), ("fine", FireKind.STARTED)):
            (line,) = await lines(mill, await settled(mill, name))
            assert line.kind is kind


async def test_an_idle_engine_asks_the_store_nothing(tmp_path: Path) -> None:
    mill = Mill(tmp_path)
    async with living(mill):
        at = wall(mill)
        await keep(mill, schedule(Terms(Every(HOUR)), at))
        await settled(mill)
        asked = 0
        ask = mill.store.next_fire

        async def counted() -> Instant | None:
            nonlocal asked
            asked += 1
            return await ask()

        vars(mill.store)["next_fire"] = counted
        await asyncio.sleep(0.3)
        assert asked <= 1
        assert mill.engine.idle_violation() is None
