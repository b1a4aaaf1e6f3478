"""How a run ended, and the values of its steps."""

import asyncio
from collections.abc import AsyncIterator
from itertools import count

import msgspec
from msgspec import structs
from starlette.requests import Request
from starlette.responses import Response

from tidemill.core.codes import MEANINGS
from tidemill.core.ids import RunId, parse_run_id, text_of
from tidemill.core.run import Cancelled, Ended, Failed, Halted, Run, Succeeded
from tidemill.core.terms import VALUE
from tidemill.core.values import Argument
from tidemill.engine.engine import Engine
from tidemill.server import parameters
from tidemill.server.bodies import answer, wants_msgpack
from tidemill.server.problems import KINDS, RequestError, refuse
from tidemill.server.streaming import Streams
from tidemill.server.values import PLAIN_LIMIT_BYTES, Plains
from tidemill.server.views import ending, run_view
from tidemill.wire.api import JSON, MSGPACK, Finished, Problem, Result

LONGEST_WAIT_S = 60.0


class Results:
    def __init__(self, engine: Engine, plains: Plains, streams: Streams) -> None:
        self._engine, self._plains, self._streams = engine, plains, streams
        self._waits = count()

    async def result(self, request: Request) -> Response:
        """Waits for the end for as long as it is asked to; 202 with the run when that is too short."""
        run = await parameters.known_run(request, self._engine.queries)
        wait_s = parameters.seconds(request, "wait", LONGEST_WAIT_S)
        run = await self._awaited(run, wait_s)
        if not isinstance(run.state, Ended):
            return answer(request, run_view(run), 202)
        if wants_msgpack(request):
            outputs = await self._engine.reader.outputs(run) if isinstance(run.state.outcome, Succeeded) else None
            return answer(request, finished(run, outputs))
        return answer(request, await self._plain(run, run.state))

    async def plain(self, run_text: str, wait_s: float) -> Result | None:
        """The outputs of a run; None when it has not ended in time. Raises RequestError for an end without outputs."""
        run = await parameters.find_run(parse_run_id(run_text), self._engine.queries)
        if run is None:
            raise refuse("unknown_run", f"no run {run_text}")
        run = await self._awaited(run, wait_s)
        return await self._plain(run, run.state) if isinstance(run.state, Ended) else None

    async def _awaited(self, run: Run, wait_s: float) -> Run:
        """The run as it is after a wait for its end. Raises RequestError for one that is halted."""
        if not isinstance(run.state, Ended | Halted) and wait_s:
            await self._ended(run.id, wait_s)
            run = await parameters.find_run(run.id, self._engine.queries) or run
        if isinstance(run.state, Halted):
            raise refuse("run_halted", run.state.reason)
        return run

    async def _ended(self, run: RunId, wait_s: float) -> None:
        watch = self._engine.watch(f"/result/{next(self._waits)}")  # no token of a client has a slash
        try:
            async with asyncio.timeout(wait_s):
                await watch.add([run])
                async for _ in watch:
                    return
        except TimeoutError:
            return
        finally:
            watch.close()

    async def _plain(self, run: Run, state: Ended) -> Result:
        match state.outcome:
            case Succeeded(status=status):
                plain = await self._plains.outputs(run)
                value = plain[VALUE] if plain.keys() == {VALUE} else plain
                return Result(text_of(run.id), "succeeded", value, status, run.adjustments)
            case Failed(failure=failure):
                told = Problem("run_failed", KINDS["run_failed"][1], MEANINGS[failure.code].status, failure.message)
                raise RequestError(structs.replace(told, violations=failure.violations, failure=failure))
            case Cancelled(reason=reason):
                raise refuse("run_cancelled", reason)

    async def value(self, request: Request) -> Response:
        """One port of a step as one msgpack document, streamed; as JSON when it is small enough."""
        run = await parameters.known_run(request, self._engine.queries)
        path, port = request.path_params["path"], request.query_params.get("port", VALUE)
        if JSON in request.headers.get("accept", ""):
            plain = await self._engine.reader.decoded(run, path, port, PLAIN_LIMIT_BYTES)
            return Response(msgspec.json.encode(plain), media_type=JSON)
        chunks = self._engine.reader.read(run, path, port)
        first = await anext(chunks, b"")  # what is missing is said before the headers go out
        return self._streams.answer(_from(first, chunks), MSGPACK)


async def _from(first: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield first
    async for chunk in rest:
        yield chunk


def finished(run: Run, outputs: dict[str, Argument] | None) -> Finished:
    """What is told of a run that ended."""
    failure, reason, outcome = ending(run.state)
    return Finished(text_of(run.id), run.status, outputs, failure, outcome, reason, run.adjustments)
