"""Events of runs, as server-sent events that a client can take up again where it stopped, or as pages.

All that one beat did to one run is one message; its number is the cursor. Progress and log lines are live only.
"""

from collections.abc import AsyncIterator, Iterable

from starlette.requests import Request
from starlette.responses import Response

from tidemill.core.ids import RunId, text_of
from tidemill.core.rows import History
from tidemill.core.run import Ended, Run
from tidemill.engine.engine import Engine
from tidemill.engine.orders import Ephemeral
from tidemill.server import parameters
from tidemill.server.bodies import answer
from tidemill.server.streaming import EVENTS, SILENCE, Streams, beating, sse
from tidemill.server.views import run_view, time_text
from tidemill.wire.api import EventPage, EventView

PAGE, MOST = 200, 1000


class Feeds:
    def __init__(self, engine: Engine, streams: Streams) -> None:
        self._engine, self._queries, self._streams = engine, engine.queries, streams

    async def all_events(self, request: Request) -> Response:
        """Without ?after= a stream begins now, and a page at the beginning."""
        if not parameters.follows(request):
            return await self._page(request, None)
        begun = "after" in request.query_params or "last-event-id" in request.headers
        after = parameters.cursor(request) if begun else self._engine.feed.last
        return self._streams.live(self._messages(None, after), EVENTS)

    async def events(self, request: Request) -> Response:
        """Ends with the run."""
        run = await parameters.known_run(request, self._queries)
        if not parameters.follows(request):
            return await self._page(request, run.id)
        return self._streams.live(self._until_end(run, parameters.cursor(request)), EVENTS)

    async def _page(self, request: Request, run: RunId | None) -> Response:
        after = parameters.cursor(request)
        limit = max(parameters.number(request, "limit", PAGE, MOST), 1)
        rows = await self._queries.feed(after, run, limit)
        events = tuple(view for number, row in rows for view in event_views(number, row))
        return answer(request, EventPage(events, rows[-1][0] if rows else after))

    async def _until_end(self, run: Run, after: int) -> AsyncIterator[bytes]:
        if isinstance(run.state, Ended):
            while rows := await self._queries.feed(after, run.id, MOST):
                for number, row in rows:
                    yield _message(number, row)
                after = rows[-1][0]
        else:
            async for message in self._messages(run, after):
                yield message
        ended = await self._ended(run.id)
        yield sse("end", run_view(ended or run))

    async def _messages(self, run: Run | None, after: int) -> AsyncIterator[bytes]:
        """Of all runs, or of one until it ends."""
        yield SILENCE  # so that the answer begins at once
        async for item in beating(self._engine.feed.follow(run.id if run else None, after)):
            if item is None:
                yield SILENCE
                continue
            number, what = item
            yield _message(number, what)
            if run and isinstance(what, History) and _may_end(what) and await self._ended(run.id):
                return

    async def _ended(self, run: RunId) -> Run | None:
        found = await parameters.find_run(run, self._queries)
        return found if found and isinstance(found.state, Ended) else None


def _may_end(row: History) -> bool:
    return any(entry.path == "" for entry in row.events)


def event_views(number: int, row: History) -> Iterable[EventView]:
    run, at = text_of(row.run), time_text(row.at)
    return (EventView(run, each.kind, at, each.path, each.number, each.detail, number) for each in row.events)


def _message(number: int, what: History | Ephemeral) -> bytes:
    if isinstance(what, History):
        return sse("events", tuple(event_views(number, what)), number)
    view = EventView(text_of(what.run), what.kind, path=what.path, attempt=what.number, detail=what.detail)
    return sse("live", view)
