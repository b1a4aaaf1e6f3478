"""One attempt as a record."""

from starlette.requests import Request
from starlette.responses import Response

from tidemill.core.ids import Path
from tidemill.core.rows import Emitted, Keys
from tidemill.core.run import Run
from tidemill.core.telling import EMISSIONS_OF_ATTEMPT
from tidemill.engine.engine import Engine
from tidemill.ports.logs import LogRow, Logs
from tidemill.server import parameters
from tidemill.server.bodies import answer
from tidemill.server.problems import refuse
from tidemill.server.values import Plains
from tidemill.server.views import attempt_view, emitted_view, line_view
from tidemill.wire.attempts import AttemptRecord

LINES = 500
PAGE = 1000


class Attempts:
    def __init__(self, engine: Engine, plains: Plains, logs: Logs) -> None:
        self._engine, self._queries, self._plains, self._logs = engine, engine.queries, plains, logs

    async def record(self, request: Request) -> Response:
        run = await parameters.known_run(request, self._queries)
        path, key = request.path_params["path"], request.path_params["number"]
        number = int(key) if key.isascii() and key.isdecimal() and len(key) < 10 else 0
        found = (await self._queries.rows(Keys(attempts=[(run.id, path, number)]))).attempts[run.id, path, number]
        if found is None:
            raise refuse("unknown_step", f"the run has no attempt {key[:20]} of {path[:200]!r}")
        arguments = await self._engine.reader.inputs(run, path)
        lines = await self._lines(run, path, number)
        record = AttemptRecord(
            attempt_view(found),
            await self._plains.of(run, arguments),
            tuple(emitted_view(each) for each in await self._events(run, path, number)),
            tuple(line_view(seq, row) for seq, row in lines[:LINES]),
            len(lines) > LINES,
        )
        return answer(request, record)

    async def _events(self, run: Run, path: Path, number: int) -> list[Emitted]:
        found: list[Emitted] = []
        after = 0
        while len(found) < EMISSIONS_OF_ATTEMPT and (rows := await self._queries.emitted(run.id, "", after, PAGE)):
            found += [row for row in rows if (row.path, row.attempt) == (path, number)]
            after = rows[-1].number
        return found

    async def _lines(self, run: Run, path: Path, number: int) -> list[tuple[int, LogRow]]:
        """One more than are shown, if there are so many."""
        found: list[tuple[int, LogRow]] = []
        after = 0
        while len(found) <= LINES and (rows := await self._logs.read(run.id, path, after, PAGE)):
            found += [(seq, row) for seq, row in rows if row.number == number]
            after = rows[-1][0]
        return found[: LINES + 1]
