"""Deciding events of one beat: rows are loaded as decisions ask for them; what another server holds is put off."""

import logging
from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet
from typing import Any

from msgspec import structs

from tidemill.core.claims import Leasing
from tidemill.core.commands import Command, RunEnded
from tidemill.core.decide import Needs, decide
from tidemill.core.errors import InternalError, TidemillError, UnavailableError
from tidemill.core.events import (
    Event,
    FetchFailed,
    ListFetched,
    OperandsFetched,
    QueuedFound,
    QueueExpired,
    StepsFound,
    TimerDue,
)
from tidemill.core.fill import Filler
from tidemill.core.ids import RunId
from tidemill.core.match import Claim
from tidemill.core.needed import keys_of
from tidemill.core.notes import Note
from tidemill.core.overlay import Draft, Overlay
from tidemill.core.reconcile import Verdicts
from tidemill.core.resolve import Resolver
from tidemill.core.rows import Changes, Entry, Keys, Session, TimerKind
from tidemill.core.run import Ended, Halted
from tidemill.core.shared_rows import Written
from tidemill.core.sharing import NotShared
from tidemill.core.values import Argument
from tidemill.engine.graphs import Graphs
from tidemill.engine.inbox import (
    Arrival,
    Greeting,
)
from tidemill.engine.orders import Outcome
from tidemill.engine.registry import Registry
from tidemill.engine.removing import Removing, Stays
from tidemill.engine.scheduling import Rescheduling, Settled
from tidemill.engine.sharing import Sharing
from tidemill.ports.store import Beat, HeldElsewhereError

SWEEP_BITE = 500
MAX_ROUNDS = 1000  # of loading for one event; more is a fault of ours

_log = logging.getLogger("tidemill.engine")


