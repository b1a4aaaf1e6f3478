"""Who is here: what the server says about attempts, and what it is told of them together."""

from collections.abc import Iterable, Mapping

from tidemill.sdk.invoke import AnyTask
from tidemill.sdk.worker import target_of
from tidemill.wire.worker import Assign, AttemptRef, Cancel, Heartbeat, Released, Resuming, Started, Yielded
from tidemill.worker.attempt import LiveAttempt, Phase, Stop, Why
from tidemill.worker.course import Course, Parts
from tidemill.worker.holdings import Holdings
from tidemill.worker.slots import Slots


class Roster:
    """On the control loop.

    Args:
        grace_s: for attempts that are stopped for a reason of our own.
    """

    def __init__(self, tasks: Mapping[str, AnyTask], slots: Slots, holdings: Holdings, grace_s: float) -> None:
        self._tasks, self._slots, self._holdings, self._grace_s = tasks, slots, holdings, grace_s
        self._is_leaving = False

    def open(self, course: Course, parts: Parts) -> None:
        """Before anything else."""
        self._course, self._parts = course, parts

    @property
    def held(self) -> tuple[AttemptRef, ...]:
        return tuple(self._holdings.live)

    def heartbeat(self) -> Heartbeat:
        details = []
        for attempt in self._holdings.live.values():
            if attempt.voice and attempt.voice.details is not None:
                details.append((attempt.ref, attempt.voice.details))
                attempt.voice.details = None
        held = dict.fromkeys([*self._holdings.live, *self._parts.reports.attempts])
        return Heartbeat(self._slots.received, tuple(details), tuple(held))

    def take(self, assign: Assign) -> None:
        parts, task = self._parts, self._tasks.get(target_of(assign.task, assign.implementation))
        pool = task.task_options.pool if task else ""
        self._slots.receive(pool)
        if assign.attempt in self._holdings.live:
            return
        if assign.attempt in parts.reports:
            parts.reports.send_again(assign.attempt)
        elif task is None or self._is_leaving:
            reason = (
                "the worker takes nothing new"
                if task
                else f"this worker has no task {assign.task} {assign.implementation}".rstrip()
            )
            parts.outbox.put(Released(assign.attempt, reason))
        else:
            attempt = LiveAttempt(assign, task, pool, parts.performer)
            attempt.heartbeat("")
            self._holdings.add(attempt)
            self._course.begin(attempt)

    def cancel(self, message: Cancel) -> None:
        if attempt := self._holdings.live.get(message.attempt):
            stop = Stop(Why.CANCEL, message.reason or "cancelled", message.grace_s)
            self._parts.stopping.tell(attempt, stop)
        elif message.attempt not in self._parts.reports:
            self._parts.outbox.put(Released(message.attempt, "this worker does not hold it"))

    def drop(self, attempts: Iterable[AttemptRef]) -> None:
        """Not ours any more: stop them, forget their results."""
        for ref in attempts:
            self._parts.reports.settle((ref,))
            if attempt := self._holdings.live.get(ref):
                self._holdings.remove(attempt)
                self._parts.stopping.tell(attempt, Stop(Why.STALE, "it is not this worker's any more", self._grace_s))

    def acknowledge_items(self, ref: AttemptRef, upto: int) -> None:
        if (attempt := self._holdings.live.get(ref)) and attempt.stream:
            attempt.stream.acknowledge(upto)
            attempt.backend.make_room(attempt)

    def acknowledge_events(self, ref: AttemptRef, upto: int) -> None:
        if (attempt := self._holdings.live.get(ref)) and attempt.events:
            attempt.events.acknowledge(upto)

    def restore(self, ref: AttemptRef) -> None:
        """The attempt has again what it was granted."""
        if (attempt := self._holdings.live.get(ref)) and attempt.resumed is not None:
            attempt.resumed.set()

    def resume(self) -> None:
        """A welcome: say again what the server may not have heard, in order."""
        parts = self._parts
        for ref in parts.reports.attempts:
            parts.reports.send_again(ref)
        for attempt in self._holdings.live.values():
            if attempt.phase is not Phase.PREPARING:
                parts.outbox.put(Started(attempt.ref))
            if attempt.resumed is not None:
                parts.outbox.put(Yielded(attempt.ref))
                if attempt.is_returning:
                    parts.outbox.put(Resuming(attempt.ref))
            for tail in attempt.tails:
                tail.rewind()
            parts.chatter.forward(attempt)

    def close(self) -> None:
        """Take nothing new."""
        self._is_leaving = True
        self._slots.close()
        self._parts.outbox.owe()

    def hand_back(self, reason: str) -> None:
        """Stop what runs; it is released."""
        for attempt in [*self._holdings.live.values()]:
            self._parts.stopping.tell(attempt, Stop(Why.DRAIN, reason, self._grace_s))
