"""Items of a stream: numbered, held back, sent again."""

from typing import Any

import msgspec

from tidemill.conformance.exam import Exam
from tidemill.conformance.peer import Peer
from tidemill.conformance.verdict import WrongError, expect
from tidemill.core.values import Encoding, Streamed
from tidemill.wire import worker as wire

MANY, SOME = 600, 20


async def numbered(exam: Exam) -> None:
    ref = await exam.assign("count", upto=10)
    items = await _taken(exam.current, ref, 10)
    expect(items == list(range(10)), f"count(10) streamed {items}")
    await _ends(exam, ref, 10)


async def empty(exam: Exam) -> None:
    await _ends(exam, await exam.assign("count", upto=0), 0)


async def held_back(exam: Exam) -> None:
    ref = await exam.assign("count", upto=MANY)
    peer = exam.current
    limit, got = wire.UNACKNOWLEDGED_ITEMS, 0
    while got < limit:
        got += len((await _next(peer, ref, got)).items)
    await peer.said()
    late = [each for each in peer.heard if isinstance(each, wire.Chunk) and each.attempt == ref]
    got = sum(len(each.items) for each in late)
    expect(got <= limit, f"{got} items came, none was acknowledged, and {limit} is the most")
    await peer.say(wire.ChunkAck(ref, got))
    await _taken(peer, ref, MANY, got)
    await _ends(exam, ref, MANY)


async def sent_again(exam: Exam) -> None:
    ref = await exam.assign("count", upto=MANY)
    got = 0
    while got < SOME:
        got += len((await _next(exam.current, ref, got)).items)
    half = got // 2
    await exam.current.say(wire.ChunkAck(ref, half))
    await exam.current.said()
    hello = await exam.reconnected()
    expect(ref in hello.held, "hello does not list the stream among what is held")
    peer = await exam.welcome((ref,))
    again = await peer.hear(wire.Chunk, lambda message: message.attempt == ref)
    expect(
        again.first == half,
        f"items from {half} on are not acknowledged, and the first that came again is {again.first}",
    )
    items = [_plain(peer, each) for each in again.items]
    expect(items == list(range(half, half + len(items))), "other items came the second time")
    await peer.say(wire.ChunkAck(ref, half + len(items)))
    await _taken(peer, ref, MANY, half + len(items))
    await _ends(exam, ref, MANY)


async def _taken(peer: Peer, ref: wire.AttemptRef, upto: int, got: int = 0) -> list[Any]:
    """All items, each acknowledged as it comes."""
    items: list[Any] = []
    while got < upto:
        chunk = await _next(peer, ref, got)
        items += [_plain(peer, each) for each in chunk.items]
        got += len(chunk.items)
        await peer.say(wire.ChunkAck(ref, got))
    return items


async def _next(peer: Peer, ref: wire.AttemptRef, first: int) -> wire.Chunk:
    chunk = await peer.hear(wire.Chunk, lambda message: message.attempt == ref)
    expect(chunk.first == first, f"the next item is number {first}, and the chunk begins with {chunk.first}")
    expect(chunk.items, "a chunk has no items")
    return chunk


async def _ends(exam: Exam, ref: wire.AttemptRef, count: int) -> None:
    value = (await exam.result(ref)).outputs.get("value")
    ends = isinstance(value, Streamed) and (value.number, value.count) == (ref.number, count)
    expect(ends, f'a stream of {count} items ends with ["s", {ref.number}, {count}], not {value!r}')


def _plain(peer: Peer, data: bytes) -> Any:
    decode = msgspec.json.decode if peer.codec.encoding is Encoding.JSON else msgspec.msgpack.decode
    try:
        return decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise WrongError(f"an item is no {peer.codec.encoding.name.lower()}: {error}") from None
