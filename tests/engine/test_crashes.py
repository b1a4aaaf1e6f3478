"""The engine when its store fails, and when it starts again on what another left."""

import asyncio
from pathlib import Path

import pytest
from msgspec.structs import replace

from tests.engine.bench import mapped
from tests.engine.peer import SHORT, Mill
from tidemill.core.errors import UnavailableError
from tidemill.core.ids import Digest
from tidemill.core.rows import Changes
from tidemill.core.run import AttemptEnded, Code, End, Held, Waiting
from tidemill.ports.store import RowRefusedError
from tidemill.wire import worker as wire

INSTANCE = b"i" * 16


class FailingDisk:
    """Refuses the next writes at one point."""

    def __init__(self, point: str = "store.commit.before") -> None:
        self.point, self.left = point, 0

    def reach(self, point: str) -> None:
        if point == self.point and self.left:
            self.left -= 1
            raise OSError(28, "no space left on device")


@pytest.fixture
def disk() -> FailingDisk:
    return FailingDisk()


async def test_a_submission_that_cannot_be_written_is_refused_and_nothing_is_there(
    tmp_path: Path, disk: FailingDisk
) -> None:
    async with Mill(tmp_path, disk).opened() as mill:
        order = mill.order(await mill.published())
        disk.left = 1
        with pytest.raises(UnavailableError):
            await mill.engine.submit([order])
        assert vars(mill.engine._watches)["_by_run"] == {}
        [run] = await mill.engine.submit([order])
        assert run.status == "running"  # type: ignore[union-attr]


async def test_a_result_that_could_not_be_written_is_acknowledged_when_it_is(tmp_path: Path, disk: FailingDisk) -> None:
    async with Mill(tmp_path, disk).opened() as mill:
        run = await mill.started()
        peer = mill.connect("w", INSTANCE)
        await peer.hello()
        await peer.grant(1)
        ref = await peer.take()
        disk.left = 2
        await peer.report(ref)
        asked = await peer.hear(wire.Refused)
        assert (asked.final, asked.reason) == (False, "the outcome of a commit is unknown")
        assert peer.unheard(wire.Ack) == []
        assert await peer.is_cut_off()
        again = mill.connect("w", INSTANCE)
        welcome = await again.hello(unacknowledged=(ref,))
        if welcome.keep:
            await again.succeed(ref)
        assert (await mill.ended(run)).status == "succeeded"


async def test_a_hello_that_could_not_be_written_is_said_again_and_nothing_hangs(
    tmp_path: Path, disk: FailingDisk
) -> None:
    async with Mill(tmp_path, disk).opened() as mill:
        run = await mill.started()
        old = mill.connect("w", INSTANCE)
        await old.hello()
        await old.grant(1)
        await old.take()
        disk.left = 1
        new = mill.connect("w", b"n" * 16)
        await new.say(wire.Hello(wire.PROTOCOL, "w", b"n" * 16, (), wire.Pools(1)))
        assert await new.is_cut_off()
        again = mill.connect("w", b"n" * 16)
        await again.hello()
        await again.grant(1)
        second = await again.take()
        assert second.number == 2
        await again.succeed(second)
        assert (await mill.ended(run)).status == "succeeded"


async def test_a_row_that_no_store_can_hold_refuses_its_submission_alone(mill: Mill) -> None:
    graph = await mill.published()
    good = [mill.order(graph) for _ in range(5)]
    bad = replace(mill.order(graph), workflow="\ud800")
    waits = [asyncio.ensure_future(mill.engine.submit([order])) for order in (*good[:2], bad, *good[2:])]
    answers = await asyncio.gather(*waits, return_exceptions=True)
    assert [isinstance(each, RowRefusedError) for each in answers] == [False, False, True, False, False, False]
    assert await mill.run(good[4].run)


async def test_the_feed_has_no_gap_when_a_commit_fails(tmp_path: Path, disk: FailingDisk) -> None:
    async with Mill(tmp_path, disk).opened() as mill:
        graph = await mill.published()
        seen: list[int] = []

        async def follow() -> None:
            async for number, _ in mill.engine.feed.follow(None, 0):
                seen.append(number)

        reader = asyncio.ensure_future(follow())
        for _ in range(3):
            await mill.submit(graph)
            disk.left = 1
            with pytest.raises(UnavailableError):
                await mill.submit(graph)
        await mill.submit(graph)
        stored = [number for number, _ in await mill.store.feed(0, None, 100)]
        async with asyncio.timeout(20):
            while seen != stored:
                await mill.engine.record(Changes(blobs={Digest(b"x" * 32): 1}))
        reader.cancel()


