"""The live feed: history rows after their commit, and what no history keeps."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Sequence

from tidemill.core.ids import RunId
from tidemill.core.rows import History
from tidemill.engine.orders import Ephemeral
from tidemill.ports.store import Queries

Item = tuple[int, History | Ephemeral]
BEHIND_LIMIT = 10_000  # items a slow reader may lag; then it reads from the store again
PAGE = 500


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
    def __init__(self, queries: Queries) -> None:
        self._queries = queries
        self._readers: dict[int, _Reader] = {}
        self._made = 0
        self.last = 0  # number of the newest row

    def publish(self, numbers: Sequence[int], rows: Sequence[History]) -> None:
        """After a commit; each row with its number."""
        if not numbers:
            return
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
