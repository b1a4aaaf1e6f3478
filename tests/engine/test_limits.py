"""Limits on starts and recorded results: through the engine and the protocol, on a real file."""

import asyncio
import itertools
import random
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from tests.engine.bench import NOOP, mapped
from tests.engine.peer import Mill, Peer
from tidemill.core.definitions import TaskOptions
from tidemill.core.ids import Digest, RunId, text_of
from tidemill.core.rows import Changes
from tidemill.core.rules import Backoff, CacheRule, Rate
from tidemill.core.run import Code, Ended, Waiting
from tidemill.core.why import Fleet, explain
from tidemill.wire import worker as wire

TWO = replace(NOOP, options=TaskOptions(concurrency=2))
PER_X = replace(NOOP, options=TaskOptions(concurrency_key="x"))


def rated(count: int, per_s: float) -> Any:
    return replace(NOOP, options=TaskOptions(rate=Rate(count, per_s)))


async def taken(peer: Peer, count: int) -> list[wire.AttemptRef]:
    return [await peer.take() for _ in range(count)]


async def quiet(mill: Mill, peer: Peer) -> None:
    """Two beats have passed: what could be sent was sent."""
    for _ in range(2):
        await mill.engine.record(Changes(blobs={Digest(b"q" * 32): 1}))
    assert not peer.unheard(wire.Assign)


async def test_no_more_run_at_once_than_the_limit_says_and_the_next_follows_each_end(mill: Mill) -> None:
    peer = await mill.worker(tasks=(TWO,))
    graph = await mill.published()
    runs = [await mill.submit(graph, x=number) for number in range(5)]
    held = await taken(peer, 2)
    await quiet(mill, peer)
    for _ in range(3):
        await peer.succeed(held.pop(0))
        held += await taken(peer, 1)
        await quiet(mill, peer)
    for ref in held:
        await peer.succeed(ref)
    assert [(await mill.ended(run)).status for run in runs] == ["succeeded"] * 5


async def test_each_value_of_the_key_has_a_limit_of_its_own(mill: Mill) -> None:
    peer = await mill.worker(tasks=(PER_X,))
    graph = await mill.published()
    runs = [await mill.submit(graph, x=x) for x in (1, 1, 2, 2)]
    first = await taken(peer, 2)
    assert {ref.run for ref in first} == {runs[0], runs[2]}
    await quiet(mill, peer)
    await peer.succeed(first[1])
    assert (await peer.take()).run == runs[3]
    await quiet(mill, peer)


async def test_those_who_wait_keep_their_order(mill: Mill) -> None:
    one = replace(NOOP, options=TaskOptions(concurrency=1))
    peer = await mill.worker(tasks=(one,))
    graph = await mill.published()
    runs = [await mill.submit(graph, x=number) for number in range(6)]
    order = []
    for _ in runs:
        ref = await peer.take()
        order.append(ref.run)
        await peer.succeed(ref)
    assert order == runs


@pytest.mark.parametrize("how", ["failed", "released", "lost"])
async def test_a_slot_is_free_however_its_attempt_ends(mill: Mill, how: str) -> None:
    one = replace(NOOP, options=TaskOptions(concurrency=1, retries=0))
    graph = await mill.published()
    peer = await mill.worker(tasks=(one,))
    first = await mill.submit(graph, x=1)
    second = await mill.submit(graph, x=2)
    ref = await peer.take()
    expected = [second]
    match how:
        case "failed":
            await peer.fail(ref, Code.PERMANENT)
        case "released":
            await peer.say(wire.Released(ref))
            expected.append(first)
        case "lost":
            await peer.link.close()
            peer = mill.connect(peer.worker)
            await peer.hello(tasks=(one,))
            await peer.grant(10)
            expected.append(first)
    followers = []
    for _ in expected:
        ref = await peer.take()
        await quiet(mill, peer)
        await peer.succeed(ref)
        followers.append(ref.run)
    assert followers == expected


async def test_one_that_waits_can_be_cancelled_and_lets_the_others_pass(mill: Mill) -> None:
    one = replace(NOOP, options=TaskOptions(concurrency=1))
    peer = await mill.worker(tasks=(one,))
    graph = await mill.published()
    runs = [await mill.submit(graph, x=number) for number in range(3)]
    ref = await peer.take()
    await quiet(mill, peer)
    await mill.engine.cancel(runs[1], "no longer wanted")
    assert (await mill.ended(runs[1])).status == "cancelled"
    await peer.succeed(ref)
    assert (await peer.take()).run == runs[2]


async def test_a_slot_that_was_offered_to_a_cancelled_step_goes_to_the_next(mill: Mill) -> None:
    one = replace(NOOP, options=TaskOptions(concurrency=1))
    peer = await mill.worker(tasks=(one,))
    graph = await mill.published()
    runs = [await mill.submit(graph, x=number) for number in range(3)]
    ref = await peer.take()
    await quiet(mill, peer)
    await peer.grant(1)  # no more than it has: whoever is let go on waits in the queue
    await peer.succeed(ref)
    await mill.engine.cancel(runs[1], "no longer wanted")
    await mill.ended(runs[1])
    await peer.grant(10)
    assert (await peer.take()).run == runs[2]


