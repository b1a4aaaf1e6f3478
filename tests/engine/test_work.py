"""Submit, lease, report, cancel, drain: through the engine and the protocol."""

import asyncio
import itertools
from typing import Any

import pytest
from msgspec.structs import replace

from tests.engine.bench import NOOP, NUMBER, lone, mapped, noop, workflow_of
from tests.engine.peer import Mill
from tidemill.core.definitions import Pools, TaskOptions
from tidemill.core.graph import Graph
from tidemill.core.ids import Digest, RunId
from tidemill.core.plan import Layout
from tidemill.core.retry import MAX_LOSSES
from tidemill.core.rows import Changes
from tidemill.core.run import AttemptEnded, Code, End, Ended, Failed, Run, StepFailed, Waiting
from tidemill.core.terms import Ref
from tidemill.core.values import Blob
from tidemill.engine.orders import SubmitRefused
from tidemill.wire import worker as wire


async def test_an_order_that_comes_again_gives_the_run_as_it_stands(mill: Mill) -> None:
    order = mill.order(await mill.published())
    [first] = await mill.engine.submit([order])
    peer = await mill.worker()
    await peer.succeed(await peer.take())
    [again] = await mill.engine.submit([order])
    assert isinstance(first, Run)
    assert isinstance(again, Run)
    assert (first.status, again.status) == ("running", "succeeded")
    assert first.id == again.id


async def test_another_order_under_the_same_id_is_a_conflict(mill: Mill) -> None:
    order = mill.order(await mill.published())
    other = replace(order, submitted=Digest(b"other" * 6 + b"xx"))
    [_, refused] = await mill.engine.submit([order, other])
    assert isinstance(refused, SubmitRefused)
    assert refused.type == "conflict"


async def test_a_blob_that_nobody_uploaded_refuses_the_order_and_names_it(mill: Mill) -> None:
    graph = await mill.published()
    wanting = replace(mill.order(graph), inputs={"x": Blob(b"b" * 32, 100)})
    [refused, fine] = await mill.engine.submit([wanting, mill.order(graph)])
    assert isinstance(refused, SubmitRefused)
    assert (refused.type, refused.detail) == ("unknown_blob", f"upload sha256:{'62' * 32} first")
    assert isinstance(fine, Run)


async def test_many_orders_are_answered_in_their_order(mill: Mill) -> None:
    orders = [mill.order(await mill.published()) for _ in range(1200)]
    runs = await mill.engine.submit(orders)
    assert [run.id for run in runs if isinstance(run, Run)] == [order.run for order in orders]


async def test_an_order_that_cannot_be_decided_is_told_so_and_the_rest_goes_on(mill: Mill) -> None:
    graph = await mill.published()
    lost = replace(mill.order(graph), graph=Digest(b"?" * 32))
    [refused, fine] = await mill.engine.submit([lost, mill.order(graph)])
    assert isinstance(refused, SubmitRefused)
    assert refused.type == "halted"
    assert isinstance(fine, Run)


async def test_an_event_that_cannot_be_decided_halts_its_run_alone(mill: Mill) -> None:
    watch = mill.engine.watch("t" * 16)
    fine, broken = await mill.published(), await mill.published(mapped(2))
    orders = [mill.order(fine, watch.token), mill.order(broken, watch.token, xs=[1])]
    await mill.engine.submit(orders)
    peer = await mill.worker()
    refs = {ref.run: ref for ref in (await peer.take(), await peer.take())}
    mill.engine.graphs.layouts[broken] = Layout(lone())  # as if the graph of a run were another now
    await peer.report(refs[orders[1].run])
    await peer.succeed(refs[orders[0].run])
    assert await outcomes(watch, 2) == {orders[0].run: "succeeded", orders[1].run: "halted"}
    assert "no step can be at" in (await mill.seen(orders[1].run, "run_halted"))["reason"]


async def test_a_timer_that_cannot_be_decided_fires_once(mill: Mill) -> None:
    broken = await mill.published()
    run = await mill.submit(broken)
    peer = await mill.worker(1)
    await peer.fail(await peer.take(), Code.TRANSIENT)
    mill.engine.graphs.layouts[broken] = Layout(mapped(2))
    await mill.seen(run, "run_halted")
    assert await mill.store.next_due() is None


