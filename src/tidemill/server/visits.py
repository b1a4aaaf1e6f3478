"""Visits of the states of a machine, in the order in which they were made."""

from collections.abc import Sequence

from starlette.requests import Request
from starlette.responses import Response

from tidemill.core.plan import visit_path
from tidemill.core.rows import Keys
from tidemill.core.run import Run
from tidemill.core.scopes import MachineScope, Scope, Visit
from tidemill.engine.engine import Engine
from tidemill.server import parameters
from tidemill.server.bodies import answer
from tidemill.server.problems import refuse
from tidemill.server.views import time_text
from tidemill.wire.visits import VisitPage, VisitView

PAGE, MOST = 200, 1000
READ_AT_MOST = 10_000  # rows for one answer

Made = tuple[str, int, str, Visit]  # state, number, path and facts of a visit


class Visits:
    def __init__(self, engine: Engine) -> None:
        self._queries = engine.queries

    async def page(self, request: Request) -> Response:
        """Of the run, or of the machine at the step ``?machine=``; of all its states, or of one."""
        run = await parameters.known_run(request, self._queries)
        limit = max(parameters.number(request, "limit", PAGE, MOST), 1)
        after = parameters.number(request, "after", 0, 1 << 60)
        machine, state = request.query_params.get("machine", ""), request.query_params.get("state", "")
        scope = (await self._queries.rows(Keys(scopes=[(run.id, machine)]))).scopes.get((run.id, machine))
        if not isinstance(scope, MachineScope):
            if not machine:  # a run without states has no visits
                return answer(request, VisitPage(()))
            raise refuse("unknown_step", f"{machine!r} is no machine of states in this run")
        made = await self._made(run, machine, _asked(scope, state))
        found = [each for each in made if each[3].turn > after]
        views = tuple(_view(run, each) for each in found[:limit])
        return answer(request, VisitPage(views, views[-1].turn if len(found) > limit else 0))

    async def _made(self, run: Run, machine: str, counts: dict[str, int]) -> Sequence[Made]:
        named = [
            (state, number, visit_path(machine, state, number))
            for state, count in counts.items()
            for number in range(1, count + 1)
        ]
        made: list[Made] = []
        for start in range(0, len(named), MOST):
            some = named[start : start + MOST]
            rows = (await self._queries.rows(Keys(scopes=[(run.id, path) for _, _, path in some]))).scopes
            for state, number, path in some:
                scope = rows.get((run.id, path))
                if isinstance(scope, Scope) and scope.visit is not None:
                    made.append((state, number, path, scope.visit))
        return sorted(made, key=lambda each: each[3].turn)


def _asked(scope: MachineScope, state: str) -> dict[str, int]:
    counts = {state: scope.visits.get(state, 0)} if state else scope.visits
    if sum(counts.values()) > READ_AT_MOST:
        raise refuse("bad_request", f"there are more than {READ_AT_MOST} visits; ask state by state, with ?state=")
    return counts


def _view(run: Run, made: Made) -> VisitView:
    state, number, path, visit = made
    status = visit.status or (run.status if run.ended_at is not None else "running")
    return VisitView(
        state, number, path, visit.turn, status, time_text(visit.opened_at), time_text(visit.closed_at), visit.next
    )
