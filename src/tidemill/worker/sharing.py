"""What attempts ask of stores and channels: asked by the control loop, over the worker's client."""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any

from tidemill.core.bodies import SharedCall, SharedEnd
from tidemill.core.errors import TidemillError, UnavailableError
from tidemill.core.ids import RunId
from tidemill.core.sharing import Ask, Fence, NotShared
from tidemill.worker.attempt import LiveAttempt
from tidemill.worker.caller import Caller

log = logging.getLogger(__name__)

AWAY_S = 1.0  # before a server that is away is asked again


class Sharers:
    """On the control loop.

    Args:
        own: gives a coroutine to the worker's group; nobody hears of what an attempt that has left still asks.
    """

    def __init__(self, caller: Caller, own: Callable[[Coroutine[Any, Any, None]], asyncio.Task[None] | None]) -> None:
        self._caller, self._own = caller, own

    def share(self, attempt: LiveAttempt, call: SharedCall, hear: Callable[[SharedEnd], None]) -> None:
        asking = self._own(self._share(attempt, call, hear))
        if asking is not None:
            attempt.asks.add(asking)
            asking.add_done_callback(attempt.asks.discard)

    async def _share(self, attempt: LiveAttempt, call: SharedCall, hear: Callable[[SharedEnd], None]) -> None:
        if isinstance(call.op, Ask):
            hear(await self._answer(attempt, call, 0))
            return
        attempt.writing = attempt.writing or asyncio.Lock()
        async with attempt.writing:  # one at a time: that of the greatest number is the one to be asked for again
            attempt.writes += 1
            hear(await self._answer(attempt, call, attempt.writes))

    async def _answer(self, attempt: LiveAttempt, call: SharedCall, write: int) -> SharedEnd:
        ref = attempt.ref
        while not attempt.has_left:
            try:
                return await self._caller.share(call, Fence(RunId(ref.run), ref.path, ref.number, write))
            except UnavailableError as error:
                log.warning("%s cannot be asked for, and is again in %s s: %s", call.name, AWAY_S, error)
                await asyncio.sleep(AWAY_S)
            except TidemillError as error:
                return NotShared("invalid_input", str(error))
        return NotShared("overtaken", "the attempt is over")
