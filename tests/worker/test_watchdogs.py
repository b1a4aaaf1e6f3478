"""A worker that cannot start in time ends; an attempt that stands still is reported while it does."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.worker.scripted import Bench, Gate, assign, given, ref
from tidemill.core.values import Blob, Given
from tidemill.sdk.context import Context
from tidemill.sdk.worker import Worker
from tidemill.wire import worker as wire
from tidemill.worker.startup import NotRegisteredError
from tidemill.worker.stuck import LOGGER

w = Worker("w")
slow = Worker("slow")
gate = Gate()


@w.task
async def held(name: str) -> str:
    await gate.hold(name)
    return name


@w.task
async def lively(ctx: Context) -> str:
    for _ in range(60):
        ctx.heartbeat()
        await asyncio.sleep(0.005)
    return "alive"


@slow.on_start
async def never() -> None:
    await asyncio.Event().wait()


async def test_one_that_nobody_welcomes_ends_with_what_it_did_last(tmp_path: Path) -> None:
    bench = Bench(tmp_path, w, register_s=0.1)
    bench.server.refusal = None
    with pytest.raises(NotRegisteredError, match=r"not registered within 0.1 s; it was connecting"):
        await bench.runtime.run()


async def test_one_whose_start_hangs_says_where(tmp_path: Path) -> None:
    with pytest.raises(NotRegisteredError, match="it was running on_start"):
        await Bench(tmp_path, slow, register_s=0.1, drain_s=0.1).runtime.run()


async def test_one_that_was_welcomed_may_lose_its_server_for_longer(tmp_path: Path) -> None:
    bench = Bench(tmp_path, w, register_s=0.2)
    async with bench.connected() as server:
        await server.silence()
        assert bench.runtime.status().phase == "serving"
        await server.hang_up()
        await asyncio.sleep(0.3)
        await server.accept()
        assert not bench.task.done()


@pytest.mark.feature("D10")
def test_the_command_ends_not_zero_with_the_reason(tmp_path: Path) -> None:
    (tmp_path / "main.py").write_text(
        "from tidemill import Worker\nw = Worker('w')\n\n\n@w.task\ndef one() -> int:\n    return 1\n"
    )
    environment = {**os.environ, "TIDEMILL_REGISTER_S": "0.5", "TIDEMILL_URL": "http://127.0.0.1:9"}
    done = subprocess.run(
        [sys.executable, "-m", "tidemill", "worker", str(tmp_path), "--data", str(tmp_path / "data")],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 3
    assert "not registered within 0.5 s; it was connecting: " in done.stderr
    assert "127.0.0.1" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.feature("D11")
async def test_an_attempt_that_stands_still_is_reported_in_its_own_log(tmp_path: Path) -> None:
    bench = Bench(tmp_path, w, stuck_s=0.1)
    async with bench.connected() as server:
        await server.say(assign("w.held", "still", inputs=given(name="still")), assign("w.lively", "lively"))
        for _ in range(2):
            told = await server.hear(wire.Log, lambda message: message.lines[0].logger == LOGGER)
            assert told.attempt == ref("still")
            assert "no sign of life for 0 s, running" in told.lines[0].text
        assert bench.runtime.status().stuck == 1
        gate.open("still")
        await server.hear(wire.Succeeded, lambda message: message.attempt == ref("still"))
        await server.hear(wire.Succeeded, lambda message: message.attempt == ref("lively"))
        assert {line.attempt.path for line in server.all_of(wire.Log)} == {"still"}


@pytest.mark.feature("D11")
async def test_one_whose_inputs_do_not_come_is_reported_too(tmp_path: Path) -> None:
    bench = Bench(tmp_path, w, stuck_s=0.05)
    bench.blobs.hold = asyncio.Event()
    async with bench.connected() as server:
        await server.say(assign("w.held", "fetching", inputs={"name": Given(Blob(b"d" * 32, 9))}))
        told = await server.hear(wire.Log, lambda message: message.lines[0].logger == LOGGER)
        assert "fetching its inputs" in told.lines[0].text
        bench.blobs.hold.set()