class Settling:
    """The beat's working state; everything in it is forgotten when the commit fails.

    What another server's beat holds is put off: an arrival whole, before anything of it is laid down. Later arrivals
    of its run wait behind it.
    """

    def __init__(self, beat: Beat, overlay: Overlay, graphs: Graphs, registry: Registry) -> None:
        self.beat, self.overlay, self.graphs, self.registry = beat, overlay, graphs, registry
        self.held: dict[Any, None] = {}  # runs and keys of others
        self.put_off: list[Arrival] = []
        self.held_run: RunId | None = None  # one of those that something was put off for
        self.is_behind = False  # something was put off, an arrival or not
        self._laid = 0
        self.notes: Sequence[Note] = ()
        self.left_notes: list[Note] = []
        self.orders: list[tuple[Arrival | None, Sequence[Command]]] = []
        self.recorded: list[Changes] = []
        self.verdicts: list[tuple[Greeting, Verdicts]] = []
        self.leases: list[tuple[Claim, Leasing]] = []
        self.outcomes: list[Outcome] = []
        self.rescheduled: list[tuple[Rescheduling, Settled]] = []
        self.shared: list[tuple[Sharing, Written | NotShared]] = []
        self.removed: list[tuple[Removing, Stays]] = []
        self.adopted: list[Session] = []
        self.numbers: Sequence[int] = ()
        self.changes = Changes()

    def _put_off(self, error: HeldElsewhereError) -> None:
        self.is_behind = True
        if error.run is not None:
            self.held_run = error.run
            self.held[error.run] = None

    async def _decide_each(self, events: Sequence[Event]) -> int:
        """Rows stay that make these events come again: what is held elsewhere is passed over."""
        await self._learn(merged(keys_of(event) for event in events))
        for event in events:
            try:
                self.orders.append((None, await self._settle(event)))
            except HeldElsewhereError as error:
                self._put_off(error)
        return len(events)

    async def _decide_all(self, events: Sequence[Event]) -> None:
        await self._load(merged(keys_of(event) for event in events))
        for event in events:
            self.orders.append((None, await self._settle(event)))

    async def _settle(self, event: Event) -> Sequence[Command]:
        """Decide one event, loading what it asks for. A fault takes out this event alone, and halts its run."""
        if event.run in self.held:
            raise HeldElsewhereError(event.run)
        try:
            for _ in range(MAX_ROUNDS):
                outcome = decide(self.overlay, event)
                if isinstance(outcome, Draft):
                    self._lay(outcome)
                    return outcome.commands
                await self._satisfy(outcome)
            raise InternalError(f"{type(event).__name__} asks for rows again and again")  # noqa: TRY301
        except UnavailableError:
            raise
        except Exception as error:  # noqa: BLE001  # the outermost line of one decision: the others go on
            _log.exception("%s cannot be decided; its run is halted", type(event).__name__)
            await self._halt(event.run, error)
            self._drop(event)
            return ()

    def _drop(self, event: Event) -> None:
        """What makes an event come again must not make it come for ever."""
        drop = self.overlay.timers_drop
        match event:
            case TimerDue(timer=timer):
                drop[timer.run, timer.path, timer.kind] = None
            case QueuedFound(run=run):
                drop[run, "", TimerKind.REQUEUE] = None
            case StepsFound(run=run, prefix=prefix):
                drop[run, prefix, TimerKind.SWEEP] = None
            case (
                ListFetched(run=run, path=path) | OperandsFetched(run=run, path=path) | FetchFailed(run=run, path=path)
            ):
                drop[run, path, TimerKind.FETCH] = None
            case QueueExpired(queued=queued):
                self.overlay.left[queued.run, queued.path] = queued
            case _:
                pass  # its sender keeps it

    def _lay(self, draft: Draft) -> None:
        self._laid += 1
        self.overlay.lay(draft)
        for command in draft.commands:
            if isinstance(command, RunEnded):
                self.outcomes.append(Outcome(command.run, self._outputs(command)))

    def _outputs(self, ended: RunEnded) -> dict[str, Argument] | None:
        """The outputs of a run, if all that they need is at hand."""
        layout = self.overlay.layouts.get(ended.run.graph)
        if layout is None:
            return None
        filler = Filler(Resolver(Draft(self.overlay), ended.run.id, layout))
        try:
            filled = {port: filler.fill(source) for port, source in ended.outputs.items()}
        except TidemillError:
            return None  # who asks for them hears why
        return {port: argument for port, argument in filled.items() if argument is not None}

    async def _halt(self, run_id: RunId, error: Exception) -> None:
        if run_id not in self.overlay.runs.rows:
            await self._load(Keys(runs=[run_id]))
        run = self.overlay.runs.rows[run_id]
        if run is None or isinstance(run.state, (Ended, Halted)):
            return
        self._laid += 1
        reason = f"{type(error).__name__}: {error}"
        halted = structs.replace(run, state=Halted(reason))
        self.overlay.runs.put({run_id: halted})
        self.outcomes.append(Outcome(halted))
        self.overlay.history.setdefault(run_id, []).append(Entry("run_halted", detail={"reason": reason}))

    async def _satisfy(self, needs: Needs) -> None:
        for digest in needs.graphs:
            if await self.graphs.layout(digest) is None:
                raise InternalError(f"the graph sha256:{digest.hex()} of a run is not in the store")
        if needs.keys:
            await self._load(needs.keys)

    async def _load(self, keys: Keys) -> None:
        """All of them, or HeldElsewhereError."""
        if held := await self._learn(keys):
            raise HeldElsewhereError(next((RunId(each) for each in held if isinstance(each, bytes)), None))

    async def _learn(self, keys: Keys) -> AbstractSet[Any]:
        """What nobody else holds of them; gives what others hold."""
        if not keys:
            return frozenset()
        rows = await self.beat.load(keys)
        self.overlay.learn(rows)
        self.held.update(dict.fromkeys(rows.held))
        return rows.held


def merged(many: Iterable[Keys]) -> Keys:
    all_keys = list(many)
    merged = Keys()
    for name in Keys.__struct_fields__:
        keys = [key for each in all_keys for key in getattr(each, name)]
        if keys:
            setattr(merged, name, list(dict.fromkeys(keys)))
    return merged
