"""Runs made of other runs: retry, fork, and what another version of a workflow would have done."""

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import structs
from starlette.requests import Request
from starlette.responses import Response

from tidemill.core.build import check
from tidemill.core.documents import DocumentError
from tidemill.core.errors import TidemillError
from tidemill.core.events import RunSubmitted
from tidemill.core.graph import Schema, TaskNode, Workflow
from tidemill.core.ids import BadIdError, Digest, Path, RunId, digest_of, digest_text, parse_run_id, text_of
from tidemill.core.plan import Layout, NoSuchPathError
from tidemill.core.rows import Keys
from tidemill.core.run import EDITED, Ended, Failed, Fork, Run, Succeeded
from tidemill.core.scopes import MachineScope
from tidemill.core.single import parameters_of
from tidemill.core.values import Value
from tidemill.engine.engine import Engine
from tidemill.engine.orders import Order, event_of
from tidemill.engine.publishing import row_of
from tidemill.engine.rehearsal import Rehearsal, Rehearsed
from tidemill.ports.store import RunFilter
from tidemill.server import parameters
from tidemill.server.bodies import BodyType, answer
from tidemill.server.intake import Intake, digestible
from tidemill.server.problems import RequestError, invalid, refuse, unknown
from tidemill.server.submit import answered
from tidemill.server.validate import InputCheck
from tidemill.server.values import Uploads
from tidemill.wire.api import Submission
from tidemill.wire.forks import ForkPlan, ForkRequest, WhatIfAnswer, WhatIfRequest, WhatIfRun

RUNS_AT_ONCE = 1000
_fork = BodyType(ForkRequest)
_what_if = BodyType(WhatIfRequest)


class Forks:
    def __init__(self, engine: Engine, intake: Intake, uploads: Uploads, rehearsal: Rehearsal) -> None:
        self._engine, self._intake, self._uploads, self._rehearsal = engine, intake, uploads, rehearsal

    async def retry(self, request: Request) -> Response:
        """A new run that goes on where this one failed."""
        origin = await parameters.known_run(request, self._engine.queries)
        if not isinstance(origin.state, Ended) or isinstance(origin.state.outcome, Succeeded):
            raise refuse(
                "not_possible", f"the run {text_of(origin.id)} is {origin.status}; what did not fail is forked"
            )
        await self._refuse_chosen_end(origin)
        return await self._start(request, origin)

    async def _refuse_chosen_end(self, origin: Run) -> None:
        """An end in failure that a machine came to is a result, and what led to it may have undone things."""
        scope = (await self._engine.queries.rows(Keys(scopes=[(origin.id, "")]))).scopes[origin.id, ""]
        if isinstance(scope, MachineScope) and scope.end is not None:
            detail = f"its machine came to an end in failure, from the state {scope.end[0]!r}: that is its result. "
            raise refuse("not_possible", detail + "Fork it, and name in `again` what has to be done anew")

    async def fork(self, request: Request) -> Response:
        return await self._start(request, await parameters.known_run(request, self._engine.queries))

    async def _start(self, request: Request, origin: Run) -> Response:
        (outcome,) = await self._engine.submit([await self._order(origin, await _fork.read(request))])
        said = answered(outcome)
        if said.problem is not None:
            raise RequestError(said.problem)
        return answer(request, said.accepted, 201)

    async def plan(self, request: Request) -> Response:
        origin = await parameters.known_run(request, self._engine.queries)
        order = await self._order(origin, await _fork.read(request))
        found = await self._rehearsal.run(event_of(order), self._engine.clock.now())
        return answer(request, ForkPlan(found.reused, found.fresh, found.ended, found.is_cut))

    # Orders ----------------------------------------------------------------------------------------

    async def _order(self, origin: Run, body: ForkRequest) -> Order:
        values = await self._engine.queries.values(origin.id, "")
        given = {name: await self._uploads.store(value) for name, value in body.input.items()}
        submission = Submission(
            id=body.id,
            graph=body.graph or digest_text(origin.graph),
            values={**values, **given},
            priority=origin.priority if body.priority is None else body.priority,
            tags=origin.tags if body.tags is None else body.tags,
            run_timeout_s=origin.longest / 1_000_000,
        )
        order = await self._intake.order(submission)
        await self._known_paths(origin, tuple(body.steps), "steps")
        edits = await self._kept_edits(origin)
        for path, edited in (await self._edits(order.graph, body.steps)).items():
            edits[path] = edits.get(path, {}) | edited
        fork = Fork(origin.id, origin.graph, await self._known_paths(origin, body.again), tuple(edits))
        told = digest_of(digestible((order.submitted, structs.astuple(fork), edits)))
        return structs.replace(order, fork=fork, edits=edits, submitted=Digest(told))

    async def _kept_edits(self, origin: Run) -> dict[Path, dict[str, Value]]:
        """What the origin, a fork itself, was given for steps."""
        paths = origin.fork.edited if origin.fork is not None else ()
        return {path: await self._engine.queries.values(origin.id, path + EDITED) for path in paths}

    async def _known_paths(self, origin: Run, paths: Sequence[Path], name: str = "again") -> tuple[Path, ...]:
        rows = (await self._engine.queries.rows(Keys(steps=[(origin.id, path) for path in paths]))).steps
        wrong = [path for (_, path), row in rows.items() if row is None]
        if wrong:
            raise invalid("invalid_body", tuple((f"$.{name}[{path}]", "the run has no such step") for path in wrong))
        return tuple(paths)

    async def _edits(self, graph: Digest, steps: Mapping[Path, Mapping[str, Any]]) -> dict[Path, dict[str, Value]]:
        layout = await self._engine.graphs.layout(graph)
        found: dict[Path, dict[str, Value]] = {}
        for path, inputs in steps.items():
            known = _parameters(layout, path) if layout is not None else {}
            if wrong := _misfits(path, inputs, known):
                raise invalid("invalid_body", wrong)
            found[path] = {name: await self._uploads.store(value) for name, value in inputs.items()}
        return found

    # What if ---------------------------------------------------------------------------------------

    async def what_if(self, request: Request) -> Response:
        """Nothing is started: recorded results are all that a run is moved by."""
        body = await _what_if.read(request)
        if not 1 <= body.limit <= RUNS_AT_ONCE or len(body.runs) > RUNS_AT_ONCE:
            raise invalid("invalid_body", (("$.limit", f"is from 1 to {RUNS_AT_ONCE}"),))
        if bool(body.runs) == bool(body.workflow):
            raise invalid("invalid_body", (("$", "give runs, or the workflow whose latest runs are meant"),))
        graph = await self._version(body)
        runs = await self._runs(body)
        return answer(request, WhatIfAnswer(tuple([await self._looked_at(run, *graph) for run in runs])))

    async def _version(self, body: WhatIfRequest) -> tuple[Digest, Workflow]:
        """The version that is asked about: published, or as a document that is looked at and not kept."""
        if not body.document:
            return await self._intake.graph(body.graph)
        try:
            row, workflow = row_of(body.document.encode(), self._engine.clock.now())
        except DocumentError as error:
            raise invalid("bad_graph", (("$.document", str(error)),)) from None
        if problems := check(workflow, {}):
            raise invalid("bad_graph", tuple((f"$.document: {each.place}", each.reason) for each in problems))
        self._engine.graphs.look_at(row.digest, workflow)
        return row.digest, workflow

    async def _runs(self, body: WhatIfRequest) -> Sequence[Run]:
        if body.workflow:
            return await self._engine.queries.runs(RunFilter(workflow=body.workflow, limit=body.limit))
        ids = [_run_id(text) for text in body.runs]
        rows = (await self._engine.queries.rows(Keys(runs=ids))).runs
        missing = [text_of(run) for run, row in rows.items() if row is None]
        if missing:
            raise unknown("unknown_run", missing[0], ())
        return [row for row in rows.values() if row is not None]

    async def _looked_at(self, run: Run, graph: Digest, workflow: Workflow) -> WhatIfRun:
        status = run.status
        try:
            values = await self._engine.queries.values(run.id, "")
            lacking = sorted(set(workflow.shape.inputs) - set(values) - set(workflow.shape.optional))
            if lacking:
                return WhatIfRun(text_of(run.id), status, problem=f"the run was not given {lacking[0]!r}")
            before = await self._rehearsed(run, run.graph, values)
            after = await self._rehearsed(run, graph, values)
        except TidemillError as error:
            return WhatIfRun(text_of(run.id), status, problem=str(error))
        return _compared(run, before, after)

    async def _rehearsed(self, run: Run, graph: Digest, values: Mapping[str, Value]) -> Rehearsed:
        event = RunSubmitted(
            run=RunId(bytes(16)),
            graph=graph,
            workflow=run.workflow,
            inputs=dict(values),
            submitted=run.submitted,
            fork=Fork(run.id, run.graph, assume=True),
        )
        return await self._rehearsal.run(event, self._engine.clock.now())


