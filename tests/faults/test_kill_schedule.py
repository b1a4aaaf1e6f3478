"""The process dies around a fire, again and again: each due instant has one run, and one line of history."""

import asyncio
import os
import sys
from pathlib import Path

import pytest

from tests.engine.peer import Mill
from tests.faults.cycle_schedule import COUNT, FIRST, SECOND, begin, finish
from tidemill.core.recurrence import run_id
from tidemill.core.rows import FireKind, Keys

ROOT = Path(__file__).parent.parent.parent
WITHIN_S = 60.0
POINTS = ("store.save.before", "store.commit.before", "store.commit.after")


async def die(folder: Path, plan: str) -> int:
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.faults.cycle_schedule", str(folder), plan),
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
    )
    return await asyncio.wait_for(child.wait(), WITHIN_S)


@pytest.mark.parametrize("beat", [3, 4, 5])
async def test_a_server_that_is_killed_around_a_fire_neither_loses_nor_doubles_one(tmp_path: Path, beat: int) -> None:
    codes = [await die(tmp_path, f"{point}:{beat}") for point in POINTS]
    assert 137 in codes, codes
    async with Mill(tmp_path).opened() as mill:
        await begin(mill)
        row = await finish(mill)
        instants = [FIRST + number * SECOND for number in range(COUNT)]
        runs = (await mill.store.rows(Keys(runs=[run_id(row.id, at) for at in instants]))).runs
        assert all(run is not None for run in runs.values())
        lines = (await mill.store.fires(row.id, 10_000, 10_000))[::-1]
        assert [line.due_at for line in lines] == instants
        assert {line.kind for line in lines} == {FireKind.STARTED}
        assert [line.number for line in lines] == list(range(1, COUNT + 1)) == list(range(1, row.lines + 1))
