"""Hello, welcome, credit, heartbeats, and the end of links."""

import asyncio
from pathlib import Path

import msgspec
import pytest

from tests.worker.scripted import STORE, Bench, Gate, assign, given, ref, value_of
from tidemill.core.definitions import Pools
from tidemill.ports.link import LinkDownError, LinkRefusedError
from tidemill.sdk.context import Context
from tidemill.sdk.worker import Worker
from tidemill.wire import worker as wire

w = Worker("w")
gate = Gate()


@w.task
async def held(ctx: Context, name: str) -> str:
    await gate.hold(name)
    return name


@w.task(pool="video")
async def film(name: str) -> str:
    await gate.hold(name)
    return name


@w.task
async def quick(x: int) -> int:
    return x


@w.task
async def talker(ctx: Context, name: str) -> None:
    ctx.heartbeat("half way")
    await gate.hold(name)


def granted(server: object) -> dict[str, int]:
    return server.all_of(wire.Credit)[-1].granted  # type: ignore[attr-defined]


async def test_hello_says_who_and_what_it_is(tmp_path: Path) -> None:
    bench = Bench(tmp_path, w, pools=Pools(5, {"video": 1}), labels={"zone": "a"}, version="1.2")
    async with bench.running() as server:
        hello = await server.greeted()
        assert (hello.protocol, hello.worker, len(hello.instance), hello.store) == ("1.0", "w1", 16, b"")
        assert [task.name for task in hello.tasks] == ["w.held", "w.film", "w.quick", "w.talker"]
        assert hello.pools == Pools(5, {"video": 1})
        assert (hello.labels, hello.version) == ({"zone": "a"}, "1.2")


async def test_a_message_of_a_later_minor_version_is_passed_over(tmp_path: Path) -> None:
    async with Bench(tmp_path, w).connected() as server:
        later = msgspec.msgpack.encode([["from_the_future", {"a": 1}], ["ping", "to spare"]])
        await server.link.send(later)
        assert (await server.hear(wire.Heartbeat)).received == 0
        assert len(server.all_of(wire.Hello)) == 1


@pytest.mark.feature("D6")
async def test_credit_is_a_running_total_per_pool(tmp_path: Path) -> None:
    async with Bench(tmp_path, w, pools=Pools(4, {"video": 1})).connected() as server:
        assert (await server.hear(wire.Credit)).granted == {"": 4, "video": 1}
        await server.say(assign("w.film", "a", inputs=given(name="a")), assign("w.held", "b", inputs=given(name="b")))
        await gate.reached("a", "b")
        await server.silence()
        assert granted(server) == {"": 4, "video": 1}  # two are held: nothing more may come
        gate.open("a")
        await server.hear(wire.Succeeded)
        await server.silence()
        assert granted(server) == {"": 5, "video": 2}
        gate.open("b")
        await server.hear(wire.Succeeded)
        await server.silence()
        assert granted(server) == {"": 6, "video": 2}


async def test_totals_restart_at_a_welcome_from_what_is_free(tmp_path: Path) -> None:
    async with Bench(tmp_path, w, pools=Pools(3)).connected() as server:
        await server.say(assign("w.quick", "q", inputs=given(x=1)), assign("w.held", "h", inputs=given(name="h")))
        await gate.reached("h")
        await server.hear(wire.Succeeded)
        await server.hang_up()
        await server.accept()
        assert (await server.hear(wire.Credit)).granted == {"": 2}


@pytest.mark.feature("C9", "K7")
async def test_heartbeats_carry_what_was_received_and_what_tasks_say(tmp_path: Path) -> None:
    async with Bench(tmp_path, w).connected(heartbeat_s=0.02) as server:
        await server.say(assign("w.talker", "t", inputs=given(name="t")), assign("w.quick", "q", inputs=given(x=1)))
        beat = await server.hear(wire.Heartbeat, lambda beat: bool(beat.details))
        assert (beat.received, beat.details) == (2, ((ref("t"), "half way"),))
        again = await server.hear(wire.Heartbeat, lambda beat: beat.held == (ref("t"), ref("q")))
        assert (again.received, again.details) == (2, ())
        gate.open("t")


async def test_a_worker_that_holds_nothing_says_nothing_but_answers_a_ping(tmp_path: Path) -> None:
    async with Bench(tmp_path, w).connected(heartbeat_s=0.01) as server:
        await server.hear(wire.Credit)
        await asyncio.sleep(0.05)  # five heartbeats' time: the absence of a message can only be waited for
        await server.say(wire.Ping())
        assert await server.hear(wire.Heartbeat) == wire.Heartbeat(0, (), ())
        assert len(server.all_of(wire.Heartbeat)) == 1


@pytest.mark.feature("K7")
async def test_after_a_reconnect_it_lists_what_it_holds_and_goes_on(tmp_path: Path) -> None:
    async with Bench(tmp_path, w).connected() as server:
        await server.say(assign("w.held", "a", inputs=given(name="a2")), assign("w.held", "b", inputs=given(name="b2")))
        await gate.reached("a2", "b2")
        await server.hang_up()
        hello = await server.accept()
        assert (hello.held, hello.unacknowledged, hello.store) == ((ref("a"), ref("b")), (), STORE)
        gate.open("a2")
        assert value_of(await server.hear(wire.Succeeded)) == "a2"
        gate.open("b2")


