"""Control: runs, tasks, queues and workers are paused and resumed, runs changed, many at once."""

from collections import Counter
from difflib import get_close_matches

from msgspec.structs import replace
from starlette.requests import Request
from starlette.responses import Response

from tidemill.core.events import CancelRequested, PauseRequested, ResumeRequested, RunChanged
from tidemill.core.ids import BadIdError, RunId, parse_run_id, text_of
from tidemill.core.retention import FINAL_STATUSES
from tidemill.core.rows import Pause, PauseKind
from tidemill.core.run import UNFINISHED, Cancelling, Ended, Halted, Paused, Run
from tidemill.core.statuses import UnknownStatusError, run_statuses
from tidemill.engine.engine import Engine
from tidemill.engine.removing import How
from tidemill.ports.store import RunFilter
from tidemill.server import parameters
from tidemill.server.bodies import BodyType, answer
from tidemill.server.intake import PRIORITIES
from tidemill.server.problems import invalid, refuse, unknown
from tidemill.server.tags import wrong_tags
from tidemill.server.views import pause_view, run_view
from tidemill.wire.api import BulkBite
from tidemill.wire.control import (
    BulkAction,
    BulkRequest,
    PauseList,
    PauseRequest,
    PauseView,
    ResumeRequest,
    RunChange,
)

BITE = 200  # runs that one request decides
SHOWN = 20
MOST_SESSIONS = 1000
_NO_CHANGE = RunChange()

_pause = BodyType(PauseRequest)
_resume = BodyType(ResumeRequest)
_change = BodyType(RunChange)
_bulk = BodyType(BulkRequest)

# The runs that an action is for.
STANDING: dict[BulkAction, tuple[str, ...]] = {
    BulkAction.CANCEL: ("pending", "running", "paused", "halted"),
    BulkAction.PAUSE: ("pending", "running"),
    BulkAction.RESUME: ("paused",),
    BulkAction.SET: UNFINISHED,
    BulkAction.REMOVE: FINAL_STATUSES,
}


class Control:
    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    # One run ---------------------------------------------------------------------------------------

    async def pause(self, request: Request) -> Response:
        """Running attempts go on, and are recorded; nothing new starts."""
        body = await _pause.read(request)
        run = _known(request, await self._engine.pause(parameters.run_id(request), body.by, body.reason))
        if not isinstance(run.state, Paused):
            raise refuse("not_possible", f"run {text_of(run.id)} is {run.status}: there is nothing of it to pause")
        return answer(request, run_view(run))

    async def resume(self, request: Request) -> Response:
        body = await _resume.read(request)
        run = _known(request, await self._engine.resume(parameters.run_id(request), body.by))
        if isinstance(run.state, (Cancelling, Ended, Halted)):
            raise refuse("not_possible", f"run {text_of(run.id)} is {run.status}: it cannot be resumed")
        return answer(request, run_view(run))

    async def change(self, request: Request) -> Response:
        """Another priority, other tags; what is queued is put into its new order."""
        body = await _change.read(request)
        known = await parameters.known_run(request, self._engine.queries)
        _check_change(body, known)
        run = _known(request, await self._engine.change(_changed(known.id, body)))
        if isinstance(run.state, Ended):
            raise refuse("not_possible", f"run {text_of(run.id)} is {run.status}: it is not changed any more")
        return answer(request, run_view(run))

    async def remove(self, request: Request) -> Response:
        """Of a run that ended nothing is left: nobody sees it from now on."""
        run = await parameters.known_run(request, self._engine.queries)
        if why := (await self._engine.remove([run.id]))[run.id]:
            raise refuse("not_possible", f"the run {text_of(run.id)} stays: {why}")
        return Response(status_code=204)

    # Many runs -------------------------------------------------------------------------------------

    async def bulk(self, request: Request) -> Response:
        """One bite of the runs that a filter finds, newest first; the same bite again does no harm."""
        asked = _in_our_words(await _bulk.read(request))
        change = asked.change or _NO_CHANGE
        _check_bulk(asked, change)
        found = await self._engine.queries.find(self._filter(asked))
        runs, stay = found.runs, dict[str, int]()
        if asked.action is BulkAction.REMOVE:
            why = await self._engine.remove([run.id for run in runs], How.LOOK if asked.dry_run else How.HIDE)
            runs, stay = [run for run in runs if not why[run.id]], Counter(filter(None, why.values()))
        elif not asked.dry_run:
            await self._engine.apply([_event(asked, run.id, change) for run in runs])
        following = text_of(found.rest_before) if found.rest_before else ""
        return answer(request, BulkBite(len(runs), tuple(map(run_view, runs[:SHOWN])), following, dict(stay)))

    def _filter(self, asked: BulkRequest) -> RunFilter:
        standing = STANDING[asked.action]
        older_at = self._engine.clock.now() - int(asked.older_than_s * 1_000_000) if asked.older_than_s else 0
        return RunFilter(
            statuses=asked.statuses or standing,
            workflow=asked.workflow,
            before=_run_id(asked.before) if asked.before else None,
            limit=BITE,
            tags=tuple(asked.tags.items()),
            created_before_at=older_at,
        )

    # Tasks, queues, workers ------------------------------------------------------------------------

    async def pauses(self, request: Request) -> Response:
        return answer(request, PauseList(tuple(map(pause_view, self._engine.seats.pauses.all()))))

    async def hold(self, request: Request) -> Response:
        """Nothing new starts of it; one that is paused stays as it is."""
        body = await _pause.read(request)
        kind, name = await self._named(request)
        known = self._engine.seats.pauses.of(kind, name)
        if known is None:
            known = Pause(kind, name, self._engine.clock.now(), body.by, body.reason)
            await self._engine.hold(known)
        return answer(request, pause_view(known))

    async def let_go(self, request: Request) -> Response:
        kind, name = await self._named(request)
        known = self._engine.seats.pauses.of(kind, name)
        if known is not None:
            await self._engine.let_go(known)
        return answer(request, PauseView(kind.value, name, is_paused=False))

    async def _named(self, request: Request) -> tuple[PauseKind, str]:
        """What the path names, if it is known or paused."""
        told, name = request.path_params["kind"], request.path_params["name"]
        try:
            kind = PauseKind(told)
        except ValueError:
            raise refuse("bad_request", f"a task, a queue or a worker is paused, not a {told[:50]!r}") from None
        if self._engine.seats.pauses.of(kind, name) is None:
            known = await self._names(kind)
            if name not in known:
                near = tuple(get_close_matches(name, known, 3, 0.5))
                raise unknown({PauseKind.TASK: "no_task"}.get(kind, f"unknown_{kind.value}"), name, near)
        return kind, name

    async def _names(self, kind: PauseKind) -> list[str]:
        match kind:
            case PauseKind.TASK:
                return list(self._engine.catalog.names())
            case PauseKind.WORKER:
                sessions = await self._engine.queries.sessions(MOST_SESSIONS)
                return list(dict.fromkeys(each.worker for each in sessions))
            case PauseKind.QUEUE:
                return list(dict.fromkeys(await self._queues()))

    async def _queues(self) -> list[str]:
        """Queues that a task, a node or a worker names."""
        named = [row.definition.options.requires.queue for row in await self._engine.queries.tasks()]
        named += [row.requires.queue for row in self._engine.seats.lanes.values()]
        for seat in self._engine.seats.all():
            named += seat.session.offers.queues
        return [name for name in named if name]


