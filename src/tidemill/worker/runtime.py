"""The worker: connects for ever, holds attempts, reports them, leaves in order.

```text
run -> load the spool -> dial -> Session (hello, welcome, credit) -> ... link dies -> dial again, later and later
       drain: no more credit; what runs ends or is handed back; acknowledgements; goodbye
       stop:  at once
```
"""

import asyncio
import contextlib
import logging
from collections.abc import Coroutine, Iterable, Mapping
from dataclasses import dataclass
from math import inf
from typing import Any

from msgspec.structs import replace

from tidemill.core.definitions import TaskDefinition
from tidemill.ports.backend import BackendPort
from tidemill.ports.clock import Clock
from tidemill.ports.disk import Disk
from tidemill.ports.entropy import Entropy
from tidemill.ports.faults import NO_FAULTS, Faults
from tidemill.ports.files import Files
from tidemill.ports.link import Dialer, Link, LinkDownError
from tidemill.ports.stage import Stage
from tidemill.ports.threads import Threads
from tidemill.sdk.errors import DefinitionError
from tidemill.sdk.invoke import AnyTask
from tidemill.sdk.options import Backend
from tidemill.sdk.status import WorkerStatus
from tidemill.sdk.worker import Worker, tasks_in
from tidemill.wire.worker import FRAME_LIMIT_BYTES, PROTOCOL, BadMessageError, Hello
from tidemill.worker.caller import Caller
from tidemill.worker.chatter import Chatter
from tidemill.worker.children import Children
from tidemill.worker.chores import Chores
from tidemill.worker.course import Course, Parts
from tidemill.worker.exchange import Exchange
from tidemill.worker.fetcher import Fetcher
from tidemill.worker.framing import greeting
from tidemill.worker.holdings import Holdings
from tidemill.worker.hooks import Hooks
from tidemill.worker.models import ModelSet
from tidemill.worker.outbox import Outbox
from tidemill.worker.performer import Performer
from tidemill.worker.reports import Reports
from tidemill.worker.roster import Roster
from tidemill.worker.session import RefusedForNowError, Session
from tidemill.worker.settings import Keep, WorkerSettings
from tidemill.worker.sharing import Sharers
from tidemill.worker.slots import Slots, check_batches
from tidemill.worker.spool import Spool
from tidemill.worker.startup import StartPhase, StartUp
from tidemill.worker.status import Look, Looked
from tidemill.worker.stopping import Stopping
from tidemill.worker.storing import Storing
from tidemill.worker.stuck import StuckWatch
from tidemill.worker.watch import LoopWatch

log = logging.getLogger(__name__)

MOST_PATIENT_S = 300.0  # a server that asks for a longer wait is tried before


@dataclass(frozen=True)
class WorkerPorts:
    """All that a worker has of the world. ``disk`` writes in ``WorkerSettings.folder``."""

    dialer: Dialer
    clock: Clock
    threads: Threads
    entropy: Entropy
    disk: Disk
    stage: Stage
    backends: Mapping[Backend, BackendPort]  # as many as tasks ask for; the inline one is on ``stage``
    fetcher: Fetcher
    caller: Caller
    files: Files
    faults: Faults = NO_FAULTS


