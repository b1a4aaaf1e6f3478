"""Plays a run through decide, with workers that fail, die, repeat themselves and come late, in a random order."""

from collections import Counter
from random import Random
from typing import Any

import msgspec

from tests.core.graphs import TASKS
from tests.core.reference import FAILED, NodeFailedError
from tests.core.tables import Tables
from tidemill.core.catalog import Catalog
from tidemill.core.chunks import elements_of, pack, pick, plain
from tidemill.core.claims import Leasing, lease
from tidemill.core.commands import Acknowledge, AskToStop, Command, FetchLists, FetchOperands, Requeue, RunEnded, Sweep
from tidemill.core.decide import Needs, decide
from tidemill.core.events import (
    AttemptFailed,
    AttemptLost,
    AttemptReleased,
    AttemptStarted,
    AttemptSucceeded,
    CancelRequested,
    Event,
    ItemsStreamed,
    ListFetched,
    OperandsFetched,
    PauseRequested,
    QueuedFound,
    ResumeRequested,
    RunChanged,
    RunSubmitted,
    StepsFound,
    TimerDue,
)
from tidemill.core.fill import Filler
from tidemill.core.graph import FINALLY, UNDO, Workflow
from tidemill.core.ids import Digest, RunId, SessionId, digest_of
from tidemill.core.lanes import paused_lane
from tidemill.core.match import Claim
from tidemill.core.overlay import Draft, Overlay
from tidemill.core.plan import Layout
from tidemill.core.resolve import Resolver
from tidemill.core.rows import Queued, TimerKind
from tidemill.core.run import Code, End, Ended, Failure, Held, Lost, Paused, Ready, Run, StepSucceeded, Waiting
from tidemill.core.values import (
    Argument,
    Blob,
    Encoding,
    Given,
    GivenList,
    GivenRecord,
    Inline,
    Remote,
    Streamed,
    Value,
)

RUN = RunId(b"r" * 16)
GRAPH = Digest(b"g" * 32)
SESSION = SessionId(b"s" * 16)


