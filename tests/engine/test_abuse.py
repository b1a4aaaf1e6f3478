"""Each message of a worker: never, once, again and again, in any order, after the end, by whoever has no right to it.

The cases are made from the union of messages: one that is new and has no case fails here. Whatever comes, a run has one
result, what was recorded stays, and the server goes on.
"""

import asyncio
import itertools
import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, get_args

import msgspec
import pytest

from tests.engine.bench import NOOP
from tests.engine.peer import Mill, Peer
from tidemill.core.definitions import Pools
from tidemill.core.ids import RunId
from tidemill.core.run import AttemptEnded, Code, Ended, Failure
from tidemill.core.telling import Emission, Measure
from tidemill.core.values import Inline
from tidemill.ports.link import LinkDownError
from tidemill.wire import worker as wire

STRANGER = wire.AttemptRef(b"x" * 16, "noop", 1)
ONE = Inline(msgspec.msgpack.encode(1))

Say = Callable[[wire.AttemptRef], Any]
CASES: dict[type, Say] = {
    wire.Hello: lambda ref: wire.Hello(wire.PROTOCOL, "w", b"h" * 16, (NOOP,), Pools(1), held=(ref,)),
    wire.Credit: lambda ref: wire.Credit({"": 3}),
    wire.Started: wire.Started,
    wire.Heartbeat: lambda ref: wire.Heartbeat(1, ((ref, "alive"),)),
    wire.Progress: lambda ref: wire.Progress(ref, 0.5, "half", "way"),
    wire.Log: lambda ref: wire.Log(ref, (wire.LogLine(1, "INFO", "t", "a line"),)),
    wire.Chunk: lambda ref: wire.Chunk(ref, 0, (b"\x01", b"\x02")),
    wire.Event: lambda ref: wire.Event(ref, 0, (Emission("done", {"n": 1}),)),
    wire.Metric: lambda ref: wire.Metric(ref, (Measure("loss", 0.5),)),
    wire.Succeeded: lambda ref: wire.Succeeded(ref, {"value": ONE}),
    wire.Failed: lambda ref: wire.Failed(ref, Failure(Code.PERMANENT, "no")),
    wire.Released: lambda ref: wire.Released(ref, "a drain"),
    wire.Yielded: wire.Yielded,
    wire.Resuming: wire.Resuming,
    wire.Models: lambda ref: wire.Models({"m": 1}, {}),
    wire.Goodbye: lambda ref: wire.Goodbye(),
}
ENDS_LINK = {wire.Hello, wire.Goodbye}
REPORTS = [kind for kind in CASES if kind not in ENDS_LINK]
# What is heard of a message about an attempt that has its end: acknowledged again, turned away, or nothing.
AFTER_THE_END: dict[type, type | None] = {
    wire.Succeeded: wire.Ack,
    wire.Failed: wire.Ack,
    wire.Released: wire.Ack,
    wire.Started: wire.Stale,
    wire.Chunk: wire.Stale,
    wire.Event: wire.Stale,
}
by_name = pytest.mark.parametrize("kind", CASES, ids=[kind.__name__ for kind in CASES])


@pytest.fixture(autouse=True)
def _nothing_is_halted(caplog: pytest.LogCaptureFixture) -> Any:
    yield
    assert [each.getMessage() for each in caplog.records if each.levelno >= logging.ERROR] == []


def test_each_message_has_a_case() -> None:
    assert set(CASES) == set(get_args(wire.ToServer))


async def begun(mill: Mill, worker: str = "w") -> tuple[RunId, Peer, wire.AttemptRef]:
    """A run whose attempt a worker has."""
    run = await mill.started()
    peer = mill.connect(worker)
    await peer.hello()
    await peer.grant(1)
    return run, peer, await peer.take()


async def said(peer: Peer, *messages: Any) -> list[Any]:
    """Say it, and give what is answered; after that all of it has been decided. A link that ends is no answer."""
    stranger = wire.AttemptRef(b"y" * 16, "noop", 9)
    with suppress(LinkDownError):
        await peer.say(*messages)
        await peer.say(wire.Released(stranger))
        answers: list[Any] = []
        while True:
            frame = await asyncio.wait_for(peer.link.receive(), 20)
            for each in wire.decode_to_worker(frame):
                if isinstance(each, wire.Stale) and stranger in each.attempts:
                    return answers
                answers.append(each)
    return []


