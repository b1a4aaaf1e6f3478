"""Who gets what: ready steps to the credit at hand. Pure; the engine commits the claims before a worker hears."""

from collections.abc import Iterable, Mapping, Sequence
from heapq import heapify, heappop, heapreplace

from msgspec import Struct

from tidemill.core.ids import SessionId
from tidemill.core.lanes import ALONE, lane_of
from tidemill.core.rows import Lane, Queued


class Offer(Struct):
    """What one session can take now. ``credit`` is by pool, "" in all; ``held`` counts what it has."""

    session: SessionId
    worker: str
    lanes: Mapping[Lane, str]  # lane -> pool
    credit: dict[str, int]
    held: int
    exclusive: bool = False  # it runs a step that must have no neighbour

    def takes(self, lane: Lane) -> bool:
        pool = self.lanes.get(lane)
        if pool is None or self.exclusive or self.credit.get("", 0) <= 0:
            return False
        return self.credit.get(pool, 1) > 0  # a pool without a limit of its own counts only in all

    def take(self, lane: Lane) -> None:
        self.credit[""] -= 1
        pool = self.lanes[lane]
        if pool and pool in self.credit:
            self.credit[pool] -= 1
        self.held += 1


class Claim(Struct, frozen=True, gc=False):
    queued: Queued
    session: SessionId
    worker: str


def lanes_of(tasks: Iterable[tuple[str, str, str]]) -> tuple[dict[Lane, str], frozenset[Lane]]:
    """The lanes that a worker serves, from its (task, digest, pool); and those among them for lone steps."""
    lanes: dict[Lane, str] = {}
    lone: set[Lane] = set()
    for task, digest, pool in tasks:
        for schema in (digest, ""):
            lanes[lane_of(task, schema)] = pool
            alone = lane_of(task, schema, ALONE)
            lanes[alone] = pool
            lone.add(alone)
    return lanes, frozenset(lone)


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
        offer = _choose(able, avoid.get((queued.run, queued.path), ""))
        offer.take(lane)
        offer.exclusive = lane in lone
        claims.append(Claim(queued, offer.session, offer.worker))
        if at + 1 < len(waiting[lane]):
            following = waiting[lane][at + 1]
            heapreplace(heads, (following.order, following.run, lane, at + 1))
        else:
            heappop(heads)
    return claims


def _choose(able: Sequence[Offer], avoided: str) -> Offer:
    if len(able) == 1:
        return able[0]
    return min(able, key=lambda offer: (offer.worker == avoided, offer.held))
