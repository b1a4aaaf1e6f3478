"""Who connects, who is refused, and what both sides hold afterwards."""

import asyncio

import msgspec
import pytest
from msgspec import structs

from tests.engine.bench import NOOP
from tests.engine.peer import SHORT, Mill
from tidemill.core.definitions import Pools, TaskDefinition
from tidemill.core.run import AttemptEnded, Code, End, Held
from tidemill.wire import worker as wire

INSTANCE = b"i" * 16
OTHER = b"o" * 16
STRANGER = wire.AttemptRef(b"x" * 16, "noop", 1)


async def test_a_welcome_says_what_both_sides_go_by(mill: Mill) -> None:
    welcome = await mill.connect().hello()
    assert welcome.store == mill.engine.store_id
    assert (welcome.lease_s, welcome.heartbeat_s, welcome.protocol) == (30.0, 5.0, wire.PROTOCOL)
    assert (welcome.keep, welcome.stale) == ((), ())


@pytest.mark.feature("K7")
async def test_an_instance_that_connects_again_keeps_what_it_holds(mill: Mill) -> None:
    run = await mill.started()
    first = mill.connect("w", INSTANCE)
    await first.hello()
    await first.grant(1)
    ref = await first.take()
    await first.link.close()
    again = mill.connect("w", INSTANCE)
    assert (await again.hello(held=(ref,))).keep == (ref,)
    await again.succeed(ref)
    assert (await mill.ended(run)).status == "succeeded"


@pytest.mark.feature("K7")
async def test_what_an_instance_does_not_list_is_ready_again_at_once(mill: Mill) -> None:
    run = await mill.started()
    first = mill.connect("w", INSTANCE)
    await first.hello()
    await first.grant(1)
    lost = await first.take()
    await first.link.close()
    again = mill.connect("w", INSTANCE)
    await again.hello()
    await again.grant(1)
    assert (await again.take()).number == 2
    state = (await mill.attempt(lost)).state
    assert isinstance(state, AttemptEnded)
    assert state.end is End.LOST
    assert (await mill.step(run)).losses == 0, "it had not started"


@pytest.mark.feature("D16")
async def test_a_new_instance_takes_over_and_what_the_old_one_held_is_ready_at_once(mill: Mill) -> None:
    await mill.started()
    old = mill.connect("w", INSTANCE)
    await old.hello()
    await old.grant(1)
    await old.take()
    new = mill.connect("w", OTHER)
    await new.hello()
    assert (await old.hear(wire.Refused)).reason == "another process took over this worker id"
    await new.grant(1)
    assert (await new.take()).number == 2


async def test_what_a_new_instance_lists_of_the_old_one_hangs_on_its_own_lease(mill: Mill) -> None:
    run = await mill.started()
    old = mill.connect("w", INSTANCE)
    await old.hello()
    await old.grant(1)
    ref = await old.take()
    await old.link.close()
    new = mill.connect("w", OTHER)
    assert (await new.hello(unacknowledged=(ref,))).keep == (ref,)
    assert (await mill.attempt(ref)).session == OTHER
    await new.say(wire.Goodbye())
    other = await mill.worker(1)
    assert (await other.take()).number == 2
    assert isinstance((await mill.step(run)).state, Held)


async def test_a_result_that_is_recorded_already_is_stale_at_hello(mill: Mill) -> None:
    await mill.started()
    first = mill.connect("w", INSTANCE)
    await first.hello()
    await first.grant(1)
    ref = await first.take()
    await first.succeed(ref)
    await first.link.close()
    again = mill.connect("w", INSTANCE)
    assert (await again.hello(unacknowledged=(ref,))).stale == (ref,)


@pytest.mark.feature("K7")
async def test_attempts_of_runs_that_nobody_knows_are_stale(mill: Mill) -> None:
    stranger = wire.AttemptRef(b"x" * 16, "noop", 1)
    assert (await mill.connect().hello(held=(stranger,), unacknowledged=(stranger,))).stale == (stranger,)


async def test_an_attempt_told_to_stop_while_its_worker_was_away_is_told_again(mill: Mill) -> None:
    run = await mill.started()
    first = mill.connect("w", INSTANCE)
    await first.hello()
    await first.grant(1)
    ref = await first.take()
    await first.link.close()
    await mill.engine.cancel(run, "enough")
    await mill.seen(run, "stop_asked")
    again = mill.connect("w", INSTANCE)
    assert (await again.hello(held=(ref,))).keep == (ref,)
    assert (await again.hear(wire.Cancel)).attempt == ref
    await again.fail(ref, Code.CANCELLED, End.STOPPED)
    assert (await mill.ended(run)).status == "cancelled"


