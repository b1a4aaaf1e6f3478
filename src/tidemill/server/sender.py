"""Sends what the outbox holds: a lane for each webhook, so that a slow or dead receiver delays no other one.

A delivery is a row from the commit that ended its run until its answer is recorded; what is lost in between is sent
again (at least once, under the same id). Nothing here is part of a beat: it reads committed rows, and records outcomes
as anybody does.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta

from tidemill.core.errors import UnavailableError
from tidemill.core.ids import Instant
from tidemill.core.rows import Changes
from tidemill.core.signatures import signed_headers
from tidemill.core.version import VERSION
from tidemill.core.webhooks import Delivery, Patience, Tried, Webhook, after, given_up, is_too_old
from tidemill.engine.engine import Engine
from tidemill.ports.clock import Clock
from tidemill.ports.courier import Courier, Parcel
from tidemill.ports.entropy import Entropy
from tidemill.ports.peers import Duty
from tidemill.server.webhook_bodies import message_id

AT_ONCE = 4  # deliveries of one webhook under way; with the bound on webhooks, the bound on all
DUTY_S = 1.0  # another server sends; should it die, this one does
STORE_RETRY_S = 1.0

_log = logging.getLogger("tidemill.webhooks")

Body = Callable[[Delivery], Awaitable[bytes]]


@dataclass
class _Lane:
    bell: asyncio.Event = field(default_factory=asyncio.Event)
    flying: set[bytes] = field(default_factory=set[bytes])


@dataclass(frozen=True)
class Means:
    """What a sender sends with."""

    courier: Courier
    clock: Clock
    entropy: Entropy
    body: Body


class Sender:
    def __init__(self, engine: Engine, means: Means, patience: Patience) -> None:
        self._engine, self._registry = engine, engine.registry
        self._means, self._patience = means, patience
        self._lanes: dict[str, _Lane] = {}
        self._bell = asyncio.Event()

    async def run(self) -> None:
        """Send until cancelled."""
        self._registry.listen(self._hear)
        try:
            async with asyncio.TaskGroup() as group:
                while True:
                    self._bell.clear()
                    for hook in self._registry.all(Webhook):
                        if hook.name not in self._lanes:
                            lane = self._lanes[hook.name] = _Lane()
                            group.create_task(self._serve(hook.name, lane))
                    await self._bell.wait()
        finally:
            self._registry.listen(lambda _: None)
            await self._means.courier.close()

    def _hear(self, names: frozenset[str] | None) -> None:
        self._bell.set()
        for name, lane in self._lanes.items():
            if names is None or name in names:
                lane.bell.set()

    async def _serve(self, name: str, lane: _Lane) -> None:
        """One webhook, until it is removed."""
        async with asyncio.TaskGroup() as group:
            while self._registry.get(Webhook, name) is not None:
                lane.bell.clear()
                try:
                    wake_at = await self._start(name, lane, group)
                except UnavailableError:
                    _log.exception("the outbox cannot be read")
                    wake_at = self._means.clock.now() + int(STORE_RETRY_S * 1e6)
                await self._rest(lane.bell, wake_at)
            del self._lanes[name]

    async def _start(self, name: str, lane: _Lane, group: asyncio.TaskGroup) -> Instant | None:
        """Send what is due, as far as there is room; when to look again, None: when the bell rings."""
        if not self._engine.neighbours.holds(Duty.CHORES):
            return self._means.clock.now() + int(DUTY_S * 1e6)
        rows = await self._engine.queries.due_deliveries(name, 2 * AT_ONCE)  # those under way are among them
        now = self._means.clock.now()
        for row in rows:
            if row.id in lane.flying:
                continue
            if len(lane.flying) >= AT_ONCE:
                return None
            if row.due_at is not None and row.due_at > now:
                return row.due_at
            lane.flying.add(row.id)
            group.create_task(self._send(row, lane))
        return None

    async def _rest(self, bell: asyncio.Event, until: Instant | None) -> None:
        delay = None if until is None else max(0.0, (until - self._means.clock.now()) / 1e6)
        try:
            async with asyncio.timeout(delay):
                await bell.wait()
        except TimeoutError:
            pass

    async def _send(self, delivery: Delivery, lane: _Lane) -> None:
        try:
            hook = self._registry.get(Webhook, delivery.hook)
            if hook is not None:
                updated = await self._outcome(delivery, hook)
                await self._engine.record(Changes(sent=[updated]))
        except UnavailableError:
            _log.exception("a delivery is not recorded, and will be sent again")
            await asyncio.sleep(STORE_RETRY_S)
        finally:
            lane.flying.discard(delivery.id)
            lane.bell.set()

    async def _outcome(self, delivery: Delivery, hook: Webhook) -> Delivery:
        now = self._means.clock.now()
        if is_too_old(delivery, now, self._patience):
            hours = self._patience.life / timedelta(hours=1)
            return given_up(delivery, now, f"not delivered within {hours:g} hours")
        try:
            return await self._attempt(delivery, hook, now)
        except UnavailableError:
            raise
        except Exception:  # noqa: BLE001  # the outermost line of one delivery: the others go on
            _log.exception("a delivery of webhook %s cannot be made", hook.name)
            return given_up(delivery, now, "a fault of the server; its log says more")

    async def _attempt(self, delivery: Delivery, hook: Webhook, now: Instant) -> Delivery:
        body = await self._means.body(delivery)
        headers = {
            "content-type": "application/json",
            "user-agent": f"Tidemill/{VERSION}",
            **signed_headers(message_id(delivery), now // 1_000_000, body, hook.secrets),
        }
        began = self._means.clock.monotonic()
        receipt = await self._means.courier.post(Parcel(hook.url, headers, body))
        took_us = int((self._means.clock.monotonic() - began) * 1e6)
        tried = Tried(now, took_us, receipt.status, receipt.error, receipt.answer)
        if receipt.is_refused:
            return given_up(delivery, now + took_us, receipt.error, tried)
        chance = int.from_bytes(self._means.entropy.bytes(4), "big") / 2**32
        updated = after(delivery, tried, self._patience, chance=chance, wait_s=receipt.wait_s)
        if updated.status != "delivered":
            said = receipt.status or receipt.error
            _log.warning("webhook %s: try %d of %s: %s", hook.name, updated.tries, message_id(delivery), said)
        return updated
