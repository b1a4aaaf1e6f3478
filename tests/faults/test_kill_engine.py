"""The server's process dies at each point of a commit, at each beat of a few runs; what it acknowledged is there."""

import asyncio
import os
import sys
from pathlib import Path

import msgspec
import pytest

from tests.engine.peer import Mill
from tests.faults.cycle import RUNS
from tidemill.core.ids import RunId
from tidemill.core.run import StepSucceeded
from tidemill.core.values import Inline

ROOT = Path(__file__).parent.parent.parent
WITHIN_S = 60.0
POINTS = ("store.save.before", "store.commit.before", "store.commit.after")
BEATS = [f"{point}:{number}" for point in POINTS for number in (1, 2, 3, 4, 5, 7)]
MORE = [f"{point}:{number}" for point in POINTS for number in range(8, 26)]


async def die(folder: Path, plan: str) -> tuple[list[RunId], dict[RunId, int]]:
    """What was acknowledged before the end: runs, and results."""
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.faults.cycle", str(folder), plan),
        stdout=asyncio.subprocess.PIPE,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
    )
    output, _ = await asyncio.wait_for(child.communicate(), WITHIN_S)
    lines = [line.split() for line in output.decode().splitlines()]
    submitted = [RunId(bytes.fromhex(line[1])) for line in lines if line[0] == "submitted"]
    done = {RunId(bytes.fromhex(line[1])): int(line[2]) for line in lines if line[0] == "done"}
    assert child.returncode == 137 or len(done) == RUNS, f"{plan}: exit {child.returncode}"
    return submitted, done


async def check(folder: Path, submitted: list[RunId], done: dict[RunId, int]) -> None:
    async with Mill(folder).opened() as mill:
        for run in done:
            assert isinstance((await mill.step(run)).state, StepSucceeded), "a recorded result is gone"
        peer = mill.connect("w", b"2" * 16)
        await peer.hello()
        await peer.grant(100)
        waiting = [run for run in submitted if (await mill.run(run)).status != "succeeded"]
        for _ in waiting:
            ref = await peer.take()
            assert RunId(ref.run) not in done, "a recorded step ran again"
            await peer.succeed(ref, 99)
        for run in submitted:
            row = await mill.ended(run)
            assert (row.status, row.done, row.live) == ("succeeded", 1, 0)
        for run, number in done.items():
            value = (await mill.store.values(run, "noop"))["value"]
            assert value == Inline(msgspec.msgpack.encode(number)), "a recorded result changed"
            assert len(await mill.store.attempts(run, None, 10)) == 1


@pytest.mark.promise("P1")
@pytest.mark.feature("F1")
@pytest.mark.parametrize("plan", BEATS)
async def test_what_was_acknowledged_outlives_the_server(tmp_path: Path, plan: str) -> None:
    await check(tmp_path, *await die(tmp_path, plan))


@pytest.mark.slow
@pytest.mark.parametrize("plan", MORE)
async def test_what_was_acknowledged_outlives_the_server_at_any_beat(tmp_path: Path, plan: str) -> None:
    await check(tmp_path, *await die(tmp_path, plan))