def _run_id(text: str) -> RunId:
    try:
        return parse_run_id(text)
    except BadIdError as error:
        raise invalid("invalid_body", (("$.runs", str(error)),)) from None


def _parameters(layout: Layout, path: Path) -> Mapping[str, Schema]:
    try:
        node = layout.node(path)[2]
    except NoSuchPathError:
        return {}
    if not isinstance(node, TaskNode):
        return {}
    return parameters_of(node.takes) if node.takes else {name: {} for name in node.inputs}


def _misfits(path: Path, inputs: Mapping[str, Any], known: Mapping[str, Schema]) -> tuple[tuple[str, str], ...]:
    if wrong := [name for name in inputs if name not in known]:
        text = f"takes {', '.join(known)}" if known else "is no step of a task"
        return tuple((f"$.steps[{path}].{name}", text) for name in wrong)
    found = InputCheck(known, frozenset()).violations(inputs)
    return tuple((f"$.steps[{path}]{place[1:]}", text) for place, text in found)


def _is_end(taken: str) -> bool:
    """Of a run that would go on with new steps nobody knows the end."""
    return taken.startswith("ends: ")


def _compared(run: Run, before: Rehearsed, after: Rehearsed) -> WhatIfRun:
    known = set(before.fresh)
    failed = isinstance(run.state, Ended) and isinstance(run.state.outcome, Failed)
    return WhatIfRun(
        run=text_of(run.id),
        status=run.status,
        ended=after.ended or ("failed" if failed and after.fresh == before.fresh else ""),
        left=tuple(each for each in before.taken if each not in after.taken and not (after.fresh and _is_end(each))),
        taken=tuple(each for each in after.taken if each not in before.taken),
        fresh=tuple(path for path in after.fresh if path not in known),
        is_cut=after.is_cut,
    )
