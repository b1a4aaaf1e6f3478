"""The decisions of one beat: what arrived, what time brought, who came and went."""

from collections.abc import Container, Sequence

from msgspec import structs

from tidemill.core.events import (
    AttemptLost,
    CancelRequested,
    ChildrenGone,
    Event,
    QueuedFound,
    QueueExpired,
    StepsFound,
    TimerDue,
)
from tidemill.core.ids import RunId, SessionId
from tidemill.core.needed import keys_of
from tidemill.core.notes import About, Note
from tidemill.core.reconcile import Verdicts, reconcile, still_counts
from tidemill.core.rows import AttemptKey, Changes, Keys, Session
from tidemill.core.run import Attempt, Lost, Ready
from tidemill.engine.inbox import (
    Adopting,
    Arrival,
    Decision,
    Departure,
    Greeting,
    Orphaning,
    Recording,
    Requeueing,
    Sweeping,
)
from tidemill.engine.removing import Removing, remove
from tidemill.engine.scheduling import Rescheduling, reschedule
from tidemill.engine.settling import SWEEP_BITE, Settling, merged
from tidemill.engine.sharing import Sharing, share
from tidemill.ports.store import HeldElsewhereError


class Deciding(Settling):
    """The beat's working state, and what arrivals do to it."""

    # Deciding --------------------------------------------------------------------------------------

    async def take(self, arrivals: Sequence[Arrival]) -> None:
        await self._learn(_keys_of_all(arrivals))
        for arrival in arrivals:
            laid = self._laid
            try:
                await self._take(arrival)
            except HeldElsewhereError as error:
                if self._laid != laid:
                    raise  # half of it is laid: the whole beat is tried again
                self._put_off(error)
                self.put_off.append(arrival)

    async def _take(self, arrival: Arrival) -> None:  # noqa: C901  # one match over a union
        match arrival:
            case Decision(event=event):
                self.orders.append((arrival, await self._settle(event)))
            case Recording(changes=changes):
                self.recorded.append(changes)
            case Greeting():
                await self._greet(arrival)
            case Departure(session=session):
                await self._depart(session)
            case Adopting():
                await self._adopt_orphans(arrival)
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
            case Removing():
                self.removed.append((arrival, await remove(self.overlay, arrival, self._load, self.beat.forked)))

    async def take_due(self, timers_limit: int) -> int:
        """Decide what time has brought; give how many events that were."""
        at = self.overlay.at
        return await self._decide_each([TimerDue(timer) for timer in await self.beat.due(at, timers_limit)])

    async def take_expired(self, limit: int) -> int:
        """Fail what has waited in the queue for too long."""
        return await self._decide_each([QueueExpired(row) for row in await self.beat.expired(self.overlay.at, limit)])

    async def take_notes(self, limit: int) -> int:
        """What other servers left; it is delivered after the commit."""
        self.notes = await self.beat.notes(limit)
        return len(self.notes)

    # Sessions --------------------------------------------------------------------------------------

    async def _greet(self, greeting: Greeting) -> None:
        elsewhere = await self.beat.elsewhere(greeting.session.worker)
        mine = greeting.session.id
        replaced = {each.id: each for each in (*greeting.replaced, *elsewhere) if each.id != mine}
        believed = await self.beat.held_by([mine, *replaced])
        listed = greeting.listed
        keys = dict.fromkeys((*listed, *((each.run, each.path, each.number) for each in believed)))
        await self._load(Keys(attempts=list(keys), steps=list(dict.fromkeys(key[:2] for key in listed))))
        fresh = [self._latest(each) for each in believed]
        verdicts = reconcile(
            listed, [each for each in fresh if each.is_live], self.overlay.attempts.rows, self.overlay.steps.rows
        )
        await self._lose(verdicts.gone, Lost.NOT_LISTED)
        self._adopt(verdicts.keep, greeting, replaced)
        ended = [structs.replace(each, live=False) for each in replaced.values()]
        self.recorded += [greeting.changes, Changes(sessions=[*ended, greeting.session])]
        self.verdicts.append((greeting, verdicts))
        for each in elsewhere:
            about = About.MOVED if each.id == mine else About.REPLACED
            self.left_notes.append(Note(each.server, about, each.id))

    def _adopt(self, kept: Sequence[AttemptKey], greeting: Greeting, replaced: Container[SessionId]) -> None:
        """What a worker held before its restart hangs on its new session: the old one has no lease any more."""
        for key in kept:
            attempt = self.overlay.attempts.rows[key]
            if attempt is not None and attempt.is_live and attempt.session in replaced:
                self.overlay.attempts.put({key: structs.replace(attempt, session=greeting.session.id)})

    async def _depart(self, session: Session) -> None:
        """Its lease ended; unless it hangs on another server by now."""
        if session.id not in await self.beat.mine([session.id]):
            if (await self.beat.seated([session.id])).get(session.id) == session.server:
                raise HeldElsewhereError  # a hello elsewhere has it in hand, and may come to nothing
            return
        await self._lose(await self.beat.held_by([session.id]), Lost.LEASE_EXPIRED)
        self.recorded.append(Changes(sessions=[structs.replace(session, live=False)]))

    async def _adopt_orphans(self, adopting: Adopting) -> None:
        """Sessions of servers that died hang on this one, until their workers are back or their leases end."""
        found = await self.beat.orphans(SWEEP_BITE)
        until_at = self.overlay.at + adopting.lease_us
        for session in found:
            mine = structs.replace(session, server=adopting.server, lease_until_at=until_at)
            self.recorded.append(Changes(sessions=[mine]))
            self.left_notes.append(Note(session.server, About.MOVED, session.id))
            self.adopted.append(mine)

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
