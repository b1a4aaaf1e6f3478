"""Clients that wait for runs to end, many runs on one stream."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Sequence
from itertools import islice

from tidemill.core.ids import RunId
from tidemill.core.rows import Keys
from tidemill.core.run import Ended, Halted
from tidemill.engine.orders import Outcome
from tidemill.ports.store import Queries

BITE = 500  # of watched runs, looked at in one go
KEPT_OUTCOMES = 10_000  # of a watch that nobody reads at the moment


class Watch:
    """Outcomes of the runs it was given, in batches, each once per reader of the stream."""

    def __init__(self, token: str, watches: "Watches") -> None:
        self.token = token
        self._watches = watches
        self._outcomes: deque[Outcome] = deque(maxlen=KEPT_OUTCOMES)
        self._bell = asyncio.Event()

    def push(self, outcome: Outcome) -> None:
        self._outcomes.append(outcome)
        self._bell.set()

    async def add(self, runs: Sequence[RunId]) -> None:
        """Watch further runs; those that have ended already come at once."""
        await self._watches.add(self, runs)

    def close(self) -> None:
        self._watches.close(self)

    async def __aiter__(self) -> AsyncIterator[list[Outcome]]:
        while True:
            await self._bell.wait()
            self._bell.clear()
            batch = list(self._outcomes)
            self._outcomes.clear()
            if batch:
                yield batch


class Watches:
    def __init__(self, queries: Queries) -> None:
        self._queries = queries
        self._by_token: dict[str, Watch] = {}
        self._by_run: dict[RunId, dict[str, None]] = {}

    def open(self, token: str) -> Watch:
        """The watch of a token: the same one when a client comes back."""
        watch = self._by_token.get(token)
        if watch is None:
            watch = self._by_token[token] = Watch(token, self)
        return watch

    def is_open(self, token: str) -> bool:
        return token in self._by_token

    def expect(self, token: str, run: RunId) -> None:
        """The outcome of a run goes to the watch of this token."""
        self._by_run.setdefault(run, {})[token] = None

    def forget(self, token: str, run: RunId) -> None:
        """No outcome of a run is to be had for this token."""
        tokens = self._by_run.get(run, {})
        tokens.pop(token, None)
        if not tokens:
            self._by_run.pop(run, None)

    async def add(self, watch: Watch, runs: Sequence[RunId]) -> None:
        for run in runs:
            self.expect(watch.token, run)
        await self._look(runs)

    async def look_again(self) -> None:
        """Runs may have ended without a word."""
        await self._look(list(self._by_run))

    async def look(self, runs: Sequence[RunId]) -> None:
        """These have ended, at another server."""
        watched = [run for run in runs if run in self._by_run]
        if watched:
            await self._look(watched)

    async def look_at_some(self) -> None:
        """A bite of all that are watched; those go behind the others."""
        some = list(islice(self._by_run, BITE))
        if some:
            await self._look(some)
        for run in some:
            if (tokens := self._by_run.pop(run, None)) is not None:
                self._by_run[run] = tokens

    async def _look(self, runs: Sequence[RunId]) -> None:
        rows = await self._queries.rows(Keys(runs=list(runs)))
        for row in rows.runs.values():
            if row is not None and isinstance(row.state, (Ended, Halted)):
                self.tell(Outcome(row))

    def tell(self, outcome: Outcome) -> None:
        """A run has ended, durably."""
        for token in self._by_run.pop(outcome.run.id, ()):
            if watch := self._by_token.get(token):
                watch.push(outcome)

    def close(self, watch: Watch) -> None:
        """Its client is gone; what it waited for, it asks for anew."""
        self._by_token.pop(watch.token, None)
        for run in [run for run, tokens in self._by_run.items() if watch.token in tokens]:
            self.forget(watch.token, run)
