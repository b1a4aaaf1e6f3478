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
import hashlib
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from enum import Enum
from typing import Any, Protocol

from msgspec import Struct

from tidemill.core.bodies import AttemptFacts, ChildCall, ChildEnd, Encoded, LocalFile, SharedCall, SharedEnd
from tidemill.core.ids import RunId, text_of
from tidemill.core.requirements import Granted
from tidemill.core.telling import Emission, Measure, Took
from tidemill.core.texts import sendable
from tidemill.core.values import Argument
from tidemill.ports.backend import BackendPort, Ending
from tidemill.ports.clock import Clock
from tidemill.sdk.invoke import AnyTask
from tidemill.sdk.worker import target_of
from tidemill.wire.worker import Assign, AttemptRef, Published
from tidemill.worker.stream import Events, Stream
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


class Host(Protocol):
    """Who brings what bodies say to the control loop. ``call`` and ``end`` may be called from any thread."""

    clock: Clock
    worker: str

    def backend_of(self, task: AnyTask) -> BackendPort: ...

    def call(self, attempt: "LiveAttempt") -> None:
        """It has something to say."""
        ...

    def end(self, attempt: "LiveAttempt", ending: Ending) -> None: ...

    def mark_model(self, name: str, size: int) -> None:
        """From any thread."""
        ...

    def start_child(self, attempt: "LiveAttempt", call: ChildCall) -> None: ...

    def await_child(self, attempt: "LiveAttempt", key: bytes, hear: Callable[[ChildEnd], None]) -> None: ...

    def share(self, attempt: "LiveAttempt", call: SharedCall, hear: Callable[[SharedEnd], None]) -> None: ...


