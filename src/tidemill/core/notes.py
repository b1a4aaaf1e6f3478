"""What one server leaves for another in the commit that makes it true; on one server there are none."""

from enum import Enum

from msgspec import Struct

from tidemill.core.ids import Path, RunId, SessionId


class About(Enum):
    STOP = "stop"  # ask the worker to stop an attempt
    FREED = "freed"  # an attempt of the session ended: it holds one less
    MOVED = "moved"  # the session hangs on another server now
    REPLACED = "replaced"  # another process took over the worker id


class Note(Struct, frozen=True, gc=False):
    """For the server that ``session`` hangs on, or hung on."""

    server: bytes
    about: About
    session: SessionId
    run: RunId = RunId(b"")
    path: Path = ""
    number: int = 0
    reason: str = ""