class Played:
    """One run of one workflow, beat by beat."""

    def __init__(self, workflow: Workflow, inputs: dict[str, Any], chance: Random) -> None:
        self.workflow, self.chance = workflow, chance
        self.layouts = {GRAPH: Layout(workflow)}
        self.tables = Tables()
        self.now = 1_000_000
        self.assigned: list[tuple[str, int, dict[str, Any]]] = []  # path, number, arguments
        self.leased: list[tuple[str, int, dict[str, Argument]]] = []  # in this beat
        self.sent: list[Event] = []  # reports that may come again
        self.events: list[Event] = []
        self.recorded: dict[str, Any] = {}
        self.executions: Counter[str] = Counter()
        self.ended: RunEnded | None = None
        self.given = 0  # leases of the last beat, but for those that belong to the end of a run
        self.asked: list[tuple[int, str]] = []  # bites of the queue that are wanted
        values = {name: Inline(msgspec.msgpack.encode(value)) for name, value in inputs.items()}
        self.events.append(RunSubmitted(RUN, GRAPH, "random", values, Digest(b"d" * 32)))

    # One beat --------------------------------------------------------------------------------------

    def beat(self, events: list[Event], claims: int) -> None:
        self.now += 1_000
        chance = bytes(self.chance.randrange(256) for _ in range(16))
        overlay = Overlay(self.now, chance, Catalog(), self.layouts)
        for event in events:
            self._obey(self._settled(overlay, event), event)
        for queued in self._claimable(overlay, claims):
            self._lease(overlay, queued)
        self.tables.save(overlay)
        self.given = sum(not path.endswith(UNDO) and not path.startswith(FINALLY) for path, _, _ in self.leased)
        for path, number, inputs in self.leased:
            self.assigned.append((path, number, {name: self._value(each) for name, each in inputs.items()}))
        self.leased.clear()

    def _settled(self, overlay: Overlay, event: Event) -> list[Command]:
        while isinstance(outcome := decide(overlay, event), Needs):
            assert outcome.keys, "only rows can be missing"
            overlay.learn(self.tables.load(outcome.keys))
        overlay.lay(outcome)
        return outcome.commands

    def _claimable(self, overlay: Overlay, limit: int) -> list[Queued]:
        rows = {key: row for key, row in self.tables.queue.items() if key not in overlay.left}
        rows = {key: row for key, row in rows.items() if key not in overlay.left_by_key} | overlay.ready
        offered = [row for row in rows.values() if row.lane != paused_lane(RUN)]
        return sorted(offered, key=lambda row: (row.order, row.path))[:limit]

    def _lease(self, overlay: Overlay, queued: Queued) -> None:
        claim = Claim(queued, SESSION, "w")
        while isinstance(outcome := lease(overlay, claim), Needs):
            overlay.learn(self.tables.load(outcome.keys))
        assert isinstance(outcome, Leasing)
        overlay.lay(outcome.draft)
        self._obey(outcome.draft.commands, None)
        if outcome.attempt is not None:
            self.leased.append((queued.path, outcome.attempt.number, outcome.inputs))

    def _value(self, argument: Argument) -> Any:
        match argument:
            case Given(value=Inline(data=data, encoding=encoding), fields=fields):
                return pick(plain(data, encoding), fields)
            case Given(value=Blob(digest=digest), fields=fields):
                return pick(plain(self.tables.bytes[digest], Encoding.MSGPACK), fields)
            case Remote(path=path, port=port, fields=fields):
                return pick(self._stored(path, port), fields)
            case GivenList(items=items):
                return [self._value(item) for item in items]
            case GivenRecord(fields=parts):
                return {name: self._value(part) for name, part in parts.items()}
            case _:
                raise AssertionError(argument)

    def _stored(self, path: str, port: str) -> Any:
        match self.tables.values[RUN, path, port]:
            case Streamed(number=number, count=count):
                items = self.tables.streams.get((path, number), [])
                assert len(items) == count
                return [plain(item, Encoding.MSGPACK) for item in items]
            case value:
                return self._value(Given(value))

    def _stow(self, path: str, number: int, result: Any) -> Value:
        """A result as its worker sends it: in the report, beside it as a blob, or before it as a stream."""
        data = msgspec.msgpack.encode(result)
        how = self.chance.random()
        if how < 0.15:
            digest = digest_of(data)
            self.tables.blobs[digest], self.tables.bytes[digest] = len(data), data
            return Blob(digest, len(data))
        if how < 0.3 and isinstance(result, list):
            items = tuple(map(msgspec.msgpack.encode, result))
            self.events.append(ItemsStreamed(RUN, path, number, 0, items))
            return Streamed(number, len(items))
        return Inline(data)

    def _obey(self, commands: list[Command], event: Event | None) -> None:
        for command in commands:
            match command:
                case RunEnded():
                    assert self.ended is None, "a run ends once"
                    self.ended = command
                case AskToStop(path=path, number=number):
                    self.events.append(self._stopped(path, number))
                case Sweep(prefix=prefix, after=after):
                    self.events.append(self._found(prefix, after))
                case Requeue(number=number, after=after):
                    self.asked.append((number, after))
                case FetchLists() | FetchOperands():
                    self._fetch(command)
                case Acknowledge(path=path) if isinstance(event, AttemptSucceeded):
                    self.recorded.setdefault(path, event.outputs)
                case _:
                    pass

    def _stopped(self, path: str, number: int) -> Event:
        failure = Failure(Code.CANCELLED, "stopped")
        return AttemptFailed(RUN, path, number, failure, proof=End.STOPPED)

    def _found(self, prefix: str, after: str) -> Event:
        paths = sorted(path for _, path in self.tables.steps if path > (after or prefix))
        bite = [path for path in paths if path.startswith(prefix)][: self.chance.randint(1, 5)]
        queued = tuple(self.tables.queue[RUN, path] for path in bite if (RUN, path) in self.tables.queue)
        rest = bite[-1] if bite and bite[-1] != paths[-1] else ""
        return StepsFound(RUN, prefix, tuple(bite), queued, rest)

    def _fetch(self, order: FetchLists | FetchOperands) -> None:
        """Most answers come once; some never, and the timer asks again; some twice."""
        if isinstance(order, FetchLists):
            answer: Event = self._fetched(order)
        else:
            values = {place: Inline(msgspec.msgpack.encode(self._stored(*place))) for place in order.places}
            answer = OperandsFetched(RUN, order.path, values)
        self.events += [answer] * self.chance.choice([0, 1, 1, 1, 2])

    def _fetched(self, order: FetchLists) -> Event:
        overlay = Overlay(self.now, bytes(16), Catalog(), self.layouts)
        lengths, chunks = {}, {}
        for param, source in order.lists.items():
            value = self._asked(overlay, lambda filler, s=source: filler.fill(s))
            elements = elements_of(msgspec.msgpack.encode(self._value(value)), Encoding.MSGPACK, ())
            lengths[param] = len(elements)
            chunks[param] = dict(enumerate(pack(elements, Encoding.MSGPACK)))
        return ListFetched(RUN, order.path, lengths, chunks, done=True)

    def _asked(self, overlay: Overlay, question: Any) -> Any:
        from tidemill.core.overlay import RowsMissingError

        while True:
            try:
                return question(Filler(Resolver(Draft(overlay), RUN, self.layouts[GRAPH])))
            except RowsMissingError as missing:
                overlay.learn(self.tables.load(missing.keys))


