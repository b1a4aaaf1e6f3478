"""Items of a stream as they are told: in order, each once, an epoch after the other.

An epoch is what one attempt streams. When a newer attempt takes over, readers hear of a restart, and then its items
from the first one on; what they had of the epoch before is superseded.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass

import msgspec

from tidemill.server.streaming import SILENCE, sse
from tidemill.wire.api import StreamItem, StreamRestart

LINES = "application/x-ndjson"

_decode = msgspec.msgpack.Decoder().decode
_pack = msgspec.msgpack.Encoder().encode
_json = msgspec.json.Encoder().encode


@dataclass(frozen=True)
class Place:
    """The next item that a reader wants. Epoch 0 is the one that is current; one that ``stays`` reads no newer one."""

    epoch: int
    first: int
    stays: bool = False


@dataclass(frozen=True)
class Batch:
    """Items from ``first`` on."""

    epoch: int
    first: int
    items: tuple[bytes, ...]
    restarted: bool = False
    ended: bool = False


Batches = AsyncIterator[Batch | None]


async def frames(batches: Batches) -> AsyncIterator[bytes]:
    """As msgpack for our own clients."""
    async for batch in batches:
        parts: list[StreamItem | StreamRestart] = []
        if batch and batch.restarted:
            parts.append(StreamRestart(batch.epoch))
        elif batch:
            parts += [
                StreamItem(index, msgspec.Raw(item), batch.epoch)
                for index, item in enumerate(batch.items, start=batch.first)
            ]
        frame = _pack(parts)
        yield len(frame).to_bytes(4, "big") + frame


async def lines(batches: Batches) -> AsyncIterator[bytes]:
    """As lines of JSON."""
    async for batch in batches:
        if batch and batch.restarted:
            yield _json(StreamRestart(batch.epoch)) + b"\n"
        elif batch and batch.items:
            numbered = enumerate(batch.items, start=batch.first)
            yield b"".join(_json(StreamItem(index, _decode(item), batch.epoch)) + b"\n" for index, item in numbered)


async def messages(batches: Batches) -> AsyncIterator[bytes]:
    """As server-sent events; an id names the next item, so that it says where to go on."""
    async for batch in batches:
        if batch is None:
            yield SILENCE
        elif batch.restarted:
            yield sse("restart", {"epoch": batch.epoch}, f"{batch.epoch}:0")
        elif batch.ended:
            yield sse("end", {"epoch": batch.epoch, "count": batch.first})
        else:
            numbered = enumerate(batch.items, start=batch.first)
            yield b"".join(sse("item", _decode(item), f"{batch.epoch}:{index + 1}") for index, item in numbered)
