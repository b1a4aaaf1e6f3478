"""Other servers on the store: what they tell is heeded, what a beat did is told, and once a second all is looked at.

On a store of one server there are none, and nothing of this runs.
"""

import asyncio
import logging
from contextlib import suppress
from typing import Protocol

from msgspec.structs import replace

from tidemill.core.errors import UnavailableError
from tidemill.core.ids import RunId
from tidemill.core.rows import Changes
from tidemill.ports.peers import Alone, Duty, Kind, Look, News, Peers

LOOK_S = 1.0
RETRY_S = 0.5
ENDED_LIMIT = 10_000  # of runs that are told in one go; who waits for others looks within a second

_log = logging.getLogger("tidemill.engine")

_KINDS = {
    "tasks": Kind.TASKS,
    "graphs": Kind.GRAPHS,
    "lanes": Kind.LANES,
    "pauses": Kind.PAUSES,
    "pauses_drop": Kind.PAUSES,
    "registered": Kind.REGISTERED,
    "registered_drop": Kind.REGISTERED,
    "schedules": Kind.SCHEDULES,
    "schedules_drop": Kind.SCHEDULES,
}


class Heeding(Protocol):
    """The engine, as its neighbours see it."""

    async def heed(self, news: News) -> None: ...

    async def see(self, look: Look) -> None: ...


class Neighbours:
    def __init__(self, peers: Peers | Alone) -> None:
        self._peers = peers
        self.id = peers.id
        self.duties: frozenset[Duty] = frozenset()
        self.others = 0
        self._epochs: dict[Kind, int] = {}
        self._told = News()
        self._bell = asyncio.Event()

    @property
    def are_possible(self) -> bool:
        """Whether the store may have other servers at all."""
        return not isinstance(self._peers, Alone)

    def holds(self, duty: Duty) -> bool:
        return not self.are_possible or duty in self.duties

    def tell(self, news: News) -> None:
        """After a commit. It is sent beside the beats, joined with what is not sent yet."""
        if self.others and news:
            self._told = _joined(self._told, news)
            self._bell.set()

    async def join(self) -> None:
        """Be known to the others, before anything hangs on this server."""
        if not isinstance(self._peers, Alone):
            self._note(await self._peers.look())

    async def run(self, engine: Heeding) -> None:
        """Until cancelled."""
        if isinstance(self._peers, Alone):
            return
        async with asyncio.TaskGroup() as group:
            group.create_task(self._look(self._peers, engine))
            group.create_task(self._hear(self._peers, engine))
            group.create_task(self._send(self._peers))

    async def leave(self) -> None:
        """What hangs on this server is free at once, and not only when its lease has ended."""
        if not isinstance(self._peers, Alone):
            with suppress(UnavailableError):
                await self._peers.leave()

    async def _look(self, peers: Peers, engine: Heeding) -> None:
        while True:
            try:
                look = await peers.look()
                await engine.see(look)
                changed = self._note(look)
                if changed:
                    await engine.heed(News(changed=changed))
            except UnavailableError as error:
                _log.warning("this server cannot look at the store: %s", error)
            await asyncio.sleep(LOOK_S)

    def _note(self, look: Look) -> tuple[Kind, ...]:
        """What has changed since the last look."""
        changed = tuple(kind for kind, epoch in look.epochs.items() if self._epochs.get(kind, epoch) != epoch)
        self._epochs, self.others, self.duties = look.epochs, look.others, look.duties
        return changed

    async def _hear(self, peers: Peers, engine: Heeding) -> None:
        while True:
            try:
                for news in await peers.heard():
                    await engine.heed(news)
            except UnavailableError as error:
                _log.warning("this server does not hear the others: %s", error)
                await asyncio.sleep(RETRY_S)

    async def _send(self, peers: Peers) -> None:
        while True:
            await self._bell.wait()
            self._bell.clear()
            news, self._told = self._told, News()
            try:
                await peers.tell(news)
            except UnavailableError as error:  # they look by themselves
                _log.warning("the other servers were not told: %s", error)


def news_of(changes: Changes, ended: tuple[RunId, ...]) -> News:
    """What others may want to know of a beat."""
    changed = dict.fromkeys(kind for name, kind in _KINDS.items() if getattr(changes, name))
    return News(
        queued=bool(changes.queue_put),
        written=bool(changes.history or changes.streams or changes.posted),
        noted=bool(changes.notes),
        changed=tuple(changed),
        ended=ended,
    )


def _joined(one: News, other: News) -> News:
    return replace(
        other,
        queued=one.queued or other.queued,
        written=one.written or other.written,
        noted=one.noted or other.noted,
        changed=tuple(dict.fromkeys((*one.changed, *other.changed))),
        ended=(*one.ended, *other.ended)[-ENDED_LIMIT:],
    )