class History(Played):
    """Beats and workers in an order that chance makes."""

    def beat(self, events: list[Event], claims: int) -> None:
        before = dict(self.tables.steps)
        asked, self.asked = self.asked, []
        found = [self._rows_found(*each) for each in asked if self.chance.random() < 0.9]  # else the timer asks again
        was_paused = isinstance(getattr(self.tables.runs.get(RUN), "state", None), Paused)
        super().beat([*found, *events], claims)
        resumed = any(isinstance(event, ResumeRequested) for event in events)
        assert not (was_paused and not resumed and self.given), "a paused run starts only what belongs to its end"
        self._check(before)

    # Workers ---------------------------------------------------------------------------------------

    def play(self, *, hostile: bool, cancel: bool, pause: bool = False, insist: bool = False) -> Run:
        """Beat after beat, until nothing is left to do. A run that was paused is resumed when nothing moves.

        With ``insist`` somebody cancels it now and then, also while it closes.
        """
        cancel_at = self.chance.randint(0, 30) if cancel else -1
        stirred = self.chance.randint(5, 60)
        for turn in range(3000):
            if turn == cancel_at:
                self.events.append(CancelRequested(RUN, "changed my mind"))
            if insist and self.chance.random() < 0.1:
                self.events.append(CancelRequested(RUN, "enough", ends_closing=True))
            if pause:
                self._interrupt(self.chance.random() if turn < stirred else 1.0)
            take = self.chance.randint(0, min(4, len(self.events)))
            if not take and not self.assigned and self.events:
                take = 1
            batch, self.events = self.events[:take], self.events[take:]
            self.beat(batch, claims=self.chance.randint(0, 3))
            self._work(hostile=hostile)
            self._time(idle=not (self.events or self.assigned or self.asked or self._claimable_now()))
            if not (self.events or self.assigned or self.tables.queue or self.tables.timers):
                break
        run = self.tables.runs[RUN]
        assert isinstance(run.state, Ended), f"the run does not end: {run.status}"
        self._check_end()
        return run

    def _interrupt(self, moment: float) -> None:
        """Somebody pauses it, resumes it, or changes its priority; at last it is resumed."""
        run = self.tables.runs.get(RUN)
        if moment < 0.15:
            self.events.append(PauseRequested(RUN, "somebody"))
        elif moment < 0.3:
            self.events.append(ResumeRequested(RUN))
        elif moment < 0.4:
            self.events.append(RunChanged(RUN, priority=self.chance.randint(-5, 5)))
        elif run is not None and isinstance(run.state, Paused) and not (self.events or self.assigned):
            self.events.append(ResumeRequested(RUN))

    def _rows_found(self, number: int, after: str) -> Event:
        rows = sorted((row for row in self.tables.queue.values() if row.path > after), key=lambda row: row.path)
        bite = rows[: self.chance.randint(1, 2)]
        rest = bite[-1].path if len(bite) < len(rows) else ""
        return QueuedFound(RUN, number, tuple(bite), rest)

    def _claimable_now(self) -> bool:
        return any(row.lane != paused_lane(RUN) for row in self.tables.queue.values())

    def _work(self, *, hostile: bool) -> None:
        self.chance.shuffle(self.assigned)
        for _ in range(self.chance.randint(0, len(self.assigned))):
            path, number, arguments = self.assigned.pop()
            if hostile and self.chance.random() < 0.4:
                self._misbehave(path, number, arguments)
            else:
                self._report(path, number, arguments)
        if hostile and self.sent and self.chance.random() < 0.2:
            self.events.append(self.chance.choice(self.sent))

    def _report(self, path: str, number: int, arguments: dict[str, Any]) -> None:
        task = self.layouts[GRAPH].node(path)[2].task  # type: ignore[union-attr]
        self.executions[path] += 1
        if self.chance.random() < 0.5:
            self.events.append(AttemptStarted(RUN, path, number))
        event: Event
        try:
            value = self._stow(path, number, TASKS[task](**arguments))
            event = AttemptSucceeded(RUN, path, number, {"value": value})
        except NodeFailedError:
            event = AttemptFailed(RUN, path, number, Failure(Code.PERMANENT, "fragile"))
        self.events.append(event)
        self.sent.append(event)

    def _misbehave(self, path: str, number: int, arguments: dict[str, Any]) -> None:
        match self.chance.randrange(5):
            case 0:  # a failure that is tried again
                if self.tables.steps[RUN, path].failures < 2:
                    event = AttemptFailed(RUN, path, number, Failure(Code.TRANSIENT, "later"))
                    self.events.append(event)
                    self.sent.append(event)
                else:
                    self._report(path, number, arguments)
            case 1:  # its lease ends, and the result comes all the same, late
                if self.tables.steps[RUN, path].losses < 1:
                    self.events.append(AttemptLost(RUN, path, number, Lost.LEASE_EXPIRED))
                    self._report(path, number, arguments)
                else:
                    self._report(path, number, arguments)
            case 2:  # its worker dies before it started
                self.events.append(AttemptLost(RUN, path, number, Lost.NOT_LISTED))
                if self.tables.steps[RUN, path].latest > 8:
                    self.events.pop()
                    self._report(path, number, arguments)
            case 3:
                self.events.append(AttemptReleased(RUN, path, number))
            case _:  # says it twice
                self._report(path, number, arguments)
                self.events.append(self.sent[-1])

    def _time(self, *, idle: bool) -> None:
        due = sorted(self.tables.timers.values(), key=lambda timer: (timer.due_at, timer.path))
        if idle and due:
            self.now = max(self.now, due[0].due_at)
        for timer in due:
            if timer.due_at <= self.now and not self._is_answered(timer.kind, timer.path):
                self.events.append(TimerDue(timer))

    def _is_answered(self, kind: TimerKind, path: str) -> bool:
        return any(isinstance(event, TimerDue) and (event.timer.kind, event.timer.path) == (kind, path)
                   for event in self.events)  # fmt: skip

    # What must hold --------------------------------------------------------------------------------

    def _check(self, before: dict[Any, Any]) -> None:
        run = self.tables.runs.get(RUN)
        if run is None:
            return
        live = 0
        for key, step in self.tables.steps.items():
            old = before.get(key)
            if old is not None:
                assert not old.is_final or old == step, f"{key[1]} was final and changed"
                assert step.latest >= old.latest, f"the fence of {key[1]} went back"
            assert isinstance(step.state, Ready) == (key in self.tables.queue), f"{key[1]}: the queue is wrong"
            waits = isinstance(step.state, Waiting) and step.state.until_at is not None
            live += waits or isinstance(step.state, (Ready, Held))
            held = isinstance(step.state, Held)
            if held:
                assert self.tables.attempts[RUN, key[1], step.latest].is_live, f"{key[1]} is held by nobody"
        assert run.live == live, f"live is {run.live}, and {live} are"
        if isinstance(run.state, Ended):
            assert not live, "the run has ended, and something lives"

    def _check_end(self) -> None:
        run = self.tables.runs[RUN]
        final = [step for step in self.tables.steps.values() if not step.is_final]
        assert not final, f"{run.status}, and not final: {final}"
        assert not self.tables.queue
        for path in self.recorded:
            state = self.tables.steps[RUN, path].state
            assert not isinstance(state, StepSucceeded) or self.tables.values.get((RUN, path, "value")) is not None
        done = sum(isinstance(step.state, StepSucceeded) for key, step in self.tables.steps.items()
                   if (*key, 1) in self.tables.attempts)  # fmt: skip
        assert run.done == done, f"done is {run.done}, and {done} are"

    def outputs(self) -> dict[str, Any]:
        """What the run gave, as plain data."""
        assert self.ended is not None
        overlay = Overlay(self.now, bytes(16), Catalog(), self.layouts)
        found = {}
        for port, source in self.ended.outputs.items():
            value = self._asked(overlay, lambda filler, s=source: filler.fill(s))
            found[port] = without_details(self._value(value))
        return found


def without_details(value: Any) -> Any:
    """The reference knows that a failure was collected, and not what it says."""
    if isinstance(value, dict):
        return FAILED if "$failure" in value else {name: without_details(each) for name, each in value.items()}
    return [without_details(each) for each in value] if isinstance(value, list) else value
