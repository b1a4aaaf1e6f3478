"""Runs as they are: lists, steps, attempts, artifacts; cancel and why."""

from collections.abc import AsyncIterator, Sequence

from starlette.requests import Request
from starlette.responses import Response

from tidemill.core.graph import (
    BranchNode,
    CallNode,
    ConstNode,
    JoinNode,
    LoopNode,
    MachineNode,
    MapNode,
    OpNode,
    State,
    TaskNode,
    WaitNode,
    Workflow,
)
from tidemill.core.ids import BadIdError, Path, RunId, digest_text, parse_run_id, text_of
from tidemill.core.plan import Layout, NoSuchPathError
from tidemill.core.rows import Artifact, Keys
from tidemill.core.run import Held, Ready, Run, Step
from tidemill.core.scopes import LoopScope, MapScope, ScopeRow
from tidemill.core.statuses import run_statuses, step_statuses
from tidemill.core.why import Fleet, explain, explain_run
from tidemill.engine.engine import Engine
from tidemill.ports.store import RunFilter, WaitFilter
from tidemill.server import parameters
from tidemill.server.bodies import BodyType, answer
from tidemill.server.problems import refuse
from tidemill.server.views import attempt_view, run_view, step_view
from tidemill.wire.api import (
    ArtifactList,
    ArtifactView,
    AttemptList,
    RunPage,
    StepPage,
    StepView,
    WhyAnswer,
    WhyStep,
)
from tidemill.wire.control import CancelRequest

PAGE, MOST = 50, 1000
MOST_ATTEMPTS = 10_000
FOR_EVER_S = 1e9

_cancel = BodyType(CancelRequest)


