"""Free attributes of runs and steps: read and changed."""

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from tidemill.core.commands import RefuseAttributes
from tidemill.core.events import AttributesChanged
from tidemill.core.ids import text_of
from tidemill.core.rows import Keys
from tidemill.core.shared_rows import Attributes
from tidemill.engine.engine import Engine
from tidemill.server import parameters
from tidemill.server.bodies import BodyType, answer
from tidemill.server.problems import refuse
from tidemill.server.values import walk
from tidemill.wire.data import DataChange, DataPage, DataView

PAGE, MOST = 50, 100  # steps; each may have 256 KiB
_body = BodyType(DataChange)


class Data:
    def __init__(self, engine: Engine) -> None:
        self._engine, self._queries = engine, engine.queries

    async def page(self, request: Request) -> Response:
        run = await parameters.known_run(request, self._queries)
        limit = max(parameters.number(request, "limit", PAGE, MOST), 1)
        own = (await self._queries.rows(Keys(attributes=[(run.id, "")]))).attributes[run.id, ""]
        found = await self._queries.attributes(run.id, request.query_params.get("after", ""), limit)
        following = found[-1].path if len(found) == limit else ""
        return answer(request, DataPage(plain_of(own), {row.path: plain_of(row) for row in found}, following))

    async def change(self, request: Request) -> Response:
        run, path = parameters.run_id(request), request.query_params.get("path", "")
        body = await _body.read(request)
        for _ in walk(body.set):
            pass  # only its bound: what is nested too deep cannot be read again
        done = await self._engine.set_attributes(AttributesChanged(run, path, body.set, body.remove))
        if isinstance(done, RefuseAttributes):
            raise refuse(done.type, done.detail or f"no run {request.path_params['run']}")
        return answer(request, DataView(text_of(run), path, plain_of(done.row)))


def plain_of(row: Attributes | None) -> dict[str, Any]:
    return {name: each.value for name, each in row.values.items()} if row is not None else {}
