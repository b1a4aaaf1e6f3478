"""Messages as frames, none larger than the server takes: the last check of all, for a larger one ends the connection.

What makes messages has limits of its own; this is for what they do not foresee (very many files in one value). A result
that waits, in memory or in the spool of an older version, is looked at each time it is sent.
"""

import logging
from collections.abc import Iterator
from typing import Any

from msgspec.structs import replace

from tidemill.core.run import Code, Failure
from tidemill.wire.worker import (
    FRAME_LIMIT_BYTES,
    Failed,
    Heartbeat,
    Hello,
    Log,
    Progress,
    Released,
    Succeeded,
    encode_frame,
)

log = logging.getLogger(__name__)

_SHORT = 2_000  # characters of a text


def frames_of(messages: list[Any]) -> Iterator[bytes]:
    """Usually one. A message that no frame carries is told in short, or left out with a word in the log."""
    frame = encode_frame(messages)
    if len(frame) <= FRAME_LIMIT_BYTES:
        yield frame
    elif (half := len(messages) // 2) > 0:
        yield from frames_of(messages[:half])
        yield from frames_of(messages[half:])
    else:
        yield from _in_short(messages[0], len(frame))


def greeting(hello: Hello) -> bytes:
    """The frame of a hello. Results that it has no room to name are sent all the same, and may come too late."""
    while len(frame := encode_frame([hello])) > FRAME_LIMIT_BYTES and hello.unacknowledged:
        hello = replace(hello, unacknowledged=hello.unacknowledged[: len(hello.unacknowledged) // 2])
    return frame


def _in_short(message: Any, size: int) -> Iterator[bytes]:
    log.error("a message %r of %d bytes is too large for the server", type(message).__name__.lower(), size)
    if (less := _shorter(message, size)) is not None:
        yield encode_frame([less])


def _shorter(message: Any, size: int) -> Any:
    match message:
        case Succeeded(attempt=attempt, took=took):
            return Failed(attempt, Failure(code=Code.PERMANENT, message=_too_large(size)), took=took)
        case Failed(failure=failure):
            said = replace(failure, message=failure.message[:_SHORT], type=failure.type[:_SHORT])
            said = replace(said, traceback="", violations=())
            return replace(message, failure=said, artifacts=(), measures=())
        case Heartbeat(received=received):
            return Heartbeat(received)
        case Released(attempt=attempt, reason=reason):
            return Released(attempt, reason[:_SHORT])
        case Progress(attempt=attempt, fraction=fraction, stage=stage, message=text):
            return Progress(attempt, fraction, stage[:_SHORT], text[:_SHORT])
        case Log(attempt=attempt, lines=lines, dropped=dropped):
            return Log(attempt, (), dropped + len(lines))
        case _:
            return None


def _too_large(size: int) -> str:
    return (
        f"the report of its result has {size:,} bytes, and the server takes {FRAME_LIMIT_BYTES:,}: "
        "return fewer files and names at once, or one File that lists them"
    )
