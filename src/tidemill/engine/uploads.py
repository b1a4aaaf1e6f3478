"""Blobs that come while others go: a blob counts as stored only when nobody can be about to remove it.

A collector removes bytes only while their row is marked, and makes that row if there was none. So: where there is a
marked row, wait until it is gone; where there is one that is not, touch it, and it stays; where there is none, the
bytes must be there before the row is made.
"""

import asyncio
from collections.abc import Awaitable, Callable

from tidemill.core.ids import Digest
from tidemill.core.rows import Changes
from tidemill.ports.blobs import Blobs
from tidemill.ports.keeping import BlobRow
from tidemill.ports.store import BlobGoneError, Queries

LOOKS = 100
LOOK_S = 0.05


class Uploads:
    def __init__(self, queries: Queries, blobs: Blobs, record: Callable[[Changes], Awaitable[None]]) -> None:
        self._queries, self._blobs, self._record = queries, blobs, record

    async def stored(self, digest: Digest, size: int) -> None:
        """Note a blob whose bytes are durable; returns after the commit.

        Raises:
            BlobGoneError: they were removed in this very moment: write them again.
        """
        for _ in range(LOOKS):
            row = await self._row(digest)
            if row is None or not row.is_leaving:
                if row is None and await self._blobs.size(digest) is None:
                    break
                try:
                    await self._record(Changes(blobs={digest: size}))
                except BlobGoneError:
                    continue
                return
            await asyncio.sleep(LOOK_S)
        raise BlobGoneError(f"the bytes of sha256:{digest.hex()} were just removed: upload them again")

    async def _row(self, digest: Digest) -> BlobRow | None:
        before = int.from_bytes(digest, "big") - 1
        found = await self._queries.blobs(before.to_bytes(len(digest), "big") if before >= 0 else b"", 1)
        return found[0] if found and found[0].digest == digest else None
