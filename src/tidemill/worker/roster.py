"""Who is here: every attempt that this worker holds, from its assignment to its report."""

import asyncio
import logging
from collections.abc import Coroutine, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from tidemill.core.errors import TidemillError
from tidemill.core.run import End, Failure
from tidemill.sdk.invoke import AnyTask, Completed
from tidemill.wire.worker import Assign, AttemptRef, Cancel, Failed, Heartbeat, Progress, Released, Started, Succeeded
from tidemill.worker.attempt import LiveAttempt, Phase, Stop, Why
from tidemill.worker.chatter import Chatter
from tidemill.worker.chores import Chores
from tidemill.worker.exchange import is_at_hand
from tidemill.worker.files import Files
from tidemill.worker.outbox import Outbox
from tidemill.worker.performer import Outcome, Performer, is_on_loop
from tidemill.worker.reports import Reports
from tidemill.worker.settings import Keep, WorkerSettings
from tidemill.worker.slots import Slots
from tidemill.worker.stopping import Stopping
from tidemill.worker.storing import Storing, has_nothing_left, inline, is_stored
from tidemill.worker.stream import Stream
from tidemill.worker.verdict import failed, on_the_way, stopped, succeeded

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Parts:
    """What the roster works with."""

    tasks: Mapping[str, AnyTask]
    slots: Slots
    outbox: Outbox
    reports: Reports
    chatter: Chatter
    performer: Performer
    stopping: Stopping
    storing: Storing
    files: Files
    chores: Chores


