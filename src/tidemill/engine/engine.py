"""The orchestrator's shell: gather, decide, commit, deliver (engine.md, "The beat").

One loop makes the beats. While one commits, the next gathers. Everything that must survive a crash is a row; what is
kept here (seats, watches, readers of the feed) is made anew by those who connect again.
"""

import asyncio
import logging
from collections.abc import Sequence
from datetime import timedelta

from msgspec import Struct

from tidemill.core.catalog import Catalog
from tidemill.core.commands import AskToStop, Command, FetchLists, FetchOperands, SlotFreed, Sweep
from tidemill.core.errors import UnavailableError
from tidemill.core.events import CancelRequested, Event, RunSubmitted
from tidemill.core.ids import Digest, Instant, RunId, SessionId
from tidemill.core.overlay import Overlay
from tidemill.core.rows import Changes, GraphRow, Keys
from tidemill.core.run import Attempt, Ended, Run
from tidemill.core.why import Reason, Server, explain
from tidemill.engine.answers import Answers, failer, setter
from tidemill.engine.feed import Feed
from tidemill.engine.fetches import Fetches
from tidemill.engine.graphs import Graphs
from tidemill.engine.inbox import Arrival, Decision, Departure, Inbox, Recording, Sweeping, Urgency
from tidemill.engine.orders import Order, Outcome, Published, SubmitRefused
from tidemill.engine.publishing import row_of, unverified_of
from tidemill.engine.reader import Reader
from tidemill.engine.seats import ASK_AGAIN, Notice, Seat, Seats
from tidemill.engine.turn import Turn
from tidemill.engine.watches import Watch, Watches
from tidemill.ports.blobs import Blobs
from tidemill.ports.clock import Clock
from tidemill.ports.entropy import Entropy
from tidemill.ports.store import RowRefusedError, Store

DUE_LIMIT = 500
EXPIRED_EVERY = timedelta(seconds=60)  # how often queue limits are looked at
RETRY_S = 0.2  # after a commit that failed
FULL = 50_000  # arrivals in the inbox at which new work is turned away

_log = logging.getLogger("tidemill.engine")


class EngineSettings(Struct, frozen=True):
    lease: timedelta = timedelta(seconds=30)
    heartbeat: timedelta = timedelta(seconds=5)
    soon: timedelta = timedelta(milliseconds=20)


