"""Links: what may be lost, and who learns of it."""

import asyncio

import pytest

from tests.simulation.test_loop import run
from tidemill.ports.link import LinkDownError
from tidemill.testing.simulation.net import Net, SimDialer, Weather
from tidemill.testing.simulation.processes import Process

FRAMES = [b"%d" % n for n in range(6)]


def on_a_link(story, weather=None):
    async def main():
        net = Net(asyncio.get_running_loop(), "7", weather or Weather())
        worker, server = Process("worker"), Process("server")
        calls = net.listen(server, "server:worker")
        near = await SimDialer(net, worker, "server:worker").dial()
        await story(net, near, await calls.get())

    return run(main())


async def read_all(link):
    frames = []
    try:
        async with asyncio.timeout(10):
            while True:
                frames.append(await link.receive())
    except (LinkDownError, TimeoutError) as error:
        return frames, type(error)


def test_frames_arrive_in_order_after_a_delay():
    async def story(net, near, far):
        began = net.loop.time()
        for frame in FRAMES:
            await near.send(frame)
        assert [await far.receive() for _ in FRAMES] == FRAMES
        assert 0.001 <= net.loop.time() - began <= 0.01

    on_a_link(story)


def test_a_sender_waits_while_its_peer_does_not_read():
    async def story(net, near, far):
        for _ in range(2):
            await near.send(b"x")
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(60):
                await near.send(b"x")
        await far.receive()
        await near.send(b"x")

    on_a_link(story, Weather(window=2))


def test_after_a_close_a_prefix_arrives_and_both_ends_are_down():
    async def story(net, near, far):
        for frame in FRAMES:
            await near.send(frame)
        await near.close()
        frames, end = await read_all(far)
        assert frames == FRAMES[: len(frames)]
        assert end is LinkDownError
        for link in (near, far):
            with pytest.raises(LinkDownError):
                await link.send(b"x")

    on_a_link(story)


def test_frames_wait_out_a_cut_and_then_go_on():
    async def story(net, near, far):
        net.cut("worker", "server")
        await near.send(b"x")
        await far.send(b"the other way is open")
        assert await near.receive()
        net.loop.call_later(5, net.mend, "worker", "server")
        assert await far.receive() == b"x"
        assert net.loop.time() >= 5

    on_a_link(story)


def test_a_close_during_a_cut_leaves_the_peer_half_open():
    async def story(net, near, far):
        net.cut("worker", "server")
        await near.close()
        assert await read_all(far) == ([], TimeoutError)

    on_a_link(story)


def test_a_killed_process_hangs_up_and_a_lost_machine_does_not():
    async def story(net, near, far):
        net.bury(near.owner, silently=False)
        assert await read_all(far) == ([], LinkDownError)

    async def silent(net, near, far):
        net.bury(near.owner, silently=True)
        assert await read_all(far) == ([], TimeoutError)

    on_a_link(story)
    on_a_link(silent)


def test_the_dead_send_nothing():
    async def story(net, near, far):
        near.owner.kill()
        with pytest.raises(LinkDownError):
            await near.send(b"last words")

    on_a_link(story)


@pytest.mark.parametrize("why", ["nobody listens", "the listener is dead", "the way is cut"])
def test_a_dial_that_cannot_succeed_says_so(why):
    async def story(net, near, far):
        if why == "the listener is dead":
            far.owner.kill()
        if why == "the way is cut":
            net.cut("server", "worker")
        address = "server:other" if why == "nobody listens" else "server:worker"
        with pytest.raises(LinkDownError):
            await SimDialer(net, near.owner, address).dial()

    on_a_link(story)
