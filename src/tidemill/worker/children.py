"""Runs that attempts start: submitted and awaited by the control loop, while their attempts give their slots away."""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any

from tidemill.core.bodies import ChildCall, ChildCancelled, ChildEnd, ChildFailed, ChildSucceeded
from tidemill.core.children import child_id
from tidemill.core.errors import TidemillError, UnavailableError
from tidemill.core.ids import text_of
from tidemill.core.run import Code, Failure
from tidemill.sdk.errors import RunCancelledError, RunFailedError
from tidemill.sdk.failures import classify
from tidemill.wire.worker import Resuming, Yielded
from tidemill.worker.attempt import LiveAttempt
from tidemill.worker.caller import Caller
from tidemill.worker.outbox import Outbox
from tidemill.worker.slots import Slots

log = logging.getLogger(__name__)

AWAY_S = 2.0  # before a server that is away is asked again
_OVER = ("failed", "cancelled")


class Children:
    """On the control loop.

    Args:
        own: gives a coroutine to the worker's group.
    """

    def __init__(
        self,
        caller: Caller,
        slots: Slots,
        own: Callable[[Coroutine[Any, Any, None]], object],
        outbox: Outbox,
    ) -> None:
        self._caller, self._slots, self._own, self._outbox = caller, slots, own, outbox

    def start(self, attempt: LiveAttempt, call: ChildCall) -> None:
        ended: asyncio.Future[ChildEnd] = asyncio.get_running_loop().create_future()
        attempt.children[call.key] = ended
        self._own(self._see_through(attempt, call, ended))

    def wait(self, attempt: LiveAttempt, key: bytes, hear: Callable[[ChildEnd], None]) -> None:
        self._own(self._wait(attempt, attempt.children[key], hear))

    def leave(self, attempt: LiveAttempt) -> None:
        """Its body has ended: nobody hears of its children any more."""
        if attempt.resumed is not None:
            attempt.resumed.set()
        for ended in attempt.children.values():
            ended.cancel()

    async def _see_through(self, attempt: LiveAttempt, call: ChildCall, ended: "asyncio.Future[ChildEnd]") -> None:
        watching = asyncio.ensure_future(self._end_of(attempt, call))
        ended.add_done_callback(lambda _: watching.cancel())
        with contextlib.suppress(asyncio.CancelledError):
            end = await watching
            if not ended.done():
                ended.set_result(end)

    async def _end_of(self, attempt: LiveAttempt, call: ChildCall) -> ChildEnd:
        run = ""
        try:
            run = await self._submit(attempt, call)
            return ChildSucceeded(dict(await self._patiently(partial(self._caller.outputs, run))))
        except RunFailedError as error:
            return ChildFailed(error.run, error.failure)
        except RunCancelledError as error:
            return ChildCancelled(error.run, error.reason)
        except TidemillError as error:
            return ChildFailed(run, _told(error))

    async def _submit(self, attempt: LiveAttempt, call: ChildCall) -> str:
        """One that failed is started anew, once by each further attempt."""
        run = ""
        for generation in range(attempt.ref.number):
            run = text_of(child_id(attempt.ref.run, call.key, generation))
            status = await self._patiently(partial(self._caller.submit, call, run, text_of(attempt.ref.run)))
            if status not in _OVER:
                break
        return run

    async def _patiently(self, ask: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
        while True:
            try:
                return await ask()
            except UnavailableError as error:
                log.warning("a child run cannot be asked for, and is again in %s s: %s", AWAY_S, error)
                await asyncio.sleep(AWAY_S)

    async def _wait(
        self, attempt: LiveAttempt, ended: "asyncio.Future[ChildEnd]", hear: Callable[[ChildEnd], None]
    ) -> None:
        if not ended.done():
            self._give_away(attempt)
            await asyncio.wait([ended])  # cancelled only when the worker stops at once
            await self._take_back(attempt)
        if not ended.cancelled():
            hear(ended.result())

    def _give_away(self, attempt: LiveAttempt) -> None:
        attempt.waits += 1
        if attempt.waits == 1 and attempt.has_slot:
            attempt.has_slot = False
            self._slots.give_away(attempt.pool)
            if attempt.assign.granted is not None:
                attempt.resumed = asyncio.Event()
                self._outbox.put(Yielded(attempt.ref))
            self._outbox.owe()

    async def _take_back(self, attempt: LiveAttempt) -> None:
        """The last of its waits takes the slot back; until then its body needs none to go on waiting."""
        attempt.waits -= 1
        if attempt.waits or attempt.has_slot or attempt.has_left:
            return
        await self._slots.take_back(attempt.pool)
        await self._regain(attempt)
        if attempt.has_left:
            self._slots.free(attempt.pool)
        else:
            attempt.has_slot = True
            attempt.heartbeat("")
        self._outbox.owe()

    async def _regain(self, attempt: LiveAttempt) -> None:
        """Wait for what it was granted of the worker's resources."""
        if attempt.resumed is None or attempt.has_left:
            return
        attempt.is_returning = True
        self._outbox.put(Resuming(attempt.ref))
        await attempt.resumed.wait()
        attempt.resumed, attempt.is_returning = None, False


def _told(error: TidemillError) -> Failure:
    """Why a child could not be started."""
    failure = classify(error, told_to_stop=False)
    return failure if failure.code is not Code.INTERNAL else Failure(Code.PERMANENT, str(error), type=failure.type)
