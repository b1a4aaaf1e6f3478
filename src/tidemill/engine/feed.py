"""The live feed: history rows after their commit, and what no history keeps."""

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Sequence
from enum import Enum, auto

from tidemill.core.errors import UnavailableError
from tidemill.core.ids import RunId
from tidemill.core.rows import History
from tidemill.engine.orders import Ephemeral
from tidemill.ports.store import Queries

Item = tuple[int, History | Ephemeral]
AGAIN_S = 0.02
BEHIND_LIMIT = 10_000  # items a slow reader may lag; then it reads from the store again
PAGE = 500

_log = logging.getLogger("tidemill.engine")


class Tails(Enum):
    """Where live rows come from."""

    BEATS = auto()
    STORE = auto()


class _Reader:
    def __init__(self, run: RunId | None) -> None:
        self.run = run
        self.items: deque[Item] = deque()
        self.bell = asyncio.Event()
        self.overrun = False

    def put(self, item: Item) -> None:
        if self.run is not None and item[1].run != self.run:
            return
        if len(self.items) >= BEHIND_LIMIT:
            self.items.clear()
            self.overrun = True
        self.items.append(item)
        self.bell.set()


class Feed:
    """Where several servers write, `tail` publishes all rows in order; else each beat publishes its own."""

    def __init__(self, queries: Queries, *, tails: Tails) -> None:
        self._queries, self._tails = queries, tails
        self._bell = asyncio.Event()
        self._readers: dict[int, _Reader] = {}
        self._made = 0
        self.last = 0  # number of the newest row that was published
        self._newest = 0  # of those that this server wrote

    def publish(self, numbers: Sequence[int], rows: Sequence[History]) -> None:
        """After a commit; each row with its number."""
        if not numbers:
            return
        if self._tails is Tails.STORE:
            self._newest = max(self._newest, numbers[-1])
            self._bell.set()
        else:
            self._publish(numbers, rows)

    def ring(self) -> None:
        """Another server has written."""
        self._bell.set()

    def skip_to(self, number: int) -> None:
        """All rows up to there can be seen; whoever begins to read now begins behind them."""
        if not self._readers:
            self.last = max(self.last, number)

    async def tail(self) -> None:
        """Read what all servers write, while somebody reads here; until cancelled."""
        while True:
            await self._bell.wait()
            self._bell.clear()
            try:
                is_behind = await self._catch_up()
            except UnavailableError as error:
                _log.warning("the feed waits: %s", error)
                is_behind = True
            if is_behind:  # a transaction before ours is open still
                await asyncio.sleep(AGAIN_S)
                self._bell.set()

    async def _catch_up(self) -> bool:
        """Publish the rows since the last; whether there are some that cannot be seen yet."""
        while self._readers:
            page = await self._queries.feed(self.last, None, PAGE)
            if page:
                self._publish([number for number, _ in page], [row for _, row in page])
            if len(page) < PAGE:
                return self.last < self._newest
        return False

    def _publish(self, numbers: Sequence[int], rows: Sequence[History]) -> None:
        self.last = numbers[-1]
        for reader in self._readers.values():
            for item in zip(numbers, rows, strict=True):
                reader.put(item)

    def reread(self) -> None:
        """Rows may be there that were never published: every reader looks into the store."""
        for reader in self._readers.values():
            reader.overrun = True
            reader.bell.set()

    def mention(self, item: Ephemeral) -> None:
        """Show something live that is not kept; it carries the number of the newest row."""
        for reader in self._readers.values():
            reader.put((self.last, item))

    async def follow(self, run: RunId | None, after: int) -> AsyncIterator[Item]:
        """Rows with a number above ``after``, of one run or of all: the stored ones, then live, with no gap."""
        self._made += 1
        key, reader = self._made, _Reader(run)
        self._readers[key] = reader
        try:
            while True:
                reader.overrun = False
                async for number, row in self._stored(run, after):
                    after = number
                    yield number, row
                while not reader.overrun:
                    while reader.items and not reader.overrun:
                        item = reader.items.popleft()
                        if isinstance(item[1], History):
                            if item[0] <= after:
                                continue
                            after = item[0]
                        yield item
                    if not reader.overrun:
                        reader.bell.clear()
                        await reader.bell.wait()
        finally:
            del self._readers[key]

    async def _stored(self, run: RunId | None, after: int) -> AsyncIterator[tuple[int, History]]:
        while True:
            page = await self._queries.feed(after, run, PAGE)
            for number, row in page:
                after = number
                yield number, row
            if len(page) < PAGE:
                return
