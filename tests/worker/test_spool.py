"""Results on disk: they survive the worker, and nothing is lost without a word."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.worker.scripted import Bench, Gate, assign, given, ref, value_of
from tidemill.sdk.worker import Worker
from tidemill.wire import worker as wire

w = Worker("w")
gate = Gate()


@w.task
async def quick(x: int) -> int:
    return x


@w.task
async def held(name: str) -> str:
    await gate.hold(name)
    return name


@w.stream
async def three() -> AsyncIterator[int]:
    for n in range(3):
        yield n


def spooled(folder: Path) -> list[Path]:
    return sorted((folder / "spool").glob("*")) if (folder / "spool").exists() else []


async def until_spooled(folder: Path, count: int) -> None:
    async with asyncio.timeout(10):
        while len([each for each in spooled(folder) if each.suffix != ".part"]) != count:  # noqa: ASYNC110 - files tell nobody
            await asyncio.sleep(0.002)


@pytest.mark.feature("D12")
async def test_a_result_survives_a_restart_and_is_delivered(tmp_path: Path) -> None:
    bench = Bench(tmp_path, w)
    async with bench.connected() as server:
        await server.say(assign("w.held", inputs=given(name="lost link")))
        await gate.reached("lost link")
        await server.hang_up()
        gate.open("lost link")
        await until_spooled(tmp_path, 1)
    async with bench.again().running() as server:
        hello = await server.accept()
        assert (hello.held, hello.unacknowledged) == ((), (ref(),))
        assert value_of(await server.hear(wire.Succeeded)) == "lost link"
        await server.say(wire.Ack((ref(),)))
        await until_spooled(tmp_path, 0)


@pytest.mark.feature("D12")
async def test_a_result_that_took_long_to_make_is_on_disk_at_once(tmp_path: Path) -> None:
    async with Bench(tmp_path, w, spool_after_s=0.0).connected() as server:
        await server.say(assign("w.quick", inputs=given(x=5)))
        await server.hear(wire.Succeeded)
        await until_spooled(tmp_path, 1)
        await server.say(wire.Ack((ref(),)))
        await until_spooled(tmp_path, 0)


async def test_a_quick_result_that_is_taken_at_once_never_touches_the_disk(tmp_path: Path) -> None:
    async with Bench(tmp_path, w).connected() as server:
        for n in range(10):
            await server.say(assign("w.quick", f"s{n}", inputs=given(x=n)))
            await server.hear(wire.Succeeded)
            await server.say(wire.Ack((ref(f"s{n}"),)))
        await server.silence()
        assert spooled(tmp_path) == []


async def test_several_lives_keep_the_order_and_stale_results_go(tmp_path: Path) -> None:
    bench = Bench(tmp_path, w, spool_after_s=0.0)
    async with bench.connected() as server:
        for n in range(3):
            await server.say(assign("w.quick", f"s{n}", inputs=given(x=n)))
            await server.hear(wire.Succeeded)
        await until_spooled(tmp_path, 3)
    async with bench.again().running() as server:
        assert (await server.accept(stale=(ref("s1"),))).unacknowledged == (ref("s0"), ref("s1"), ref("s2"))
        assert [(await server.hear(wire.Succeeded)).attempt.path for _ in range(2)] == ["s0", "s2"]
        await until_spooled(tmp_path, 2)
    async with bench.again().running() as server:
        assert (await server.accept()).unacknowledged == (ref("s0"), ref("s2"))


@pytest.mark.parametrize("damage", ["cut", "flipped", "empty", "foreign"])
async def test_a_damaged_file_is_set_aside_and_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, damage: str
) -> None:
    bench = Bench(tmp_path, w, spool_after_s=0.0)
    async with bench.connected() as server:
        for n in range(2):
            await server.say(assign("w.quick", f"s{n}", inputs=given(x=n)))
            await server.hear(wire.Succeeded)
        await until_spooled(tmp_path, 2)
    victim = spooled(tmp_path)[0]
    whole = victim.read_bytes()
    victim.write_bytes({"cut": whole[:-3], "flipped": whole[:-1] + b"\x00", "empty": b"", "foreign": b"hello"}[damage])
    async with bench.again().running() as server:
        assert (await server.accept()).unacknowledged == (ref("s1"),)
        assert value_of(await server.hear(wire.Succeeded)) == 1
    assert "is damaged" in caplog.text
    assert victim.with_name(victim.name + ".damaged").exists()


async def test_a_half_written_file_is_said_and_goes(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "spool").mkdir()
    (tmp_path / "spool" / "0001-x-1.part").write_bytes(b"half")
    async with Bench(tmp_path, w).running() as server:
        assert (await server.accept()).unacknowledged == ()
    assert "not wholly written" in caplog.text
    assert spooled(tmp_path) == []


@pytest.mark.feature("D12")
async def test_a_full_spool_is_said_and_the_result_stays_in_memory(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with Bench(tmp_path, w, spool_after_s=0.0, spool_bytes=10).connected() as server:
        await server.say(assign("w.quick", inputs=given(x=5)))
        await server.hear(wire.Succeeded)
        await server.hang_up()
        assert (await server.accept()).unacknowledged == (ref(),)
        assert value_of(await server.hear(wire.Succeeded)) == 5
    assert "the spool is full" in caplog.text


async def test_a_streams_result_is_not_spooled_before_its_items_are_durable(tmp_path: Path) -> None:
    bench = Bench(tmp_path, w, spool_after_s=0.0)
    async with bench.connected() as server:
        await server.say(assign("w.three"))
        await server.hear(wire.Chunk)
        await server.silence()
        await server.hang_up()
        await server.accept()
        assert spooled(tmp_path) == []
        await server.hear(wire.Chunk)
        await server.say(wire.ChunkAck(ref(), 3))
        await server.hear(wire.Succeeded)
        await until_spooled(tmp_path, 1)
