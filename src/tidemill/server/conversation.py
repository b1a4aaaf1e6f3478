"""One worker on its link: the protocol on one side, the engine's events on the other (wire/worker.py has the map)."""

import asyncio
import logging
from collections.abc import Sequence

from msgspec.structs import replace

from tidemill.core.claims import Leasing
from tidemill.core.commands import (
    Acknowledge,
    AcknowledgeEvents,
    AcknowledgeItems,
    AskToStop,
    Command,
    GiveBack,
    TurnAway,
)
from tidemill.core.errors import UnavailableError
from tidemill.core.events import (
    AttemptReleased,
    AttemptStarted,
    ItemsStreamed,
    MeasuresTaken,
    ProgressMade,
)
from tidemill.core.events import (
    Event as Fact,
)
from tidemill.core.ids import RunId, SessionId
from tidemill.core.requirements import fault_of
from tidemill.core.rows import AttemptKey, Changes, Session, TaskRow
from tidemill.core.run import Attempt
from tidemill.core.standing import standing_of
from tidemill.engine.answers import failer
from tidemill.engine.engine import Engine
from tidemill.engine.inbox import Decision, Departure, Greeting, Recording, Urgency
from tidemill.engine.orders import Ephemeral
from tidemill.engine.seats import REPLACED, Dismissal, Notice, Seat
from tidemill.ports.logs import Logs
from tidemill.server.comparison import Comparison
from tidemill.server.logbook import Logbook
from tidemill.server.outbox import Outbox
from tidemill.server.translate import (
    assignment_of,
    emitted_of,
    failed_of,
    key_of,
    microseconds,
    session_of,
    succeeded_of,
    welcome_of,
)
from tidemill.wire.worker import (
    Ack,
    AttemptRef,
    BadMessageError,
    Cancel,
    Chunk,
    ChunkAck,
    Credit,
    Event,
    EventAck,
    Failed,
    Goodbye,
    Heartbeat,
    Hello,
    Log,
    Metric,
    Models,
    Ping,
    Progress,
    Refused,
    Released,
    Resumed,
    Resuming,
    Stale,
    Started,
    Succeeded,
    ToServer,
    Yielded,
    decode_to_server,
    encode_frame,
)

GRACE_S = 10.0

_log = logging.getLogger("tidemill.server")


class _OverError(Exception):  # ends the group of one conversation, and is no error
    pass


