"""What is kept of waits and of signals: who waits, at which address, what came early (docs/design/waits.md).

```text
wait      one per step that waits or waited: what for, since when, until when, how it ended
mailbox   one per address that has somebody: paths that wait, in order, or signals that came early, in order
signal    one per signal of the last week: what it holds until it is taken, and who took it
```
"""

from enum import Enum

from msgspec import Struct

from tidemill.core.ids import Digest, Instant, Path, RunId
from tidemill.core.values import Value

NOBODY = RunId(bytes(16))  # stands where a run would: whoever waits for the name with the key
MOST_EARLY = 1_000  # signals that one mailbox keeps
MOST_WAITERS = 1_000  # steps that wait at one address
KEPT_US = 7 * 86_400 * 1_000_000  # how long a signal is kept, and known again by its id


class WaitKind(Enum):
    SIGNAL = "signal"
    EVENT = "event"
    TIME = "time"
    APPROVAL = "approval"
    QUARANTINE = "quarantine"  # no node of a graph: a step of a task that a person looks at


class Address(Struct, frozen=True, gc=False, array_like=True):
    """Where signals go, and events of a run: by name within a run, or (``NOBODY``) by name and key."""

    run: RunId
    kind: WaitKind
    name: str
    key: str = ""


class Outcome(Enum):
    """How a wait ended."""

    ANSWERED = "answered"
    TIMEOUT = "timeout"
    STOPPED = "stopped"  # its run ended, or went on without it


class Closed(Struct, frozen=True, gc=False):
    how: Outcome
    at: Instant
    who: str = ""  # decided, of an approval
    choice: str = ""


class WaitRow(Struct, frozen=True, gc=False):
    """A step that waits; ``closed`` is None while it does."""

    run: RunId
    path: Path
    kind: WaitKind
    workflow: str
    opened_at: Instant
    name: str = ""  # of the signal, the type of the event
    key: str = ""
    question: str = ""
    choices: tuple[str, ...] = ()
    until_at: Instant | None = None  # its instant, or its deadline; None: for ever
    closed: Closed | None = None

    @property
    def address(self) -> Address | None:
        """The mailbox that it stands in, of those that have one."""
        if self.kind not in (WaitKind.SIGNAL, WaitKind.EVENT):
            return None
        return Address(NOBODY if self.key else self.run, self.kind, self.name, self.key)


class Early(Struct, frozen=True, gc=False, array_like=True):
    id: str
    sent_at: Instant


class Mailbox(Struct, frozen=True, gc=False):
    """Never both: whoever waits takes what is there."""

    address: Address
    waiting: tuple[tuple[RunId, Path], ...] = ()
    early: tuple[Early, ...] = ()

    @property
    def is_empty(self) -> bool:
        return not self.waiting and not self.early


class SignalRow(Struct, frozen=True, gc=False):
    address: Address
    id: str
    digest: Digest  # of its payload, to tell a repetition from a conflict
    sent_at: Instant
    value: Value | None = None  # until it is taken
    taken: tuple[RunId, Path] | None = None

    @property
    def expires_at(self) -> Instant:
        return self.sent_at + KEPT_US


SignalKey = tuple[Address, str]
EventKey = tuple[RunId, str]  # a run and a type