class WorkerRuntime:
    """``run`` once; it returns after a drain or a stop, and raises LinkRefusedError when it is not wanted.

    Raises:
        DefinitionError: two workers declare one task, or a task's signature cannot be served.
    """

    def __init__(self, workers: Iterable[Worker], ports: WorkerPorts, settings: WorkerSettings) -> None:
        self._ports, self._settings = ports, settings
        workers = tuple(workers)
        self._tasks = tasks_in(workers)
        self._introduction = _introduction(settings, _announced(self._tasks), ports.entropy.bytes(16))
        check_batches(self._tasks.values(), settings.pools)
        self._slots = Slots(settings.pools)
        self._outbox, self._chores = Outbox(self._slots, ports.faults), Chores(ports.threads)
        self._spool = Spool(ports.disk, settings.spool_bytes, ports.faults)
        self._reports = Reports(self._outbox, self._spool, self._chores, ports.clock)
        self._chatter = Chatter(self._outbox)
        self._holdings = Holdings(self._slots, settings.abandoned)
        self._course = Course(self._holdings, settings)
        self.tallies = self._course.tallies
        self._roster = Roster(self._tasks, self._slots, self._holdings, settings.grace_s)
        self._models = ModelSet(settings.offers, self._outbox, ports.stage.wake_control)
        told = (ports.clock, settings.name, self._models)
        self._performer = Performer(ports.backends, ports.stage, told, self._course.end, self._course.hear)
        self._hooks = Hooks(workers, ports.stage)
        self._start = StartUp(ports.clock, settings.register_s)
        self._stuck = StuckWatch(self._holdings, ports.clock, settings.stuck_s)
        self._performer.children = Children(ports.caller, self._slots, self._course.own, self._outbox)
        self._performer.sharers = Sharers(ports.caller, self._course.own)
        self._store_id, self._welcomed_at = b"", inf
        self._draining, self._leaving, self._left = asyncio.Event(), asyncio.Event(), asyncio.Event()
        looked = Looked(self._slots, self._holdings, self._reports, self._models, self._start, self._stuck)
        self._look = Look(settings, looked, self._outbox, self._draining)
        for worker in workers:
            worker.look = self._look.now
        self._main: asyncio.Task[None] | None = None

    async def run(self) -> None:
        """Raises LinkRefusedError, StartFailedError or NotRegisteredError with the reason."""
        async with self._start.limited():
            await self._run()

    async def _run(self) -> None:
        await self._ports.stage.open()
        try:
            await self._performer.open()
            self._start.enter(StartPhase.HOOKS)
            await self._hooks.start()
            if not self._left.is_set():
                self._main = asyncio.create_task(self._live(), name="worker")
                await self._main
        except asyncio.CancelledError:
            if not self._left.is_set():
                raise
        finally:
            await self._performer.close()
            if not await _within(self._settings.drain_s, self._hooks.stop()):
                log.error("on_stop took longer than %g s, and is left behind", self._settings.drain_s)
            await self._ports.stage.close()
            await self._ports.fetcher.close()
            await self._ports.caller.close()

    def drain(self) -> None:
        """Take nothing new; end in order. A second call stops at once."""
        if self._draining.is_set():
            self.stop()
        else:
            log.info("draining: nothing new is taken")
            self._draining.set()

    def stop(self) -> None:
        """End at once: what runs is cut off, and goes back to the queue by its lease or at the next hello."""
        self._left.set()
        if self._main:
            self._main.cancel()

    def status(self) -> WorkerStatus:
        """How it is at this moment; callable from any thread."""
        return self._look.now()

    def idle_violation(self) -> str | None:
        """For simulations: why this worker must not sleep now."""
        parts = (self._outbox, self._performer, self._chores, self._holdings, self._models)
        return next(filter(None, [part.idle_violation() for part in parts]), None)

    # Its parts --------------------------------------------------------------------------------------

    def _parts(self) -> Parts:
        ports, settings = self._ports, self._settings
        return Parts(
            outbox=self._outbox,
            reports=self._reports,
            chatter=self._chatter,
            performer=self._performer,
            stopping=Stopping(ports.clock, settings.grace_s, self._course.give_up),
            children=self._performer.children,
            storing=Storing(Exchange(ports.files, ports.fetcher, ports.faults), self._chatter),
            files=ports.files,
            chores=self._chores,
        )

    # Its life ---------------------------------------------------------------------------------------

    async def _live(self) -> None:
        try:
            async with asyncio.TaskGroup() as group:
                parts = self._parts()
                self._course.open(parts, group)
                self._roster.open(self._course, parts)
                self._start.enter(StartPhase.RESTORE)
                await self._remember()
                self._start.enter(StartPhase.CONNECT)
                watch = LoopWatch(self._ports.stage, self._holdings, self._ports.clock, self._settings.blocked_s)
                tasks = [
                    group.create_task(self._chores.run()),
                    group.create_task(self._chatter.run()),
                    group.create_task(watch.run()),
                    group.create_task(self._stuck.run()),
                    group.create_task(self._mind_abandoned()),
                    group.create_task(self._stay_connected()),
                ]
                await self._draining.wait()
                await self._drain()
                for task in tasks:
                    task.cancel()
        except BaseExceptionGroup as errors:
            raise _first(errors) from None

    async def _remember(self) -> None:
        threads = self._ports.threads
        if self._settings.keep is Keep.UNTIL_ACCEPTED:
            await threads.call("files.remove", self._ports.files.remove_all)
        self._reports.restore(await threads.call("spool.load", self._spool.load))

    async def _mind_abandoned(self) -> None:
        await self._holdings.overrun.wait()
        log.error("too many bodies cannot be stopped, and their slots are lost: the worker drains and ends")
        self._draining.set()

    async def _stay_connected(self) -> None:
        clock, reconnect = self._ports.clock, self._settings.reconnect
        away_since: float | None = None
        while not self._leaving.is_set():
            self._welcomed_at = inf
            try:
                await self._connect()
            except (LinkDownError, RefusedForNowError, BadMessageError) as error:
                self._reports.keep_all()
                self._start.problem = str(error)
                now = clock.monotonic()
                if away_since is None or now - self._welcomed_at > reconnect.steady_s:
                    away_since = now
                delay_s = reconnect.delay(now - away_since, self._ports.entropy.bytes(1)[0] / 255)
                delay_s = max(delay_s, min(getattr(error, "retry_after_s", 0.0), MOST_PATIENT_S))
                log.warning("no connection to the server: %s; again in %.1f s", error, delay_s)
                await asyncio.sleep(delay_s)

    async def _connect(self) -> None:
        link = await self._ports.dialer.dial()
        try:
            await self._talk(link)
        finally:
            await link.close()

    async def _talk(self, link: Link) -> None:
        session = self._look.session = Session(link, self._roster, self._outbox, self._reports, self._ports.clock)
        welcome = await session.greet(self._hello(), self._settings.answer_s)
        log.info("connected; the server holds the store %s", welcome.store.hex())
        self._start.welcomed()
        self._welcomed_at = self._ports.clock.monotonic()
        self._store_id = welcome.store
        asyncio.get_running_loop().call_soon(self._models.say)  # what was marked since the hello
        try:
            await session.converse(self._slots, self._draining, self._leaving)
        except BaseExceptionGroup as errors:
            if (task := asyncio.current_task()) and task.cancelling():
                raise asyncio.CancelledError from None  # a group that fails as it is cancelled says only that it failed
            raise _first(errors) from None
        finally:
            self._outbox.close()

    def _hello(self) -> Hello:
        return replace(
            self._introduction,
            held=self._roster.held,
            unacknowledged=self._reports.attempts,
            store=self._store_id,
            offers=self._models.told(self._settings.offers),
        )

    async def _drain(self) -> None:
        settings = self._settings
        self._roster.close()
        if not await _within(settings.drain_s, self._holdings.empty()):
            self._roster.hand_back("the worker drains")
            await _within(2 * settings.grace_s, self._holdings.empty())
        if self._outbox.is_open:
            await _within(settings.farewell_s, self._reports.empty())
        self._reports.keep_all()
        await self._chores.finish()
        self._leaving.set()
        if self._outbox.is_open:
            await _within(settings.farewell_s, self._outbox.closed())


