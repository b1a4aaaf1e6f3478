"""Schedules over HTTP, and the orders of the runs that they start."""

import re
from collections.abc import Callable, Mapping
from itertools import islice, takewhile

from msgspec import structs
from starlette.requests import Request
from starlette.responses import Response

from tidemill.core.due_words import filled, instant_text, words_of
from tidemill.core.ids import Instant, RunId, text_of
from tidemill.core.recurrence import run_id
from tidemill.core.rows import Call, Keys, Schedule
from tidemill.core.run import Run
from tidemill.core.schedules import Asked, Verdict, backfilled, begun, edited, paused, resumed
from tidemill.engine.engine import Engine
from tidemill.engine.orders import Order
from tidemill.engine.schedules import Change
from tidemill.ports.almanac import Almanac
from tidemill.ports.entropy import Entropy
from tidemill.server import parameters
from tidemill.server.bodies import BodyType, answer
from tidemill.server.intake import Intake
from tidemill.server.problems import RequestError, invalid, refuse, unknown
from tidemill.server.schedule_forms import Reading, fire_view, input_from, input_of, terms_of, view_of
from tidemill.wire.api import Submission
from tidemill.wire.schedules import (
    BackfillRequest,
    DueList,
    DueView,
    FirePage,
    PauseRequest,
    SchedulePage,
    ScheduleSpec,
    TriggerRequest,
)

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
NEXT, PAGE, MOST = 10, 100, 1000
OWN_TAGS = 2
MOST_TAGS = 64 - OWN_TAGS
MOST_AT_ONCE = 100
LAST = 2**62

_put, _pause = BodyType(ScheduleSpec), BodyType(PauseRequest)
_trigger, _backfill = BodyType(TriggerRequest), BodyType(BackfillRequest)


Planned = Callable[[Schedule], Change | None]


