"""What the orchestrator does for those who call it; `Beats` makes it happen."""

import asyncio
from collections.abc import Sequence

from tidemill.core.commands import AnswerAttributes, AnswerSignal, Command, RefuseAttributes, RefuseSignal
from tidemill.core.events import (
    ApprovalGiven,
    AttributesChanged,
    CancelRequested,
    Continued,
    Event,
    PauseRequested,
    ResumeRequested,
    RunChanged,
    SignalSent,
)
from tidemill.core.ids import Digest, RunId, SessionId
from tidemill.core.naming import graph_holder
from tidemill.core.rows import Changes, GraphRow, Keys, Pause
from tidemill.core.run import Ended, Run
from tidemill.core.values import Encoding, refs_in
from tidemill.engine.answers import Answers, failer
from tidemill.engine.beats import Beats
from tidemill.engine.inbox import Arrival, Decision, Urgency
from tidemill.engine.orders import Order, Outcome, Published, SubmitRefused, event_of
from tidemill.engine.publishing import row_of, unverified_of
from tidemill.engine.removing import How, Removing, Stays
from tidemill.engine.watches import Watch

FULL = 50_000  # arrivals in the inbox at which new work is turned away


class Engine(Beats):
    # What callers ask ------------------------------------------------------------------------------

    async def submit(self, orders: Sequence[Order]) -> Sequence[Run | SubmitRefused]:
        """Start runs; returns after the commit. The same order again gives the run as it stands."""
        answers = Answers(len(orders))
        for index, order in enumerate(orders):
            if order.watch and self.is_watched(order.watch):
                self._watches.expect(order.watch, order.run)
            self._inbox.put(Decision(event_of(order), answers.taker(index), answers.refuse))
        found: Sequence[Run | SubmitRefused | None] = [None] * len(orders)
        try:
            answered = found = await answers.future
        finally:
            self._tell_of(orders, found)
        return answered

    def _tell_of(self, orders: Sequence[Order], found: Sequence[Run | SubmitRefused | None]) -> None:
        """What was not started has no outcome; what ended before has one already."""
        for order, answer in zip(orders, found, strict=True):
            if not isinstance(answer, Run) or answer.id != order.run:  # whom a key leads elsewhere asks for that run
                self._watches.forget(order.watch, order.run)
            elif isinstance(answer.state, Ended):
                self._watches.tell(Outcome(answer))

    async def cancel(self, run: RunId, reason: str, id: str = "") -> Run | None:  # noqa: A002  # its name on the wire
        """Ask a run to stop; one that is closing for another cancel than this, to stop that.

        Gives it as it stands after the commit; None when there is no such run.
        """
        known = (await self._store.rows(Keys(runs=[run]))).runs[run]
        if known is None or isinstance(known.state, Ended):
            return known
        await self._decided(CancelRequested(run, reason, ends_closing=True, id=id))
        return (await self._store.rows(Keys(runs=[run]))).runs[run]

    async def pause(self, run: RunId, by: str, reason: str) -> Run | None:
        """Let nothing more of a run start. Gives it as it stands after the commit; None when there is no such run."""
        return await self._changed(PauseRequested(run, by, reason))

    async def resume(self, run: RunId, by: str) -> Run | None:
        return await self._changed(ResumeRequested(run, by))

    async def change(self, event: RunChanged) -> Run | None:
        """Another priority or other tags, for what is queued too."""
        return await self._changed(event)

    async def go_on(self, event: Continued) -> Run | None:
        """Let steps begin that stopped at a breakpoint."""
        return await self._changed(event)

    async def apply(self, events: Sequence[Event]) -> None:
        """Decide events of as many runs; returns after the commits."""
        await asyncio.gather(*(self._decided(event) for event in events))

    async def remove(self, runs: Sequence[RunId], how: How = How.HIDE) -> Stays:
        """Hide runs that ended, as far as they may go; a `Keeper` removes their rows. Returns after the commit."""
        future: asyncio.Future[Stays] = asyncio.get_running_loop().create_future()

        def done(stays: Stays) -> None:
            if not future.done():
                future.set_result(stays)

        self._inbox.put(Removing(runs, done, how, failer(future)))
        stays = await future
        if how is How.HIDE and not all(stays.values()):
            self.hidden.set()
        return stays

    async def hold(self, pause: Pause) -> None:
        """Let nothing new start of a task, from a queue, or on a worker; returns after the commit."""
        await self.record(Changes(pauses=[pause]))

    async def let_go(self, pause: Pause) -> None:
        await self.record(Changes(pauses_drop=[pause]))

    async def _changed(self, event: PauseRequested | ResumeRequested | RunChanged | Continued) -> Run | None:
        await self._decided(event)
        return (await self._store.rows(Keys(runs=[event.run]))).runs[event.run]

    @property
    def secret(self) -> bytes:
        return self._store.secret

    async def signal(self, event: SignalSent | ApprovalGiven) -> AnswerSignal | RefuseSignal:
        """Hand in a signal, or the answer to an approval; returns after the commit."""
        for command in await self._decided(event):
            if isinstance(command, AnswerSignal | RefuseSignal):
                return command
        return RefuseSignal("halted", "the server could not decide it; its log says why")

    async def set_attributes(self, event: AttributesChanged) -> AnswerAttributes | RefuseAttributes:
        """Change the free attributes of a run or a step; returns after the commit."""
        for command in await self._decided(event):
            if isinstance(command, AnswerAttributes | RefuseAttributes):
                return command
        return RefuseAttributes("unavailable", "the server could not decide it; its log says why")

    async def publish(self, document: bytes) -> Published:
        """Make a graph known. The same document again changes nothing. Raises what `row_of` raises."""
        row, workflow = row_of(document, self.clock.now())
        unverified = unverified_of(workflow, self.catalog)
        known = await self.graphs.layout(row.digest)
        await self.name_files(row)
        if known is None or self.graphs.by_name(row.name) != row.digest:
            await self.record(Changes(graphs=[row]))
            self.graphs.add(GraphRow(row.digest, b"", row.name, row.created_at), workflow)
        return Published(row.digest, row.name, unverified)

    async def name_files(self, row: GraphRow) -> None:
        """Have the files of a graph's constants stay, as far as they are here."""
        named = [Digest(each) for each in refs_in(row.document, Encoding.JSON)]
        known = (await self._store.rows(Keys(blobs=named))).blobs if named else {}
        if there := [(graph_holder(row.digest), digest) for digest, size in known.items() if size is not None]:
            await self.record(Changes(blob_refs=there))

    def watch(self, token: str) -> Watch:
        return self._watches.open(token)

    def is_watched(self, token: str) -> bool:
        """Whether the stream of this token is open here, and not at another server or nowhere."""
        return self._watches.is_open(token)

    def is_full(self) -> bool:
        """Whether new work must be turned away for now."""
        return len(self._inbox) > FULL

    def held(self, session: SessionId) -> int:
        """How many attempts a session holds."""
        seat = self.seats.get(session)
        return len(seat.held) if seat else 0

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