@pytest.mark.feature("D16")
async def test_two_processes_that_fight_for_one_id_are_both_refused(mill: Mill) -> None:
    last = mill.connect("w", INSTANCE)
    await last.hello()
    for number in range(3):
        last = mill.connect("w", bytes([number]) * 16)
        await last.hello()
    fourth = mill.connect("w", OTHER)
    await fourth.say(wire.Hello(wire.PROTOCOL, "w", OTHER, (), wire.Pools(1)))
    for each in (fourth, last):
        refused = await each.hear(wire.Refused)
        assert refused.final
        assert "give each worker process an id of its own" in refused.advice
        assert await each.is_cut_off()


# Refusals ------------------------------------------------------------------------------------------


async def test_another_major_version_is_refused_with_what_to_do(mill: Mill) -> None:
    peer = mill.connect()
    await peer.say(wire.Hello("2.0", "w", INSTANCE, (), wire.Pools(1), version="9.9"))
    refused = await peer.hear(wire.Refused)
    assert refused.reason == f"the worker speaks protocol 2.0, the server {wire.PROTOCOL}"
    assert refused.advice == "install the version of tidemill that the server has"
    assert await peer.is_cut_off()


async def test_another_minor_version_is_taken(mill: Mill) -> None:
    peer = mill.connect()
    await peer.say(wire.Hello("1.99", "w", INSTANCE, (), wire.Pools(1)))
    await peer.hear(wire.Welcome)


NO_FRAMES = {
    "nothing": b"",
    "no msgpack": b"\xc1",
    "no list": msgspec.msgpack.encode({"a": 1}),
    "no tag": msgspec.msgpack.encode([[1]]),
    "a wrong field": msgspec.msgpack.encode([["started", "not a reference"]]),
    "nested without end": b"\x91" * 100_000,
}


@pytest.mark.parametrize("frame", NO_FRAMES.values(), ids=NO_FRAMES)
async def test_a_first_frame_that_cannot_be_read_is_refused_with_the_reason(mill: Mill, frame: bytes) -> None:
    peer = mill.connect()
    await peer.link.send(frame)
    assert (await peer.hear(wire.Refused)).advice == f"speak protocol {wire.PROTOCOL}"
    assert await peer.is_cut_off()


@pytest.mark.parametrize("frame", NO_FRAMES.values(), ids=NO_FRAMES)
async def test_a_later_frame_that_cannot_be_read_ends_the_connection_with_the_reason(mill: Mill, frame: bytes) -> None:
    peer = await mill.worker()
    await peer.link.send(frame)
    assert "no frame of the worker protocol" in (await peer.hear(wire.Refused)).reason
    assert await peer.is_cut_off()


async def test_a_message_of_a_later_minor_version_is_passed_over(mill: Mill) -> None:
    peer = await mill.worker(credit=0)
    await mill.started()
    await peer.link.send(msgspec.msgpack.encode([["from_the_future", {"a": 1}], ["credit", {"": 1}, "to spare"]]))
    await peer.succeed(await peer.take())


async def test_a_worker_that_begins_without_hello_is_refused(mill: Mill) -> None:
    peer = mill.connect()
    await peer.grant(1)
    assert (await peer.hear(wire.Refused)).reason == "the first message of a worker is hello"


async def test_an_instance_of_another_length_is_refused(mill: Mill) -> None:
    peer = mill.connect("w", b"short")
    await peer.say(wire.Hello(wire.PROTOCOL, "w", b"short", (), wire.Pools(1)))
    assert "an instance of 16 bytes" in (await peer.hear(wire.Refused)).reason


# Leases --------------------------------------------------------------------------------------------


@pytest.mark.feature("F3")
async def test_a_worker_that_falls_silent_loses_its_lease_and_another_takes_over(tmp_path: object) -> None:
    async with Mill(tmp_path, settings=SHORT).opened() as mill:  # type: ignore[arg-type]
        run = await mill.started()
        silent = await mill.worker(1)
        ref = await silent.take()
        await silent.say(wire.Started(ref))
        await mill.seen(run, "attempt_lost")
        other = await mill.worker(1)
        second = await other.take()
        assert second.number == 2
        assert (await mill.step(run)).losses == 1
        await other.succeed(second)
        assert (await mill.ended(run)).status == "succeeded"