class Engine:
    def __init__(self, store: Store, blobs: Blobs, clock: Clock, entropy: Entropy, settings: EngineSettings) -> None:
        self.queries = store
        self.settings = settings
        self.catalog = Catalog()
        self.graphs = Graphs(store)
        self.feed = Feed(store)
        self.reader = Reader(store, blobs, self.graphs)
        self.seats = Seats()
        self.clock = clock
        self._store, self._entropy = store, entropy
        self._inbox = Inbox()
        self._watches = Watches(store)
        self._fetches = Fetches(store, self.reader, blobs)
        self._next_due: Instant | None = None
        self._next_look: Instant = 0
        self._beating = False
        self._in_doubt = False

    @property
    def store_id(self) -> bytes:
        return self._store.id

    # What callers ask ------------------------------------------------------------------------------

    async def submit(self, orders: Sequence[Order]) -> Sequence[Run | SubmitRefused]:
        """Start runs; returns after the commit. The same order again gives the run as it stands."""
        answers = Answers(len(orders))
        for index, order in enumerate(orders):
            event = RunSubmitted(
                run=order.run,
                graph=order.graph,
                workflow=order.workflow,
                inputs=order.inputs,
                submitted=order.submitted,
                priority=order.priority,
                tags=order.tags,
            )
            if order.watch:
                self._watches.expect(order.watch, order.run)
            self._inbox.put(Decision(event, answers.taker(index), answers.refuse))
        found: Sequence[Run | SubmitRefused | None] = [None] * len(orders)
        try:
            answered = found = await answers.future
        finally:
            self._tell_of(orders, found)
        return answered

    def _tell_of(self, orders: Sequence[Order], found: Sequence[Run | SubmitRefused | None]) -> None:
        """What was not started has no outcome; what ended before has one already."""
        for order, answer in zip(orders, found, strict=True):
            if not isinstance(answer, Run):
                self._watches.forget(order.watch, order.run)
            elif isinstance(answer.state, Ended):
                self._watches.tell(Outcome(answer))

    async def cancel(self, run: RunId, reason: str) -> Run | None:
        """Ask a run to stop. Gives it as it stands after the commit; None when there is no such run."""
        known = (await self._store.rows(Keys(runs=[run]))).runs[run]
        if known is None or isinstance(known.state, Ended):
            return known
        await self._decided(CancelRequested(run, reason))
        return (await self._store.rows(Keys(runs=[run]))).runs[run]

    async def publish(self, document: bytes) -> Published:
        """Make a graph known. The same document again changes nothing. Raises what `row_of` raises."""
        row, workflow = row_of(document, self.catalog, self.clock.now())
        unverified = unverified_of(workflow, self.catalog)
        known = await self.graphs.layout(row.digest)
        if known is None or self.graphs.by_name(row.name) != row.digest:
            await self.record(Changes(graphs=[row]))
            self.graphs.add(GraphRow(row.digest, b"", row.name, row.created_at), workflow)
        return Published(row.digest, row.name, unverified)

    async def blob_stored(self, digest: Digest, size: int) -> None:
        """Note a blob whose bytes are durable; returns after the commit."""
        await self.record(Changes(blobs={digest: size}))

    def watch(self, token: str) -> Watch:
        return self._watches.open(token)

    def is_full(self) -> bool:
        """Whether new work must be turned away for now."""
        return len(self._inbox) > FULL

    def held(self, session: SessionId) -> int:
        """How many attempts a session holds."""
        seat = self.seats.get(session)
        return len(seat.held) if seat else 0

    async def why(self, run: RunId) -> Sequence[Reason]:
        """Why each waiting step of a run waits (at most 100 steps)."""
        steps = [step for step in await self._store.steps(run, "", 10_000) if not step.is_final][:100]
        row = (await self._store.rows(Keys(runs=[run]))).runs[run]
        layout = await self.graphs.layout(row.graph) if row else None
        if layout is None:
            return ()
        fleet = [Server(seat.session, seat.offer(), len(seat.held), seat.tell is not None) for seat in self.seats.all()]
        return explain(steps, layout, self.catalog, fleet)

    async def record(self, changes: Changes) -> None:
        """Write rows that need no decision; returns after the commit."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._inbox.put(Recording(changes, setter(future), failer(future)))
        await future

    async def _decided(self, event: Event) -> Sequence[Command]:
        future: asyncio.Future[Sequence[Command]] = asyncio.get_running_loop().create_future()

        def reply(commands: Sequence[Command]) -> None:
            if not future.done():
                future.set_result(commands)

        self._inbox.put(Decision(event, reply, failer(future)))
        return await future

    # What sessions bring ---------------------------------------------------------------------------

    def put(self, arrival: Arrival, urgency: Urgency = Urgency.NOW) -> None:
        self._inbox.put(arrival, urgency)

    def ring(self) -> None:
        self._inbox.ring()

    # The loop --------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Recover, then beat until cancelled."""
        await self._recover()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._fetches.work(self._send, self._stored))
            while True:
                await self._sleep()
                await self._beat(self._inbox.take())

    async def _recover(self) -> None:
        """Read what a server before this one left; time without a server does not count for any lease."""
        await self.graphs.load()
        self.catalog.add(row.definition for row in reversed(await self._store.tasks()))
        await self._seat_all()
        self._next_due = await self._store.next_due()
        self._inbox.ring()

    async def _seat_all(self) -> None:
        """A seat for each live session, so that its lease can end."""
        until = self.clock.now() + _us(self.settings.lease)
        for session in await self._store.sessions(10_000):
            if session.live and self.seats.get(session.id) is None:
                seat = Seat(session, self.pools_of(session.tasks))
                seat.lease_until_at = until
                self.seats.add(seat)

    def pools_of(self, tasks: Sequence[tuple[str, str]]) -> dict[tuple[str, str], str]:
        found = {key: self.catalog.find(*key) for key in tasks}
        return {key: definition.options.pool for key, definition in found.items() if definition}

    def _send(self, event: Event) -> None:
        self._inbox.put(Decision(event))

    def _stored(self, digest: Digest, size: int) -> "asyncio.Future[None]":
        return asyncio.ensure_future(self.blob_stored(digest, size))

    async def _sleep(self) -> None:
        """Until something has arrived, or time brings something."""
        if not self._inbox.hurried:
            await self._wait(self._next_wake())
        if not self._inbox.hurried and len(self._inbox):
            await self._wait(self.clock.now() + _us(self.settings.soon), hurried=True)

    async def _wait(self, until: Instant | None, *, hurried: bool = False) -> None:
        delay = None if until is None else max(0.0, (until - self.clock.now()) / 1e6)
        try:
            async with asyncio.timeout(delay):
                await self._inbox.wait()
                while hurried and not self._inbox.hurried:
                    self._inbox.hush()
                    await self._inbox.wait()
        except TimeoutError:
            pass

    def _next_wake(self) -> Instant | None:
        moments = [self._next_due, self.seats.next_expiry(), self._next_look]
        return min(each for each in moments if each is not None)

    def idle_violation(self) -> str | None:
        """Whether it sleeps although there is work (ports.probe)."""
        if self._beating:
            return None
        now = self.clock.now()
        if self._inbox.hurried:
            return "the engine sleeps on a full inbox"
        if self._next_due is not None and self._next_due < now - 1_000_000:
            return "the engine sleeps past a timer"
        return None

    # The beat --------------------------------------------------------------------------------------

    async def _beat(self, arrivals: Sequence[Arrival]) -> None:
        self._beating = True
        arrivals = [*arrivals, *self._departures(self.clock.now())]
        try:
            if self._in_doubt:
                await self._ask_again()
            await self._try(arrivals)
        except UnavailableError as error:
            _log.exception("nothing was acknowledged in this beat")
            self._in_doubt = True
            self._refuse(arrivals, error)
            await asyncio.sleep(RETRY_S)
        except RowRefusedError as error:
            await self._halves(arrivals, error)
        finally:
            self._beating = False

    async def _ask_again(self) -> None:
        """The last beat may be recorded after all, and was told to nobody: whoever is concerned compares anew."""
        self._next_due = await self._store.next_due()
        await self._watches.look_again()
        self.feed.reread()
        await self._seat_all()
        for seat in self.seats.all():
            seat.dismiss(ASK_AGAIN)
        self._in_doubt = False

    def _refuse(self, arrivals: Sequence[Arrival], error: Exception) -> None:
        """Callers that wait hear of it; what came from sessions stays, and is tried again."""
        back = []
        for arrival in arrivals:
            refused = getattr(arrival, "refused", None)
            if refused is None:
                back.append(arrival)
            else:
                refused(error)
        self._inbox.put_back(back)

    async def _halves(self, arrivals: Sequence[Arrival], error: Exception) -> None:
        """A row could not be written: find whose, and leave that one out."""
        if len(arrivals) <= 1:
            _log.error("an arrival is left out: %s", error)
            if not arrivals:
                await asyncio.sleep(RETRY_S)  # a row of a timer or of a claim is at fault: at least do not spin
            for arrival in arrivals:
                refused = getattr(arrival, "refused", None)
                if refused is not None:
                    refused(error)
            return
        middle = len(arrivals) // 2
        await self._beat(arrivals[:middle])
        await self._beat(arrivals[middle:])

    async def _try(self, arrivals: Sequence[Arrival]) -> None:
        at = self.clock.now()
        overlay = Overlay(at, self._entropy.bytes(16), self.catalog, self.graphs.layouts)
        beat = await self._store.begin()
        try:
            turn = Turn(beat, overlay, self.graphs)
            await turn.take(arrivals)
            more = await self._take_time(turn, at)
            await turn.match(self.seats.offers(), self.seats.lone)
            wrote = await turn.write()
        except BaseException:
            await beat.rollback()
            raise
        self._deliver(turn, arrivals)
        for queued in turn.changes.queue_put:
            self._next_look = min(self._next_look, queued.expires_at)
        if wrote and (turn.changes.timers_put or turn.changes.timers_drop):
            self._next_due = await self._store.next_due()
        if more:
            self._inbox.ring()

    def _departures(self, at: Instant) -> list[Departure]:
        gone = self.seats.expired(at)
        for seat in gone:
            self.seats.remove(seat.session.id)
            _log.warning("the lease of worker %s has ended", seat.session.worker)
        return [Departure(seat.session) for seat in gone]

    async def _take_time(self, turn: Turn, at: Instant) -> bool:
        """Decide what is due; whether there may be more of it."""
        taken = 0
        if self._next_due is not None and self._next_due <= at:
            taken = await turn.take_due(DUE_LIMIT)
        if at >= self._next_look:
            self._next_look = at + _us(EXPIRED_EVERY)
            taken = max(taken, await turn.take_expired(DUE_LIMIT))
        return taken >= DUE_LIMIT

    # Delivery, after the commit --------------------------------------------------------------------

    def _deliver(self, turn: Turn, arrivals: Sequence[Arrival]) -> None:
        """Those who wait hear first: workers of leases, watchers of outcomes; then senders, of their answers."""
        notices: dict[SessionId, list[Notice]] = {}
        for _, commands in turn.orders:
            for command in commands:
                self._carry_out(command, notices)
        self._lease(turn, notices)
        for greeting, verdicts in turn.verdicts:
            greeting.done(turn.kept(verdicts), verdicts.stale)
            notices.setdefault(greeting.session.id, []).extend(map(_ask_anew, verdicts.stopping))
        for session, mine in notices.items():
            seat = self.seats.get(session)
            if seat is not None and seat.tell is not None:
                seat.tell(mine)
        for outcome in turn.outcomes:
            self._watches.tell(outcome)
        self._reply(turn, arrivals)
        self.feed.publish(turn.numbers, turn.changes.history)

    def _lease(self, turn: Turn, notices: dict[SessionId, list[Notice]]) -> None:
        for claim, leasing in turn.leases:
            seat = self.seats.get(claim.session)
            if seat is not None and leasing.attempt is not None:
                key = (leasing.attempt.run, leasing.attempt.path, leasing.attempt.number)
                self.seats.spend(seat, claim.queued.lane, key)
                notices.setdefault(claim.session, []).append(leasing)

    def _reply(self, turn: Turn, arrivals: Sequence[Arrival]) -> None:
        for arrival, commands in turn.orders:
            if isinstance(arrival, Decision) and arrival.reply is not None:
                arrival.reply(commands)
        for arrival in arrivals:
            if isinstance(arrival, Recording) and arrival.done is not None:
                arrival.done()

    def _carry_out(self, command: Command, notices: dict[SessionId, list[Notice]]) -> None:
        match command:
            case SlotFreed(session=session, run=run, path=path, number=number):
                self.seats.free(session, (run, path, number))
            case AskToStop(session=session):
                notices.setdefault(session, []).append(command)
            case Sweep(run=run, prefix=prefix, after=after):
                self._inbox.put(Sweeping(run, prefix, after))
            case FetchLists() | FetchOperands():
                self._fetches.put(command)
            case _:
                pass  # answers to the sender, which its reply reads


def _ask_anew(attempt: Attempt) -> AskToStop:
    """It was told before; whether the worker heard it, nobody knows."""
    return AskToStop(attempt.session, attempt.run, attempt.path, attempt.number, "it was asked to stop before")


def _us(delay: timedelta) -> int:
    return delay // timedelta(microseconds=1)