async def outcomes(watch: Any, count: int) -> dict[bytes, str]:
    found: dict[bytes, str] = {}
    async with asyncio.timeout(20):
        async for batch in watch:
            for each in batch:
                assert each.run.id not in found, "an outcome came twice"
                found[each.run.id] = each.run.status
            if len(found) >= count:
                return found
    return found


# Watching ------------------------------------------------------------------------------------------


async def test_a_watch_hears_each_outcome_once(mill: Mill) -> None:
    watch = mill.engine.watch("t" * 16)
    graph = await mill.published()
    orders = [mill.order(graph, watch.token) for _ in range(20)]
    await mill.engine.submit(orders)
    peer = await mill.worker()
    for _ in orders:
        await peer.succeed(await peer.take())
    assert set((await outcomes(watch, 20)).values()) == {"succeeded"}


async def test_a_watch_hears_at_once_of_what_ended_before(mill: Mill) -> None:
    run = await mill.started()
    peer = await mill.worker()
    await peer.succeed(await peer.take())
    watch = mill.engine.watch("t" * 16)
    await watch.add([run])
    assert await outcomes(watch, 1) == {run: "succeeded"}


async def test_an_order_that_is_known_and_ended_tells_its_watch(mill: Mill) -> None:
    order = mill.order(await mill.published())
    await mill.engine.submit([order])
    peer = await mill.worker()
    await peer.succeed(await peer.take())
    watch = mill.engine.watch("t" * 16)
    await mill.engine.submit([replace(order, watch=watch.token)])
    assert await outcomes(watch, 1) == {order.run: "succeeded"}


async def test_nothing_is_kept_of_watches_that_are_over(mill: Mill) -> None:
    watch = mill.engine.watch("t" * 16)
    graph = await mill.published()
    wanting = replace(mill.order(graph, watch.token), inputs={"x": Blob(b"b" * 32, 100)})
    await mill.engine.submit([wanting, mill.order(graph, watch.token)])
    watch.close()
    assert vars(mill.engine._watches)["_by_run"] == {}  # what must not grow cannot be seen otherwise


# Credit --------------------------------------------------------------------------------------------


async def test_a_worker_is_sent_what_it_granted_and_no_more(mill: Mill) -> None:
    graph = await mill.published()
    await mill.engine.submit([mill.order(graph) for _ in range(10)])
    peer = await mill.worker(3)
    refs = [await peer.take() for _ in range(3)]
    await peer.succeed(refs[0])
    await mill.engine.record(Changes(blobs={Digest(b"x" * 32): 1}))
    assert peer.unheard(wire.Assign) == []
    await peer.grant(5)
    assert len([await peer.take(), await peer.take()]) == 2
    await mill.engine.record(Changes(blobs={Digest(b"y" * 32): 1}))
    assert peer.unheard(wire.Assign) == []


async def test_a_pool_is_never_overfilled(mill: Mill) -> None:
    pooled = replace(NOOP, name="t.pooled", digest="sha256:pooled", options=TaskOptions(pool="gpu"))
    peer = await mill.worker(0, tasks=(NOOP, pooled), pools=Pools(10, {"gpu": 1}))
    node = replace(noop(Ref(port="x")), task="t.pooled", schema="sha256:pooled")
    both = Graph(
        inputs={"x": NUMBER},
        nodes={"free": noop(Ref(port="x")), "pooled": node},
        outputs={"value": Ref(node="free")},
        types={"value": NUMBER},
    )
    graph = await mill.published(workflow_of(both))
    await mill.engine.submit([mill.order(graph) for _ in range(3)])
    await peer.grant(10, gpu=1)
    taken = [await peer.take() for _ in range(4)]
    assert sorted(ref.path for ref in taken) == ["free", "free", "free", "pooled"]
    await mill.engine.record(Changes(blobs={Digest(b"x" * 32): 1}))
    assert peer.unheard(wire.Assign) == []