@pytest.mark.feature("F3")
async def test_a_result_that_comes_after_the_lease_is_taken_when_nobody_overtook_it(tmp_path: object) -> None:
    async with Mill(tmp_path, settings=SHORT).opened() as mill:  # type: ignore[arg-type]
        run = await mill.started()
        silent = mill.connect("w", INSTANCE)
        await silent.hello()
        await silent.grant(1)
        ref = await silent.take()
        await mill.seen(run, "attempt_lost")
        await silent.report(ref)
        assert await silent.is_cut_off()
        again = mill.connect("w", INSTANCE)
        assert (await again.hello(unacknowledged=(ref,))).keep == (ref,)
        await again.succeed(ref)
        assert (await mill.ended(run)).status == "succeeded"


@pytest.mark.feature("K7")
async def test_a_worker_that_does_not_get_what_it_is_sent_is_cut_off(mill: Mill) -> None:
    await mill.started()
    deaf = await mill.worker(1)
    await deaf.take()
    for _ in range(3):
        await deaf.say(wire.Heartbeat(received=0))
    assert await deaf.is_cut_off()


@pytest.mark.feature("K7")
async def test_what_two_heartbeats_do_not_list_is_ready_again(mill: Mill) -> None:
    run = await mill.started()
    peer = await mill.worker(1)
    ref = await peer.take()
    await peer.say(wire.Heartbeat(1, held=()))
    await peer.say(wire.Heartbeat(1, held=(ref,)))
    await peer.say(wire.Heartbeat(1, held=()))
    await peer.say(wire.Started(STRANGER))
    await peer.hear(wire.Stale)
    assert isinstance((await mill.step(run)).state, Held), "it was left out once, and once again"
    await peer.say(wire.Heartbeat(1, held=()))
    assert (await mill.seen(run, "attempt_lost"))["why"] == "not_listed"
    other = await mill.worker(1)
    await other.succeed(await other.take())
    assert (await mill.ended(run)).status == "succeeded"


@pytest.mark.feature("K7")
async def test_what_is_on_its_way_is_not_missed(mill: Mill) -> None:
    run = await mill.started()
    peer = await mill.worker(1)
    for _ in range(2):  # before it has come
        await peer.say(wire.Heartbeat(0, held=()))
    ref = await peer.take()
    await peer.succeed(ref)
    assert (await mill.attempt(ref)).number == 1
    assert (await mill.ended(run)).status == "succeeded"


@pytest.mark.feature("K7")
async def test_of_what_is_not_its_any_more_a_worker_hears_after_two_heartbeats(mill: Mill) -> None:
    peer = await mill.worker(0)
    for _ in range(2):
        await peer.say(wire.Heartbeat(0, held=(STRANGER,)))
    assert (await peer.hear(wire.Stale)).attempts == (STRANGER,)


@pytest.mark.feature("K7")
async def test_a_worker_that_says_nothing_of_what_it_holds_is_believed(mill: Mill) -> None:
    run = await mill.started()
    peer = await mill.worker(1)
    ref = await peer.take()
    for _ in range(3):
        await peer.say(wire.Heartbeat(1))
    await peer.succeed(ref)
    assert (await mill.ended(run)).status == "succeeded"


def named(*names: str) -> tuple[TaskDefinition, ...]:
    return tuple(structs.replace(NOOP, name=name) for name in names)


async def test_two_tasks_of_one_name_in_urls_are_refused(mill: Mill) -> None:
    peer = mill.connect("w", INSTANCE)
    await peer.say(wire.Hello(wire.PROTOCOL, "w", INSTANCE, named("t.my_task", "t.my-task"), Pools(1)))
    refused = await peer.hear(wire.Refused)
    assert refused.reason == "t.my_task and t.my-task have the same name in URLs, t.my-task; rename one of them"
    assert refused.final


async def test_a_task_whose_name_in_urls_another_worker_serves_is_refused_until_that_one_is_gone(mill: Mill) -> None:
    first = mill.connect("w", INSTANCE)
    await first.hello(tasks=named("t.my_task"))
    second = mill.connect("v", OTHER)
    await second.say(wire.Hello(wire.PROTOCOL, "v", OTHER, named("T.my_task"), Pools(1)))
    assert "t.my_task" in (await second.hear(wire.Refused)).reason
    await first.link.close()
    await asyncio.wait_for(left(mill, "w"), 20)
    third = mill.connect("v", OTHER)
    await third.hello(tasks=named("T.my_task"))
    assert mill.engine.catalog.named("t.my-task") == "T.my_task"


async def left(mill: Mill, worker: str) -> None:
    while any(seat.tell for seat in mill.engine.seats.of_worker(worker)):  # noqa: ASYNC110 - it has no event for it
        await asyncio.sleep(0.002)
