"""What a server knows: tasks, workers, graphs, and how it is."""

from collections.abc import Mapping, Sequence
from urllib.parse import quote, urlencode

from tidemill.client.connection import Connection
from tidemill.client.errors import NotFoundError
from tidemill.graphs.view import Compilable, Graph
from tidemill.wire import api


class Knowing:
    """The part of `AsyncClient` that asks for it."""

    def __init__(self, core: Connection) -> None:
        self._core = core

    async def tasks(self) -> Sequence[api.TaskView]:
        return (await self._core.calls.get("/tasks", api.TaskList)).tasks

    async def workers(self, *, type: str = "", labels: Mapping[str, str] | None = None) -> Sequence[api.WorkerView]:  # noqa: A002
        """Live ones first; of a type, and with all of these labels, where that is said."""
        asked = [("type", type)] * bool(type) + [("label", f"{name}={value}") for name, value in (labels or {}).items()]
        return (await self._core.calls.get(f"/workers?{urlencode(asked)}", api.WorkerList)).workers

    async def worker(self, name: str) -> api.WorkerDetail:
        """One by its id, with the attempts that it has."""
        return await self._core.calls.get(f"/workers/{quote(name, safe='')}", api.WorkerDetail)

    async def graphs(self) -> Sequence[api.GraphView]:
        """Published graphs, newest first."""
        return (await self._core.calls.get("/graphs", api.GraphList)).graphs

    async def graph(self, which: str) -> Graph:
        """A published graph, by its digest, or the newest of a workflow's name. Raises NotFoundError."""
        if not which.startswith("sha256:"):
            found = next((each.digest for each in await self.graphs() if each.name == which), None)
            if found is None:
                raise NotFoundError(
                    api.Problem("unknown_workflow", "No such workflow", 404, f"no graph was published as {which}")
                )
            which = found
        return Graph(await self._core.calls.document(f"/graphs/{quote(which, safe=':')}"))

    async def publish(self, graph: Graph | Compilable) -> api.PublishedGraph:
        """Make a workflow known to the server, to be run by its name or digest.

        Raises:
            InvalidInputError: with each fault and its place.
        """
        found = graph if isinstance(graph, Graph) else Graph(graph)
        return await self._core.calls.put_json(f"/graphs/{found.digest}", found.document, api.PublishedGraph)

    async def health(self) -> api.Health:
        return await self._core.calls.get("/health", api.Health)