async def test_a_drained_worker_gives_back_and_says_goodbye_with_nothing_lost(mill: Mill) -> None:
    run = await mill.started()
    leaving = await mill.worker(1)
    ref = await leaving.take()
    await leaving.say(wire.Released(ref, "it drains"), wire.Goodbye())
    assert await leaving.is_cut_off()
    other = await mill.worker(1)
    second = await other.take()
    assert second.number == 2
    await other.succeed(second)
    assert (await mill.ended(run)).status == "succeeded"
    assert (await mill.step(run)).losses == (await mill.step(run)).failures == 0


async def test_a_result_before_goodbye_is_recorded(mill: Mill) -> None:
    run = await mill.started()
    peer = await mill.worker(1)
    ref = await peer.take()
    await peer.say(wire.Succeeded(ref, {"value": mill.order(Digest(b"g" * 32)).inputs["x"]}), wire.Goodbye())
    assert (await mill.ended(run)).status == "succeeded"


# Reports -------------------------------------------------------------------------------------------


@pytest.mark.feature("F3")
async def test_a_result_said_twice_is_acknowledged_twice_and_recorded_once(mill: Mill) -> None:
    run = await mill.started()
    peer = await mill.worker(1)
    ref = await peer.take()
    await peer.succeed(ref, 1)
    await peer.succeed(ref, 2)
    assert (await mill.ended(run)).done == 1
    value = (await mill.store.values(run, "noop"))["value"]
    assert value == mill.order(Digest(b"g" * 32), x=1).inputs["x"]


@pytest.mark.promise("P3")
@pytest.mark.feature("F3")
async def test_a_result_of_an_attempt_that_was_overtaken_is_turned_away(mill: Mill) -> None:
    run = await mill.started()
    first = mill.connect("w", b"i" * 16)
    await first.hello()
    await first.grant(1)
    ref = await first.take()
    await first.link.close()
    again = mill.connect("w", b"i" * 16)
    await again.hello()
    other = await mill.worker(1)
    second = await other.take()
    await again.report(ref)
    assert (await again.hear(wire.Stale)).attempts == (ref,)
    await other.succeed(second)
    assert (await mill.ended(run)).status == "succeeded"
    history = [(each.kind, each.number) for _, row in await mill.store.feed(0, run, 100) for each in row.events]
    assert history.count(("result_overtaken", ref.number)) == 1


async def test_a_report_frees_its_slot_even_when_the_attempt_was_given_up(mill: Mill) -> None:
    await mill.started()
    lost = await mill.worker(1)
    ref = await lost.take()
    [seat] = mill.engine.seats.of_worker(lost.worker)
    mill.engine.seats.remove(seat.session.id)
    await lost.link.close()
    from tidemill.engine.inbox import Departure

    mill.engine.put(Departure(seat.session))
    await mill.seen(RunId(ref.run), "attempt_lost")
    again = mill.connect(lost.worker, lost.instance)
    await again.hello(held=(ref,))
    assert mill.engine.held(seat.session.id) == 1
    await again.succeed(ref)
    assert mill.engine.held(seat.session.id) == 0


@pytest.mark.promise("P10")
async def test_the_stream_of_an_attempt_is_recorded_once_and_without_gaps(mill: Mill) -> None:
    run = await mill.started()
    peer = await mill.worker(1)
    ref = await peer.take()
    await peer.say(wire.Chunk(ref, 0, (b"\x01", b"\x02")))
    assert (await peer.hear(wire.ChunkAck)).upto == 2
    await peer.say(wire.Chunk(ref, 5, (b"\x06",)))
    assert (await peer.hear(wire.ChunkAck)).upto == 2
    await peer.say(wire.Chunk(ref, 1, (b"\x02", b"\x03")))
    assert (await peer.hear(wire.ChunkAck)).upto == 3
    rows = await mill.store.stream(run, "noop", 1, 0, 100)
    assert list(itertools.chain(*(row.items for row in rows))) == [b"\x01", b"\x02", b"\x03"]


async def test_a_failure_that_may_pass_is_tried_again_later_and_one_that_cannot_is_not(mill: Mill) -> None:
    run = await mill.started()
    peer = await mill.worker(2)
    await peer.fail(await peer.take(), Code.TRANSIENT)
    state = (await mill.step(run)).state
    assert isinstance(state, Waiting)
    await peer.fail(await peer.take(), Code.PERMANENT)
    ended = (await mill.ended(run)).state
    assert isinstance(ended, Ended)
    assert isinstance(ended.outcome, Failed)
    assert isinstance((await mill.step(run)).state, StepFailed)


