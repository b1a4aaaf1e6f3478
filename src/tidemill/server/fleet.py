"""What is known beside runs: tasks, workers, graphs, and how the server is."""

from starlette.requests import Request
from starlette.responses import Response

from tidemill.core.build import check
from tidemill.core.documents import DocumentError, parse_document
from tidemill.core.ids import digest_of, digest_text
from tidemill.core.rows import Pause, PauseKind, TaskRow
from tidemill.core.version import VERSION
from tidemill.engine.engine import Engine
from tidemill.server import parameters
from tidemill.server.bodies import answer, media_type, read_all
from tidemill.server.problems import invalid, refuse, unknown
from tidemill.server.validate import check_graph
from tidemill.server.views import graph_view, task_view
from tidemill.wire.api import (
    JSON,
    GraphList,
    Health,
    PublishedGraph,
    TaskList,
    TaskView,
)

MOST = 1000
GRAPH_LIMIT_BYTES = 4 * 1024 * 1024


class Fleet:
    def __init__(self, engine: Engine) -> None:
        self._engine, self._queries = engine, engine.queries

    async def tasks(self, request: Request) -> Response:
        return answer(request, TaskList(tuple(await self._tasks())))

    async def task(self, request: Request) -> Response:
        """All versions of one task, newest first; by its name, or by its name in URLs."""
        asked = request.path_params["name"]
        name = self._engine.catalog.named(asked)
        views = [view for view in await self._tasks() if view.definition.name == name]
        if not views:
            raise unknown("no_task", asked, self._engine.catalog.nearest(asked))
        return answer(request, TaskList(tuple(views)))

    async def _tasks(self) -> list[TaskView]:
        """Live ones have a worker on its link now: one that was killed keeps its lease for a while."""
        live = {task for seat in self._engine.seats.all() if seat.tell is not None for task in seat.session.tasks}
        if self._engine.neighbours.are_possible:
            live |= {task for session in await self._engine.elsewhere() for task in session.tasks}
        return [task_view(row, live, self._pause_of(row)) for row in await self._queries.tasks()]

    def _pause_of(self, row: TaskRow) -> Pause | None:
        pauses, queue = self._engine.seats.pauses, row.definition.options.requires.queue
        return pauses.of(PauseKind.TASK, row.definition.name) or pauses.of(PauseKind.QUEUE, queue)

    async def health(self, request: Request) -> Response:
        live = sum(each.live for each in await self._queries.sessions(MOST))
        engine = self._engine
        status = "unavailable" if engine.trouble else "full" if engine.is_full() else "ok"
        return answer(request, Health(status, VERSION, engine.store_id.hex(), live, engine.trouble))


class Graphs:
    def __init__(self, engine: Engine) -> None:
        self._engine, self._queries = engine, engine.queries

    async def page(self, request: Request) -> Response:
        return answer(request, GraphList(tuple(map(graph_view, await self._queries.graphs(MOST)))))

    async def get(self, request: Request) -> Response:
        """The document itself."""
        row = await self._queries.graph(parameters.digest(request, "no_graph"))
        if row is None:
            raise refuse("no_graph", f"no graph {request.path_params['digest']}")
        return Response(row.document, media_type=JSON)

    async def put(self, request: Request) -> Response:
        if media_type(request) != JSON:
            raise refuse("unsupported_media_type", f"send {JSON}")
        digest = parameters.digest(request, "bad_request")
        document = await read_all(request, GRAPH_LIMIT_BYTES)
        if digest_of(document) != digest:
            detail = f"the document is {digest_text(digest_of(document))}; send it in its canonical form, byte for byte"
            raise refuse("damaged", detail)
        self._check(document)
        published = await self._engine.publish(document)
        return answer(request, PublishedGraph(digest_text(published.digest), published.name, published.unverified), 201)

    def _check(self, document: bytes) -> None:
        """Refuse a graph with all that is wrong with it, place by place."""
        try:
            workflow = parse_document(document)
        except DocumentError as error:
            raise refuse("bad_graph", str(error)) from None
        catalog = self._engine.catalog
        known = {name: latest for name in catalog.names() if (latest := catalog.latest(name)) is not None}
        problems = [(each.place, each.reason) for each in check(workflow, known)] or [*check_graph(workflow)]
        if problems:
            raise invalid("bad_graph", tuple(problems))
