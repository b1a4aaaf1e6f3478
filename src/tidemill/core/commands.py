"""Orders of decide to the shell, carried out after the commit. Carrying one out twice does no harm."""

from msgspec import Struct

from tidemill.core.ids import Path, RunId, SessionId
from tidemill.core.run import Run
from tidemill.core.shared_rows import Attributes
from tidemill.core.values import Source


class Acknowledge(Struct, frozen=True, gc=False):
    """To the sender of a report: it is recorded."""

    run: RunId
    path: Path
    number: int


class TurnAway(Struct, frozen=True, gc=False):
    """To the sender of a report: not yours any more."""

    run: RunId
    path: Path
    number: int


class AcknowledgeItems(Struct, frozen=True, gc=False):
    run: RunId
    path: Path
    number: int
    upto: int


class AcknowledgeEvents(Struct, frozen=True, gc=False):
    run: RunId
    path: Path
    number: int
    upto: int


class AnswerSubmit(Struct, frozen=True, gc=False):
    """The run as it stands; ``conflict``: another body was submitted under its id."""

    run: Run
    conflict: bool = False


class RefuseSubmit(Struct, frozen=True, gc=False):
    type: str
    detail: str


class AskToStop(Struct, frozen=True, gc=False):
    """To the session that holds an attempt."""

    session: SessionId
    run: RunId
    path: Path
    number: int
    reason: str


class RunEnded(Struct, frozen=True, gc=False):
    """``outputs`` says where the outputs of a success are."""

    run: Run
    outputs: dict[str, Source]


class FetchLists(Struct, frozen=True, gc=False):
    """Read these lists, split them into chunks, answer with ListFetched or FetchFailed."""

    run: RunId
    path: Path
    lists: dict[str, Source]


class FetchOperands(Struct, frozen=True, gc=False):
    """Read these values (64 KiB each at most), answer with OperandsFetched or FetchFailed."""

    run: RunId
    path: Path
    places: tuple[tuple[Path, str], ...]


class Sweep(Struct, frozen=True, gc=False):
    """Find steps below ``prefix`` after ``after``, answer with StepsFound."""

    run: RunId
    prefix: Path
    after: Path


class Requeue(Struct, frozen=True, gc=False):
    """Find queue rows of a run after the path ``after``, answer with QueuedFound."""

    run: RunId
    number: int
    after: Path


class StopChildren(Struct, frozen=True, gc=False):
    """Cancel the children of a run that has ended; answer with ChildrenGone when none is alive."""

    run: RunId


class GiveBack(Struct, frozen=True, gc=False):
    """To the session of an attempt that waited: it has again what it was granted."""

    run: RunId
    path: Path
    number: int


class AnswerSignal(Struct, frozen=True, gc=False):
    """To the sender of a signal: it is kept, or was taken by a step; to who decided an approval: so it is."""

    taken: tuple[RunId, Path] | None = None


class RefuseSignal(Struct, frozen=True, gc=False):
    type: str
    detail: str


class AnswerAttributes(Struct, frozen=True):
    """To who changed attributes from outside: as they are now."""

    row: Attributes | None


class RefuseAttributes(Struct, frozen=True, gc=False):
    type: str
    detail: str


class SlotFreed(Struct, frozen=True, gc=False):
    """An attempt of the session ended: it holds one less."""

    session: SessionId
    run: RunId
    path: Path
    number: int


Command = (
    Acknowledge
    | TurnAway
    | AcknowledgeItems
    | AcknowledgeEvents
    | AnswerSubmit
    | RefuseSubmit
    | AskToStop
    | RunEnded
    | FetchLists
    | FetchOperands
    | Sweep
    | Requeue
    | StopChildren
    | AnswerSignal
    | RefuseSignal
    | AnswerAttributes
    | RefuseAttributes
    | SlotFreed
)