class Roster:
    """On the control loop."""

    def __init__(self, settings: WorkerSettings) -> None:
        self._settings = settings
        self._live: dict[AttemptRef, LiveAttempt] = {}
        self._abandoned: dict[LiveAttempt, None] = {}
        self._lately: dict[str, None] = {}
        self._is_leaving = False
        self._emptied = asyncio.Event()
        self.overrun = asyncio.Event()  # too many bodies cannot be stopped

    def open(self, parts: Parts, group: asyncio.TaskGroup) -> None:
        """Before anything else. ``group`` owns what is fetched and stored."""
        self._parts, self._group = parts, group

    @property
    def held(self) -> tuple[AttemptRef, ...]:
        return tuple(self._live)

    def take_lately(self) -> list[str]:
        """Names of the tasks that have run since this was asked last."""
        names = {*self._lately, *(attempt.assign.task for attempt in self._live.values())}
        self._lately.clear()
        return sorted(names)

    @property
    def running(self) -> list[LiveAttempt]:
        """Attempts whose body has the floor on the user loop."""
        return [each for each in self._live.values() if each.phase is Phase.RUNNING and is_on_loop(each)]

    def heartbeat(self) -> Heartbeat:
        details = []
        for attempt in self._live.values():
            if attempt.voice and attempt.voice.details is not None:
                details.append((attempt.ref, attempt.voice.details))
                attempt.voice.details = None
        return Heartbeat(self._parts.slots.received, tuple(details))

    # What the server says ---------------------------------------------------------------------------

    def take(self, assign: Assign) -> None:
        parts, task = self._parts, self._parts.tasks.get(assign.task)
        pool = task.task_options.pool if task else ""
        parts.slots.receive(pool)
        if assign.attempt in self._live:
            return
        if assign.attempt in parts.reports:
            parts.reports.send_again(assign.attempt)
        elif task is None or self._is_leaving:
            reason = "the worker takes nothing new" if task else f"this worker has no task {assign.task}"
            parts.outbox.put(Released(assign.attempt, reason))
        else:
            attempt = self._live[assign.attempt] = LiveAttempt(assign, task, pool)
            parts.slots.occupy(pool)
            self._admit(attempt)

    def cancel(self, message: Cancel) -> None:
        if attempt := self._live.get(message.attempt):
            stop = Stop(Why.CANCEL, message.reason or "cancelled", message.grace_s)
            self._parts.stopping.tell(attempt, stop)
        elif message.attempt not in self._parts.reports:
            self._parts.outbox.put(Released(message.attempt, "this worker does not hold it"))

    def drop(self, attempts: Iterable[AttemptRef]) -> None:
        """Not ours any more: stop them, forget their results."""
        for ref in attempts:
            self._parts.reports.settle((ref,))
            if attempt := self._live.pop(ref, None):
                self._parts.stopping.tell(
                    attempt, Stop(Why.STALE, "it is not this worker's any more", self._settings.grace_s)
                )
        self._look_empty()

    def acknowledge_items(self, ref: AttemptRef, upto: int) -> None:
        if (attempt := self._live.get(ref)) and attempt.stream:
            attempt.stream.acknowledge(upto)
            self._parts.performer.make_room(attempt)

    def resume(self) -> None:
        """A welcome: say again what the server may not have heard, in order."""
        parts = self._parts
        for ref in parts.reports.attempts:
            parts.reports.send_again(ref)
        for attempt in self._live.values():
            if attempt.phase is not Phase.PREPARING:
                parts.outbox.put(Started(attempt.ref))
            if attempt.stream:
                attempt.stream.rewind()
                parts.chatter.forward(attempt)

    def hear(self, attempt: LiveAttempt) -> None:
        """An attempt has something to say."""
        if self._live.get(attempt.ref) is not attempt:
            return  # it was given up or dropped: nobody listens any more
        self._parts.chatter.hear(attempt)
        if attempt.stream and attempt.stream.local and not attempt.stream.is_uploading:
            attempt.stream.is_uploading = True
            self._begin(self._upload_items(attempt, attempt.stream))

    def _admit(self, attempt: LiveAttempt) -> None:
        if is_at_hand(attempt.inputs):
            self._run(attempt)
        else:
            self._send(attempt, self._prepare(attempt))

    # The course of an attempt -----------------------------------------------------------------------

    def _send(self, attempt: LiveAttempt, errand: Coroutine[Any, Any, None]) -> None:
        attempt.errand = self._begin(errand)

    def _begin(self, errand: Coroutine[Any, Any, None]) -> asyncio.Task[None] | None:
        try:
            return self._group.create_task(errand)
        except RuntimeError:  # the group is closing, since the worker was stopped
            errand.close()
            return None

    async def _prepare(self, attempt: LiveAttempt) -> None:
        try:
            await self._parts.storing.fetch(attempt)
        except asyncio.CancelledError:
            if attempt.stop is None:
                raise
            self._fail(attempt, None)
        except (TidemillError, OSError) as error:
            self._fail(attempt, on_the_way(error))
        else:
            attempt.errand = None
            self._run(attempt)

    def _run(self, attempt: LiveAttempt) -> None:
        attempt.phase = Phase.RUNNING
        started = Started(attempt.ref)
        if is_on_loop(attempt):
            self._parts.outbox.put_lazily(started)
        else:
            self._parts.outbox.put(started)
        self._parts.stopping.watch(attempt)
        self._parts.performer.begin(attempt)

    def end(self, attempt: LiveAttempt, outcome: Outcome) -> None:
        """Its body has ended."""
        self._lately[attempt.assign.task] = None
        self._parts.stopping.forget(attempt)
        self._parts.chatter.finish(attempt)
        if self._live.get(attempt.ref) is not attempt:  # given up, or dropped
            self._abandoned.pop(attempt, None)
            self._release(attempt.folder)
            self._leave(attempt)
            return
        attempt.phase = Phase.STORING
        if isinstance(outcome, Completed) and is_stored(attempt, outcome):
            self._report(attempt, succeeded(attempt.ref, outcome, inline(outcome), ()))
        elif isinstance(outcome, Failure) and (attempt.stop or has_nothing_left(attempt)):
            self._fail(attempt, outcome)
        else:
            self._send(attempt, self._store(attempt, outcome))

    async def _store(self, attempt: LiveAttempt, outcome: Outcome) -> None:
        storing = self._parts.storing
        try:
            await storing.finish_stream(attempt)
            outputs = await storing.store(attempt, outcome) if isinstance(outcome, Completed) else {}
            artifacts = await storing.publish(attempt)
        except asyncio.CancelledError:
            if attempt.stop is None:
                raise
            self._fail(attempt, None)
        except (TidemillError, OSError) as error:
            self._fail(attempt, on_the_way(error))
        else:
            if isinstance(outcome, Completed):
                self._report(attempt, succeeded(attempt.ref, outcome, outputs, artifacts))
            else:
                self._fail(attempt, outcome, artifacts)

    async def _upload_items(self, attempt: LiveAttempt, stream: Stream) -> None:
        try:
            await self._parts.storing.upload_items(attempt)
        except (TidemillError, OSError) as error:
            self._parts.stopping.tell(
                attempt, Stop(Why.CANCEL, f"a file of its stream: {error}", self._settings.grace_s)
            )
        finally:
            stream.is_uploading = False

    def give_up(self, attempt: LiveAttempt) -> None:
        """It was told to stop, its grace is over, and its body goes on."""
        attempt.is_abandoned = True
        self._abandoned[attempt] = None
        if self._live.get(attempt.ref) is attempt:
            del self._live[attempt.ref]
        if attempt.stop and (report := stopped(attempt.ref, attempt.stop, End.ABANDONED)):
            self._say(attempt, report)
        self._look_empty()
        if len(self._abandoned) >= self._settings.abandoned:
            self.overrun.set()

    def _fail(self, attempt: LiveAttempt, failure: Failure | None, artifacts: tuple[Any, ...] = ()) -> None:
        if attempt.stop is not None:
            report = stopped(attempt.ref, attempt.stop, End.STOPPED, failure)
        else:
            report = failed(attempt.ref, failure, artifacts) if failure else None
        self._report(attempt, report)

    def _report(self, attempt: LiveAttempt, report: Succeeded | Failed | Released | None) -> None:
        is_ours = self._live.pop(attempt.ref, None) is not None
        if report is not None and is_ours:
            if isinstance(report, Succeeded) and attempt.voice and attempt.voice.last:
                self._parts.outbox.put(Progress(attempt.ref, 1.0, *attempt.voice.last[1:]))
            self._say(attempt, report)
        else:
            self._release(attempt.folder)
        self._leave(attempt)

    def _say(self, attempt: LiveAttempt, report: Succeeded | Failed | Released) -> None:
        folder = attempt.folder
        if isinstance(report, Released):
            self._parts.outbox.put(report)
            self._release(folder)
            return
        settle = partial(self._release, folder) if folder else None
        kept = self._parts.reports.add(report, settle)
        if attempt.seen - attempt.began > self._settings.spool_after_s:
            self._parts.reports.keep(kept)

    def _release(self, folder: str) -> None:
        """The result was accepted, or will not be: the private folder goes, unless it was asked to stay."""
        if folder and self._settings.keep is Keep.UNTIL_ACCEPTED:
            self._parts.chores.add("files.remove", partial(self._parts.files.remove, folder))

    def _leave(self, attempt: LiveAttempt) -> None:
        """Its slot is free."""
        self._parts.slots.free(attempt.pool)
        self._parts.outbox.owe()
        self._look_empty()

    def idle_violation(self) -> str | None:
        for attempt in self._live.values():
            is_stuck = attempt.phase is not Phase.RUNNING and (attempt.errand is None or attempt.errand.done())
            if is_stuck:
                return f"{attempt.assign.task} is {attempt.phase.value} and nobody does it"
        return None

    # Leaving ----------------------------------------------------------------------------------------

    def close(self) -> None:
        """Take nothing new."""
        self._is_leaving = True
        self._parts.slots.close()
        self._parts.outbox.owe()
        self._look_empty()

    def hand_back(self, reason: str) -> None:
        """Stop what runs; it is released."""
        for attempt in [*self._live.values()]:
            self._parts.stopping.tell(attempt, Stop(Why.DRAIN, reason, self._settings.grace_s))

    async def empty(self) -> None:
        """Until nothing is held."""
        while self._live:
            self._emptied.clear()
            await self._emptied.wait()

    def _look_empty(self) -> None:
        if not self._live:
            self._emptied.set()
