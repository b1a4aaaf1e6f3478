"""Bodies in this process: async ones on the user loop, others in threads. They can be asked to stop, never killed."""

import asyncio
import logging
from collections.abc import Callable, Mapping
from contextvars import copy_context
from functools import partial

from tidemill.adapters.backends.inline.body import BodyPorts, Surroundings
from tidemill.adapters.backends.inline.memory import PeakMemory
from tidemill.core.bodies import AttemptFacts, Encoded
from tidemill.core.run import Code, Failure
from tidemill.ports.backend import Ending, Work, speaking
from tidemill.ports.belt import Belt
from tidemill.ports.errand import on_user_loop
from tidemill.ports.stage import Stage
from tidemill.sdk.errors import PermanentError
from tidemill.sdk.failures import classify
from tidemill.sdk.invoke import AnyTask, Call, invoke, invoke_async, is_async
from tidemill.sdk.scopes import Calls, WorkerScope
from tidemill.wire.worker import ITEM_LIMIT_BYTES, UNACKNOWLEDGED_ITEMS

TEARDOWN_S = 30.0  # for what tasks share

log = logging.getLogger(__name__)

_UNASKED = AttemptFacts(run="", path="", number=0, task="", worker="")  # for bodies that take no context
_NOT_BEGUN = Failure(code=Code.CANCELLED, message="it was told to stop before it began")

Order = tuple[Callable[[Work], None], Work]


class InlineBackend:
    """A BackendPort on a stage that somebody else opens and closes. A work's grip is the BodyPorts of an async body.

    Args:
        tasks: by name.
    """

    can_kill = False

    def __init__(self, tasks: Mapping[str, AnyTask], stage: Stage, around: Surroundings) -> None:
        self._tasks, self._stage, self._around = tasks, stage, around
        self._on_loop = {name for name, task in tasks.items() if is_async(task)}
        self._peak = PeakMemory(around.clock)
        self._orders = Belt[Order](stage.wake_user, lambda order: order[0](order[1]))
        self._scope: WorkerScope | None = None

    async def open(self) -> None:
        """The stage is open. Opened again, it stays as it is."""
        if self._scope is None:
            await on_user_loop(self._stage, self._bind)

    async def _bind(self) -> None:
        self._scope = WorkerScope(Calls.MANY)
        self._scope.bind(asyncio.get_running_loop())

    async def close(self) -> None:
        """Tear down what was made once per worker. The stage ends what runs on it."""
        scope, self._scope = self._scope, None
        if scope is None:
            return
        try:
            async with asyncio.timeout(TEARDOWN_S):
                await on_user_loop(self._stage, scope.aclose)
        except TimeoutError:
            log.error("the teardown of what tasks share took longer than %g s, and is left behind", TEARDOWN_S)  # noqa: TRY400

    def begin(self, work: Work) -> None:
        if work.target in self._on_loop:
            self._orders.put((self._begin, work))
        else:
            self._stage.in_thread("task.body", partial(copy_context().run, self._perform, work))

    def stop(self, work: Work) -> None:
        self._wake(_cancel, work)

    def kill(self, work: Work) -> None:
        raise TypeError(f"{work.target} runs in this process, and cannot be killed")

    def make_room(self, work: Work) -> None:
        self._wake(_open_room, work)

    def idle_violation(self) -> str | None:
        return self._orders.idle_violation()

    def _wake(self, order: Callable[[Work], None], work: Work) -> None:
        if work.target in self._on_loop:
            self._orders.put((order, work))
        else:
            self._stage.nudge()

    # On the user loop -------------------------------------------------------------------------------

    def _begin(self, work: Work) -> None:
        asyncio.get_running_loop().create_task(self._perform_async(work), name=work.target)

    async def _perform_async(self, work: Work) -> None:
        if work.is_told_to_stop:
            work.end(_NOT_BEGUN)
            return
        ports = work.grip = BodyPorts(work, self._around, self._stage)
        ports.running = asyncio.current_task()
        speaking.set(ports)
        ending: Ending
        try:
            ending = await invoke_async(self._call_of(work, ports), partial(self._emit_async, ports))
        except BaseException as error:  # noqa: BLE001 - whatever user code raises, the worker goes on
            ending = classify(error, told_to_stop=work.is_told_to_stop)
        ports.flush()
        work.peak_kib = self._peak.kib()
        work.end(ending)

    async def _emit_async(self, ports: BodyPorts, item: Encoded) -> None:
        _add(ports, item)
        while _is_full(ports) and not ports.work.is_told_to_stop:
            ports.room = ports.room or asyncio.Event()
            ports.room.clear()
            await ports.room.wait()

    # In a thread ------------------------------------------------------------------------------------

    def _perform(self, work: Work) -> None:
        if work.is_told_to_stop:
            work.end(_NOT_BEGUN)
            return
        ports = BodyPorts(work, self._around, self._stage)
        speaking.set(ports)
        ending: Ending
        try:
            ending = invoke(self._call_of(work, ports), partial(self._emit, ports))
        except BaseException as error:  # noqa: BLE001 - whatever user code raises, the worker goes on
            ending = classify(error, told_to_stop=work.is_told_to_stop)
        ports.flush()
        work.peak_kib = self._peak.kib()
        work.end(ending)

    def _emit(self, ports: BodyPorts, item: Encoded) -> None:
        _add(ports, item)
        if _is_full(ports):
            self._stage.block_until(lambda: not _is_full(ports) or ports.work.is_told_to_stop)

    # On either --------------------------------------------------------------------------------------

    def _call_of(self, work: Work, ports: BodyPorts) -> Call:
        task = self._tasks[work.target]
        facts = work.facts if task.wants_facts else _UNASKED
        return Call(task, work.inputs, facts, ports, ports, self._around.locate, self._scope)


def _add(ports: BodyPorts, item: Encoded) -> None:
    if len(item.data) > ITEM_LIMIT_BYTES:
        raise PermanentError(
            f"an item has {len(item.data):,} bytes, and a stream takes {ITEM_LIMIT_BYTES:,}: yield a File instead"
        )
    ports.count += 1
    ports.work.add_item(item)


def _is_full(ports: BodyPorts) -> bool:
    return ports.count - ports.work.durable >= UNACKNOWLEDGED_ITEMS


def _cancel(work: Work) -> None:
    ports: BodyPorts | None = work.grip
    if ports and ports.running:  # one that has not begun looks by itself
        ports.running.cancel()


def _open_room(work: Work) -> None:
    ports: BodyPorts | None = work.grip
    if ports and ports.room:
        ports.room.set()
