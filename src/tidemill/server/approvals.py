"""Waits as lists, approvals decided over the API, and the page that a signed link leads to."""

from typing import Any
from urllib.parse import parse_qs

from starlette.requests import Request
from starlette.responses import Response

from tidemill.core.approval_links import LIFETIME_US, LinkError, LinkOverError, read_token, token_of
from tidemill.core.commands import RefuseSignal
from tidemill.core.errors import TidemillError
from tidemill.core.events import ApprovalGiven
from tidemill.core.graph import ApprovalWait, WaitNode
from tidemill.core.ground import may_move
from tidemill.core.ids import BadIdError, Path, RunId, parse_run_id, text_of
from tidemill.core.rows import Keys
from tidemill.core.run import Run
from tidemill.core.signalling import over_text
from tidemill.core.wait_rows import WaitKind, WaitRow
from tidemill.engine.engine import Engine
from tidemill.ports.store import WaitFilter
from tidemill.server import parameters
from tidemill.server.approval_pages import Asked, asked_page, told_page
from tidemill.server.bodies import BodyType, answer, read_all
from tidemill.server.problems import RequestError, refuse
from tidemill.server.signals import refused
from tidemill.server.values import Plains
from tidemill.server.views import time_text
from tidemill.wire.waiting import ApprovalBody, ClosedView, WaitPage, WaitView

PAGE, MOST = 50, 1000
FORM_LIMIT_BYTES = 64 * 1024
COMMENT_LIMIT, WHO_LIMIT = 4_000, 200  # characters
KINDS = tuple(kind.value for kind in WaitKind)

_approval = BodyType(ApprovalBody, FORM_LIMIT_BYTES)


