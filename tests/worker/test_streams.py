"""Streams: numbered items, back-pressure, and what a dead link does to them."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.worker.scripted import Bench, Gate, assign, given, ref
from tidemill.core.run import Code
from tidemill.core.values import Streamed
from tidemill.sdk.file import File
from tidemill.sdk.worker import Worker
from tidemill.wire import worker as wire

w = Worker("w")
gate = Gate()
KINDS = ["w.count", "w.count_async"]


@w.stream
def count(to: int) -> Iterator[int]:
    for n in range(to):
        yield n
        gate.note("made", f"sync {n}")


@w.stream
async def count_async(to: int) -> AsyncIterator[int]:
    for n in range(to):
        yield n
        gate.note("made", f"async {n}")


@w.stream
def breaks(at: int) -> Iterator[int]:
    yield from range(at)
    raise ValueError("broken")


@w.stream
def large(sizes: list[int]) -> Iterator[bytes]:
    for size in sizes:
        yield b"x" * size


@w.stream
async def pictures(folder: str) -> AsyncIterator[File]:
    for n in range(3):
        path = Path(folder) / f"{n}.txt"
        path.write_text(f"picture {n}")
        yield File(path)


async def collect(server: Any, items: list[Any], until: int) -> None:
    """Items in order from the chunks that come, none missing and none twice."""
    while len(items) < until:
        chunk = await server.hear(wire.Chunk)
        assert chunk.first == len(items)
        items += [msgspec.msgpack.decode(item) for item in chunk.items]


@pytest.mark.feature("A6")
@pytest.mark.parametrize("task", KINDS)
async def test_items_come_in_order_and_the_result_counts_them(tmp_path: Path, task: str) -> None:
    async with Bench(tmp_path, w).connected() as server:
        await server.say(assign(task, inputs=given(to=5)))
        items: list[int] = []
        await collect(server, items, 5)
        await server.silence()
        assert not server.all_of(wire.Succeeded)  # its items first
        await server.say(wire.ChunkAck(ref(), 5))
        assert (await server.hear(wire.Succeeded)).outputs == {"value": Streamed(1, 5)}
        assert items == [0, 1, 2, 3, 4]


@pytest.mark.feature("A6")
@pytest.mark.parametrize("task", KINDS)
async def test_a_producer_waits_while_too_many_items_are_not_durable(tmp_path: Path, task: str) -> None:
    async with Bench(tmp_path, w).connected() as server:
        await server.say(assign(task, inputs=given(to=600)))
        items: list[int] = []
        await collect(server, items, wire.UNACKNOWLEDGED_ITEMS)
        await server.silence()
        assert len(items) == wire.UNACKNOWLEDGED_ITEMS
        await server.say(wire.ChunkAck(ref(), 100))
        await collect(server, items, wire.UNACKNOWLEDGED_ITEMS + 100)
        while len(items) < 600:
            await server.say(wire.ChunkAck(ref(), len(items)))
            await collect(server, items, len(items) + 1)
        await server.say(wire.ChunkAck(ref(), 600))
        assert (await server.hear(wire.Succeeded)).outputs == {"value": Streamed(1, 600)}
        assert items == list(range(600))


@pytest.mark.parametrize("task", KINDS)
async def test_items_that_were_not_acknowledged_come_again_after_a_reconnect(tmp_path: Path, task: str) -> None:
    async with Bench(tmp_path, w).connected() as server:
        await server.say(assign(task, inputs=given(to=10)))
        await collect(server, [], 10)
        await server.say(wire.ChunkAck(ref(), 4))
        await server.silence()
        await server.hang_up()
        assert (await server.accept()).held == (ref(),)
        items = [0, 1, 2, 3]
        await collect(server, items, 10)
        await server.say(wire.ChunkAck(ref(), 10))
        assert (await server.hear(wire.Succeeded)).outputs == {"value": Streamed(1, 10)}
        assert items == list(range(10))


async def test_items_made_without_a_link_come_with_the_next(tmp_path: Path) -> None:
    async with Bench(tmp_path, w).connected() as server:
        await server.hang_up()
        await server.accept()
        await server.say(assign("w.count", inputs=given(to=1000)))
        await collect(server, [], wire.UNACKNOWLEDGED_ITEMS)
        await server.say(wire.ChunkAck(ref(), 200))
        await server.hang_up()
        await gate.noted("made", "sync 400")  # it went on as far as it may
        await server.accept()
        items = list(range(200))
        await collect(server, items, 200 + wire.UNACKNOWLEDGED_ITEMS)


async def test_a_stream_that_breaks_fails(tmp_path: Path) -> None:
    async with Bench(tmp_path, w).connected() as server:
        await server.say(assign("w.breaks", inputs=given(at=3)))
        items: list[int] = []
        await collect(server, items, 3)
        await server.silence()
        assert not server.all_of(wire.Failed)  # its items first
        await server.say(wire.ChunkAck(ref(), 3))
        assert (await server.hear(wire.Failed)).failure.code is Code.INTERNAL


async def test_chunks_are_bounded_and_an_item_may_not_be_too_large(tmp_path: Path) -> None:
    async with Bench(tmp_path, w).connected() as server:
        await server.say(assign("w.large", inputs=given(sizes=[40_000, 40_000, 200_000, 10, 600_000])))
        await collect(server, [], 4)
        await server.say(wire.ChunkAck(ref(), 4))
        failed = await server.hear(wire.Failed)
        assert failed.failure.code is Code.PERMANENT
        assert "yield a File instead" in failed.failure.message
        assert [len(chunk.items) for chunk in server.all_of(wire.Chunk)] == [1, 1, 1, 1]


async def test_files_of_items_are_uploaded_before_the_items_go(tmp_path: Path) -> None:
    bench = Bench(tmp_path, w)
    async with bench.connected() as server:
        await server.say(assign("w.pictures", inputs=given(folder=str(tmp_path))))
        items: list[Any] = []
        await collect(server, items, 3)
        assert sorted(bench.blobs.blobs.values()) == [b"picture 0", b"picture 1", b"picture 2"]
        assert [item["name"] for item in items] == ["0.txt", "1.txt", "2.txt"]
        await server.say(wire.ChunkAck(ref(), 3))
        assert (await server.hear(wire.Succeeded)).outputs == {"value": Streamed(1, 3)}
