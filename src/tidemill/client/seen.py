"""How a run is: its steps, attempts and logs, and its pictures."""

from collections.abc import Sequence

from tidemill.client.connection import Connection
from tidemill.client.outcomes import Awaited
from tidemill.graphs.view import Graph, Picture
from tidemill.wire import api


class Seen:
    """What `AsyncRun` has of a run that is looked at."""

    _core: Connection
    _awaited: Awaited

    @property
    def id(self) -> str:
        return self._awaited.id

    async def view(self) -> api.RunView:
        return await self._core.calls.get(f"/runs/{self.id}", api.RunView)

    async def status(self) -> str:
        return (await self.view()).status

    async def graph(self) -> Graph:
        """The graph that it is a run of."""
        return Graph(await self._core.calls.document(f"/graphs/{(await self.view()).graph}"))

    async def picture(self) -> Picture:
        """Its graph as it stands, as SVG; a notebook shows it."""
        return Picture((await self._core.calls.document(f"/runs/{self.id}/picture")).decode())

    async def timeline(self) -> Picture:
        """When its steps ran, as SVG; a notebook shows it."""
        return Picture((await self._core.calls.document(f"/runs/{self.id}/picture?timeline=true")).decode())

    async def steps(self) -> list[api.StepView]:
        return [step async for step in self._core.tails.steps(self.id)]

    async def steps_after(self, path: str = "", limit: int = 1000) -> api.StepPage:
        """A page of steps, by path; for those who want to leave some out."""
        query = {"after": path, "limit": limit}
        return await self._core.calls.get(f"/runs/{self.id}/steps", api.StepPage, query)

    async def step(self, path: str) -> api.StepView | None:
        """One step by its path; None while there is none."""
        page = await self._core.calls.get(f"/runs/{self.id}/steps", api.StepPage, {"path": path})
        return page.steps[0] if page.steps else None

    async def logs(
        self, path: str | None = None, after: int = 0, *, search: str = "", level: str = ""
    ) -> Sequence[api.LogLineView]:
        """The lines so far, of all steps or of one.

        Args:
            search: a text that they hold, in any case.
            level: the least serious that is wanted, by its name in `logging`; STDOUT and STDERR mean just these.
        """
        wanted = {"path": path, "q": search, "level": level}
        return [line async for line in self._core.tails.logs(self.id, wanted, after)]
