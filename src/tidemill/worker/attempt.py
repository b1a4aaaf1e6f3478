"""One attempt that this worker holds.

```text
PREPARING  inputs are fetched          (skipped when all came with the assignment)
RUNNING    its body has the floor
STORING    outputs are uploaded, the last items of its stream acknowledged       (skipped likewise)
```
Then a report stands in its place (`worker.reports`) until the server acknowledges it. An attempt that was told to stop
and does not is reported as abandoned, and keeps its slot while its body runs.
"""

import asyncio
from enum import Enum

from msgspec import Struct

from tidemill.sdk.file import LocalFile
from tidemill.sdk.invoke import AnyTask
from tidemill.wire.worker import Assign, AttemptRef, Published
from tidemill.worker.stream import Stream
from tidemill.worker.voice import Voice


class Phase(Enum):
    PREPARING = "preparing"
    RUNNING = "running"
    STORING = "storing"


class Why(Enum):
    """Why an attempt is to stop."""

    CANCEL = "cancel"
    TIMEOUT = "timeout"
    SILENCE = "silence"
    DRAIN = "drain"
    STALE = "stale"  # it is somebody else's by now


class Stop(Struct, frozen=True):
    why: Why
    text: str
    grace_s: float


class Saved(Struct, frozen=True):
    """A file that the body saved by name, not uploaded yet."""

    published: Published
    local: LocalFile


class LiveAttempt:
    """The record of one attempt, made by the control loop. Fields that the body's side writes are marked."""

    __slots__ = (
        "assign", "began", "body", "errand", "folder", "inputs", "is_abandoned", "is_begun", "is_called", "phase",
        "pool", "ref", "room", "saved", "seen", "stop", "stream", "task", "timer", "voice",
    )  # fmt: skip

    def __init__(self, assign: Assign, task: AnyTask, pool: str) -> None:
        self.assign, self.task, self.pool = assign, task, pool
        self.ref: AttemptRef = assign.attempt
        self.inputs = assign.inputs
        self.phase = Phase.PREPARING
        self.stop: Stop | None = None
        self.errand: asyncio.Task[None] | None = None  # while it prepares or stores
        self.timer: asyncio.TimerHandle | None = None
        self.is_abandoned = False
        self.began = 0.0
        self.seen = 0.0  # the body's: its last sign of life
        self.body: asyncio.Task[None] | None = None  # the user loop's
        self.is_begun = False  # the body's
        self.room: asyncio.Event | None = None  # the user loop's: an async stream waits for it
        self.voice: Voice | None = None  # the body's
        self.stream: Stream | None = None  # the body's
        self.folder = ""  # the body's
        self.saved: dict[str, Saved] = {}  # the body's
        self.is_called = False  # the control loop was told that the voice or the stream has something