async def _within(limit_s: float, work: Coroutine[Any, Any, None]) -> bool:
    """Whether it ended in time."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(limit_s):
            await work
            return True
    return False


def _introduction(settings: WorkerSettings, tasks: tuple[TaskDefinition, ...], instance: bytes) -> Hello:
    """What each hello of this process says alike. Raises DefinitionError when no server would take it."""
    hello = Hello(
        protocol=PROTOCOL,
        worker=settings.name,
        instance=instance,
        tasks=tasks,
        pools=settings.pools,
        version=settings.version,
        host=settings.host,
        pid=settings.pid,
        labels=settings.labels,
        offers=settings.offers,
        environment=settings.environment,
    )
    if (size := len(greeting(hello))) > FRAME_LIMIT_BYTES:
        text = f"what this worker says of its {len(tasks)} tasks has {size:,} bytes, and a server takes"
        raise DefinitionError(f"{text} {FRAME_LIMIT_BYTES:,}: serve them from several workers")
    return hello


def _announced(tasks: Mapping[str, AnyTask]) -> tuple[TaskDefinition, ...]:
    digests: dict[str, str] = {}
    for task in tasks.values():
        if digests.setdefault(task.name, task.definition.digest) != task.definition.digest:
            raise DefinitionError(f"the implementations of {task.name} differ in what they take or give")
    return tuple(task.definition for task in tasks.values())


def _first(errors: BaseExceptionGroup[BaseException]) -> BaseException:
    """The one that counts: a refusal before a dead link, and a fault of ours before both."""
    flat: list[BaseException] = []
    pending: list[BaseException] = [errors]
    while pending:
        error = pending.pop()
        if isinstance(error, BaseExceptionGroup):
            pending.extend(error.exceptions)
        else:
            flat.append(error)
    return min(flat, key=lambda error: isinstance(error, BadMessageError) + 2 * isinstance(error, LinkDownError))
