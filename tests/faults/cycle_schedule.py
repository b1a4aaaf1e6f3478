"""A server whose schedule fires, for instants that are long past, until a fault point ends the process."""

import asyncio
import sys
from pathlib import Path

from tests.engine.peer import Mill
from tidemill.adapters.cron.almanac import CronAlmanac
from tidemill.adapters.system.faults import CrashFaults
from tidemill.core.ids import Digest, Instant, RunId, digest_of
from tidemill.core.recurrence import CatchUp, Every, Overlap, Terms
from tidemill.core.rows import Call, Schedule
from tidemill.core.schedules import Verdict
from tidemill.core.values import Inline
from tidemill.engine.orders import Order
from tidemill.engine.schedules import Change

SECOND = 1_000_000
FIRST, COUNT = 1_700_000_000 * SECOND, 50
LAST = FIRST + (COUNT - 1) * SECOND
TERMS = Terms(
    Every(SECOND), end_at=LAST, overlap=Overlap.ALLOW, catch_up=CatchUp.ALL, window_us=100 * 366 * 86400 * SECOND
)


def a_schedule() -> Schedule:
    """All its instants were missed, and are made up for."""
    at = FIRST - 1
    return Schedule("nightly", b"s" * 16, TERMS, Call(task="t.noop"), at, at, at, FIRST, FIRST)


async def keep(mill: Mill, *rows: Schedule) -> None:
    """Have these as they are."""

    async def one(row: Schedule) -> None:
        async def plan(_: Schedule | None) -> Change:
            return Change(lambda _, __: Verdict(row))

        await mill.engine.schedules.change(row.name, plan)

    await asyncio.gather(*map(one, rows))


async def begin(mill: Mill) -> None:
    """The schedule fires from now on."""
    graph = await mill.published()

    async def order(row: Schedule, due_at: Instant, run: RunId) -> Order:
        value = Inline(str(due_at).encode())
        return Order(run, Digest(graph), row.name, {"x": value}, digest_of(value.data))

    if await mill.engine.schedules.find("nightly") is None:
        await keep(mill, a_schedule())
    mill.engine.schedules.open(CronAlmanac(), order)


async def finish(mill: Mill) -> Schedule:
    """As it is when nothing is due any more."""
    while (row := await mill.engine.schedules.find("nightly")) is None or row.next_at is not None:  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    return row


async def main(folder: Path, plan: str) -> None:
    async with Mill(folder, CrashFaults(plan)).opened() as mill:
        await begin(mill)
        await finish(mill)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2]))
