"""The worker protocol, version 1: what a worker and the server say to each other (design.md, section 10).

A frame is a list of messages, in msgpack or in JSON as the sub-protocol says; a message is a list whose first item is
its tag. Within a major version fields are only added at the end, and what a peer does not know it ignores: fields to
spare, and messages of an unknown tag.

```text
worker                                     server
hello(held, unacknowledged) ------------>  reconcile
                            <------------  welcome(keep, stale)            or refused(reason, advice)
credit(total so far) ------------------->
                            <------------  assign(attempt, inputs)
started, progress, log, chunk, event, metric, models ->
                            <------------  chunk_ack, event_ack, cancel, ping
succeeded | failed | released ---------->
                            <------------  ack | stale
goodbye -------------------------------->
```
"""

from collections.abc import Callable
from types import ModuleType
from typing import Any, Generic, TypeVar, get_args

import msgspec
from msgspec import Struct, field

from tidemill.core.definitions import Pools, TaskDefinition
from tidemill.core.errors import InputError
from tidemill.core.ids import Path
from tidemill.core.requirements import Capability, Granted
from tidemill.core.run import Adjustment, End, Failure
from tidemill.core.telling import Emission, Measure, Took
from tidemill.core.values import Argument, Value

PROTOCOL = "1.0"
SUBPROTOCOL = "tidemill.v1+msgpack"
JSON_SUBPROTOCOL = "tidemill.v1+json"
PATH = "/worker/v1"
FRAME_VALUES_BYTES = 64 * 1024  # values of one frame; a larger one goes by blob
FRAME_LIMIT_BYTES = 1024 * 1024
UNACKNOWLEDGED_ITEMS = 256  # of one stream
ITEM_LIMIT_BYTES = 512 * 1024  # of one item


class BadMessageError(InputError):
    """A frame that is no list of messages of this version."""


class AttemptRef(Struct, frozen=True, gc=False, array_like=True):
    """An attempt: run id, path, number. The number is the fence."""

    run: bytes
    path: Path
    number: int


# Worker to server ----------------------------------------------------------------------------------


class Hello(Struct, frozen=True, array_like=True, tag="hello"):
    protocol: str
    worker: str  # survives a restart
    instance: bytes  # 16 random bytes per process
    tasks: tuple[TaskDefinition, ...]
    pools: Pools
    held: tuple[AttemptRef, ...] = ()  # executing now
    unacknowledged: tuple[AttemptRef, ...] = ()  # done, and the result is about to be sent
    store: bytes = b""  # the store id last seen; b"" on the first contact
    version: str = ""  # of the SDK
    host: str = ""
    pid: int = 0
    labels: dict[str, str] = field(default_factory=dict)
    offers: Capability = Capability()
    environment: str = ""  # digest of the environment that it runs in, or of its image; "" where nobody knows


class Credit(Struct, frozen=True, gc=False, array_like=True, tag="credit"):
    """Running totals since the welcome: how many attempts the server may have sent, in all ("") and per pool."""

    granted: dict[str, int]


class Started(Struct, frozen=True, gc=False, array_like=True, tag="started"):
    attempt: AttemptRef


class Heartbeat(Struct, frozen=True, gc=False, array_like=True, tag="heartbeat"):
    """Extends the lease. ``received`` counts the attempts received since the welcome."""

    received: int
    details: tuple[tuple[AttemptRef, str], ...] = ()  # what tasks said through ctx.heartbeat
    held: tuple[AttemptRef, ...] | None = None  # all that it holds, results not acknowledged too; None: it does not say


class Progress(Struct, frozen=True, gc=False, array_like=True, tag="progress"):
    attempt: AttemptRef
    fraction: float  # 0..1
    stage: str = ""
    message: str = ""


class LogLine(Struct, frozen=True, gc=False, array_like=True):
    at: int  # microseconds, the worker's clock
    level: str  # a name of `logging`, or "STDOUT", "STDERR"
    logger: str
    text: str


class Log(Struct, frozen=True, gc=False, array_like=True, tag="log"):
    attempt: AttemptRef
    lines: tuple[LogLine, ...]
    dropped: int = 0  # lines that the worker's limit left out before these


class Chunk(Struct, frozen=True, gc=False, array_like=True, tag="chunk"):
    """Items of a stream, from item ``first`` on, each encoded as the sub-protocol says."""

    attempt: AttemptRef
    first: int
    items: tuple[bytes, ...]


