"""What grows while a run goes on: the items of its streams, and its logs."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace

from starlette.requests import Request
from starlette.responses import Response

from tidemill.core.graph import ITEMS, TaskNode
from tidemill.core.ids import Path, RunId
from tidemill.core.rows import Keys
from tidemill.core.run import Ended, Run, Step
from tidemill.core.terms import VALUE, Ref
from tidemill.engine.engine import Engine
from tidemill.ports.logs import LogRow, Logs
from tidemill.server import parameters
from tidemill.server.bodies import answer, wants_msgpack
from tidemill.server.epochs import LINES, Batch, Batches, frames, lines, messages
from tidemill.server.epochs import Place as ItemPlace
from tidemill.server.logsearch import Place, Wanted, find, wanted
from tidemill.server.problems import refuse
from tidemill.server.streaming import EVENTS, KEEP_ALIVE_S, SILENCE, Streams, beating, sse
from tidemill.server.views import emitted_view, line_view
from tidemill.wire.api import FRAMES, EmittedPage, LogPage

ROWS = 64  # of stream items, read at once
PAGE, MOST = 500, 5000


class Tails:
    def __init__(self, engine: Engine, logs: Logs, streams: Streams) -> None:
        self._engine, self._queries, self._logs, self._streams = engine, engine.queries, logs, streams

    # Streams ---------------------------------------------------------------------------------------

    async def stream(self, request: Request) -> Response:
        """Items from ?from= on, while the step runs and after it; ends when there will be no more."""
        run = await parameters.known_run(request, self._queries)
        path = request.path_params.get("path") or await self._streaming_step(run)
        place = _place(request)
        _, latest = await self._look(run.id, path)
        if place.epoch > latest:
            raise refuse("bad_request", f"the stream is in epoch {latest}; there is no epoch {place.epoch} of it")
        batches = self._batches(run.id, path, place)
        if wants_msgpack(request):
            return self._streams.answer(frames(batches), FRAMES)
        if LINES in request.headers.get("accept", ""):
            return self._streams.answer(lines(batches), LINES)
        return self._streams.answer(messages(batches), EVENTS)

    async def _streaming_step(self, run: Run) -> Path:
        """The step whose stream is the result of the run."""
        workflow = await self._engine.graphs.get(run.graph)
        outputs = workflow.body.outputs if workflow else {}
        output = outputs.get(VALUE) or outputs.get(ITEMS)
        if workflow and isinstance(output, Ref):
            node = workflow.body.nodes.get(output.node)
            if isinstance(node, TaskNode) and node.stream:
                return output.node
        raise refuse("unknown_step", "the result of this run is no stream; name a step of it")

    async def _batches(self, run: RunId, path: Path, place: ItemPlace) -> Batches:
        """Items as they become durable; None when all is quiet. A newer attempt's items are another epoch."""
        yield None
        news = self._news(run)
        epoch, first, is_told = place.epoch, place.first, bool(place.epoch)
        while True:
            is_over, latest = await self._look(run, path)
            if place.stays:
                is_over = is_over or latest > epoch
            elif latest > epoch:
                if is_told:
                    first = 0
                    yield Batch(latest, 0, (), restarted=True)
                epoch = latest
            items = await self._read(run, path, epoch, first)
            if items:
                yield Batch(epoch, first, items)
                first, is_told = first + len(items), True
            elif is_over:
                yield Batch(epoch, first, (), ended=True)
                return
            elif not await anext(news):
                yield None

    async def _look(self, run: RunId, path: Path) -> tuple[bool, int]:
        """Whether there will be no more than there is now, and the epoch: the number of the latest attempt."""
        rows = await self._queries.rows(Keys(runs=[run], steps=[(run, path)]))
        owner, step = rows.runs.get(run), rows.steps.get((run, path))
        is_over = (owner is None or isinstance(owner.state, Ended)) or (isinstance(step, Step) and step.is_final)
        return is_over, step.latest if step else 0

    async def _read(self, run: RunId, path: Path, epoch: int, first: int) -> tuple[bytes, ...]:
        """Items of one attempt from ``first`` on."""
        rows = await self._queries.stream(run, path, epoch, first, ROWS)
        found = [item for row in rows for item in row.items]
        return tuple(found[first - rows[0].first :]) if rows else ()

    async def _news(self, run: RunId, every_s: float = KEEP_ALIVE_S) -> AsyncIterator[bool]:
        """True whenever something happened to a run, False now and then, however much happens."""
        told = self._engine.clock.monotonic()
        async for item in beating(self._engine.feed.follow(run, self._engine.feed.last), every_s):
            is_quiet = item is None or self._engine.clock.monotonic() - told > every_s
            if is_quiet:
                told = self._engine.clock.monotonic()
            yield not is_quiet

    # Events that tasks told of -----------------------------------------------------------------------

    async def emitted(self, request: Request) -> Response:
        """A page; with follow=true events as they come, until the run has ended."""
        run = await parameters.known_run(request, self._queries)
        kind, after = request.query_params.get("type", ""), parameters.cursor(request)
        if parameters.follows(request, "false"):
            return self._streams.live(self._emitted_messages(run.id, kind, after), EVENTS)
        limit = max(parameters.number(request, "limit", PAGE, MOST), 1)
        rows = await self._queries.emitted(run.id, kind, after, limit)
        return answer(request, EmittedPage(tuple(map(emitted_view, rows)), rows[-1].number if rows else after))

    async def _emitted_messages(self, run: RunId, kind: str, after: int) -> AsyncIterator[bytes]:
        yield SILENCE
        news = self._news(run)
        while True:
            owner = await parameters.find_run(run, self._queries)
            is_over = owner is None or isinstance(owner.state, Ended)
            rows = await self._queries.emitted(run, kind, after, PAGE)
            if rows:
                after = rows[-1].number
                yield b"".join(sse("event", emitted_view(row), row.number) for row in rows)
            elif is_over:
                yield sse("end", {})
                return
            elif not await anext(news):
                yield SILENCE

    # Logs ------------------------------------------------------------------------------------------

    async def logs(self, request: Request) -> Response:
        """A page; with follow=true the lines as they come, until the run has ended."""
        run = await parameters.known_run(request, self._queries)
        path = request.query_params.get("path")
        after = parameters.cursor(request)
        if parameters.follows(request, "false"):
            return self._streams.live(self._log_messages(Place(run.id, path, after), wanted(request)), EVENTS)
        limit = max(parameters.number(request, "limit", PAGE, MOST), 1)
        rows, last = await find(self._logs, Place(run.id, path, after), wanted(request), limit)
        return answer(request, LogPage(tuple(line_view(number, row) for number, row in rows), last))

    async def _log_messages(self, place: Place, which: Wanted) -> AsyncIterator[bytes]:
        yield SILENCE
        news = self._news(place.run)
        while True:
            owner = await parameters.find_run(place.run, self._queries)
            is_over = owner is None or isinstance(owner.state, Ended)
            rows, last = await find(self._logs, place, which, PAGE)
            if last > place.after:
                place = replace(place, after=last)
                yield _log_message(rows, last) if rows else SILENCE
            elif is_over:
                yield sse("end", {})
                return
            elif not await anext(news):
                yield SILENCE


def _log_message(rows: Sequence[tuple[int, LogRow]], after: int) -> bytes:
    return sse("lines", [line_view(number, row) for number, row in rows], after)


def _place(request: Request) -> ItemPlace:
    """Where to begin: ?from= (and ?epoch= or ?attempt=), or what a browser sends when it reconnects."""
    epoch, colon, last = request.headers.get("last-event-id", "").partition(":")
    if colon and all(part.isascii() and part.isdecimal() and len(part) < 20 for part in (epoch, last)):
        return ItemPlace(int(epoch), int(last))
    first = parameters.number(request, "from", 0, 2**62)
    if attempt := parameters.number(request, "attempt", 0, 2**31):
        return ItemPlace(attempt, first, stays=True)
    return ItemPlace(parameters.number(request, "epoch", 0, 2**31), first)