class Runs:
    def __init__(self, engine: Engine) -> None:
        self._engine, self._queries = engine, engine.queries

    async def page(self, request: Request) -> Response:
        statuses = parameters.statuses(request, run_statuses)
        limit = max(parameters.number(request, "limit", PAGE, MOST), 1)
        older_s = parameters.seconds(request, "older_than", FOR_EVER_S)
        found = await self._queries.find(
            RunFilter(
                statuses=statuses,
                workflow=request.query_params.get("workflow", ""),
                parent=_run(request, "parent"),
                before=_run(request, "before"),
                limit=limit,
                tags=parameters.pairs(request, "tag"),
                created_before_at=self._engine.clock.now() - int(older_s * 1_000_000) if older_s else 0,
            )
        )
        following = text_of(found.rest_before) if found.rest_before else ""
        return answer(request, RunPage(tuple(map(run_view, found.runs)), following))

    async def get(self, request: Request) -> Response:
        return answer(request, run_view(await parameters.known_run(request, self._queries)))

    async def cancel(self, request: Request) -> Response:
        """Asks; the run ends when each of its steps has stopped."""
        body = await _cancel.read(request)
        run = await self._engine.cancel(parameters.run_id(request), body.reason, body.id)
        if run is None:
            raise refuse("unknown_run", f"no run {request.path_params['run']}")
        return answer(request, run_view(run), 202)

    async def steps(self, request: Request) -> Response:
        run = await parameters.known_run(request, self._queries)
        limit = max(parameters.number(request, "limit", 200, MOST), 1)
        if named := request.query_params.getlist("path")[:MOST]:
            rows = (await self._queries.rows(Keys(steps=[(run.id, path) for path in dict.fromkeys(named)]))).steps
            steps: Sequence[Step] = [step for step in rows.values() if step is not None]
        else:
            steps = await self._queries.steps(run.id, request.query_params.get("after", ""), limit)
        following = steps[-1].path if len(steps) == limit and not named else ""
        if statuses := parameters.statuses(request, step_statuses):
            steps = [step for step in steps if step.status in statuses]
        workflow = await self._engine.graphs.get(run.graph)
        views = await self._step_views(run, steps, workflow)
        return answer(request, StepPage(tuple(views), following))

    async def _step_views(self, run: Run, found: Sequence[Step], workflow: Workflow | None) -> list[StepView]:
        rows = await self._queries.rows(
            Keys(
                attempts=[(run.id, step.path, step.latest) for step in found if step.latest],
                scopes=[(run.id, step.path) for step in found if not step.latest],
            )
        )
        layout = Layout(workflow) if workflow is not None else None
        views = []
        for step in found:
            kind, task = _described(layout, step.path)
            scope = rows.scopes.get((run.id, step.path))
            elements = _elements(scope)
            views.append(step_view(step, (kind, task), rows.attempts.get((run.id, step.path, step.latest)), elements))
        return views

    async def attempts(self, request: Request) -> Response:
        run = await parameters.known_run(request, self._queries)
        path: Path | None = request.query_params.get("path")
        limit = max(parameters.number(request, "limit", MOST, MOST_ATTEMPTS), 1)
        found = await self._queries.attempts(run.id, path, limit)
        return answer(request, AttemptList(tuple(map(attempt_view, found))))

    async def artifacts(self, request: Request) -> Response:
        run = await parameters.known_run(request, self._queries)
        found = await self._queries.artifacts(run.id)
        return answer(request, ArtifactList(tuple(map(_artifact_view, found))))

    async def why(self, request: Request) -> Response:
        run = await parameters.known_run(request, self._queries)
        layout = await self._engine.graphs.layout(run.graph)
        steps = [step async for step in self._waiting(run.id)]
        found = explain(steps, layout, self._engine.catalog, await self._fleet(run.id, steps)) if layout else ()
        views = tuple(WhyStep(each.path, each.status, each.task, each.reasons, each.advice) for each in found)
        reasons, advice = explain_run(run, self._engine.clock.now())
        return answer(request, WhyAnswer(text_of(run.id), run.status, views, reasons, advice))

    async def _waiting(self, run: RunId) -> AsyncIterator[Step]:
        """Steps that are not final, of the first that there are."""
        after, found = "", 0
        while page := await self._queries.steps(run, after, MOST):
            for step in page:
                if not step.is_final:
                    yield step
                    found += 1
            after = page[-1].path
            if found >= PAGE or len(page) < MOST:
                return

    async def _fleet(self, run: RunId, steps: Sequence[Step]) -> Fleet:
        keys = [(run, step.path, step.latest) for step in steps if isinstance(step.state, Held)]
        held = (await self._queries.rows(Keys(attempts=keys))).attempts
        ready = [step.path for step in steps if isinstance(step.state, Ready)]
        return Fleet(
            at=self._engine.clock.now(),
            servers=await self._engine.fleet(),
            holders={attempt.path: attempt for attempt in held.values() if attempt},
            pauses=self._engine.seats.pauses,
            queued={row.path: row for row in await self._queries.queued(run, ready)},
            waits={row.path: row for row in await self._queries.waits(WaitFilter(run=run, limit=MOST))},
        )


def _run(request: Request, name: str) -> RunId | None:
    text = request.query_params.get(name, "")
    try:
        return parse_run_id(text) if text else None
    except BadIdError as error:
        raise refuse("bad_request", f"?{name}= names a run: {error}") from None


_KINDS: dict[type, str] = {
    TaskNode: "task",
    MapNode: "map",
    BranchNode: "branch",
    CallNode: "call",
    ConstNode: "constant",
    OpNode: "operation",
    LoopNode: "loop",
    JoinNode: "join",
    WaitNode: "wait",
    MachineNode: "machine",
    State: "state",
}


def _described(layout: Layout | None, path: Path) -> tuple[str, str]:
    """The kind of a step, and its task if it is one's."""
    if layout is None:
        return "", ""
    try:
        node = layout.node(path)[2]
    except NoSuchPathError:
        return "", ""
    return _KINDS[type(node)], node.task if isinstance(node, TaskNode) else ""


def _elements(scope: ScopeRow | None) -> dict[str, int]:
    if isinstance(scope, LoopScope):
        return {"rounds": scope.round + 1}
    if not isinstance(scope, MapScope):
        return {}
    done = scope.next - scope.open - scope.failed
    return {"length": scope.length, "open": scope.open, "done": done, "failed": scope.failed}


def _artifact_view(artifact: Artifact) -> ArtifactView:
    return ArtifactView(artifact.path, artifact.name, digest_text(artifact.digest), artifact.size, artifact.media_type)