async def test_workers_that_die_under_a_step_end_in_its_failure(mill: Mill) -> None:
    run = await mill.started()
    for _ in range(MAX_LOSSES):
        dying = mill.connect("w", b"i" * 16)
        await dying.hello()
        await dying.grant(1)
        ref = await dying.take()
        await dying.say(wire.Started(ref))
        await mill.seen(run, "attempt_started", ref.number)
        await dying.link.close()
    await mill.connect("w", b"i" * 16).hello()
    ended = (await mill.ended(run)).state
    assert isinstance(ended, Ended)
    assert isinstance(ended.outcome, Failed)
    assert ended.outcome.failure.code is Code.WORKER_LOST


# Cancel --------------------------------------------------------------------------------------------


async def test_cancel_tells_the_worker_with_a_grace_and_records_the_proof(mill: Mill) -> None:
    run = await mill.started()
    peer = await mill.worker(1)
    ref = await peer.take()
    await peer.say(wire.Started(ref))
    row = await mill.engine.cancel(run, "enough")
    assert row is not None
    assert row.status == "cancelling"
    told = await peer.hear(wire.Cancel)
    assert (told.attempt, told.grace_s) == (ref, 10.0)
    await peer.fail(ref, Code.CANCELLED, End.KILLED)
    assert (await mill.ended(run)).status == "cancelled"
    state = (await mill.attempt(ref)).state
    assert isinstance(state, AttemptEnded)
    assert state.end is End.KILLED


async def test_cancel_of_what_waits_in_the_queue_ends_at_once(mill: Mill) -> None:
    graph = await mill.published(mapped(window=50))
    run = await mill.submit(graph, xs=list(range(100)))
    await mill.engine.cancel(run, "enough")
    assert (await mill.ended(run)).live == 0
    peer = await mill.worker(100)
    await mill.engine.record(Changes(blobs={Digest(b"x" * 32): 1}))
    assert peer.unheard(wire.Assign) == []


async def test_a_result_that_beats_the_stop_is_recorded_and_the_run_is_cancelled(mill: Mill) -> None:
    run = await mill.started()
    peer = await mill.worker(1)
    ref = await peer.take()
    await mill.engine.cancel(run, "enough")
    await peer.succeed(ref)
    ended = await mill.ended(run)
    assert (ended.status, ended.done) == ("cancelled", 1)


async def test_cancel_of_a_run_that_nobody_knows_says_so(mill: Mill) -> None:
    assert await mill.engine.cancel(RunId(b"?" * 16), "enough") is None


# The feed ------------------------------------------------------------------------------------------


@pytest.mark.promise("P13")
async def test_a_reader_of_the_feed_sees_each_row_once_whenever_it_began(mill: Mill) -> None:
    graph = await mill.published(mapped(window=3))
    readers = []

    async def follow(after: int, seen: list[int]) -> None:
        async for number, _ in mill.engine.feed.follow(None, after):
            seen.append(number)

    async with asyncio.TaskGroup() as group:
        tasks = []
        run = await mill.submit(graph, xs=list(range(12)))
        peer = await mill.worker()
        for _ in range(12):
            readers.append(seen := list[int]())
            tasks.append(group.create_task(follow(0, seen)))
            await peer.succeed(await peer.take())
        await mill.ended(run)
        stored = [number for number, _ in await mill.store.feed(0, None, 1000)]
        async with asyncio.timeout(20):
            while any(seen != stored for seen in readers):
                await mill.engine.record(Changes(blobs={Digest(b"x" * 32): 1}))
        for task in tasks:
            task.cancel()


async def test_nothing_is_kept_of_runs_that_ended(mill: Mill) -> None:
    graph = await mill.published()
    peer = await mill.worker(100)
    orders = [mill.order(graph, "t" * 16) for _ in range(100)]
    await mill.engine.submit(orders)
    for _ in orders:
        await peer.succeed(await peer.take())
    engine = mill.engine
    assert engine.held(peer.instance) == 0  # type: ignore[arg-type]
    assert vars(engine._watches)["_by_run"] == {}
    assert vars(engine.seats)["_alone"] == {}
