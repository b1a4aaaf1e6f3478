"""Breakpoints of runs: where one stands, what its steps are given, and how it goes on."""

import asyncio

from starlette.requests import Request
from starlette.responses import Response

from tidemill.core.events import Continued
from tidemill.core.ids import Path, text_of
from tidemill.core.run import AtBreakpoint, Run
from tidemill.engine.engine import Engine
from tidemill.server import parameters
from tidemill.server.bodies import BodyType, answer
from tidemill.server.problems import refuse
from tidemill.server.values import Plains
from tidemill.wire.breaks import ContinueRequest, StepInputs, Stopped

PAGE, MOST = 1000, 1000  # steps looked at in one query; steps at a breakpoint that are listed
_body = BodyType(ContinueRequest)


class Breaks:
    def __init__(self, engine: Engine, plains: Plains) -> None:
        self._engine, self._plains = engine, plains

    async def stopped(self, request: Request) -> Response:
        return answer(request, await self._stopped(await parameters.known_run(request, self._engine.queries)))

    async def go_on(self, request: Request) -> Response:
        run = await parameters.known_run(request, self._engine.queries)
        body = await _body.read(request)
        standing = (await self._stopped(run)).paths
        if strange := [path for path in body.paths if path not in standing]:
            raise refuse("not_possible", f"{strange[0]!r} does not stand at a breakpoint")
        found = await self._engine.go_on(Continued(run.id, body.paths or standing, body.step, body.breakpoints))
        return answer(request, await self._stopped(found or run), 202)

    async def inputs(self, request: Request) -> Response:
        """What a step of a task is given, or would be."""
        run = await parameters.known_run(request, self._engine.queries)
        path = request.path_params["path"]
        arguments = await self._engine.reader.inputs(run, path)
        return answer(request, StepInputs(path, await self._plains.of(run, arguments)))

    async def _stopped(self, run: Run) -> Stopped:
        found: list[Path] = []
        after = ""
        while page := await self._engine.queries.steps(run.id, after, PAGE):
            found += [step.path for step in page if isinstance(step.state, AtBreakpoint)]
            after = page[-1].path
            await asyncio.sleep(0)  # a long run has many pages, and reading one waits for nobody
            if len(page) < PAGE or len(found) > MOST:
                break
        return Stopped(text_of(run.id), run.status, tuple(found[:MOST]), run.breakpoints, len(found) > MOST)