def _known(request: Request, run: Run | None) -> Run:
    if run is None or run.hidden is not None:
        raise refuse("unknown_run", f"no run {request.path_params['run']}")
    return run


def _changed(run: RunId, change: RunChange) -> RunChanged:
    return RunChanged(run, change.priority, change.tags, change.untag)


def _event(
    asked: BulkRequest, run: RunId, change: RunChange
) -> CancelRequested | PauseRequested | ResumeRequested | RunChanged:
    match asked.action:
        case BulkAction.CANCEL:
            return CancelRequested(run, asked.reason)
        case BulkAction.PAUSE:
            return PauseRequested(run, asked.by, asked.reason)
        case BulkAction.RESUME:
            return ResumeRequested(run, asked.by)
        case BulkAction.SET | BulkAction.REMOVE:
            return _changed(run, change)


def _check_change(change: RunChange, run: Run | None = None) -> None:
    wrong = [("$", "give a priority, tags or untag")] if change == _NO_CHANGE else []
    if change.priority is not None and change.priority not in PRIORITIES:
        wrong.append(("$.priority", f"is from {PRIORITIES[0]} to {PRIORITIES[-1]}"))
    kept = {name: text for name, text in run.tags.items() if name not in change.untag} if run else {}
    wrong += wrong_tags(kept | change.tags)
    if wrong:
        raise invalid("invalid_body", tuple(wrong))


def _in_our_words(asked: BulkRequest) -> BulkRequest:
    try:
        return replace(asked, statuses=run_statuses(asked.statuses))
    except UnknownStatusError as error:
        raise invalid("invalid_body", (("$.statuses", str(error)),)) from None


def _check_bulk(asked: BulkRequest, change: RunChange) -> None:
    if asked.action is BulkAction.SET:
        _check_change(change)
    elif asked.change is not None:
        raise invalid("invalid_body", (("$.change", "is for the action set"),))
    standing = STANDING[asked.action]
    if strange := [status for status in asked.statuses if status not in standing]:
        told = f"{asked.action.value} is for runs that are {', '.join(standing)}, not {strange[0][:50]}"
        raise invalid("invalid_body", (("$.statuses", told),))
    if not asked.older_than_s >= 0:
        raise invalid("invalid_body", (("$.older_than_s", "is 0 or more, in seconds"),))


def _run_id(text: str) -> RunId:
    try:
        return parse_run_id(text)
    except BadIdError as error:
        raise invalid("invalid_body", (("$.before", str(error)),)) from None