@pytest.mark.feature("K7")
async def test_what_the_server_calls_stale_is_stopped_and_never_reported(tmp_path: Path) -> None:
    async with Bench(tmp_path, w, pools=Pools(2)).connected() as server:
        await server.say(assign("w.held", "a", inputs=given(name="a3")))
        await gate.reached("a3")
        await server.hang_up()
        await server.accept(stale=(ref("a"),))
        await gate.cancelled("a3")
        await server.hear(wire.Credit, lambda credit: credit.granted == {"": 2})
        await server.silence()
        assert not server.all_of(wire.Succeeded)
        assert not server.all_of(wire.Failed)


async def test_results_are_sent_again_in_order_until_acknowledged(tmp_path: Path) -> None:
    async with Bench(tmp_path, w).connected() as server:
        await server.say(*[assign("w.quick", f"s{n}", inputs=given(x=n)) for n in range(3)])
        for _ in range(3):
            await server.hear(wire.Succeeded)
        await server.say(wire.Ack((ref("s1"),)))
        await server.silence()
        await server.hang_up()
        hello = await server.accept()
        assert sorted(hello.unacknowledged, key=lambda each: each.path) == [ref("s0"), ref("s2")]
        again = [(await server.hear(wire.Succeeded)).attempt for _ in range(2)]
        assert tuple(again) == hello.unacknowledged
        await server.say(wire.Ack(tuple(again)))
        await server.silence()
        await server.hang_up()
        assert (await server.accept()).unacknowledged == ()


@pytest.mark.feature("F3")
async def test_a_result_that_is_not_wanted_any_more_is_forgotten_without_a_fuss(tmp_path: Path) -> None:
    async with Bench(tmp_path, w).connected() as server:
        await server.say(assign("w.quick", inputs=given(x=1)))
        await server.hear(wire.Succeeded)
        await server.say(wire.Stale((ref(),)))
        await server.silence()
        await server.hang_up()
        assert (await server.accept()).unacknowledged == ()


async def test_an_assignment_that_comes_twice_runs_once_and_its_result_is_repeated(tmp_path: Path) -> None:
    async with Bench(tmp_path, w).connected() as server:
        await server.say(assign("w.quick", inputs=given(x=7)))
        first = await server.hear(wire.Succeeded)
        await server.say(assign("w.quick", inputs=given(x=7)))
        assert await server.hear(wire.Succeeded) == first
        assert len(server.all_of(wire.Started)) == 1


@pytest.mark.feature("D18")
async def test_a_final_refusal_ends_the_worker_with_its_reason(tmp_path: Path) -> None:
    bench = Bench(tmp_path, w)
    async with bench.running() as server:
        await server.greeted()
        await server.say(wire.Refused("protocol 1.0 is not spoken here", "install tidemill 2"))
        with pytest.raises(LinkRefusedError, match=r"protocol 1.0 is not spoken here; install tidemill 2"):
            await bench.task


@pytest.mark.feature("D18")
async def test_a_dialer_that_is_refused_ends_the_worker_too(tmp_path: Path) -> None:
    bench = Bench(tmp_path, w)
    bench.server.refusal = LinkRefusedError("the token is not valid")
    async with bench.running():
        with pytest.raises(LinkRefusedError, match="the token is not valid"):
            await bench.task


@pytest.mark.feature("D18")
async def test_it_waits_as_long_as_the_server_asks(tmp_path: Path) -> None:
    bench = Bench(tmp_path, w)
    bench.server.refusal = LinkDownError("too many workers at once", retry_after_s=0.2)
    async with bench.connected() as server:
        first, second = server.dialled_at
        assert second - first >= 0.2


@pytest.mark.feature("D18")
async def test_it_connects_for_ever_whatever_goes_wrong(tmp_path: Path) -> None:
    async with Bench(tmp_path, w, answer_s=0.05).running() as server:
        await server.greeted()
        await server.hang_up()  # before the welcome
        await server.greeted()
        await server.say(wire.Refused("starting", "wait", final=False))
        await server.greeted()
        await server.link.send(b"\xc1 no msgpack")
        await server.greeted()  # and says nothing at all
        await server.greeted()
        await server.say(wire.Ping())  # not a welcome
        await server.accept()
        await server.say(assign("w.quick", inputs=given(x=1)))
        assert value_of(await server.hear(wire.Succeeded)) == 1


async def test_a_link_that_died_without_a_word_is_given_up(tmp_path: Path) -> None:
    async with Bench(tmp_path, w).connected(heartbeat_s=0.01, ping_s=0.02) as server:
        silent = server.link
        await server.accept()
        assert server.link is not silent


async def test_a_link_with_pings_is_kept(tmp_path: Path) -> None:
    async with Bench(tmp_path, w).connected(heartbeat_s=0.01, ping_s=0.05) as server:
        for _ in range(20):
            await server.say(wire.Ping())
            await server.hear(wire.Heartbeat)
            await asyncio.sleep(0.01)
        assert server.dials.empty()


async def test_what_is_said_right_after_the_welcome_is_heard(tmp_path: Path) -> None:
    async with Bench(tmp_path, w).running() as server:
        await server.greeted()
        await server.say(
            wire.Welcome("1.0", STORE, 30.0, 10.0),
            assign("w.quick", inputs=given(x=3)),
            wire.Welcome("1.0", STORE, 1, 1),
        )
        assert value_of(await server.hear(wire.Succeeded)) == 3


async def test_the_server_may_refuse_in_the_middle(tmp_path: Path) -> None:
    bench = Bench(tmp_path, w)
    async with bench.connected() as server:
        await server.say(wire.Refused("another worker has this id", "rename one of them"))
        with pytest.raises(LinkRefusedError, match="another worker has this id"):
            await bench.task