class Approvals:
    def __init__(self, engine: Engine, plains: Plains) -> None:
        self._engine, self._queries, self._plains = engine, engine.queries, plains

    # Over the API ----------------------------------------------------------------------------------

    async def page(self, request: Request) -> Response:
        kinds = tuple(request.query_params.getlist("kind"))
        if strange := [kind for kind in kinds if kind not in KINDS]:
            raise refuse("bad_request", f"?kind= is one of {', '.join(KINDS)}, not {strange[0][:50]!r}")
        limit = max(parameters.number(request, "limit", PAGE, MOST), 1)
        which = WaitFilter(
            kinds=tuple(map(WaitKind, kinds)),
            workflow=request.query_params.get("workflow", ""),
            after=_after(request),
            limit=limit,
        )
        found = await self._queries.waits(which)
        following = f"{text_of(found[-1].run)}/{found[-1].path}" if len(found) == limit else ""
        base = _base(request) if request.query_params.get("links") == "true" else ""
        return answer(request, WaitPage(tuple(wait_view(row, self._link(row, base)) for row in found), following))

    async def of_run(self, request: Request) -> Response:
        """Those that are over, too."""
        run = await parameters.known_run(request, self._queries)
        limit = max(parameters.number(request, "limit", PAGE, MOST), 1)
        after = request.query_params.get("after", "")
        which = WaitFilter(run=run.id, open_only=False, after=(run.id, after) if after else None, limit=limit)
        found = await self._queries.waits(which)
        return answer(request, WaitPage(tuple(map(wait_view, found)), found[-1].path if len(found) == limit else ""))

    async def decide(self, request: Request) -> Response:
        run = await parameters.known_run(request, self._queries)
        body = await _approval.read(request)
        path = body.step or await self._only(run)
        await self._given(ApprovalGiven(run.id, path, body.choice, body.comment, body.who))
        row = (await self._queries.rows(Keys(waits=[(run.id, path)]))).waits[run.id, path]
        assert row is not None  # noqa: S101  # just decided
        return answer(request, wait_view(row))

    async def _only(self, run: Run) -> Path:
        """The one approval that a run asks for."""
        rows = await self._queries.waits(WaitFilter(run=run.id, limit=MOST))
        paths = [row.path for row in rows if row.kind is WaitKind.APPROVAL]
        if not paths:
            raise refuse("unknown_step", f"run {text_of(run.id)} is {run.status} and asks for no approval")
        if len(paths) > 1:
            some = ", ".join(paths[:5])
            raise refuse("ambiguous", f"the run asks for {len(paths)} approvals, so say which step: {some}")
        return paths[0]

    async def _given(self, event: ApprovalGiven) -> None:
        """Raises RequestError."""
        if len(event.comment) > COMMENT_LIMIT or len(event.who) > WHO_LIMIT:
            raise refuse("too_large", f"a comment has at most {COMMENT_LIMIT} characters, a name {WHO_LIMIT}")
        said = await self._engine.signal(event)
        if isinstance(said, RefuseSignal):
            raise refused(said)

    def _link(self, row: WaitRow, base: str) -> str:
        if not base or row.kind is not WaitKind.APPROVAL:
            return ""
        until_at = row.until_at or row.opened_at + LIFETIME_US
        return f"{base}/approve/{token_of(self._engine.secret, row.run, row.path, until_at)}"

    # By a link -------------------------------------------------------------------------------------

    async def show(self, request: Request) -> Response:
        """The page that a link leads to: the question, or who has answered it."""
        found = await self._linked(request)
        if isinstance(found, Response):
            return found
        run, row = found
        if row.closed is not None or not may_move(run, row.path):
            return told_page("This is decided", over_text(row), 200 if row.closed else 410)
        return asked_page(Asked(run.workflow, text_of(run.id), row, await self._shown(run, row)))

    async def submit(self, request: Request) -> Response:
        """The form of that page."""
        found = await self._linked(request)
        if isinstance(found, Response):
            return found
        run, row = found
        form = parse_qs((await read_all(request, FORM_LIMIT_BYTES)).decode("utf-8", "replace"), max_num_fields=10)
        said = {name: form.get(name, [""])[0].strip() for name in ("choice", "comment", "who")}
        try:
            await self._given(ApprovalGiven(run.id, row.path, said["choice"], said["comment"], said["who"]))
        except RequestError as error:
            return told_page("This was not taken", str(error), error.problem.status)
        return Response(status_code=303, headers={"location": request.url.path})

    async def _linked(self, request: Request) -> tuple[Run, WaitRow] | Response:
        """The approval that a link is for, or the page that says what is wrong with the link."""
        try:
            run_id, path = read_token(self._engine.secret, request.path_params["token"], self._engine.clock.now())
        except LinkOverError:
            return told_page("This link is over", "Nobody can answer by it any more. Ask for a new one.", 410)
        except LinkError as error:
            return told_page("This link leads nowhere", f"{error}. Copy it once more, as a whole.", 404)
        rows = await self._queries.rows(Keys(runs=[run_id], waits=[(run_id, path)]))
        run, row = rows.runs[run_id], rows.waits[run_id, path]
        if run is None or row is None:
            return told_page("This link leads nowhere", "The run that asked is not here any more.", 404)
        return run, row

    async def _shown(self, run: Run, row: WaitRow) -> Any:
        """What the approval shows, as plain data; None when there is nothing."""
        layout = await self._engine.graphs.layout(run.graph)
        node = layout.node(row.path)[2] if layout else None
        if not isinstance(node, WaitNode) or not isinstance(node.what, ApprovalWait) or node.what.shows is None:
            return None
        try:
            return await self._plains.expression(run, row.path, node.what.shows)
        except TidemillError as error:
            return f"(it cannot be shown here: {error})"


def _base(request: Request) -> str:
    return f"{request.url.scheme}://{request.headers.get('host', '')}"


def _after(request: Request) -> tuple[RunId, Path] | None:
    run, _, path = request.query_params.get("after", "").partition("/")
    try:
        return (parse_run_id(run), path) if run else None
    except BadIdError as error:
        raise refuse("bad_request", f"?after= is the `next` of the page before: {error}") from None


def wait_view(row: WaitRow, link: str = "") -> WaitView:
    closed = row.closed
    return WaitView(
        run=text_of(row.run),
        step=row.path,
        kind=row.kind.value,
        workflow=row.workflow,
        opened_at=time_text(row.opened_at),
        name=row.name,
        key=row.key,
        question=row.question,
        choices=row.choices,
        until_at=time_text(row.until_at),
        closed=ClosedView(closed.how.value, time_text(closed.at), closed.who, closed.choice) if closed else None,
        link=link,
    )
