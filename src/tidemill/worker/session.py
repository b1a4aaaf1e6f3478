"""One link: hello, welcome, then read, send and beat until it dies.

```text
worker                               server
hello(held, unacknowledged) ------>
                            <------  welcome(keep, stale), or refused
results again, started, items ---->  (Roster.resume)
credit --------------------------->
                            <------  assign, ack, stale, chunk_ack, cancel, ping, drain
```
"""

import asyncio
import logging

from tidemill.core.errors import UnavailableError
from tidemill.ports.clock import Clock
from tidemill.ports.link import Link, LinkDownError, LinkRefusedError
from tidemill.wire.worker import (
    Ack,
    Assign,
    Cancel,
    ChunkAck,
    Drain,
    EventAck,
    Goodbye,
    Hello,
    Ping,
    Refused,
    Resumed,
    Stale,
    ToWorker,
    Welcome,
    decode_to_worker,
)
from tidemill.worker.framing import greeting
from tidemill.worker.outbox import Outbox
from tidemill.worker.reports import Reports
from tidemill.worker.roster import Roster
from tidemill.worker.slots import Slots

log = logging.getLogger(__name__)

SILENT_PINGS = 3  # promised and not heard: the link is taken for dead
SILENT_LEASES = 2  # the same where nothing was promised and results wait for their acknowledgement


class RefusedError(LinkRefusedError):
    """The server will not have this worker, and says what to do."""

    def __init__(self, reason: str, advice: str) -> None:
        super().__init__(f"the server refuses this worker: {reason}" + (f"; {advice}" if advice else ""))
        self.reason, self.advice = reason, advice


class RefusedForNowError(UnavailableError):
    """The server refuses, and may take the worker later."""


def _refusal(message: Refused) -> Exception:
    if message.final:
        return RefusedError(message.reason, message.advice)
    return RefusedForNowError(f"{message.reason}; {message.advice}")


class Session:
    """On the control loop."""

    def __init__(self, link: Link, roster: Roster, outbox: Outbox, reports: Reports, clock: Clock) -> None:
        self._link, self._roster, self._outbox, self._reports, self._clock = link, roster, outbox, reports, clock
        self._heard = clock.monotonic()
        self._early: list[ToWorker] = []

    @property
    def silence_s(self) -> float:
        """Since the server was last heard."""
        return self._clock.monotonic() - self._heard

    async def greet(self, hello: Hello, within_s: float) -> Welcome:
        """Raises LinkDownError, RefusedError, RefusedForNowError, BadMessageError."""
        await self._link.send(greeting(hello))
        try:
            async with asyncio.timeout(within_s):
                answer = decode_to_worker(await self._link.receive())
        except TimeoutError:
            raise LinkDownError(f"no welcome within {within_s:g} s") from None
        match answer:
            case [Welcome() as welcome, *rest]:
                self._welcome = welcome
                self._early = rest
                return welcome
            case [Refused() as refused, *_]:
                raise _refusal(refused)
            case _:
                raise LinkDownError("the server did not say welcome first")

    async def converse(self, slots: Slots, draining: asyncio.Event, leaving: asyncio.Event) -> None:
        """Until the worker leaves.

        Args:
            draining: set here when the server asks for it.
            leaving: nothing is held any more and the worker goes.
        Raises:
            ExceptionGroup: of LinkDownError, BadMessageError or RefusedError.
        """
        self._draining = draining
        slots.restart()
        self._outbox.open()
        self._roster.drop(self._welcome.stale)
        self._roster.resume()
        self._obey(self._early)
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(self._read()),
                group.create_task(self._outbox.send_to(self._link)),
                group.create_task(self._beat()),
            ]
            await leaving.wait()
            self._outbox.put(Goodbye())
            await self._outbox.flush()
            for task in tasks:
                task.cancel()

    async def _read(self) -> None:
        while True:
            self._obey(decode_to_worker(await self._link.receive()))
            self._heard = self._clock.monotonic()

    def _obey(self, messages: list[ToWorker]) -> None:  # noqa: C901 - one case per message
        for message in messages:
            match message:
                case Assign():
                    self._roster.take(message)
                case Ack(attempts=attempts):
                    self._reports.settle(attempts)
                case ChunkAck(attempt=attempt, upto=upto):
                    self._roster.acknowledge_items(attempt, upto)
                case EventAck(attempt=attempt, upto=upto):
                    self._roster.acknowledge_events(attempt, upto)
                case Resumed(attempt=attempt):
                    self._roster.restore(attempt)
                case Cancel():
                    self._roster.cancel(message)
                case Stale(attempts=attempts):
                    self._roster.drop(attempts)
                case Ping():
                    self._outbox.put(self._roster.heartbeat())
                case Drain():
                    self._draining.set()
                case Refused():
                    raise _refusal(message)
                case Welcome():
                    log.warning("a second welcome on one link is ignored")

    async def _beat(self) -> None:
        """Extend the lease while something is held, and notice a link that died without a word."""
        while True:
            await asyncio.sleep(self._welcome.heartbeat_s)
            if self._roster.held or self._reports:
                self._outbox.put(self._roster.heartbeat())
            silence = self._clock.monotonic() - self._heard
            if (limit := self._silence_limit()) and silence > limit:
                raise LinkDownError(f"the server has said nothing for {silence:.1f} s")

    def _silence_limit(self) -> float:
        if self._welcome.ping_s:
            return self._welcome.ping_s * SILENT_PINGS
        return self._welcome.lease_s * SILENT_LEASES if self._reports else 0.0
