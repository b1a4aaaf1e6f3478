"""What operators registered, as beats and requests see it: the rows, kept in memory and made anew at start."""

from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from tidemill.core.ids import Instant
from tidemill.core.rows import Changes
from tidemill.core.run import Run
from tidemill.core.served import KINDS, Registered
from tidemill.core.webhooks import Delivery, Webhook, deliveries_of
from tidemill.ports.store import Queries

R = TypeVar("R", bound=Registered)
Listener = Callable[[frozenset[str] | None], None]


class Registry:
    def __init__(self, queries: Queries) -> None:
        self._queries = queries
        self._rows: dict[tuple[str, str], Registered] = {}
        self._webhooks: tuple[Webhook, ...] = ()
        self._listener: Listener = lambda _: None
        self.version = 0  # another one after each change

    async def load(self) -> None:
        """At start, and after a commit whose outcome is unknown."""
        self._rows = {(KINDS[type(row)], row.name): row for row in await self._queries.registered()}
        self._index()
        self._listener(None)

    def listen(self, listener: Listener) -> None:
        """Call it with the names of webhooks that have something new to send; with None when that may be any."""
        self._listener = listener

    def call(self) -> None:
        """There may be something new to send."""
        self._listener(None)

    def note(self, changes: Changes) -> None:
        """After a commit."""
        if changes.registered or changes.registered_drop:
            self._rows.update({(KINDS[type(row)], row.name): row for row in changes.registered})
            for key in changes.registered_drop:
                self._rows.pop(key, None)
            self._index()
        names = {row.hook for row in (*changes.outbox, *changes.sent)}
        names |= {row.name for row in changes.registered if isinstance(row, Webhook)}
        if names or changes.registered_drop:
            self._listener(frozenset(names) if not changes.registered_drop else None)

    def get(self, kind: type[R], name: str) -> R | None:
        found = self._rows.get((KINDS[kind], name))
        return found if isinstance(found, kind) else None

    def all(self, kind: type[R]) -> Sequence[R]:
        """By name."""
        return [row for _, row in sorted(self._rows.items()) if isinstance(row, kind)]

    def deliveries(self, runs: Iterable[Run], at: Instant) -> list[Delivery]:
        """What is to be sent of runs that have ended."""
        return deliveries_of(self._webhooks, runs, at) if self._webhooks else []

    def _index(self) -> None:
        self._webhooks = tuple(self.all(Webhook))
        self.version += 1