class LiveAttempt:
    """The record of one attempt, made by the control loop, and the Work of a back-end.

    Fields that the body's side writes are marked; the methods are its too, and callable from any thread.
    """

    __slots__ = (
        "_host", "asks", "assign", "backend", "began", "children", "errand", "events", "folder", "grip", "has_left",
        "has_slot", "inputs", "is_abandoned", "is_called", "is_killed", "is_returning", "peak_kib", "phase", "pool",
        "ref", "resumed", "saved", "seen", "stop", "stream", "taken", "task", "timer", "voice", "waits", "writes",
        "writing",
    )  # fmt: skip

    def __init__(self, assign: Assign, task: AnyTask, pool: str, host: Host) -> None:
        self.assign, self.task, self.pool, self._host = assign, task, pool, host
        self.backend = host.backend_of(task)
        self.ref: AttemptRef = assign.attempt
        self.inputs: Mapping[str, Argument] = assign.inputs
        self.phase = Phase.PREPARING
        self.stop: Stop | None = None
        self.errand: asyncio.Task[None] | None = None  # while it prepares or stores
        self.timer: asyncio.TimerHandle | None = None
        self.is_abandoned = False
        self.has_slot = True  # it is given away while it waits for children
        self.has_left = False  # all is over
        self.children: dict[bytes, asyncio.Future[ChildEnd]] = {}
        self.writes = 0  # to stores and channels, so far
        self.writing: asyncio.Lock | None = None
        self.asks: set[asyncio.Task[None]] = set()  # what it asks of stores and channels
        self.waits = 0  # children that its body waits for
        self.resumed: asyncio.Event | None = None  # while what it was granted is away: set when it has that again
        self.is_returning = False  # it has asked for that
        self.taken = host.clock.monotonic()
        self.began = 0.0
        self.peak_kib = 0  # the back-end's
        self.seen = 0.0  # the body's: its last sign of life
        self.grip: Any = None  # the back-end's
        self.is_killed = False
        self.voice: Voice | None = None  # the body's
        self.stream: Stream | None = None  # the body's
        self.events: Events | None = None  # the body's
        self.folder = ""  # the body's
        self.saved: dict[str, Saved] = {}  # the body's
        self.is_called = False  # the control loop was told that the voice or the stream has something

    @property
    def is_on_loop(self) -> bool:
        """Whether the body runs on the user loop."""
        return self.task.definition.is_async and not self.backend.can_kill

    @property
    def tails(self) -> tuple[Stream | Events, ...]:
        """What must arrive before its report."""
        if self.stream is None and self.events is None:
            return ()
        return tuple(each for each in (self.stream, self.events) if each is not None)

    @property
    def measures(self) -> tuple[Measure, ...]:
        return self.voice.measures if self.voice else ()

    def took(self) -> Took:
        """What it took until now, when its report is made."""
        now, began = self._host.clock.monotonic(), self.began or self.seen
        fetch_s, run_s, store_s = began - self.taken, self.seen - began, now - self.seen
        return Took(_us(fetch_s), _us(run_s), _us(store_s), self.peak_kib)

    @property
    def target(self) -> str:
        return target_of(self.assign.task, self.assign.implementation)

    @property
    def facts(self) -> AttemptFacts:
        assign = self.assign
        return AttemptFacts(
            run=text_of(assign.attempt.run),
            path=assign.attempt.path,
            number=assign.attempt.number,
            task=assign.task,
            worker=self._host.worker,
            workflow=assign.workflow,
            priority=assign.priority,
            tags=assign.tags,
            deadline=self._deadline(),
            granted=assign.granted or Granted(),
            trace=assign.trace,
            parent=text_of(RunId(assign.parent)) if assign.parent else "",
            tenant=assign.tenant,
            release=assign.release,
        )

    def _deadline(self) -> datetime | None:
        assign, began_at = self.assign, self._host.clock.now()
        ends = [assign.deadline_at] if assign.deadline_at is not None else []
        if assign.timeout_s is not None:
            ends.append(began_at + int(assign.timeout_s * 1_000_000))
        return datetime.fromtimestamp(min(ends) / 1_000_000, UTC) if ends else None

    @property
    def is_told_to_stop(self) -> bool:
        return self.stop is not None

    @property
    def durable(self) -> int:
        return self.stream.durable if self.stream else 0

    @property
    def folder_name(self) -> str:
        place = hashlib.sha256(self.ref.path.encode()).hexdigest()[:16]
        return f"{self.ref.run.hex()}-{place}-{self.ref.number}"

    def use_folder(self) -> str:
        self.folder = self.folder or self.folder_name
        return self.folder

    def progress(self, fraction: float, stage: str, message: str) -> None:
        self._live()
        self._voice().progress(fraction, stage, message)

    def heartbeat(self, details: str) -> None:
        self._live()
        if details:
            self._voice().details = sendable(details)

    def log(self, level: str, logger: str, text: str) -> None:
        self._voice().line(self._host.clock.now(), level, logger, text)

    def omit(self, lines: int) -> None:
        self._voice().omit(lines)

    def add_item(self, item: Encoded) -> None:
        if self.stream is None:
            self.stream = Stream(self.ref, self._call)
        self.stream.add(item)
        self._live()

    def mark_model(self, name: str, size: int) -> None:
        self._live()
        self._host.mark_model(name, size)

    def emit(self, emission: Emission) -> None:
        if self.events is None:
            self.events = Events(self.ref, self._call)
        self.events.add(emission)
        self._live()

    def measure(self, name: str, value: float, unit: str) -> bool:
        return self._voice().measure(name, value, unit)

    def save(self, name: str, file: LocalFile) -> None:
        self._live()
        self.saved[name] = Saved(Published(name, file.digest, file.size, file.media_type), file)

    def start_child(self, call: ChildCall) -> None:
        self._live()
        self._host.start_child(self, call)

    def await_child(self, key: bytes, hear: Callable[[ChildEnd], None]) -> None:
        self._host.await_child(self, key, hear)

    def share(self, call: SharedCall, hear: Callable[[SharedEnd], None]) -> None:
        self._live()
        self._host.share(self, call, hear)

    def end(self, ending: Ending) -> None:
        self._live()
        self._host.end(self, ending)

    def _voice(self) -> Voice:
        if self.voice is None:
            self.voice = Voice(self.ref, self._call)
        return self.voice

    def _call(self) -> None:
        self._host.call(self)

    def _live(self) -> None:
        self.seen = self._host.clock.monotonic()


def _us(length_s: float) -> int:
    return max(int(length_s * 1_000_000), 0)
