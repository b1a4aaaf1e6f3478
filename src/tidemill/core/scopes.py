"""Scopes: one evaluation of one graph, and where maps, loops, joins and machines are."""

from msgspec import Struct

from tidemill.core.ids import Instant, Path, RunId
from tidemill.core.run import Failure
from tidemill.core.values import Source


class Scope(Struct, frozen=True, gc=False, tag="graph"):
    """One evaluation of one graph; ``path`` is the prefix of its steps."""

    run: RunId
    path: Path
    pending: int  # nodes not yet final
    failure: Failure | None = None  # set when a node failed: nothing more opens here
    given: dict[str, Source] = {}  # inputs that were found when it opened: of a visit, and what a round starts with
    visit: "Visit | None" = None  # of a state's


class Visit(Struct, frozen=True, gc=False, array_like=True):
    """When a state was entered and left."""

    turn: int  # from 1: how many visits its machine has had, with this one
    opened_at: Instant
    closed_at: Instant | None = None
    status: str = ""  # that it ended with; the code of a failure
    next: str = ""  # the state that came next; "" for an end


class MapScope(Struct, frozen=True, gc=False, tag="map"):
    """The elements of the map at ``path``: opened in order, at most ``window`` at once."""

    run: RunId
    path: Path
    length: int
    next: int = 0  # index of the element to open next
    open: int = 0
    failed: int = 0
    split: tuple[str, ...] = ()  # parameters whose list lies in chunks under this path
    changed: bool = False  # in a fork: it gives another list than its origin
    skipped: Path = ""  # the step whose failure left out what an element gives


class LoopScope(Struct, frozen=True, gc=False, tag="loop"):
    """The rounds of the loop at ``path``, one after the other."""

    run: RunId
    path: Path
    round: int = -1  # index of the one that was opened last
    next: Source | None = None  # what another one starts with, which is to be opened


class JoinScope(Struct, frozen=True, gc=False, tag="join"):
    """What has become of the arms of the join at ``path``, until that was decided."""

    run: RunId
    path: Path
    done: tuple[str, ...] = ()  # arms that succeeded, in that order
    failed: dict[str, str] = {}  # arms that did not, and what they said


class MachineScope(Struct, frozen=True, gc=False, tag="machine"):
    """Where a machine of states is."""

    run: RunId
    path: Path
    visits: dict[str, int] = {}  # by state: how often it was entered
    done: dict[str, int] = {}  # by state: the latest visit that ended well
    next: str = ""  # the state that a timer enters
    end: tuple[str, int] | None = None  # the state and the number of the transition that ended it


class UndoRow(Struct, frozen=True, gc=False, tag="undo"):
    """The so-many-eth step of a run that can be taken back; its path is ``~undo`` and the number."""

    run: RunId
    path: Path
    step: Path


ScopeRow = UndoRow | Scope | MapScope | LoopScope | JoinScope | MachineScope