class Event(Struct, frozen=True, array_like=True, tag="event"):
    """Events that a task told of, from the ``first`` of the attempt on (from 0); durable, as chunks are."""

    attempt: AttemptRef
    first: int
    emissions: tuple[Emission, ...]


class Metric(Struct, frozen=True, gc=False, array_like=True, tag="metric"):
    """What an attempt has measured so far, name by name; the report has the last word."""

    attempt: AttemptRef
    measures: tuple[Measure, ...]


class Published(Struct, frozen=True, gc=False, array_like=True):
    """A file that the task saved by name; its bytes are uploaded already."""

    name: str
    digest: bytes
    size: int
    media_type: str


class Succeeded(Struct, frozen=True, gc=False, array_like=True, tag="succeeded"):
    attempt: AttemptRef
    outputs: dict[str, Value]  # by port; Streamed for a stream's items
    status: str = "success"
    artifacts: tuple[Published, ...] = ()
    adjustments: tuple[Adjustment, ...] = ()  # numbers of the input that a Clamp corrected, ``step`` left out
    took: Took | None = None
    measures: tuple[Measure, ...] = ()


class Failed(Struct, frozen=True, gc=False, array_like=True, tag="failed"):
    """``proof`` says how it was stopped, when it was."""

    attempt: AttemptRef
    failure: Failure
    proof: End | None = None
    artifacts: tuple[Published, ...] = ()
    took: Took | None = None
    measures: tuple[Measure, ...] = ()


class Released(Struct, frozen=True, gc=False, array_like=True, tag="released"):
    """Handed back, to be run elsewhere: a drain, or a task that this worker cannot run."""

    attempt: AttemptRef
    reason: str = ""


class Yielded(Struct, frozen=True, gc=False, array_like=True, tag="yielded"):
    """The attempt waits for runs that it started: what it was granted may be another's meanwhile."""

    attempt: AttemptRef


class Resuming(Struct, frozen=True, gc=False, array_like=True, tag="resuming"):
    """Its wait is over, and it wants back what it was granted; `Resumed` is the answer, as soon as that is free."""

    attempt: AttemptRef


class Models(Struct, frozen=True, gc=False, array_like=True, tag="models"):
    """The models that are in memory now, all of them, with their sizes in bytes (0: not known); likewise on disk."""

    hot: dict[str, int]
    disk: dict[str, int]


class Goodbye(Struct, frozen=True, gc=False, array_like=True, tag="goodbye"):
    """Nothing is held any more, and nothing more will come."""


ToServer = (
    Credit
    | Succeeded
    | Started
    | Heartbeat
    | Progress
    | Chunk
    | Log
    | Failed
    | Released
    | Hello
    | Goodbye
    | Event
    | Metric
    | Models
    | Yielded
    | Resuming
)


# Server to worker ----------------------------------------------------------------------------------


class Welcome(Struct, frozen=True, array_like=True, tag="welcome"):
    """``keep``: go on with these; ``stale``: stop them and forget their results.

    ``ping_s``: the server lets hear of itself at least this often; 0 promises nothing. A worker that has heard nothing
    for three times as long takes the link for dead.
    """

    protocol: str
    store: bytes
    lease_s: float
    heartbeat_s: float
    keep: tuple[AttemptRef, ...] = ()
    stale: tuple[AttemptRef, ...] = ()
    version: str = ""
    ping_s: float = 0.0


class Refused(Struct, frozen=True, array_like=True, tag="refused"):
    """The connection ends. ``final``: trying again changes nothing."""

    reason: str
    advice: str
    final: bool = True


class Assign(Struct, frozen=True, gc=False, array_like=True, tag="assign"):
    attempt: AttemptRef
    task: str
    inputs: dict[str, Argument]
    workflow: str = ""
    timeout_s: float | None = None
    silence_s: float | None = None
    priority: int = 0
    tags: dict[str, str] = field(default_factory=dict)
    deadline_at: int | None = None
    implementation: str = ""  # which of those that the worker announced under this name
    granted: Granted | None = None  # of its resources, where the task requires some
    trace: str = ""  # the traceparent that the run was submitted with; "" makes the run's id the id of its trace
    parent: bytes = b""  # the run whose task started this one
    tenant: str = "default"
    release: str = ""


class Cancel(Struct, frozen=True, gc=False, array_like=True, tag="cancel"):
    attempt: AttemptRef
    grace_s: float
    reason: str = ""


class Ack(Struct, frozen=True, gc=False, array_like=True, tag="ack"):
    """The reports about these attempts are durable."""

    attempts: tuple[AttemptRef, ...]


