"""Runs the bodies of attempts on the stage, and brings back how they ended. The only part that touches two threads."""

import asyncio
import contextlib
from collections.abc import Callable
from contextvars import copy_context
from functools import partial

from tidemill.core.run import Code, Failure
from tidemill.sdk.invoke import Call, Completed, invoke, invoke_async
from tidemill.sdk.plans import Encoded
from tidemill.sdk.ports import AttemptFacts
from tidemill.worker.attempt import LiveAttempt
from tidemill.worker.belt import Belt
from tidemill.worker.body import BodyPorts, Surroundings, speaking
from tidemill.worker.stage import Stage

Outcome = Completed | Failure
_UNASKED = AttemptFacts(run="", path="", number=0, task="", worker="")  # for bodies that take no context
_NOT_BEGUN = Failure(code=Code.CANCELLED, message="it was told to stop before it began")


class Performer:
    """Methods are called on the control loop, unless they say otherwise.

    Args:
        end: called on the control loop with each attempt whose body has ended.
        hear: called there with each attempt that has something to say.
    """

    def __init__(
        self,
        stage: Stage,
        around: Surroundings,
        end: Callable[[LiveAttempt, Outcome], None],
        hear: Callable[[LiveAttempt], None],
    ) -> None:
        self._stage, self._around = stage, around
        self._orders = Belt[tuple[Callable[[LiveAttempt], None], LiveAttempt]](stage.wake_user, lambda o: o[0](o[1]))
        self._ended = Belt[tuple[LiveAttempt, Outcome]](stage.wake_control, lambda ended: end(*ended))
        self._calls = Belt[LiveAttempt](stage.wake_control, hear)

    def begin(self, attempt: LiveAttempt) -> None:
        if is_on_loop(attempt):
            self._orders.put((self._begin, attempt))
        else:
            self._stage.in_thread("task.body", partial(copy_context().run, self._perform, attempt))

    def stop(self, attempt: LiveAttempt) -> None:
        """``attempt.stop`` has been set: wake the body so that it sees it."""
        if is_on_loop(attempt):
            self._orders.put((self._cancel, attempt))
        else:
            self._stage.nudge()

    def make_room(self, attempt: LiveAttempt) -> None:
        """Items of its stream were acknowledged."""
        if is_on_loop(attempt):
            self._orders.put((_open_room, attempt))
        else:
            self._stage.nudge()

    def idle_violation(self) -> str | None:
        return self._orders.idle_violation() or self._ended.idle_violation() or self._calls.idle_violation()

    # On the user loop -------------------------------------------------------------------------------

    def _begin(self, attempt: LiveAttempt) -> None:
        attempt.body = asyncio.get_running_loop().create_task(self._perform_async(attempt), name=attempt.assign.task)

    def _cancel(self, attempt: LiveAttempt) -> None:
        if attempt.body and attempt.is_begun:  # one that has not begun looks by itself
            attempt.body.cancel()

    async def _perform_async(self, attempt: LiveAttempt) -> None:
        attempt.is_begun = True
        if attempt.stop:
            self._end(attempt, _NOT_BEGUN)
            return
        ports = BodyPorts(attempt, self._around, self._call)
        speaking.set(ports)
        try:
            outcome = await invoke_async(self._call_of(attempt, ports), partial(self._emit_async, attempt, ports))
        except BaseException as error:  # noqa: BLE001 - whatever user code raises, the worker goes on
            outcome = _unspeakable(error)
        ports.flush()
        self._end(attempt, outcome)

    async def _emit_async(self, attempt: LiveAttempt, ports: BodyPorts, item: Encoded) -> None:
        stream = ports.stream()
        stream.add(item)
        attempt.seen = self._around.clock.monotonic()
        while stream.is_full and not attempt.stop:
            attempt.room = attempt.room or asyncio.Event()
            attempt.room.clear()
            await attempt.room.wait()

    # In a thread ------------------------------------------------------------------------------------

    def _perform(self, attempt: LiveAttempt) -> None:
        attempt.is_begun = True
        if attempt.stop:
            self._end(attempt, _NOT_BEGUN)
            return
        ports = BodyPorts(attempt, self._around, self._call)
        speaking.set(ports)
        try:
            outcome = invoke(self._call_of(attempt, ports), partial(self._emit, attempt, ports))
        except BaseException as error:  # noqa: BLE001 - whatever user code raises, the worker goes on
            outcome = _unspeakable(error)
        ports.flush()
        self._end(attempt, outcome)

    def _emit(self, attempt: LiveAttempt, ports: BodyPorts, item: Encoded) -> None:
        stream = ports.stream()
        stream.add(item)
        attempt.seen = self._around.clock.monotonic()
        if stream.is_full:
            self._stage.block_until(lambda: not stream.is_full or attempt.stop is not None)

    # On either --------------------------------------------------------------------------------------

    def _call_of(self, attempt: LiveAttempt, ports: BodyPorts) -> Call:
        facts = ports.facts if attempt.task.signature.context else _UNASKED
        return Call(attempt.task, attempt.inputs, facts, ports, ports, self._around.locate)

    def _call(self, attempt: LiveAttempt) -> None:
        if not attempt.is_called:
            attempt.is_called = True
            self._calls.put(attempt)

    def _end(self, attempt: LiveAttempt, outcome: Outcome) -> None:
        attempt.seen = self._around.clock.monotonic()
        self._ended.put((attempt, outcome))


def is_on_loop(attempt: LiveAttempt) -> bool:
    """Whether the body runs on the user loop, not in a thread."""
    return attempt.task.definition.is_async


def _open_room(attempt: LiveAttempt) -> None:
    if attempt.room:
        attempt.room.set()


def _unspeakable(error: BaseException) -> Failure:
    """An error that could not even be described."""
    name = type(error).__name__
    with contextlib.suppress(BaseException):
        return Failure(code=Code.INTERNAL, message=f"{name}: {error}"[:2000], type=name)
    return Failure(code=Code.INTERNAL, message=f"{name}, whose text cannot be had", type=name)
