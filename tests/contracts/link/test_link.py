"""What every link does."""

import asyncio

import pytest

from tests.contracts.link.conftest import Pair
from tidemill.ports.link import LinkDownError


async def test_frames_arrive_whole_and_in_order_both_ways(pair: Pair) -> None:
    one, other = pair
    frames = [bytes([n]) * (n * 997) for n in range(40)]
    for frame in frames:
        await one.send(frame)
        await other.send(frame[::-1])
    assert [await other.receive() for _ in frames] == frames
    assert [await one.receive() for _ in frames] == [frame[::-1] for frame in frames]


async def test_a_reader_waits_for_the_next_frame(pair: Pair) -> None:
    one, other = pair
    reading = asyncio.create_task(other.receive())
    await asyncio.sleep(0)
    assert not reading.done()
    await one.send(b"late")
    assert await reading == b"late"


async def test_what_arrived_before_the_end_is_read_before_the_error(pair: Pair) -> None:
    one, other = pair
    await one.send(b"last words")
    await one.close()
    assert await other.receive() == b"last words"
    for _ in range(2):
        with pytest.raises(LinkDownError):
            await other.receive()
    with pytest.raises(LinkDownError):
        await other.send(b"too late")


async def test_closing_ends_our_own_waiting_too(pair: Pair) -> None:
    one, _ = pair
    reading = asyncio.create_task(one.receive())
    await asyncio.sleep(0)
    await one.close()
    with pytest.raises(LinkDownError):
        await reading
    with pytest.raises(LinkDownError):
        await one.send(b"x")
    await one.close()


async def test_a_sender_waits_while_the_peer_does_not_read(pair: Pair) -> None:
    one, other = pair
    frame = b"x" * 100_000
    sent = 0

    async def send_many() -> None:
        nonlocal sent
        for _ in range(2000):
            await one.send(frame)
            sent += 1

    sending = asyncio.create_task(send_many())
    stalled = -1
    while stalled != sent:  # until nothing moves any more
        stalled = sent
        for _ in range(200):
            await asyncio.sleep(0.001)
    assert 0 < sent < 2000
    for _ in range(2000):
        assert await other.receive() == frame
    await sending


async def test_a_cancelled_reader_loses_no_frame(pair: Pair) -> None:
    one, other = pair
    reading = asyncio.create_task(other.receive())
    await asyncio.sleep(0)
    reading.cancel()
    await asyncio.gather(reading, return_exceptions=True)
    await one.send(b"kept")
    assert await other.receive() == b"kept"