# Starting again ------------------------------------------------------------------------------------


@pytest.mark.feature("F1", "K7")
async def test_a_server_that_starts_again_keeps_what_its_workers_hold(tmp_path: Path) -> None:
    mill = Mill(tmp_path)
    async with mill.opened():
        graph = await mill.published(mapped(window=3))
        run = await mill.submit(graph, xs=[1, 2, 3])
        peer = mill.connect("w", INSTANCE)
        await peer.hello()
        await peer.grant(3)
        refs = [await peer.take() for _ in range(3)]
        await peer.succeed(refs[0])
    async with mill.opened():
        again = mill.connect("w", INSTANCE)
        welcome = await again.hello(held=(refs[1],), unacknowledged=(refs[0], refs[2]))
        assert (set(welcome.keep), welcome.stale) == ({refs[1], refs[2]}, (refs[0],))
        await again.grant(3)
        await again.succeed(refs[1])
        await again.succeed(refs[2])
        assert (await mill.ended(run)).status == "succeeded"
        assert again.unheard(wire.Assign) == [], "a recorded step ran again"


async def test_what_was_held_before_a_restart_goes_back_when_its_worker_does_not_come(tmp_path: Path) -> None:
    mill = Mill(tmp_path, settings=SHORT)
    async with mill.opened():
        run = await mill.started()
        peer = await mill.worker(1)
        ref = await peer.take()
    async with mill.opened():
        await mill.seen(run, "attempt_lost")
        other = await mill.worker(1)
        assert (await other.take()).number == ref.number + 1


async def test_what_waits_in_the_queue_is_leased_after_a_restart(tmp_path: Path) -> None:
    mill = Mill(tmp_path)
    async with mill.opened():
        run = await mill.started()
    async with mill.opened():
        peer = await mill.worker(1)
        await peer.succeed(await peer.take())
        assert (await mill.ended(run)).status == "succeeded"


@pytest.mark.promise("P7")
async def test_a_retry_that_was_waited_for_comes_after_a_restart(tmp_path: Path) -> None:
    mill = Mill(tmp_path)
    async with mill.opened():
        run = await mill.started()
        peer = await mill.worker(1)
        await peer.fail(await peer.take(), Code.TRANSIENT)
        assert isinstance((await mill.step(run)).state, Waiting)
    async with mill.opened():
        again = await mill.worker(1)
        assert (await again.take()).number == 2


async def test_a_cancel_that_was_under_way_ends_after_a_restart(tmp_path: Path) -> None:
    mill = Mill(tmp_path)
    async with mill.opened():
        graph = await mill.published(mapped(window=2))
        run = await mill.submit(graph, xs=[1, 2, 3])
        peer = mill.connect("w", INSTANCE)
        await peer.hello()
        await peer.grant(1)
        ref = await peer.take()
        await mill.engine.cancel(run, "enough")
        await peer.hear(wire.Cancel)
    async with mill.opened():
        assert (await mill.run(run)).status == "cancelling"
        again = mill.connect("w", INSTANCE)
        await again.hello(held=(ref,))
        assert (await again.hear(wire.Cancel)).attempt == ref
        await again.fail(ref, Code.CANCELLED, End.STOPPED)
        assert (await mill.ended(run)).status == "cancelled"
        state = (await mill.attempt(ref)).state
        assert isinstance(state, AttemptEnded)
        assert state.end is End.STOPPED


async def test_a_definition_and_a_graph_are_known_after_a_restart(tmp_path: Path) -> None:
    mill = Mill(tmp_path)
    async with mill.opened():
        await mill.worker(0)
        digest = await mill.published()
    async with mill.opened():
        await mill.engine.record(Changes())
        assert mill.engine.catalog.latest("t.noop") is not None
        assert mill.engine.graphs.by_name("test") == digest
        run = await mill.submit(digest)
        peer = await mill.worker(1)
        await peer.take()
        assert isinstance((await mill.step(run)).state, Held)
