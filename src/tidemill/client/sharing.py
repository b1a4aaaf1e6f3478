"""Stores and channels of runs and workflows, from outside: plain data."""

from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from tidemill.client.calls import escaped
from tidemill.client.connection import Connection
from tidemill.client.errors import NotFoundError
from tidemill.client.standing import Inspected
from tidemill.wire.sharing import ChannelPage, EntryView, StorePage, StoreValue


class AsyncStore:
    """A store of a run, or of a workflow."""

    def __init__(self, core: Connection, where: str) -> None:
        self._core, self._where = core, where

    async def get(self, key: str) -> Any:
        """The value as plain data; None where there is none."""
        entry = await self.entry(key)
        return entry.value if entry is not None else None

    async def entry(self, key: str) -> EntryView | None:
        """The value with its version. Raises NotFoundError when there is no such run."""
        try:
            return await self._core.calls.get(self._one(key), EntryView)
        except NotFoundError as error:
            if error.problem.type == "unknown_value":
                return None
            raise

    async def set(self, key: str, value: Any, *, version: int | None = None) -> EntryView:
        """Write.

        Args:
            value: plain data.
            version: write only if the entry has this one; 0: if there is none.
        Raises:
            ConflictError: it has another one, or the run has ended.
            RefusedError: the store is full.
        """
        return await self._core.calls.put(self._one(key), StoreValue(value, version), EntryView)

    async def delete(self, key: str) -> None:
        """One that is not there is deleted already."""
        await self._core.calls.delete(self._one(key))

    async def page(self, prefix: str = "", after: str = "", limit: int = 100) -> StorePage:
        """Entries whose key begins with ``prefix``, by key; at most 100."""
        query = {"prefix": prefix, "after": after, "limit": limit}
        return await self._core.calls.get(self._where, StorePage, query)

    async def entries(self, prefix: str = "") -> Sequence[EntryView]:
        """All of them, page by page."""
        found: list[EntryView] = []
        after = ""
        while True:
            page = await self.page(prefix, after)
            found += page.entries
            after = page.next
            if not after:
                return found

    async def items(self, after: int = 0, limit: int = 100, wait: float = 0.0) -> ChannelPage:
        """Items of the channel of this name, after a number.

        Args:
            wait: seconds to wait for one where there is none yet, up to 20.
        """
        query = {"after": after or "", "limit": limit, "wait": wait or ""}
        return await self._core.calls.get(self._where.replace("/store/", "/channel/"), ChannelPage, query)

    def _one(self, key: str) -> str:
        return f"{self._where}/{quote(key, safe='/')}"


class WithStores(Inspected):
    """What `AsyncRun` has of them."""

    def store(self, name: str) -> AsyncStore:
        """A store that the run's tasks share; its ``items`` are those of the channel of this name."""
        return AsyncStore(self._core, f"/runs/{escaped(self.id)}/store/{escaped(name)}")


def store_of(core: Connection, workflow: str, name: str) -> AsyncStore:
    return AsyncStore(core, f"/workflows/{escaped(workflow)}/store/{escaped(name)}")