class Conversation:
    """From a hello that was not refused to the end of its link."""

    def __init__(self, engine: Engine, logs: Logs, outbox: Outbox, hello: Hello) -> None:
        self._engine, self._link, self._hello = engine, outbox.link, hello
        self._outbox = outbox
        self._logbook = Logbook(logs, engine.feed)
        self._seat: Seat | None = None
        self._session = SessionId(hello.instance)
        self._comparison = Comparison()
        self._is_over = False

    async def hold(self, first: Sequence[ToServer]) -> None:
        """Raises BadMessageError, after which the worker is told."""
        wrong: list[BadMessageError] = []
        try:
            await self._greet()
            async with asyncio.TaskGroup() as group:
                group.create_task(self._send())
                group.create_task(self._logbook.keep())
                group.create_task(self._ping())
                self._take(first)
                while True:
                    self._take(decode_to_server(await self._link.receive()))
        except* (UnavailableError, _OverError):
            pass
        except* BadMessageError as errors:
            wrong += [each for each in errors.exceptions if isinstance(each, BadMessageError)]
        finally:
            self._is_over = True
            if self._seat is not None and self._seat.tell == self._tell:
                self._seat.disconnect()
        if wrong:
            raise wrong[0]

    # Hello -----------------------------------------------------------------------------------------

    async def _greet(self) -> None:
        hello, engine = self._hello, self._engine
        now = engine.clock.now()
        replaced = [seat for seat in engine.seats.of_worker(hello.worker) if seat.session.id != self._session]
        for seat in replaced:
            seat.dismiss(REPLACED)
        seated = engine.seats.get(self._session)
        if seated is not None:
            seated.disconnect()
        started_at = seated.session.started_at if seated else now
        session = session_of(hello, now, started_at, microseconds(engine.settings.lease))
        session = replace(session, server=engine.server_id)
        known = engine.catalog.variant
        fresh = [task for task in hello.tasks if known(task.name, task.digest, task.implementation) != task]
        changes = Changes(tasks=[TaskRow(task, hello.worker, now) for task in fresh])
        listed = tuple(dict.fromkeys(key_of(ref) for ref in (*hello.held, *hello.unacknowledged)))
        greeted: asyncio.Future[tuple[Sequence[Attempt], Sequence[AttemptKey]]]
        greeted = asyncio.get_running_loop().create_future()

        def done(keep: Sequence[Attempt], stale: Sequence[AttemptKey]) -> None:
            engine.catalog.add(fresh)
            for seat in replaced:
                engine.seats.remove(seat.session.id)
            self._sit(session, keep)
            if not greeted.done():
                greeted.set_result((keep, stale))

        engine.put(Greeting(session, tuple(seat.session for seat in replaced), listed, changes, done, failer(greeted)))
        keep, stale = await greeted
        kept = [(each.run, each.path, each.number) for each in keep]
        await self._link.send(encode_frame([welcome_of(engine.settings, engine.store_id, kept, stale)]))

    def _sit(self, session: Session, keep: Sequence[Attempt]) -> None:
        """What the worker still has of what it was granted is added up anew."""
        tasks, engine = self._hello.tasks, self._engine
        seat = Seat(session, tasks, engine.seats.lanes.values(), standing_of(tasks, engine.catalog))
        if not self._is_over:
            seat.connect(self._tell)
        held = {key_of(ref) for ref in self._hello.held}
        for attempt in keep:
            key = (attempt.run, attempt.path, attempt.number)
            if key in held:
                seat.hold(key, attempt.granted)
        self._engine.seats.add(seat)
        self._seat = seat

    async def _ping(self) -> None:
        while True:
            await asyncio.sleep(self._engine.settings.heartbeat.total_seconds())
            self._outbox.put(Ping())

    async def _send(self) -> None:
        await self._outbox.send_all()
        raise _OverError  # it was dismissed

    # From the engine -------------------------------------------------------------------------------

    def _tell(self, notices: Sequence[Notice]) -> None:
        for notice in notices:
            match notice:
                case Leasing():
                    self._outbox.put(assignment_of(notice))
                case GiveBack(run=run, path=path, number=number):
                    self._outbox.put(Resumed(AttemptRef(run, path, number)))
                case AskToStop(run=run, path=path, number=number, reason=reason):
                    self._outbox.put(Cancel(AttemptRef(run, path, number), GRACE_S, reason))
                case Dismissal(reason=reason, advice=advice, final=final):
                    self._outbox.close(Refused(reason, advice, final))

    def _reply(self, commands: Sequence[Command]) -> None:
        for command in commands:
            match command:
                case Acknowledge(run=run, path=path, number=number):
                    self._free((run, path, number))
                    self._outbox.put(Ack((AttemptRef(run, path, number),)))
                case TurnAway(run=run, path=path, number=number):
                    self._free((run, path, number))
                    self._outbox.put(Stale((AttemptRef(run, path, number),)))
                case AcknowledgeItems(run=run, path=path, number=number, upto=upto):
                    self._outbox.put(ChunkAck(AttemptRef(run, path, number), upto))
                case AcknowledgeEvents(run=run, path=path, number=number, upto=upto):
                    self._outbox.put(EventAck(AttemptRef(run, path, number), upto))
                case _:
                    pass

    def _free(self, key: AttemptKey) -> None:
        if self._engine.seats.free(self._session, key):
            self._engine.ring()

    # From the worker -------------------------------------------------------------------------------

    def _take(self, messages: Sequence[ToServer]) -> None:
        seat = self._seat
        if seat is None or self._engine.seats.get(self._session) is not seat:
            raise _OverError  # its lease has ended, or another took over: it says hello anew
        self._extend(seat)
        for message in messages:
            self._take_one(seat, message)

    def _take_one(self, seat: Seat, message: ToServer) -> None:  # noqa: C901  # one case a message
        match message:
            case Succeeded():
                self._decide(succeeded_of(message))
            case Started(attempt=ref):
                self._decide(AttemptStarted(RunId(ref.run), ref.path, ref.number), Urgency.SOON)
            case Credit(granted=granted):
                seat.grant(granted)
                self._engine.ring()
            case Heartbeat():
                self._hear(seat, message)
            case Progress(attempt=ref):
                self._progress(message)
            case Chunk(attempt=ref, first=first, items=items):
                self._decide(ItemsStreamed(RunId(ref.run), ref.path, ref.number, first, items))
            case Event():
                self._decide(emitted_of(message))
            case Metric(attempt=ref, measures=measures):
                self._decide(MeasuresTaken(RunId(ref.run), ref.path, ref.number, measures), Urgency.SOON)
            case Log():
                self._logbook.put(message)
            case Failed():
                self._decide(failed_of(message))
            case Released(attempt=ref, reason=reason):
                self._decide(AttemptReleased(RunId(ref.run), ref.path, ref.number, reason))
            case Models():
                seat.move(_with_models(seat.session, message), self._engine.seats.lanes.values())
                self._engine.put(Recording(Changes(extended=[seat.session])))
            case Yielded(attempt=ref):
                if seat.give_away((RunId(ref.run), ref.path, ref.number)):
                    self._engine.ring()
            case Resuming(attempt=ref):
                seat.take_back((RunId(ref.run), ref.path, ref.number))
            case Goodbye():
                self._engine.seats.remove(self._session)
                self._engine.put(Departure(seat.session))
                raise _OverError
            case Hello():
                raise _OverError

    def _decide(self, event: Fact, urgency: Urgency = Urgency.NOW) -> None:
        self._engine.put(Decision(event, self._reply), urgency)

    def _extend(self, seat: Seat) -> None:
        """Any word of a worker extends its lease; the row moves when half of it is gone and something is held."""
        now, lease = self._engine.clock.now(), microseconds(self._engine.settings.lease)
        seat.lease_until_at = now + lease
        if seat.held and seat.session.lease_until_at - now < lease // 2:
            row = self._engine.seats.extend(seat, now + lease)
            self._engine.put(Recording(Changes(extended=[row])), Urgency.SOON)

    def _hear(self, seat: Seat, beat: Heartbeat) -> None:
        """A deaf worker says hello anew; what it lost goes back, and of what is not its any more it hears."""
        if self._comparison.is_deaf(beat.received, sent := seat.sent.get("", 0)):
            _log.warning("worker %s received %d of %d attempts", seat.session.worker, beat.received, sent)
            raise _OverError
        for fact in self._comparison.facts(beat, seat.held, sent):
            self._decide(fact)

    def _progress(self, message: Progress) -> None:
        ref = message.attempt
        progress = (message.fraction, message.stage, message.message)
        self._decide(ProgressMade(RunId(ref.run), ref.path, ref.number, progress), Urgency.SOON)
        detail = {"fraction": message.fraction, "stage": message.stage, "message": message.message}
        self._engine.feed.mention(Ephemeral(RunId(ref.run), "progress", ref.path, ref.number, detail))


def _with_models(session: Session, message: Models) -> Session:
    """What a worker has in memory or on disk decides what it is given from now on."""
    offers = replace(session.offers, hot=message.hot, disk=message.disk)
    if fault := fault_of(offers):
        raise BadMessageError(f"the models of the worker: {fault}")
    return replace(session, offers=offers)
