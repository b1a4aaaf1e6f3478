"""What a beat ordered, carried out after its commit. It may be repeated."""

from collections.abc import Callable, Sequence

from tidemill.core.commands import (
    AskToStop,
    Command,
    FetchLists,
    FetchOperands,
    Requeue,
    SlotFreed,
    StopChildren,
    Sweep,
)
from tidemill.core.ids import RunId, SessionId
from tidemill.core.notes import About, Note
from tidemill.core.rows import Changes
from tidemill.core.run import Attempt, AttemptEnded
from tidemill.core.tallies import Tallies
from tidemill.engine.feed import Feed
from tidemill.engine.fetches import Fetches
from tidemill.engine.inbox import Arrival, Decision, Inbox, Orphaning, Recording, Requeueing, Sweeping
from tidemill.engine.seats import MOVED, REPLACED, Notice, Seats
from tidemill.engine.turn import Turn
from tidemill.engine.watches import Watches


class Delivery:
    def __init__(self, seats: Seats, watches: Watches, feed: Feed, inbox: Inbox, fetches: Fetches) -> None:
        self._seats, self._watches, self._feed = seats, watches, feed
        self._inbox, self._fetches = inbox, fetches
        self.tallies = Tallies()
        self.when_ended: list[Callable[[RunId], None]] = []
        self.when_written: list[Callable[[Changes], None]] = []

    def deliver(self, turn: Turn, arrivals: Sequence[Arrival]) -> None:
        """Those who wait hear first: workers of leases, watchers of outcomes; then senders, of their answers."""
        notices: dict[SessionId, list[Notice]] = {}
        for _, commands in turn.orders:
            for command in commands:
                self._carry_out(command, notices)
        self._lease(turn, notices)
        for note in turn.notes:
            self._heed(note, notices)
        for greeting, verdicts in turn.verdicts:
            greeting.done(turn.kept(verdicts), verdicts.stale)
            notices.setdefault(greeting.session.id, []).extend(map(_ask_anew, verdicts.stopping))
        for session, mine in notices.items():
            seat = self._seats.get(session)
            if seat is not None and seat.tell is not None:
                seat.tell(mine)
        self._tell(turn)
        self._tally(turn.ended())
        self._reply(turn, arrivals)
        self._feed.publish(turn.numbers, turn.changes.history)

    def _tell(self, turn: Turn) -> None:
        for written in self.when_written:
            written(turn.changes)
        for outcome in turn.outcomes:
            self._watches.tell(outcome)
            for heard in self.when_ended:
                heard(outcome.run.id)

    def _heed(self, note: Note, notices: dict[SessionId, list[Notice]]) -> None:
        """What another server left for a session that hangs, or hung, on this one."""
        key = (note.run, note.path, note.number)
        match note.about:
            case About.STOP:
                notices.setdefault(note.session, []).append(AskToStop(note.session, *key, note.reason))
            case About.FREED:
                if self._seats.free(note.session, key):
                    self._inbox.ring()
            case About.MOVED | About.REPLACED:
                self._seats.dismiss(note.session, REPLACED if note.about is About.REPLACED else MOVED)

    def _lease(self, turn: Turn, notices: dict[SessionId, list[Notice]]) -> None:
        for claim, leasing in turn.leases:
            seat = self._seats.get(claim.session)
            if seat is not None and leasing.attempt is not None:
                key = (leasing.attempt.run, leasing.attempt.path, leasing.attempt.number)
                self._seats.spend(seat, claim, key)
                notices.setdefault(claim.session, []).append(leasing)

    def _tally(self, ended: Sequence[Attempt]) -> None:
        for attempt in ended:
            self.tallies.count(attempt.task, _outcome(attempt), attempt.took, attempt.queued_us)
            if attempt.measures:
                self.tallies.measure(attempt.task, attempt.measures)

    def _reply(self, turn: Turn, arrivals: Sequence[Arrival]) -> None:
        for arrival, commands in turn.orders:
            if isinstance(arrival, Decision) and arrival.reply is not None:
                arrival.reply(commands)
        for asked, settled in turn.rescheduled:
            asked.done(settled)
        for write, found in turn.shared:
            write.done(found)
        for removing, stays in turn.removed:
            removing.done(stays)
        for arrival in arrivals:
            if isinstance(arrival, Recording) and arrival.done is not None:
                arrival.done()

    def _carry_out(self, command: Command, notices: dict[SessionId, list[Notice]]) -> None:
        match command:
            case SlotFreed(session=session, run=run, path=path, number=number):
                if self._seats.free(session, (run, path, number)):
                    self._inbox.ring()  # this beat matched before they were free
            case AskToStop(session=session):
                notices.setdefault(session, []).append(command)
            case Sweep(run=run, prefix=prefix, after=after):
                self._inbox.put(Sweeping(run, prefix, after))
            case Requeue(run=run, number=number, after=after):
                self._inbox.put(Requeueing(run, number, after))
            case StopChildren(run=run):
                self._inbox.put(Orphaning(run))
            case FetchLists() | FetchOperands():
                self._fetches.put(command)
            case _:
                pass  # answers to the sender, which its reply reads


def _outcome(attempt: Attempt) -> str:
    return attempt.state.end.value if isinstance(attempt.state, AttemptEnded) else "live"


def _ask_anew(attempt: Attempt) -> AskToStop:
    """It was told before; whether the worker heard it, nobody knows."""
    return AskToStop(attempt.session, attempt.run, attempt.path, attempt.number, "it was asked to stop before")
