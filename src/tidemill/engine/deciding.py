"""The decisions of one beat: what arrived, what time brought, who came and went."""

import logging
from collections.abc import Iterable, Sequence

from msgspec import structs

from tidemill.core.claims import Leasing
from tidemill.core.commands import Command, RunEnded
from tidemill.core.decide import Needs, decide
from tidemill.core.errors import InternalError, TidemillError, UnavailableError
from tidemill.core.events import (
    AttemptLost,
    CancelRequested,
    ChildrenGone,
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
from tidemill.core.overlay import Draft, Overlay
from tidemill.core.reconcile import Verdicts, reconcile, still_counts
from tidemill.core.resolve import Resolver
from tidemill.core.rows import AttemptKey, Changes, Entry, Keys, TimerKind
from tidemill.core.run import Attempt, Ended, Halted, Lost, Ready
from tidemill.core.shared_rows import Written
from tidemill.core.sharing import NotShared
from tidemill.core.values import Argument
from tidemill.engine.graphs import Graphs
from tidemill.engine.inbox import Arrival, Decision, Departure, Greeting, Orphaning, Recording, Requeueing, Sweeping
from tidemill.engine.orders import Outcome
from tidemill.engine.registry import Registry
from tidemill.engine.scheduling import Rescheduling, Settled, reschedule
from tidemill.engine.sharing import Sharing, share
from tidemill.ports.store import Beat

SWEEP_BITE = 500
MAX_ROUNDS = 1000  # of loading for one event; more is a fault of ours

_log = logging.getLogger("tidemill.engine")


class Deciding:
    """The beat's working state; everything in it is forgotten when the commit fails."""

    def __init__(self, beat: Beat, overlay: Overlay, graphs: Graphs, registry: Registry) -> None:
        self.beat, self.overlay, self.graphs, self.registry = beat, overlay, graphs, registry
        self.orders: list[tuple[Arrival | None, Sequence[Command]]] = []
        self.recorded: list[Changes] = []
        self.verdicts: list[tuple[Greeting, Verdicts]] = []
        self.leases: list[tuple[Claim, Leasing]] = []
        self.outcomes: list[Outcome] = []
        self.rescheduled: list[tuple[Rescheduling, Settled]] = []
        self.shared: list[tuple[Sharing, Written | NotShared]] = []
        self.numbers: Sequence[int] = ()
        self.changes = Changes()

    # Deciding --------------------------------------------------------------------------------------

    async def take(self, arrivals: Sequence[Arrival]) -> None:  # noqa: C901  # one match over a union
        await self._load(_keys_of_all(arrivals))
        for arrival in arrivals:
            match arrival:
                case Decision(event=event):
                    self.orders.append((arrival, await self._settle(event)))
                case Recording(changes=changes):
                    self.recorded.append(changes)
                case Greeting():
                    await self._greet(arrival)
                case Departure(session=session):
                    self.recorded.append(Changes(sessions=[structs.replace(session, live=False)]))
                    await self._lose(await self.beat.held_by([session.id]), Lost.LEASE_EXPIRED)
                case Sweeping():
                    await self._sweep(arrival)
                case Requeueing():
                    await self._requeue(arrival)
                case Orphaning(run=run):
                    await self._stop_children(run)
                case Rescheduling():
                    settled = await reschedule(self.overlay, arrival, self._load, self._settle)
                    self.rescheduled.append((arrival, settled))
                case Sharing():
                    self.shared.append((arrival, await share(self.overlay, arrival, self._load)))

    async def take_due(self, timers_limit: int) -> int:
        """Decide what time has brought; give how many events that were."""
        at = self.overlay.at
        events: list[Event] = [TimerDue(timer) for timer in await self.beat.due(at, timers_limit)]
        await self._decide_all(events)
        return len(events)

    async def take_expired(self, limit: int) -> int:
        """Fail what has waited in the queue for too long."""
        events: list[Event] = [QueueExpired(row) for row in await self.beat.expired(self.overlay.at, limit)]
        await self._decide_all(events)
        return len(events)

    async def _decide_all(self, events: Sequence[Event]) -> None:
        await self._load(merged(keys_of(event) for event in events))
        for event in events:
            self.orders.append((None, await self._settle(event)))

    async def _settle(self, event: Event) -> Sequence[Command]:
        """Decide one event, loading what it asks for. A fault takes out this event alone, and halts its run."""
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
        if keys:
            self.overlay.learn(await self.beat.load(keys))

    # Sessions --------------------------------------------------------------------------------------

    async def _greet(self, greeting: Greeting) -> None:
        sessions = [greeting.session.id, *(each.id for each in greeting.replaced)]
        believed = await self.beat.held_by(sessions)
        listed = greeting.listed
        await self._load(Keys(attempts=list(listed), steps=list(dict.fromkeys(key[:2] for key in listed))))
        fresh = [self._latest(each) for each in believed]
        verdicts = reconcile(
            listed, [each for each in fresh if each.is_live], self.overlay.attempts.rows, self.overlay.steps.rows
        )
        await self._lose(verdicts.gone, Lost.NOT_LISTED)
        self._adopt(verdicts.keep, greeting)
        ended = [structs.replace(each, live=False) for each in greeting.replaced]
        greeting.changes.sessions += [*ended, greeting.session]
        self.recorded.append(greeting.changes)
        self.verdicts.append((greeting, verdicts))

    def _adopt(self, kept: Sequence[AttemptKey], greeting: Greeting) -> None:
        """What a worker held before its restart hangs on its new session: the old one has no lease any more."""
        replaced = {each.id for each in greeting.replaced}
        for key in kept:
            attempt = self.overlay.attempts.rows[key]
            if attempt is not None and attempt.is_live and attempt.session in replaced:
                self.overlay.attempts.put({key: structs.replace(attempt, session=greeting.session.id)})

    def kept(self, verdicts: Verdicts) -> Sequence[Attempt]:
        """What a worker goes on with at the end of the beat: a result may have come after its hello."""
        attempts, steps = self.overlay.attempts.rows, self.overlay.steps.rows
        found = [(attempts.get(key), steps.get(key[:2])) for key in verdicts.keep]
        return [attempt for attempt, step in found if attempt is not None and still_counts(attempt, step)]

    def _latest(self, attempt: Attempt) -> Attempt:
        key = (attempt.run, attempt.path, attempt.number)
        return self.overlay.attempts.rows.get(key) or attempt

    async def _lose(self, attempts: Sequence[Attempt], why: Lost) -> None:
        await self._decide_all([AttemptLost(each.run, each.path, each.number, why) for each in attempts])

    async def _stop_children(self, parent: RunId) -> None:
        alive = await self.beat.children(parent, SWEEP_BITE)
        events: list[Event] = [CancelRequested(run, "the run that started it has ended") for run in alive]
        await self._decide_all(events or [ChildrenGone(parent)])

    async def _sweep(self, sweeping: Sweeping) -> None:
        run, prefix = sweeping.run, sweeping.prefix
        steps = await self.beat.steps_after(run, sweeping.after or prefix, SWEEP_BITE)
        self.overlay.steps.learn({(run, step.path): step for step in steps})
        below = [step.path for step in steps if not prefix or step.path.startswith(prefix)]
        whole = len(steps) == SWEEP_BITE and len(below) == len(steps)
        ready = [(run, step.path) for step in steps if isinstance(step.state, Ready)]
        queued = await self.beat.queued(ready) if ready else ()
        rest_after = below[-1] if whole else ""
        event = StepsFound(run, prefix, tuple(below), tuple(queued), rest_after)
        await self._load(keys_of(event))
        self.orders.append((None, await self._settle(event)))

    async def _requeue(self, asked: Requeueing) -> None:
        rows = await self.beat.queued_after(asked.run, asked.after, SWEEP_BITE)
        rest_after = rows[-1].path if len(rows) == SWEEP_BITE else ""
        await self._load(Keys(runs=[asked.run], steps=[(row.run, row.path) for row in rows]))
        event = QueuedFound(asked.run, asked.number, tuple(rows), rest_after)
        self.orders.append((None, await self._settle(event)))


def _keys_of_all(arrivals: Sequence[Arrival]) -> Keys:
    return merged(keys_of(arrival.event) for arrival in arrivals if isinstance(arrival, Decision))


def merged(many: Iterable[Keys]) -> Keys:
    all_keys = list(many)
    merged = Keys()
    for name in Keys.__struct_fields__:
        keys = [key for each in all_keys for key in getattr(each, name)]
        if keys:
            setattr(merged, name, list(dict.fromkeys(keys)))
    return merged