async def test_a_slot_that_falls_free_as_its_next_ones_are_cancelled_goes_on_to_the_first_that_lives(
    mill: Mill,
) -> None:
    """In one beat: the slot is offered to one whose run is being stopped, while that still stands at the head."""
    peer = await mill.worker(tasks=(replace(NOOP, options=TaskOptions(concurrency=1)),))
    graph = await mill.published()
    runs = [await mill.submit(graph, x=number) for number in range(4)]
    (ref,) = await taken(peer, 1)
    await quiet(mill, peer)
    await asyncio.gather(*(mill.engine.cancel(run, "no need") for run in runs[1:3]), peer.succeed(ref))
    assert (await peer.take()).run == runs[3]


async def test_a_server_that_starts_again_knows_its_limits(tmp_path: Path) -> None:
    mill = Mill(tmp_path)
    one = replace(NOOP, options=TaskOptions(concurrency=1))
    async with mill.opened():
        graph = await mill.published()
        peer = await mill.worker(tasks=(one,))
        runs = [await mill.submit(graph, x=number) for number in range(3)]
        ref = await peer.take()
        await quiet(mill, peer)
        instance, worker = peer.instance, peer.worker
    async with mill.opened():
        peer = mill.connect(worker, instance)
        welcome = await peer.hello(tasks=(one,), held=(ref,))
        assert welcome.keep == (ref,)
        await peer.grant(10)
        await quiet(mill, peer)
        await peer.succeed(ref)
        for run in runs[1:]:
            ref = await peer.take()
            assert ref.run == run
            await quiet(mill, peer)
            await peer.succeed(ref)


async def test_a_key_that_leads_nowhere_fails_the_step_with_its_name(mill: Mill) -> None:
    await mill.worker(tasks=(replace(NOOP, options=TaskOptions(concurrency_key="x.user")),))
    run = await mill.submit(await mill.published(), x=1)
    ended = await mill.ended(run)
    assert ended.status == "failed"
    assert "'x.user' of the task's limit leads nowhere" in (await mill.seen(run, "step_failed"))["message"]


async def test_a_rate_lets_a_burst_pass_and_spreads_the_rest(mill: Mill) -> None:
    peer = await mill.worker(tasks=(rated(2, 3600.0),))
    graph = await mill.published()
    runs = [await mill.submit(graph, x=number) for number in range(4)]
    began = mill.engine.clock.now()
    for ref in await taken(peer, 2):
        await peer.succeed(ref)
    delays = []
    for run in runs[2:]:
        seen = await mill.seen(run, "step_delayed")
        step = await mill.step(run)
        assert isinstance(step.state, Waiting)
        assert step.state.until_at == seen["until_at"]
        delays.append(round((seen["until_at"] - began) / 1e6 / 60))
    assert delays == [30, 60]  # minutes: two an hour


async def test_what_waits_for_its_turn_starts_when_it_comes(mill: Mill) -> None:
    peer = await mill.worker(tasks=(rated(1, 0.2),))
    graph = await mill.published()
    runs = [await mill.submit(graph, x=number) for number in range(3)]
    starts = []
    for _ in runs:
        ref = await peer.take()
        starts.append((await mill.attempt(ref)).leased_at)
        await peer.succeed(ref)
    assert all(after - before >= 150_000 for before, after in itertools.pairwise(starts))


async def test_why_names_the_limit_and_what_would_help(mill: Mill) -> None:
    peer = await mill.worker(tasks=(TWO,))
    graph = await mill.published()
    runs = [await mill.submit(graph, x=number) for number in range(3)]
    await taken(peer, 2)
    await quiet(mill, peer)
    step, [row] = await mill.step(runs[2]), await mill.store.queued(runs[2], ["noop"])
    layout = await mill.engine.graphs.layout(graph)
    assert layout is not None
    [answer] = explain([step], layout, mill.engine.catalog, Fleet(0, [], {}, queued={"noop": row}))
    assert answer.reasons == ("2 attempts run already, as many as its task allows at once",)
    assert answer.advice == "wait until one of them ends, or raise the task's concurrency"


async def test_a_recorded_result_stands_for_the_same_input(mill: Mill) -> None:
    kept = replace(NOOP, options=TaskOptions(cache=CacheRule(60.0)))
    peer = await mill.worker(tasks=(kept,))
    graph = await mill.published()
    first = await mill.submit(graph, x=7)
    await peer.succeed(await peer.take(), 49)
    again, other = await mill.submit(graph, x=7), await mill.submit(graph, x=8)
    assert (await mill.ended(again)).status == "succeeded"
    assert (await mill.seen(again, "step_reused"))["run"] == text_of(first)
    assert (await mill.store.values(again, "noop"))["value"] == (await mill.store.values(first, "noop"))["value"]
    assert (await peer.take()).run == other


