"""What has arrived and waits for the next beat."""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from enum import Enum

from msgspec import Struct

from tidemill.core.commands import Command
from tidemill.core.events import Event
from tidemill.core.ids import Path, RunId
from tidemill.core.rows import AttemptKey, Changes, Session
from tidemill.core.run import Attempt
from tidemill.engine.removing import Removing
from tidemill.engine.scheduling import Rescheduling
from tidemill.engine.sharing import Sharing

BEAT_LIMIT = 512


class Urgency(Enum):
    NOW = "now"
    SOON = "soon"  # may wait 20 ms to share a commit


class Decision(Struct):
    """An event for decide. ``reply`` hears after the commit what was ordered for its sender."""

    event: Event
    reply: Callable[[Sequence[Command]], None] | None = None
    refused: Callable[[BaseException], None] | None = None  # hears that nothing was recorded


class Recording(Struct):
    """Rows that need no decision: a definition, a graph, a blob, a lease. ``done`` is called after the commit."""

    changes: Changes
    done: Callable[[], None] | None = None
    refused: Callable[[BaseException], None] | None = None


class Greeting(Struct):
    """A worker says hello: its session is recorded, and what it holds is compared."""

    session: Session
    replaced: tuple[Session, ...]  # of the same worker; they end
    listed: tuple[AttemptKey, ...]
    changes: Changes  # its announcements
    done: Callable[[Sequence[Attempt], Sequence[AttemptKey]], None]  # keep, stale
    refused: Callable[[BaseException], None] | None = None  # the worker says hello again


class Departure(Struct):
    """A session's lease ended, or it said goodbye: what it held goes back."""

    session: Session


class Adopting(Struct):
    """Sessions of servers that died are taken in by ``server``, each with one lease from now on."""

    server: bytes
    lease_us: int


class Sweeping(Struct):
    """Find the next steps to stop."""

    run: RunId
    prefix: Path
    after: Path


class Requeueing(Struct):
    """Find the next queue rows of a run, to put them where they belong."""

    run: RunId
    number: int
    after: Path


class Orphaning(Struct):
    """Find children of a run that has ended, and stop them."""

    run: RunId


Arrival = (
    Decision
    | Recording
    | Greeting
    | Departure
    | Adopting
    | Sweeping
    | Requeueing
    | Orphaning
    | Rescheduling
    | Sharing
    | Removing
)


class Inbox:
    """First come, first served; the engine is its only reader."""

    def __init__(self) -> None:
        self._waiting: deque[Arrival] = deque()
        self._bell = asyncio.Event()
        self.hurried = False  # something in it cannot wait

    def __len__(self) -> int:
        return len(self._waiting)

    def put(self, arrival: Arrival, urgency: Urgency = Urgency.NOW) -> None:
        self._waiting.append(arrival)
        if urgency is Urgency.NOW:
            self.hurried = True
            self._bell.set()
        else:
            self._bell.set()

    def put_back(self, arrivals: Sequence[Arrival]) -> None:
        """What a failed commit did not record heads the next beat."""
        self._waiting.extendleft(reversed(arrivals))
        self.hurried = True
        self._bell.set()

    def ring(self) -> None:
        """Have a beat even if nothing arrived: credit came, or a timer is due."""
        self.hurried = True
        self._bell.set()

    def hush(self) -> None:
        """Forget the bell; what waits without hurry stays."""
        self._bell.clear()

    def take(self) -> list[Arrival]:
        """Up to a beat's worth, oldest first."""
        self._bell.clear()
        self.hurried = False
        waiting = self._waiting
        if len(waiting) <= BEAT_LIMIT:
            taken = list(waiting)
            waiting.clear()
            return taken
        taken = [waiting.popleft() for _ in range(BEAT_LIMIT)]
        self.hurried = True
        self._bell.set()
        return taken

    async def wait(self) -> None:
        """Until something is there, or the bell was rung."""
        await self._bell.wait()
