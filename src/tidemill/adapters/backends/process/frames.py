"""What a worker and its child say to each other, over a socket pair. A frame is its length in 4 bytes, and msgpack.

```text
worker                                     child
                                           imports the target
                            <------------  ready(targets) | unready(text)
begin(target, inputs, facts) ----------->  one body at a time
stop, room, run_ended, answered -------->
                            <------------  begun; progressed, alive, logged, emitted, saved,
                                           marked, emits, measures, starts, awaits, asks
                            <------------  returned | raised
begin ... or leave --------------------->  leaves in order
```
The socket's end means death to either: the child kills its group, the worker reports a crash.
"""

import struct
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
from msgspec import Struct

from tidemill.core.bodies import AttemptFacts, ChildCall, ChildEnd, Completed, Encoded, LocalFile, SharedCall, SharedEnd
from tidemill.core.errors import InputError
from tidemill.core.run import Failure
from tidemill.core.telling import Emission
from tidemill.core.values import Argument

RESULT_LIMIT_BYTES = 256 * 1024 * 1024
FRAME_LIMIT_BYTES = 2 * RESULT_LIMIT_BYTES  # inputs come as they are; nothing sensible is larger
_LENGTH = struct.Struct(">I")


class BadFrameError(InputError):
    """What came is no frame of a child: something else wrote to its socket."""


# To the child -----------------------------------------------------------------------------------------


class Begin(Struct, frozen=True, array_like=True, tag="begin"):
    target: str
    inputs: dict[str, Argument]
    facts: AttemptFacts
    folder: str  # the name of its private folder, to be made when it is used


class Stop(Struct, frozen=True, array_like=True, tag="stop"):
    pass


class Room(Struct, frozen=True, array_like=True, tag="room"):
    """Items of the stream that are durable."""

    durable: int


class RunEnded(Struct, frozen=True, array_like=True, tag="run_ended"):
    """A run that the body started, and waits for."""

    key: bytes
    end: ChildEnd


class Answered(Struct, frozen=True, array_like=True, tag="answered"):
    """By a store or channel, to what it was asked under this number."""

    number: int
    end: SharedEnd


class Leave(Struct, frozen=True, array_like=True, tag="leave"):
    """Nothing more will come: end in order."""


ToChild = Begin | Stop | Room | RunEnded | Answered | Leave

# To the worker ----------------------------------------------------------------------------------------


class Asks(Struct, frozen=True, array_like=True, tag="asks"):
    """Something of a store or channel."""

    number: int
    call: SharedCall


class Ready(Struct, frozen=True, array_like=True, tag="ready"):
    """It can run these."""

    targets: tuple[str, ...]


class Unready(Struct, frozen=True, array_like=True, tag="unready"):
    """The target cannot be imported here; the child ends."""

    text: str


class Begun(Struct, frozen=True, array_like=True, tag="begun"):
    """The body has the floor: if the child ends from here on, the body was lost."""


class Progressed(Struct, frozen=True, array_like=True, tag="progressed"):
    fraction: float
    stage: str
    message: str


class Alive(Struct, frozen=True, array_like=True, tag="alive"):
    details: str


class Logged(Struct, frozen=True, array_like=True, tag="logged"):
    level: str
    logger: str
    text: str


class Emitted(Struct, frozen=True, array_like=True, tag="emitted"):
    item: Encoded


class Saved(Struct, frozen=True, array_like=True, tag="saved"):
    name: str
    file: LocalFile


class Marked(Struct, frozen=True, array_like=True, tag="marked"):
    """A model that is in memory, or no longer."""

    name: str
    size: int


class Emits(Struct, frozen=True, array_like=True, tag="emits"):
    emission: Emission


class Measures(Struct, frozen=True, array_like=True, tag="measures"):
    name: str
    value: float
    unit: str


class Starts(Struct, frozen=True, array_like=True, tag="starts"):
    """The body starts a run."""

    call: ChildCall


class Awaits(Struct, frozen=True, array_like=True, tag="awaits"):
    """The body waits for a run that it has started."""

    key: bytes


class Rest(Struct, frozen=True, array_like=True):
    """What a body leaves in its process."""

    rss_bytes: int
    peak_kib: int
    used_folder: bool
    left_children: bool  # processes that it started and that still run


class Returned(Struct, frozen=True, array_like=True, tag="returned"):
    completed: Completed
    rest: Rest


class Raised(Struct, frozen=True, array_like=True, tag="raised"):
    failure: Failure
    rest: Rest


Saying = Logged | Progressed | Alive | Emitted | Saved | Marked | Emits | Measures | Starts | Awaits | Asks
ToWorker = Returned | Raised | Saying | Begun | Ready | Unready

_encoder = msgspec.msgpack.Encoder()
_to_child = msgspec.msgpack.Decoder(ToChild)
_to_worker = msgspec.msgpack.Decoder(ToWorker)


def encode(message: ToChild | ToWorker) -> bytes:
    """Raises InputError for one that is too large."""
    data = _encoder.encode(message)
    if len(data) > FRAME_LIMIT_BYTES:
        raise InputError(f"{len(data):,} bytes are too many for a process: {FRAME_LIMIT_BYTES:,} can be handed over")
    return _LENGTH.pack(len(data)) + data


class Frames:
    """Bytes as they come, in pieces, become messages."""

    def __init__(self, decode: Callable[[bytes], Any]) -> None:
        self._decode = decode
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[Any]:
        """Raises BadFrameError."""
        self._buffer += data
        start = 0
        while len(self._buffer) - start >= _LENGTH.size:
            (length,) = _LENGTH.unpack_from(self._buffer, start)
            if length > FRAME_LIMIT_BYTES:
                raise BadFrameError(f"a frame of {length:,} bytes is announced")
            end = start + _LENGTH.size + length
            if len(self._buffer) < end:
                break
            frame = bytes(memoryview(self._buffer)[start + _LENGTH.size : end])
            start = end
            try:
                yield self._decode(frame)
            except (msgspec.MsgspecError, RecursionError) as error:
                raise BadFrameError(f"no message: {error}") from None
        del self._buffer[:start]


def frames_to_child() -> Frames:
    return Frames(_to_child.decode)


def frames_to_worker() -> Frames:
    return Frames(_to_worker.decode)