class Stale(Struct, frozen=True, gc=False, array_like=True, tag="stale"):
    """Not yours any more; neither a fault of yours nor of ours."""

    attempts: tuple[AttemptRef, ...]


class ChunkAck(Struct, frozen=True, gc=False, array_like=True, tag="chunk_ack"):
    """Items before ``upto`` are durable."""

    attempt: AttemptRef
    upto: int


class EventAck(Struct, frozen=True, gc=False, array_like=True, tag="event_ack"):
    """Events before ``upto`` are durable."""

    attempt: AttemptRef
    upto: int


class Resumed(Struct, frozen=True, gc=False, array_like=True, tag="resumed"):
    """The attempt has again what it was granted."""

    attempt: AttemptRef


class Drain(Struct, frozen=True, gc=False, array_like=True, tag="drain"):
    """Take nothing new; finish what runs."""


class Ping(Struct, frozen=True, gc=False, array_like=True, tag="ping"):
    """Answer with a heartbeat."""


ToWorker = Assign | Ack | Welcome | ChunkAck | Cancel | Stale | Ping | Drain | Refused | EventAck | Resumed


def protocol_schema() -> dict[str, Any]:
    """The JSON Schema of frames, by direction. Bytes are texts in base64 here, and bin in msgpack."""
    (to_server, to_worker), defs = msgspec.json.schema_components(
        (list[ToServer], list[ToWorker]), ref_template="#/$defs/{name}"
    )
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"tidemill.worker/{PROTOCOL}",
        "description": "Frames of the worker protocol. Bytes are texts in base64 in JSON, and bin in msgpack.",
        "anyOf": [{"$ref": "#/$defs/ToServer"}, {"$ref": "#/$defs/ToWorker"}],
        "$defs": {**defs, "ToServer": to_server, "ToWorker": to_worker},
    }


# Frames --------------------------------------------------------------------------------------------

T = TypeVar("T")


class _Frames(Generic[T]):
    """Frames of one direction in one encoding. Messages of a later minor version are passed over."""

    def __init__(self, encoding: ModuleType, messages: Any) -> None:
        self._tags = frozenset(each.__struct_config__.tag for each in get_args(messages))
        self._all: Callable[[bytes], list[T]] = encoding.Decoder(list[messages]).decode
        self._each: Callable[[bytes], list[msgspec.Raw]] = encoding.Decoder(list[msgspec.Raw]).decode
        self._one: Callable[[bytes], T] = encoding.Decoder(messages).decode
        self._plain: Callable[[bytes], Any] = encoding.Decoder().decode

    def read(self, frame: bytes) -> list[T]:
        """Raises BadMessageError with the place of the first fault."""
        try:
            return self._all(frame)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            fault = BadMessageError(f"no frame of the worker protocol {PROTOCOL}: {error}")
        try:
            known = [bytes(each) for each in self._each(frame) if self._is_known(self._plain(bytes(each)))]
            return [self._one(each) for each in known]
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            raise fault from None

    def _is_known(self, message: Any) -> bool:
        is_tagged = isinstance(message, list) and bool(message) and isinstance(message[0], str)
        return not is_tagged or message[0] in self._tags


_encoder, _json_encoder = msgspec.msgpack.Encoder(), msgspec.json.Encoder()
_to_server: _Frames[ToServer] = _Frames(msgspec.msgpack, ToServer)
_to_worker: _Frames[ToWorker] = _Frames(msgspec.msgpack, ToWorker)
_json_to_server: _Frames[ToServer] = _Frames(msgspec.json, ToServer)
_json_to_worker: _Frames[ToWorker] = _Frames(msgspec.json, ToWorker)


def encode_frame(messages: list[Any]) -> bytes:
    """One frame of messages of either direction."""
    return _encoder.encode(messages)


def encode_json_frame(messages: list[Any]) -> bytes:
    """The same as a JSON text."""
    return _json_encoder.encode(messages)


def decode_to_server(frame: bytes) -> list[ToServer]:
    """Raises BadMessageError with the place of the first fault."""
    return _to_server.read(frame)


def decode_to_worker(frame: bytes) -> list[ToWorker]:
    """Raises BadMessageError with the place of the first fault."""
    return _to_worker.read(frame)


def decode_json_to_server(frame: bytes) -> list[ToServer]:
    """Raises BadMessageError with the place of the first fault."""
    return _json_to_server.read(frame)


def decode_json_to_worker(frame: bytes) -> list[ToWorker]:
    """Raises BadMessageError with the place of the first fault."""
    return _json_to_worker.read(frame)
