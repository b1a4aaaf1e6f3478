"""The free attributes of a run and of its steps."""

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from tidemill.client.calls import query_text
from tidemill.client.standing import Inspected
from tidemill.wire.data import DataChange, DataPage, DataView


class WithData(Inspected):
    """What `AsyncRun` has of them."""

    async def data(self) -> dict[str, Any]:
        """Of the run itself, by name."""
        return (await self._data_page("", 1)).run

    async def step_data(self) -> dict[str, dict[str, Any]]:
        """Of each step that has some, by path and name."""
        found: dict[str, dict[str, Any]] = {}
        after = ""
        while True:
            page = await self._data_page(after, 100)
            found |= page.steps
            if not page.next:
                return found
            after = page.next

    async def set(
        self, data: Mapping[str, Any] | None = None, *, remove: Sequence[str] = (), path: str = ""
    ) -> dict[str, Any]:
        """Set attributes, and take some away: all of it, or nothing. Gives those that there are then.

        Args:
            data: plain data by name: 64 names at most, 4 KiB each.
            path: of a step that has begun; "" is the run itself.
        Raises:
            InvalidInputError: for what cannot be kept; NotFoundError: for a step that is not there.
        """
        change = DataChange(dict(data or {}), tuple(remove))
        return (await self._core.calls.send("PATCH", self._where + query_text({"path": path}), change, DataView)).data

    @property
    def _where(self) -> str:
        return f"/runs/{quote(self.id, safe='')}/data"

    async def _data_page(self, after: str, limit: int) -> DataPage:
        return await self._core.calls.get(self._where, DataPage, {"after": after, "limit": limit})