async def rows(mill: Mill, run: RunId) -> tuple[Any, ...]:
    """All that is recorded of a run of one task."""
    steps = list(await mill.store.steps(run, "", 10))
    attempts = list(await mill.store.attempts(run, None, 10))
    streams = [list(await mill.store.stream(run, "noop", each.number, 0, 10)) for each in attempts]
    emitted = list(await mill.store.emitted(run, "", 0, 10))
    return (await mill.run(run), steps, attempts, await mill.store.values(run, "noop"), streams, emitted)


async def cut(mill: Mill, peer: Peer) -> None:
    """End its link, and wait until the server knows."""
    await peer.link.close()
    while any(seat.tell for seat in mill.engine.seats.of_worker(peer.worker)):  # noqa: ASYNC110 - it has no event for it
        await asyncio.sleep(0.001)


async def finished(mill: Mill, run: RunId, worker: str) -> None:
    """Another process of the worker does what is left."""
    if isinstance((await mill.run(run)).state, Ended):
        return
    peer = mill.connect(worker, b"z" * 16)
    await peer.hello()
    await peer.grant(1)
    await peer.succeed(await peer.take())
    await mill.ended(run)
    await peer.say(wire.Goodbye())
    assert await peer.is_cut_off()


async def story(mill: Mill, run: RunId) -> tuple[Any, ...]:
    """The same without ids and instants."""
    row, steps, attempts, values, streams, emitted = await rows(mill, run)
    ends = [
        (each.number, each.state.end if isinstance(each.state, AttemptEnded) else None, each.streamed, each.emitted)
        for each in attempts
    ]
    items = [[(each.first, each.items) for each in stream] for stream in streams]
    told = [(each.number, each.type, each.payload) for each in emitted]
    return (row.status, [(each.status, each.latest, each.losses) for each in steps], ends, values, items, told)


# Again and again -----------------------------------------------------------------------------------


@by_name
async def test_what_is_said_again_and_again_is_said_once(mill: Mill, kind: type) -> None:
    stories = []
    for number, times in enumerate((1, 2, 7)):
        run, peer, ref = await begun(mill, f"w{number}")
        await said(peer, *[CASES[kind](ref)] * times)
        for _ in range(times - 1):  # in frames of their own, too
            await said(peer, CASES[kind](ref))
        await cut(mill, peer)
        await finished(mill, run, f"w{number}")
        stories.append(await story(mill, run))
    assert stories[0] == stories[1] == stories[2]


@by_name
async def test_what_is_not_said_is_not_missed(mill: Mill, kind: type) -> None:
    """A worker that says all but this: its run ends, or waits for the one word that nobody can do without."""
    needed = {wire.Hello, wire.Credit, wire.Succeeded}
    run, peer, ref = await begun(mill)
    said_too = [
        CASES[each](ref) for each in (wire.Started, wire.Progress, wire.Heartbeat, wire.Log) if each is not kind
    ]
    await said(peer, *said_too)
    if kind not in needed:
        await peer.succeed(ref)
        assert (await mill.ended(run)).status == "succeeded"
    else:
        assert (await mill.run(run)).status == "running"


# In any order --------------------------------------------------------------------------------------


async def test_any_two_words_in_any_order_leave_one_result(mill: Mill) -> None:
    decide = {wire.Started, wire.Succeeded, wire.Failed, wire.Released, wire.Chunk}
    pairs = [pair for pair in itertools.permutations(REPORTS, 2) if decide & {*pair}]
    for number, (first, second) in enumerate(pairs):
        run, peer, ref = await begun(mill, f"w{number}")
        await said(peer, CASES[first](ref), CASES[second](ref))
        await cut(mill, peer)
        await finished(mill, run, f"w{number}")
        status, _, ends, values, _, told = await story(mill, run)
        good = [end for _, end, _, _ in ends if end is not None and end.value == "succeeded"]
        assert status == ("succeeded" if values else "failed"), (first, second)
        assert len(good) == len(values), (first, second)
        assert len(told) <= 1, (first, second)