@pytest.mark.parametrize(
    "options",
    [TaskOptions(), TaskOptions(cache=CacheRule(60.0, version="2"))],
    ids=["without a cache", "another version"],
)
async def test_it_stands_for_no_other_version(mill: Mill, options: TaskOptions) -> None:
    graph = await mill.published()
    peer = await mill.worker(tasks=(replace(NOOP, options=TaskOptions(cache=CacheRule(60.0))),))
    await mill.submit(graph, x=7)
    await peer.succeed(await peer.take(), 49)
    other = await mill.worker(tasks=(replace(NOOP, options=options),))
    run = await mill.submit(graph, x=7)
    ref = await asyncio.wait_for(_first(peer, other), 20)
    assert ref.run == run


async def _first(*peers: Peer) -> wire.AttemptRef:
    waiting = [asyncio.ensure_future(peer.take()) for peer in peers]
    done, rest = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    for each in rest:
        each.cancel()
    return done.pop().result()


async def test_a_result_stands_no_longer_than_it_may(mill: Mill) -> None:
    peer = await mill.worker(tasks=(replace(NOOP, options=TaskOptions(cache=CacheRule(0.000_001))),))
    graph = await mill.published()
    await mill.submit(graph, x=7)
    await peer.succeed(await peer.take(), 49)
    again = await mill.submit(graph, x=7)
    assert (await peer.take()).run == again


async def test_the_elements_of_a_map_are_taken_from_what_is_recorded(mill: Mill) -> None:
    kept = replace(NOOP, options=TaskOptions(cache=CacheRule(60.0)))
    peer = await mill.worker(tasks=(kept,))
    graph = await mill.published(mapped(window=4))
    await mill.submit(graph, xs=[1, 2, 3])
    for ref in await taken(peer, 3):
        await peer.succeed(ref, 10)
    again = await mill.submit(graph, xs=[3, 2, 1, 3])
    assert (await mill.ended(again)).status == "succeeded"
    assert not peer.unheard(wire.Assign)


async def test_the_wait_before_another_try_is_the_tasks_own(mill: Mill) -> None:
    slow = TaskOptions(retries=3, backoff=Backoff(first_s=1000.0, most_s=1500.0, spread=0.0))
    peer = await mill.worker(tasks=(replace(NOOP, options=slow),))
    run = await mill.submit(await mill.published(), x=1)
    await peer.fail(await peer.take(), Code.TRANSIENT)
    assert (await mill.seen(run, "step_retries"))["delay_s"] == 1000.0


class Hands:
    """A worker whose attempts end in whatever order."""

    def __init__(self, mill: Mill, peer: Peer) -> None:
        self.mill, self.peer = mill, peer
        self.held: list[wire.AttemptRef] = []
        self._seen: set[wire.AttemptRef] = set()

    async def look(self) -> None:
        await self.mill.engine.record(Changes(blobs={Digest(b"q" * 32): 1}))  # a beat has passed
        new = [each.attempt for each in self.peer.unheard(wire.Assign) if each.attempt not in self._seen]
        self.held += new
        self._seen.update(new)

    async def report(self, ref: wire.AttemptRef, what: str) -> None:
        self.held.remove(ref)
        match what:
            case "fail":
                await self.peer.fail(ref, Code.TRANSIENT)
            case "release":
                await self.peer.say(wire.Released(ref))
                await self.peer.acknowledged(ref)
            case _:
                await self.peer.succeed(ref)

    async def live(self) -> int:
        return len([ref for ref in self.held if (await self.mill.attempt(ref)).is_live])


STEPS = ("submit", "submit", "credit", "end", "end", "fail", "release", "cancel")


@pytest.mark.promise("P8")
@pytest.mark.parametrize("seed", range(12))
async def test_whatever_happens_the_limit_holds_and_all_come_to_an_end(mill: Mill, seed: int) -> None:
    """Submissions, ends, failures, hand-backs and cancels in any order, with credit that comes and goes."""
    dice = random.Random(seed)
    slots = dice.randint(1, 3)
    task = replace(NOOP, options=TaskOptions(concurrency=slots, backoff=Backoff(first_s=0.0, most_s=0.0)))
    graph = await mill.published()
    hands = Hands(mill, await mill.worker(credit=0, tasks=(task,)))
    runs: list[RunId] = []
    for _ in range(40):
        match dice.choice(STEPS):
            case "submit":
                runs.append(await mill.submit(graph, x=len(runs)))
            case "credit":
                await hands.peer.grant(dice.randint(0, 30))
            case "cancel" if runs:
                await mill.engine.cancel(dice.choice(runs), "")
            case what if hands.held:
                await hands.report(dice.choice(hands.held), what)
            case _:
                pass
        await hands.look()
        assert await hands.live() <= slots
    await hands.peer.grant(1000)
    async with asyncio.timeout(20):
        while any([not isinstance((await mill.run(run)).state, Ended) for run in runs]):
            await hands.look()
            for ref in [*hands.held]:
                await hands.report(ref, "end")
