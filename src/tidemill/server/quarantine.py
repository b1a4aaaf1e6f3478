"""Steps that are quarantined: listed, let go on, discarded, one or many."""

from collections.abc import Sequence

from starlette.requests import Request
from starlette.responses import Response

from tidemill.core.events import QuarantineJudged
from tidemill.core.ids import BadIdError, Path, RunId, parse_run_id, text_of
from tidemill.core.wait_rows import WaitKind, WaitRow
from tidemill.engine.engine import Engine
from tidemill.ports.store import WaitFilter
from tidemill.server import parameters
from tidemill.server.bodies import BodyType, answer
from tidemill.server.problems import invalid, refuse
from tidemill.server.views import time_text
from tidemill.wire.quarantine import QuarantinePage, QuarantineRequest, QuarantineView

PAGE, MOST = 50, 1000
BITE = 200  # steps that one request decides

_request = BodyType(QuarantineRequest)
Place = tuple[RunId, Path]


class Quarantine:
    def __init__(self, engine: Engine) -> None:
        self._engine, self._queries = engine, engine.queries

    async def page(self, request: Request) -> Response:
        limit = max(parameters.number(request, "limit", PAGE, MOST), 1)
        workflow, after = request.query_params.get("workflow", ""), request.query_params.get("after", "")
        rows = await self._queries.waits(_filter(workflow, _place(after, "after"), limit))
        return answer(request, QuarantinePage(tuple(map(_view, rows)), _next(rows, limit)))

    async def judge(self, request: Request) -> Response:
        """Release steps, or discard them; what is not quarantined any more is passed over."""
        asked = await _request.read(request)
        if asked.steps and not asked.run:
            raise invalid("invalid_body", (("$.run", "say whose steps they are"),))
        rows = await self._rows(asked)
        meant = [row for row in rows if self._is_meant(asked, row)]
        if not asked.dry_run:
            by_run: dict[RunId, list[Path]] = {}
            for row in meant:
                by_run.setdefault(row.run, []).append(row.path)
            await self._engine.apply(
                [QuarantineJudged(run, tuple(paths), asked.verdict, asked.by) for run, paths in by_run.items()]
            )
        return answer(request, QuarantinePage(tuple(map(_view, meant)), "" if asked.run else _next(rows, BITE)))

    async def _rows(self, asked: QuarantineRequest) -> Sequence[WaitRow]:
        if not asked.run:
            return await self._queries.waits(_filter(asked.workflow, _place(asked.after, "after"), BITE))
        run = (_place(asked.run, "run") or (RunId(b""), ""))[0]
        if await parameters.find_run(run, self._queries) is None:
            raise refuse("unknown_run", f"no run {asked.run[:50]}")
        found: list[WaitRow] = []
        after = ""
        while page := await self._queries.waits(WaitFilter(run=run, after=(run, after), limit=MOST)):
            found += [row for row in page if row.kind is WaitKind.QUARANTINE]
            after = page[-1].path
        if strange := set(asked.steps) - {row.path for row in found}:
            raise refuse("not_possible", f"{min(strange)[:200]!r} of run {asked.run} is not quarantined")
        return found

    def _is_meant(self, asked: QuarantineRequest, row: WaitRow) -> bool:
        before = self._engine.clock.now() - int(max(asked.older_than_s, 0.0) * 1_000_000)
        return (
            (not asked.steps or row.path in asked.steps)
            and asked.workflow in ("", row.workflow)
            and asked.task in ("", row.name)
            and row.opened_at <= before
        )


def _filter(workflow: str, after: Place | None, limit: int) -> WaitFilter:
    return WaitFilter(kinds=(WaitKind.QUARANTINE,), workflow=workflow, after=after, limit=limit)


def _place(text: str, name: str) -> Place | None:
    run, _, path = text.partition("/")
    try:
        return (parse_run_id(run), path) if run else None
    except BadIdError as error:
        raise refuse("bad_request", f"{name}: {error}") from None


def _next(rows: Sequence[WaitRow], limit: int) -> str:
    return f"{text_of(rows[-1].run)}/{rows[-1].path}" if len(rows) == limit else ""


def _view(row: WaitRow) -> QuarantineView:
    return QuarantineView(text_of(row.run), row.path, row.name, row.workflow, time_text(row.opened_at), row.question)
