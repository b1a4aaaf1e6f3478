"""Who gets what: ready steps to the credit at hand. Pure; the engine commits the claims before a worker hears."""

from collections.abc import Mapping, Sequence
from heapq import heapify, heappop, heapreplace

from msgspec import Struct

from tidemill.core.ids import SessionId
from tidemill.core.requirements import Capability, Granted
from tidemill.core.reserve import Free, reserve
from tidemill.core.rows import Lane, Queued
from tidemill.core.serving import Serving


class Stock(Struct):
    """What a worker has besides slots: asked only for lanes that require some of it, or have several choices."""

    choices: Mapping[Lane, tuple[Serving, ...]]
    offers: Capability
    free: Free  # changed as it is used up


class Offer(Struct):
    """What one session can take now. ``credit`` is by pool, "" in all; ``held`` counts what it has."""

    session: SessionId
    worker: str
    lanes: Mapping[Lane, str]  # lane -> pool
    credit: dict[str, int]
    held: int
    exclusive: bool = False  # it runs a step that must have no neighbour
    stock: Stock | None = None
    on: tuple[str, str] = ("", "")  # host, environment

    def takes(self, lane: Lane) -> bool:
        pool = self.lanes.get(lane)
        if pool is None or self.exclusive or self.credit.get("", 0) <= 0:
            return False
        if self.stock is not None and lane in self.stock.choices:
            return self._choice(self.stock, lane) is not None
        return self.credit.get(pool, 1) > 0  # a pool without a limit of its own counts only in all

    def take(self, lane: Lane) -> tuple[str, Granted | None]:
        """Use up what a step of the lane needs; give the implementation that runs it, and what that is granted."""
        pool, implementation, granted = self.lanes[lane], "", None
        if self.stock is not None and (choice := self._choice(self.stock, lane)) is not None:
            serving, granted = choice
            pool, implementation = serving.pool, serving.implementation
            if granted is not None:
                self.stock.free.take(granted)
        self.credit[""] -= 1
        if pool and pool in self.credit:
            self.credit[pool] -= 1
        self.held += 1
        return implementation, granted

    def is_hot(self, lane: Lane) -> bool:
        """Whether the models that the lane requires are in memory here."""
        return self.stock is None or all(each.is_hot for each in self.stock.choices.get(lane, ())[:1])

    def _choice(self, stock: Stock, lane: Lane) -> tuple[Serving, Granted | None] | None:
        """The first implementation that has a slot and resources."""
        for serving in stock.choices.get(lane, ()):
            if self.credit.get(serving.pool, 1) <= 0:
                continue
            if not serving.needs.is_amount:
                return serving, None
            granted = reserve(serving.needs, stock.free, stock.offers)
            if granted is not None:
                return serving, granted
        return None


class Claim(Struct, frozen=True, gc=False):
    queued: Queued
    session: SessionId
    worker: str
    implementation: str = ""
    granted: Granted | None = None
    on: tuple[str, str] = ("", "")


def match(
    waiting: Mapping[Lane, Sequence[Queued]],
    offers: Sequence[Offer],
    avoid: Mapping[tuple[bytes, str], str],
    lone: frozenset[Lane],
) -> Sequence[Claim]:
    """Give waiting steps out, lowest order first over all lanes, each to the session that holds least.

    Args:
        waiting: by lane, each in order.
        offers: changed as credit is used up.
        avoid: by (run, path), the worker that failed a step last; another is taken if one fits.
        lone: lanes whose steps run with no neighbour.
    """
    fitting = {lane: [offer for offer in offers if lane in offer.lanes] for lane in waiting}
    heads = [(rows[0].order, rows[0].run, lane, 0) for lane, rows in waiting.items() if rows and fitting[lane]]
    heapify(heads)
    claims: list[Claim] = []
    while heads:
        _, _, lane, at = heads[0]
        queued = waiting[lane][at]
        able = [offer for offer in fitting[lane] if offer.takes(lane) and not (lane in lone and offer.held)]
        if not able:
            heappop(heads)
            continue
        offer = _choose(able, avoid.get((queued.run, queued.path), ""), lane)
        implementation, granted = offer.take(lane)
        offer.exclusive = lane in lone
        claims.append(Claim(queued, offer.session, offer.worker, implementation, granted, offer.on))
        if at + 1 < len(waiting[lane]):
            following = waiting[lane][at + 1]
            heapreplace(heads, (following.order, following.run, lane, at + 1))
        else:
            heappop(heads)
    return claims


def _choose(able: Sequence[Offer], avoided: str, lane: Lane) -> Offer:
    if len(able) == 1:
        return able[0]
    return min(able, key=lambda offer: (offer.worker == avoided, not offer.is_hot(lane), offer.held))
