"""The course of one attempt: fetched, run, stored, reported."""

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass
from functools import partial
from typing import Any

from tidemill.core.bodies import Completed, Crashed
from tidemill.core.errors import TidemillError
from tidemill.core.run import End, Failure
from tidemill.core.tallies import Tallies
from tidemill.ports.backend import Ending
from tidemill.ports.files import Files
from tidemill.wire.worker import Failed, Progress, Published, Released, Started, Succeeded
from tidemill.worker.attempt import LiveAttempt, Phase, Stop, Why
from tidemill.worker.chatter import Chatter
from tidemill.worker.children import Children
from tidemill.worker.chores import Chores
from tidemill.worker.exchange import is_at_hand
from tidemill.worker.holdings import Holdings
from tidemill.worker.outbox import Outbox
from tidemill.worker.performer import Performer
from tidemill.worker.reports import Reports
from tidemill.worker.settings import Keep, WorkerSettings
from tidemill.worker.stopping import Stopping
from tidemill.worker.storing import Storing, has_nothing_left, inline, is_stored
from tidemill.worker.stream import Stream
from tidemill.worker.verdict import TOO_LATE, crashed, failed, lateness, on_the_way, stopped, succeeded


@dataclass(frozen=True)
class Parts:
    """What attempts are taken through."""

    outbox: Outbox
    reports: Reports
    chatter: Chatter
    performer: Performer
    stopping: Stopping
    storing: Storing
    children: Children
    files: Files
    chores: Chores


TURNS_TO_SEND = 3  # of the loop: the sender wakes, makes a frame, hands it to the link


class Course:
    """On the control loop."""

    def __init__(self, holdings: Holdings, settings: WorkerSettings) -> None:
        self._holdings, self._settings = holdings, settings
        self.tallies = Tallies()

    def open(self, parts: Parts, group: asyncio.TaskGroup) -> None:
        """Before anything else: the performer and `stopping` know this object. ``group`` owns fetching and storing."""
        self._parts, self._group = parts, group

    def begin(self, attempt: LiveAttempt) -> None:
        if is_at_hand(attempt.inputs):
            self._run(attempt)
        else:
            self._send(attempt, self._prepare(attempt))

    def hear(self, attempt: LiveAttempt) -> None:
        """An attempt has something to say."""
        if not self._holdings.holds(attempt):
            return  # nobody listens any more
        self._parts.chatter.hear(attempt)
        if attempt.stream and attempt.stream.local and not attempt.stream.is_uploading:
            attempt.stream.is_uploading = True
            self.own(self._upload_items(attempt, attempt.stream))

    def _send(self, attempt: LiveAttempt, errand: Coroutine[Any, Any, None]) -> None:
        attempt.errand = self.own(errand)
        if attempt.errand is not None:
            attempt.errand.add_done_callback(partial(self._stop_unbegun, attempt))

    def _stop_unbegun(self, attempt: LiveAttempt, errand: asyncio.Task[None]) -> None:
        """One that was told to stop before its first step does not hear of it by itself."""
        if errand.cancelled() and attempt.stop is not None and self._holdings.holds(attempt):
            self._fail(attempt, None)

    def own(self, errand: Coroutine[Any, Any, None]) -> asyncio.Task[None] | None:
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
        self._parts.stopping.watch(attempt)
        if attempt.is_on_loop or attempt.backend.can_kill:
            self._parts.outbox.put_lazily(started)
            attempt.backend.begin(attempt)
        else:
            self._parts.outbox.put(started)
            self._begin_after(TURNS_TO_SEND, attempt)

    def _begin_after(self, turns: int, attempt: LiveAttempt) -> None:
        """A body in a thread may take the process with it at once: let its start be sent first."""
        if turns:
            asyncio.get_running_loop().call_soon(self._begin_after, turns - 1, attempt)
        else:
            attempt.backend.begin(attempt)

    def end(self, attempt: LiveAttempt, ending: Ending) -> None:
        """Its body has ended."""
        self._parts.stopping.forget(attempt)
        self._parts.chatter.finish(attempt)
        if not self._holdings.holds(attempt):  # given up, or dropped
            self._release(attempt.folder)
            self._leave(attempt)
            return
        attempt.phase = Phase.STORING
        outcome = crashed(ending) if isinstance(ending, Crashed) else ending
        if isinstance(outcome, Completed) and (late := lateness(attempt)):
            attempt.stop, outcome = late, TOO_LATE
        if isinstance(outcome, Completed) and is_stored(attempt, outcome):
            self._report(attempt, succeeded(attempt, outcome, inline(outcome), ()))
        elif isinstance(outcome, Failure) and (attempt.stop or has_nothing_left(attempt)):
            self._fail(attempt, outcome)
        else:
            self._send(attempt, self._store(attempt, outcome))

    async def _store(self, attempt: LiveAttempt, outcome: Completed | Failure) -> None:
        storing = self._parts.storing
        try:
            await storing.finish_tails(attempt)
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
                self._report(attempt, succeeded(attempt, outcome, outputs, artifacts))
            else:
                self._fail(attempt, outcome, artifacts)

    async def _upload_items(self, attempt: LiveAttempt, stream: Stream) -> None:
        try:
            await self._parts.storing.upload_items(attempt)
        except (TidemillError, OSError) as error:
            stop = Stop(Why.CANCEL, f"a file of its stream: {error}", self._settings.grace_s)
            self._parts.stopping.tell(attempt, stop)
        finally:
            stream.is_uploading = False

    def give_up(self, attempt: LiveAttempt) -> None:
        """It was told to stop, its grace is over, and its body goes on."""
        self._holdings.abandon(attempt)
        if attempt.stop and (report := stopped(attempt, attempt.stop, End.ABANDONED)):
            self._say(attempt, report)

    def _fail(self, attempt: LiveAttempt, failure: Failure | None, artifacts: tuple[Published, ...] = ()) -> None:
        if attempt.stop is not None:
            proof = End.KILLED if attempt.is_killed else End.STOPPED
            report = stopped(attempt, attempt.stop, proof, failure)
        else:
            report = failed(attempt, failure, artifacts) if failure else None
        self._report(attempt, report)

    def _report(self, attempt: LiveAttempt, report: Succeeded | Failed | Released | None) -> None:
        if report is not None and self._holdings.holds(attempt):
            if isinstance(report, Succeeded) and attempt.voice and attempt.voice.last:
                self._parts.outbox.put(Progress(attempt.ref, 1.0, *attempt.voice.last[1:]))
            self._count(attempt, report)
            self._say(attempt, report)
        else:
            self._release(attempt.folder)
        self._holdings.remove(attempt)
        self._leave(attempt)

    def _count(self, attempt: LiveAttempt, report: Succeeded | Failed | Released) -> None:
        task, took = attempt.assign.task, None if isinstance(report, Released) else report.took
        self.tallies.count(task, type(report).__name__.lower(), took, 0)
        if attempt.measures:
            self.tallies.measure(task, attempt.measures)

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
        self._parts.children.leave(attempt)
        for asking in attempt.asks:
            asking.cancel()
        self._holdings.leave(attempt)
        self._parts.outbox.owe()
