"""The means by which a worker executes the bodies of tasks: in its own process, in a child, as a program.

```text
worker                                   back-end
begin(work) --------------------------->  the body has the floor
                 <----------------------  progress, heartbeat, log, add_item, save: while it runs
make_room(work) ----------------------->  items of its stream are durable
stop(work) ---------------------------->  asked; async code is cancelled, other code may look
kill(work) ---------------------------->  where it can: the body and all that it started are gone
                 <----------------------  end(Completed | Failure | Crashed), once for each begin
```
A back-end moves opaque bytes and the name of a target. The worker keeps time: it decides when to stop and to kill.
"""

from collections.abc import Callable, Mapping
from contextvars import ContextVar
from typing import Any, Protocol

from tidemill.core.bodies import (
    AttemptFacts,
    ChildCall,
    ChildEnd,
    Completed,
    Crashed,
    Encoded,
    LocalFile,
    SharedCall,
    SharedEnd,
)
from tidemill.core.run import Failure
from tidemill.core.telling import Emission
from tidemill.core.values import Argument

Ending = Completed | Failure | Crashed


class Work(Protocol):
    """One attempt as a back-end sees it. Its methods may be called from any thread, and none waits."""

    grip: Any  # the back-end's own: what it needs to find the body again
    peak_kib: int  # the back-end sets it before `end`: the most memory that the body's process had, 0 if not known

    @property
    def target(self) -> str:
        """The task's name."""
        ...

    @property
    def inputs(self) -> Mapping[str, Argument]:
        """Every value inline, every file on this machine."""
        ...

    @property
    def facts(self) -> AttemptFacts:
        """Made at each call."""
        ...

    @property
    def is_told_to_stop(self) -> bool: ...

    @property
    def durable(self) -> int:
        """Items of its stream that the server has; a body waits when it is too many ahead."""
        ...

    @property
    def folder_name(self) -> str:
        """Of its private folder."""
        ...

    def use_folder(self) -> str:
        """Its name; from now on it counts as used, and is removed in the end."""
        ...

    def progress(self, fraction: float, stage: str, message: str) -> None: ...

    def heartbeat(self, details: str) -> None:
        """A sign of life; ``details`` may be ""."""
        ...

    def log(self, level: str, logger: str, text: str) -> None:
        """One line. ``level`` is a name of `logging`, or STDOUT or STDERR."""
        ...

    def omit(self, lines: int) -> None:
        """So many lines were left out here, since there were too many."""
        ...

    def add_item(self, item: Encoded) -> None:
        """The next item of its stream; a sign of life."""
        ...

    def mark_model(self, name: str, size: int) -> None:
        """A model is in this worker's memory, with its size in bytes (0: not known), or (COLD) no longer."""
        ...

    def emit(self, emission: Emission) -> None:
        """An event of the run; a sign of life. Its payload fits, and is plain data (or `msgspec.Raw` of some)."""
        ...

    def measure(self, name: str, value: float, unit: str) -> bool:
        """Whether there was room for another name."""
        ...

    def save(self, name: str, file: LocalFile) -> None:
        """A file that it keeps by name; a sign of life."""
        ...

    def start_child(self, call: ChildCall) -> None:
        """Start a run that belongs to this one's."""
        ...

    def await_child(self, key: bytes, hear: Callable[[ChildEnd], None]) -> None:
        """Give the attempt's slot away until the child has ended; ``hear`` is then called, on the control loop."""
        ...

    def share(self, call: SharedCall, hear: Callable[[SharedEnd], None]) -> None:
        """Ask a store or channel; ``hear`` is called with the answer, on the control loop."""
        ...

    def end(self, ending: Ending) -> None:
        """The last call: nothing of the body runs any more."""
        ...


class BackendPort(Protocol):
    """Opened, closed and called on the control loop; nothing here waits but ``open`` and ``close``."""

    @property
    def can_kill(self) -> bool:
        """Whether bodies run outside the worker's process, so that one that does not stop can be ended by force."""
        ...

    async def open(self) -> None:
        """Make ready. Raises TidemillError when no body could be run, with the reason."""
        ...

    async def close(self) -> None:
        """End what still runs; what cannot be ended is left behind."""
        ...

    def begin(self, work: Work) -> None: ...

    def stop(self, work: Work) -> None:
        """``work.is_told_to_stop`` is true from now on: let the body see it. May come again."""
        ...

    def kill(self, work: Work) -> None:
        """End it by force; its end is told as any other. Only where ``can_kill``."""
        ...

    def make_room(self, work: Work) -> None:
        """``work.durable`` has grown."""
        ...

    def idle_violation(self) -> str | None:
        """For simulations: why this back-end must not sleep now."""
        ...


class Speaker(Protocol):
    """The attempt whose code runs, where it runs in this process."""

    def log(self, level: str, logger: str, text: str) -> None: ...

    def write(self, level: str, text: str) -> None:
        """A piece of output, with or without line ends."""
        ...


speaking: ContextVar[Speaker | None] = ContextVar("speaking", default=None)  # set by the back-end that runs it