class Schedules:
    def __init__(self, engine: Engine, intake: Intake, almanac: Almanac, entropy: Entropy) -> None:
        self._engine, self._intake, self._almanac, self._entropy = engine, intake, almanac, entropy
        self._schedules = engine.schedules
        self._schedules.open(almanac, self._order)

    # Reading ---------------------------------------------------------------------------------------

    async def page(self, request: Request) -> Response:
        limit = max(parameters.number(request, "limit", PAGE, MOST), 1)
        found = await self._engine.queries.schedules(request.query_params.get("after", ""), limit)
        views = tuple(view_of(row, (row.due_at,) if row.due_at is not None else ()) for row in found)
        return answer(request, SchedulePage(views, found[-1].name if len(found) == limit else ""))

    async def get(self, request: Request) -> Response:
        return await self._shown(request, await self._known(request))

    async def due(self, request: Request) -> Response:
        """Instants to come, whether it is paused or not."""
        row = await self._known(request)
        limit = max(parameters.number(request, "limit", NEXT, MOST), 1)
        reading = Reading()
        after = reading.instant(request.query_params.get("after", ""), "?after=", row.cursor_at)
        reading.check()
        found = list(islice(self._schedules.dues(row).after(after), limit + 1))
        return answer(request, await self._due_list(row, found, limit))

    async def fires(self, request: Request) -> Response:
        row = await self._known(request)
        limit = max(parameters.number(request, "limit", PAGE, MOST), 1)
        before = parameters.number(request, "before", LAST, LAST)
        found = await self._engine.queries.fires(row.id, before, limit)
        following = found[-1].number if len(found) == limit and found[-1].number > 1 else 0
        return answer(request, FirePage(tuple(map(fire_view, found)), following))

    # Changing --------------------------------------------------------------------------------------

    async def put(self, request: Request) -> Response:
        """Make it, or have it say something else; ?revision= is that of the one to change, 0 where there is none."""
        name, spec = _name(request), await _put.read(request)
        wanted = parameters.number(request, "revision", LAST, LAST)
        terms, call = terms_of(spec, self._almanac), self._call(spec)
        at = self._engine.clock.now()

        async def plan(row: Schedule | None) -> Change | None:
            if wanted not in (LAST, row.revision if row else 0):
                raise refuse("conflict", f"the schedule {name!r} is at revision {row.revision if row else 0}")
            fresh = Schedule(name, self._entropy.bytes(16), terms, call, at, at, cursor_at=at)
            dues = self._schedules.dues(structs.replace(row or fresh, terms=terms))
            changed = begun(fresh, dues) if row is None else edited(row, terms, call, dues, at)
            if changed is None:
                return None
            if changed.due_at is None:
                raise invalid("invalid_body", (("$", "it is never due: its instants lie in the past, or outside"),))
            await self._intake.order(_submission(changed, changed.due_at, run_id(fresh.id, at)))
            return Change(lambda _, __: Verdict(changed))

        await self._schedules.change(name, plan)
        return await self._shown(request, await self._known(request))

    async def remove(self, request: Request) -> Response:
        """Its runs go on; its history goes with it."""
        await self._changed(request, lambda _: Change(lambda _, __: Verdict(None)))
        return Response(status_code=204)

    async def pause(self, request: Request) -> Response:
        reason = (await _pause.read(request)).reason
        await self._changed(request, lambda row: Change(lambda _, at: Verdict(paused(row, reason, at))))
        return await self._shown(request, await self._known(request))

    async def resume(self, request: Request) -> Response:
        def plan(row: Schedule) -> Change | None:
            return Change(lambda _, at: resumed(row, self._schedules.dues(row), at)) if row.paused_at else None

        await self._changed(request, plan)
        return await self._shown(request, await self._known(request))

    async def trigger(self, request: Request) -> Response:
        body = await _trigger.read(request)
        reading = Reading()
        due_at = reading.instant(body.due_at, "$.due_at", self._engine.clock.now())
        reading.check()

        async def plan(row: Schedule | None) -> Change:
            return await self._schedules.asked(
                self._found(row, request), Asked(trigger_at=due_at, overlap=body.overlap)
            )

        verdict = await self._schedules.change(_name(request), plan)
        lines = [fire for fire in verdict.fires if fire.due_at == due_at] if verdict else []
        if not lines:
            raise refuse("conflict", "what was triggered is not told of")
        return answer(request, fire_view(lines[-1]), 201)

    async def backfill(self, request: Request) -> Response:
        body = await _backfill.read(request)
        reading = Reading()
        from_at = reading.instant(body.from_at, "$.from_at", 0)
        until_at = reading.instant(body.until_at, "$.until_at", 0)
        if from_at > until_at:
            reading.wrong.append(("$.until_at", "comes before from_at"))
        reading.within(body.at_once, "$.at_once", 1, MOST_AT_ONCE)
        reading.check()
        row = await self._known(request)
        dues = self._schedules.dues(row).after(from_at - 1)
        found = list(takewhile(lambda due_at: due_at <= until_at, islice(dues, MOST + 1)))
        if found and not body.dry_run:

            def plan(row: Schedule) -> Change:
                if row.backfill:
                    raise refuse("conflict", "a backfill of it is under way; let it end first")
                return Change(lambda _, at: Verdict(backfilled(row, from_at, until_at, body.at_once, at)))

            await self._changed(request, plan)
        return answer(request, await self._due_list(row, found, MOST), 200 if body.dry_run else 202)

    async def _changed(self, request: Request, plan: Planned) -> None:
        async def planned(row: Schedule | None) -> Change | None:
            return plan(self._found(row, request))

        await self._schedules.change(_name(request), planned)

    # Parts -----------------------------------------------------------------------------------------

    async def _known(self, request: Request) -> Schedule:
        return self._found(await self._schedules.find(_name(request)), request)

    def _found(self, row: Schedule | None, request: Request) -> Schedule:
        if row is None:
            raise refuse("unknown_schedule", f"no schedule {request.path_params['schedule'][:100]!r}")
        return row

    async def _shown(self, request: Request, row: Schedule) -> Response:
        coming = islice(self._schedules.dues(row).after(row.cursor_at), NEXT)
        last = await self._engine.queries.fires(row.id, LAST, 1)
        return answer(request, view_of(row, coming, last[0] if last else None))

    async def _due_list(self, row: Schedule, found: list[Instant], limit: int) -> DueList:
        ids = {due_at: run_id(row.id, due_at) for due_at in found[:limit]}
        runs: Mapping[RunId, Run | None] = (await self._engine.queries.rows(Keys(runs=list(ids.values())))).runs
        views = tuple(DueView(instant_text(at), text_of(run) if runs[run] else "") for at, run in ids.items())
        return DueList(views, len(found) > limit)

    def _call(self, spec: ScheduleSpec) -> Call:
        """Raises RequestError for a target that nobody knows."""
        if len(spec.tags) > MOST_TAGS:
            raise invalid("invalid_body", (("$.tags", f"are at most {MOST_TAGS}"),))
        catalog, graphs = self._engine.catalog, self._engine.graphs
        is_task = catalog.latest(spec.target) is not None
        if not is_task and graphs.by_name(spec.target) is None:
            raise unknown("unknown_task", spec.target, catalog.nearest(spec.target, graphs.names()))
        return Call(
            task=spec.target if is_task else "",
            workflow="" if is_task else spec.target,
            input=input_of(spec),
            priority=spec.priority,
            tags=spec.tags,
            options=spec.options,
        )

    async def _order(self, row: Schedule, due_at: Instant, run: RunId) -> Order | str:
        """The order of one run; a text when its target or input is wrong."""
        try:
            return await self._intake.order(_submission(row, due_at, run))
        except RequestError as error:
            return error.problem.detail or error.problem.title


def _name(request: Request) -> str:
    name: str = request.path_params["schedule"]
    if not NAME.fullmatch(name):
        raise refuse("bad_request", "the name of a schedule has 1 to 100 letters, digits, dots, dashes and underscores")
    return name


def _submission(row: Schedule, due_at: Instant, run: RunId) -> Submission:
    call = row.call
    return Submission(
        task=call.task,
        workflow=call.workflow,
        input=filled(input_from(call), words_of(row.name, row.terms.zone, due_at)),
        id=text_of(run),
        priority=call.priority,
        tags={**call.tags, "schedule": row.name, "due_at": instant_text(due_at)},
        options=call.options,
    )
