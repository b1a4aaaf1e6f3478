"""What servers that share a store know of each other. Words may be lost; a look a second finds what they were about."""

from collections.abc import Sequence
from enum import Enum
from typing import Protocol

from msgspec import Struct

from tidemill.core.ids import Instant, RunId


class Kind(Enum):
    """What servers keep in memory of the store; each has an epoch that every commit to it raises."""

    TASKS = "tasks"
    GRAPHS = "graphs"
    LANES = "lanes"
    PAUSES = "pauses"
    REGISTERED = "registered"
    SCHEDULES = "schedules"


class Duty(Enum):
    """What one server does for all, for as long as it renews its lease on it."""

    CHORES = "chores"  # sessions of dead servers, schedules, webhooks, retention


class News(Struct, frozen=True):
    """What a beat did that others may wait for."""

    queued: bool = False  # there is something to claim
    written: bool = False  # there is history, or a stream has new items
    noted: bool = False  # there are notes for somebody
    changed: tuple[Kind, ...] = ()
    ended: tuple[RunId, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.queued or self.written or self.noted or self.changed or self.ended)


class Look(Struct, frozen=True):
    """How things stand; taking it renewed our lease and our duties."""

    at: Instant
    others: int  # servers alive beside us
    duties: frozenset[Duty]
    epochs: dict[Kind, int]
    written: int  # number of the newest history row that every reader may see
    next_due_at: Instant | None  # of timers
    queued: bool
    noted: bool
    orphans: bool  # there are live sessions of dead servers


class Peers(Protocol):
    @property
    def id(self) -> bytes:
        """Ours, of 16 bytes, new with each start; empty where a store has one server only."""
        ...

    async def look(self) -> Look:
        """Say that we are alive, and see how things stand. Once a second."""
        ...

    async def tell(self, news: News) -> None:
        """Tell the others; does nothing while there are none."""
        ...

    async def heard(self) -> Sequence[News]:
        """Wait for what others tell; ours is not among it. Raises UnavailableError when the line is lost: ask again."""
        ...

    async def leave(self) -> None:
        """We end: sessions and duties are free at once."""
        ...


class Alone:
    """On a store that has one server."""

    id = b""


ALONE = Alone()