@pytest.mark.parametrize("gap", [wire.Chunk(STRANGER, 5, (b"\x01",)), wire.Event(STRANGER, 5, (Emission("late"),))])
async def test_what_comes_with_a_gap_is_not_taken_and_its_sender_hears_where_to_go_on(mill: Mill, gap: Any) -> None:
    run, peer, ref = await begun(mill)
    [answer] = await said(peer, msgspec.structs.replace(gap, attempt=ref))
    assert (answer.attempt, answer.upto) == (ref, 0)
    _, _, _, _, streams, emitted = await rows(mill, run)
    assert (streams, emitted) == ([[]], [])


# After the end -------------------------------------------------------------------------------------


@by_name
async def test_nothing_that_is_said_after_the_end_changes_what_was_recorded(mill: Mill, kind: type) -> None:
    run, peer, ref = await begun(mill)
    await peer.succeed(ref)
    await mill.ended(run)
    before = await rows(mill, run)
    answers = await said(peer, *[CASES[kind](ref)] * 3)
    assert await rows(mill, run) == before
    if (answer := AFTER_THE_END.get(kind)) is not None:
        assert {type(each) for each in answers} == {answer}
        assert [each for message in answers for each in message.attempts] == [ref] * 3
    else:
        assert [each for each in answers if isinstance(each, wire.Ack | wire.Stale)] == []
    await works(mill, peer)


@by_name
async def test_what_is_said_of_an_attempt_that_nobody_knows_does_no_harm(mill: Mill, kind: type) -> None:
    run, peer, ref = await begun(mill)
    await said(peer, *[CASES[kind](STRANGER)] * 3)
    if kind not in ENDS_LINK:
        await peer.succeed(ref)
        assert (await mill.ended(run)).status == "succeeded"
    await works(mill, peer)


async def works(mill: Mill, peer: Peer) -> None:
    """The server still does what it is for, when the other has left."""
    with suppress(LinkDownError):
        await peer.say(wire.Goodbye())
    assert await peer.is_cut_off()
    run = await mill.started()
    other = await mill.worker(100)
    while not isinstance((await mill.run(run)).state, Ended):
        await other.succeed(await other.take())


# By whoever has no right ---------------------------------------------------------------------------


@by_name
async def test_a_session_that_was_replaced_can_say_nothing_more(mill: Mill, kind: type) -> None:
    run, old, ref = await begun(mill)
    new = mill.connect("w", b"n" * 16)
    await new.hello()
    await new.grant(1)
    second = await new.take()
    before = await rows(mill, run)
    assert await said(old, *[CASES[kind](ref)] * 2) == []
    assert await rows(mill, run) == before
    await new.succeed(second)
    assert (await mill.ended(run)).status == "succeeded"


@by_name
async def test_who_did_not_say_hello_is_refused_with_the_reason(mill: Mill, kind: type) -> None:
    if kind is wire.Hello:
        return  # it is the one that opens a conversation
    run, _, ref = await begun(mill)
    before = await rows(mill, run)
    peer = mill.connect("stranger")
    await peer.say(CASES[kind](ref))
    assert (await peer.hear(wire.Refused)).reason == "the first message of a worker is hello"
    assert await peer.is_cut_off()
    assert await rows(mill, run) == before


# By who is older, or newer -------------------------------------------------------------------------


def fields(message: Any) -> list[Any]:
    plain = msgspec.msgpack.decode(msgspec.msgpack.encode(message))
    assert isinstance(plain, list)
    return plain


@by_name
def test_an_older_minor_version_leaves_out_fields_and_a_newer_one_adds_some(kind: type) -> None:
    message = CASES[kind](STRANGER)
    required = 1 + len([each for each in msgspec.structs.fields(kind) if each.required])
    short = msgspec.msgpack.encode([fields(message)[:required]])
    [found] = wire.decode_to_server(short)
    names: Sequence[str] = kind.__struct_fields__[: required - 1]  # type: ignore[attr-defined]
    assert found == kind(**{name: getattr(message, name) for name in names})
    [long] = wire.decode_to_server(msgspec.msgpack.encode([[*fields(message), "more", {"of": "it"}]]))
    assert long == message
