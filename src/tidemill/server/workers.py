"""Workers: lists of them, and one with all that it has."""

from collections.abc import Iterable

from starlette.requests import Request
from starlette.responses import Response

from tidemill.core.errors import InputError
from tidemill.core.glimpse import glimpse
from tidemill.core.graph import TaskNode
from tidemill.core.ids import text_of
from tidemill.core.requirements import NOTHING, Requirements, narrowed
from tidemill.core.rows import Keys, PauseKind, Session
from tidemill.core.run import Attempt, Run
from tidemill.engine.engine import Engine
from tidemill.server.bodies import answer
from tidemill.server.problems import refuse, unknown
from tidemill.server.views import attempt_view, worker_view
from tidemill.wire.api import WorkerAttempt, WorkerDetail, WorkerList, WorkerView

MOST = 1000
MOST_ATTEMPTS = 200


class Workers:
    def __init__(self, engine: Engine) -> None:
        self._engine, self._queries = engine, engine.queries

    async def page(self, request: Request) -> Response:
        """Those of a type, and with all of the labels and tags that are asked for."""
        query = request.query_params
        labels = dict(_pair(each) for each in query.getlist("label"))
        kept = [
            each
            for each in await self._queries.sessions(MOST)
            if query.get("type", each.offers.type) == each.offers.type
            and labels.items() <= each.labels.items()
            and set(query.getlist("tag")) <= set(each.offers.tags)
        ]
        return answer(request, WorkerList(tuple(map(self._view, kept))))

    async def get(self, request: Request) -> Response:
        """One by its id: its newest instance, live or not."""
        name = request.path_params["worker"]
        sessions = await self._queries.sessions(MOST)
        mine = [each for each in sessions if each.worker == name]
        if not mine:
            raise unknown("unknown_worker", name, tuple(dict.fromkeys(each.worker for each in sessions))[:3])
        session = next((each for each in mine if each.live), mine[0])
        return answer(request, WorkerDetail(self._view(session), tuple(await self._attempts(session))))

    def _view(self, session: Session) -> WorkerView:
        seat = self._engine.seats.get(session.id)
        paused = self._engine.seats.pauses.of(PauseKind.WORKER, session.worker)
        if seat is None:
            return worker_view(session, 0, {}, paused)
        return worker_view(seat.session, len(seat.held), seat.left if seat.tell is not None else {}, paused)

    async def _attempts(self, session: Session) -> list[WorkerAttempt]:
        seat = self._engine.seats.get(session.id)
        keys = list(seat.held)[:MOST_ATTEMPTS] if seat else []
        rows = await self._queries.rows(Keys(attempts=keys, runs=list(dict.fromkeys(run for run, _, _ in keys))))
        held: Iterable[Attempt] = (each for each in rows.attempts.values() if each is not None)
        return [await self._attempt(each, run) for each in held if (run := rows.runs.get(each.run)) is not None]

    async def _attempt(self, attempt: Attempt, run: Run) -> WorkerAttempt:
        return WorkerAttempt(
            run=text_of(attempt.run),
            attempt=attempt_view(attempt),
            task=attempt.task,
            inputs=await self._inputs(attempt, run),
            requires=await self._requires(attempt, run),
        )

    async def _inputs(self, attempt: Attempt, run: Run) -> dict[str, str]:
        try:
            found = await self._engine.reader.inputs(run, attempt.path)
        except InputError:
            return {}  # its graph leads nowhere any more; the attempt itself says so
        return {name: glimpse(name, argument) for name, argument in found.items()}

    async def _requires(self, attempt: Attempt, run: Run) -> Requirements:
        layout = await self._engine.graphs.layout(run.graph)
        node = layout.node(attempt.path)[2] if layout else None
        if not isinstance(node, TaskNode):
            return NOTHING
        catalog = self._engine.catalog
        known = catalog.variant(node.task, node.schema, attempt.implementation) or catalog.find(node.task, node.schema)
        return narrowed(known.options.requires if known else NOTHING, node.options.requires)


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise refuse("bad_request", f"?label= is name=value, not {text[:50]!r}")
    return name, value
