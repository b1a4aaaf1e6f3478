"""What grows while a run goes on: the items of its streams, and its logs."""

from collections.abc import AsyncIterator, Sequence

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from tidemill.core.graph import VALUE, Ref, TaskNode
from tidemill.core.ids import Path, RunId
from tidemill.core.rows import Keys
from tidemill.core.run import Ended, Run, Step
from tidemill.engine.engine import Engine
from tidemill.ports.logs import LogRow, Logs
from tidemill.server import parameters
from tidemill.server.bodies import answer, wants_msgpack
from tidemill.server.problems import refuse
from tidemill.server.streaming import EVENTS, SILENCE, Streams, beating, sse
from tidemill.server.views import time_text
from tidemill.wire.api import FRAMES, LogLineView, LogPage, StreamItem

ROWS = 64  # of stream items, read at once
PAGE, MOST = 500, 5000
LINES = "application/x-ndjson"

_decode = msgspec.msgpack.Decoder().decode
_pack = msgspec.msgpack.Encoder().encode
_json = msgspec.json.Encoder().encode


class Tails:
    def __init__(self, engine: Engine, logs: Logs, streams: Streams) -> None:
        self._engine, self._queries, self._logs, self._streams = engine, engine.queries, logs, streams

    # Streams ---------------------------------------------------------------------------------------

    async def stream(self, request: Request) -> Response:
        """Items from ?from= on, while the step runs and after it; ends when there will be no more."""
        run = await parameters.known_run(request, self._queries)
        path = request.path_params.get("path") or await self._streaming_step(run)
        last = request.headers.get("last-event-id", "")
        first = int(last) + 1 if last.isascii() and last.isdecimal() else parameters.number(request, "from", 0, 2**62)
        items = self._items(run.id, path, first)
        if wants_msgpack(request):
            return self._streams.answer(_frames(items), FRAMES)
        if LINES in request.headers.get("accept", ""):
            return self._streams.answer(_lines(items), LINES)
        return self._streams.answer(_messages(items), EVENTS)

    async def _streaming_step(self, run: Run) -> Path:
        """The step whose stream is the result of the run."""
        workflow = await self._engine.graphs.get(run.graph)
        output = workflow.body.outputs.get(VALUE) if workflow else None
        if workflow and isinstance(output, Ref):
            node = workflow.body.nodes.get(output.node)
            if isinstance(node, TaskNode) and node.stream:
                return output.node
        raise refuse("unknown_step", "the result of this run is no stream; name a step of it")

    async def _items(self, run: RunId, path: Path, first: int) -> AsyncIterator[list[tuple[int, bytes]]]:
        """Encoded items with their indexes, as they become durable; an empty list when all is quiet."""
        yield []
        news = self._news(run)
        while True:
            is_over, items = await self._next_items(run, path, first)
            if items:
                first = items[-1][0] + 1
                yield items
            elif is_over:
                return
            elif not await anext(news):
                yield []

    async def _next_items(self, run: RunId, path: Path, first: int) -> tuple[bool, list[tuple[int, bytes]]]:
        """Whether there will be no more, seen before what there is now."""
        rows = await self._queries.rows(Keys(runs=[run], steps=[(run, path)]))
        owner, step = rows.runs.get(run), rows.steps.get((run, path))
        is_over = (owner is None or isinstance(owner.state, Ended)) or (isinstance(step, Step) and step.is_final)
        if step is None:
            return is_over, []
        found = await self._queries.stream(run, path, step.latest, first, ROWS)
        numbered = ((row.first + at, item) for row in found for at, item in enumerate(row.items))
        return is_over, [(index, item) for index, item in numbered if index >= first]

    async def _news(self, run: RunId) -> AsyncIterator[bool]:
        """True whenever something happened to a run, False now and then."""
        async for item in beating(self._engine.feed.follow(run, self._engine.feed.last)):
            yield item is not None

    # Logs ------------------------------------------------------------------------------------------

    async def logs(self, request: Request) -> Response:
        """A page; with follow=true the lines as they come, until the run has ended."""
        run = await parameters.known_run(request, self._queries)
        path = request.query_params.get("path")
        after = parameters.cursor(request)
        if parameters.follows(request, "false"):
            return self._streams.live(self._log_messages(run.id, path, after), EVENTS)
        limit = max(parameters.number(request, "limit", PAGE, MOST), 1)
        rows = await self._logs.read(run.id, path, after, limit)
        lines = tuple(_line(number, row) for number, row in rows)
        return answer(request, LogPage(lines, rows[-1][0] if rows else after))

    async def _log_messages(self, run: RunId, path: Path | None, after: int) -> AsyncIterator[bytes]:
        yield SILENCE
        news = self._news(run)
        while True:
            owner = await parameters.find_run(run, self._queries)
            is_over = owner is None or isinstance(owner.state, Ended)
            rows = await self._logs.read(run, path, after, PAGE)
            if rows:
                after = rows[-1][0]
                yield _log_message(rows, after)
            elif is_over:
                yield sse("end", {})
                return
            elif not await anext(news):
                yield SILENCE


def _line(number: int, row: LogRow) -> LogLineView:
    return LogLineView(number, row.path, row.number, time_text(row.at), row.level, row.logger, row.text)


def _log_message(rows: Sequence[tuple[int, LogRow]], after: int) -> bytes:
    return sse("lines", [_line(number, row) for number, row in rows], after)


Items = AsyncIterator[list[tuple[int, bytes]]]


async def _frames(items: Items) -> AsyncIterator[bytes]:
    async for batch in items:
        frame = _pack([StreamItem(index, msgspec.Raw(item)) for index, item in batch])
        yield len(frame).to_bytes(4, "big") + frame


async def _lines(items: Items) -> AsyncIterator[bytes]:
    async for batch in items:
        if batch:
            yield b"".join(_json(StreamItem(index, _decode(item))) + b"\n" for index, item in batch)


async def _messages(items: Items) -> AsyncIterator[bytes]:
    async for batch in items:
        yield b"".join(sse("item", _decode(item), index) for index, item in batch) if batch else SILENCE
    yield sse("end", {})
