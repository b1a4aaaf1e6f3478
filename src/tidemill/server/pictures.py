"""Pictures of runs: the graph as it stands, and the timeline."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

from starlette.requests import Request
from starlette.responses import Response

from tidemill.core.ids import Instant, Path
from tidemill.core.rows import Keys
from tidemill.core.run import Attempt, AttemptEnded, Run, Started, Step
from tidemill.engine.engine import Engine
from tidemill.graphs.sheet import TooLargeError, sheet_of
from tidemill.graphs.svg import svg_of
from tidemill.graphs.timeline import Bar, Row, span_of, timeline_of
from tidemill.server import parameters
from tidemill.server.problems import refuse
from tidemill.server.standing import standing_of

SVG = "image/svg+xml"
MORE = "and more"
MOST_ROWS = 200  # of a timeline
MOST_ELEMENTS = 20  # steps in one map that get a row
MOST_ATTEMPTS = 10  # the latest ones of a step
PAGE = 100
# A picture that is opened by itself may do nothing but look as it says.
_HEADERS = {
    "cache-control": "no-store",
    "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; sandbox; frame-ancestors 'none'",
}
_LAST = "\U0010ffff"  # behind all paths that begin alike


class Pictures:
    def __init__(self, engine: Engine) -> None:
        self._engine, self._queries = engine, engine.queries

    async def picture(self, request: Request) -> Response:
        run = await parameters.known_run(request, self._queries)
        try:
            text = await (self._timeline(run) if parameters.flag(request, "timeline") else self._graph(run))
        except TooLargeError as error:
            raise refuse("too_large", str(error)) from None
        return Response(text, media_type=SVG, headers=_HEADERS)

    async def _graph(self, run: Run) -> str:
        workflow = await self._engine.graphs.get(run.graph)
        if workflow is None:
            raise refuse("no_graph", "the graph of this run is not here any more")
        sheet = sheet_of(workflow)
        return svg_of(sheet, f"{run.workflow}: {run.status}", await standing_of(self._queries, run.id, workflow))

    # Timeline --------------------------------------------------------------------------------------

    async def _timeline(self, run: Run) -> str:
        steps, left = await self._steps(run)
        numbers = [(run.id, step.path, number) for step in steps for number in _latest(step)]
        attempts = (await self._queries.rows(Keys(attempts=numbers))).attempts
        until = run.ended_at if run.ended_at is not None else self._engine.clock.now()
        rows = []
        for step in steps:
            own = [attempts.get((run.id, step.path, number)) for number in _latest(step)]
            rows.append(_row(step, [each for each in own if each is not None], run.created_at, until))
            if step.path in left:
                rows.append(Row(f"{step.path}[…]", _depth(step.path) + 1, "blocked", note=MORE))
        paths = {row.path for row in rows}
        rows = sorted((_named(_around(row, rows), paths) for row in rows), key=_begin)
        if "" in left:
            rows.append(Row("…", 0, "blocked", note="and more steps"))
        return timeline_of(rows, (until - run.created_at) / 1_000_000, f"{run.workflow}: {run.status}, timeline")

    async def _steps(self, run: Run) -> tuple[list[Step], set[Path]]:
        """The first steps by path, a few of each map; and where there are more (``""``: of the run)."""
        found: list[Step] = []
        left: set[Path] = set()
        counts: dict[Path, int] = {}
        after = ""
        while page := await self._queries.steps(run.id, after, PAGE):
            for step in page:
                after = step.path
                around = _map_around(step.path)
                counts[around] = counts.get(around, 0) + bool(around)
                if counts[around] > MOST_ELEMENTS:
                    left.add(around)
                    after = f"{around}[{_LAST}"
                    break
                if len(found) == MOST_ROWS:
                    return found, left | {""}
                found.append(step)
        return found, left


def _map_around(path: Path) -> Path:
    """The outermost map or loop that a step is in."""
    head, bracket, _ = path.partition("[")
    return head if bracket else ""


def _latest(step: Step) -> range:
    return range(max(1, step.latest - MOST_ATTEMPTS + 1), step.latest + 1)


def _depth(path: Path) -> int:
    return path.count("/")


def _around(row: Row, rows: Sequence[Row]) -> Row:
    """A step without attempts of its own lasts from the first to the last inside it, where all of them are shown."""
    if row.bars:
        return row
    inner = [each for each in rows if each.path.startswith((f"{row.path}/", f"{row.path}["))]
    bars = [bar for each in inner for bar in each.bars]
    if not bars:
        return row
    start, end = min(bar.queued_s for bar in bars), max(bar.end_s for bar in bars)
    hint = f"{row.path}: {row.status}"
    is_cut = any(not each.bars and each.note == MORE for each in inner)
    note = "" if not is_cut else f"{row.status}; not all of it is shown"
    return replace(row, bars=(Bar(start, start, end, row.status, hint),), note=note, is_group=True)


def _named(row: Row, paths: set[Path]) -> Row:
    """Below the row of what it is in, a step is called by the rest of its path."""
    ends = [at for at, letter in enumerate(row.path) if letter in "/["]
    outer = next((row.path[:at] for at in reversed(ends) if row.path[:at] in paths), "")
    return replace(row, label=row.path[len(outer) :].removeprefix("/"))


def _begin(row: Row) -> tuple[float, int]:
    """Of two that begin together, the outer one comes first."""
    return row.bars[0].queued_s if row.bars else float("inf"), row.depth


def _row(step: Step, attempts: Sequence[Attempt], begun_at: Instant, until: Instant) -> Row:
    bars = tuple(_bar(attempt, begun_at, until) for attempt in attempts)
    return Row(step.path, _depth(step.path), step.status, bars, "" if bars else step.status)


def _bar(attempt: Attempt, begun_at: Instant, until: Instant) -> Bar:
    state = attempt.state
    ended_at = state.ended_at if isinstance(state, AttemptEnded) else until
    status = state.end.value if isinstance(state, AttemptEnded) else "running"
    start, end = ((at - begun_at) / 1_000_000 for at in (attempt.leased_at, ended_at))
    if isinstance(state, Started):
        status = "running"
    at = datetime.fromtimestamp(attempt.leased_at / 1_000_000, UTC).strftime("%H:%M:%S")
    hint = (
        f"{attempt.path} attempt {attempt.number} on {attempt.worker} from {at} UTC: {status}, {span_of(end - start)}"
    )
    return Bar(max(start - attempt.queued_us / 1_000_000, 0.0), start, end, status, hint)
