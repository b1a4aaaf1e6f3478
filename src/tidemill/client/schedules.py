"""`client.schedules`: rules that start runs, on a server."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from tidemill.client.calls import escaped, query_text
from tidemill.client.connection import Connection
from tidemill.client.targets import bind_plain, target_of
from tidemill.core.recurrence import Overlap
from tidemill.sdk.options import seconds
from tidemill.sdk.schedule import Schedule
from tidemill.wire import api
from tidemill.wire.schedules import (
    BackfillRequest,
    DueList,
    FirePage,
    FireView,
    PauseRequest,
    SchedulePage,
    ScheduleSpec,
    ScheduleView,
    TriggerRequest,
)


class AsyncSchedules:
    """A schedule that is not there raises `NotFoundError`; what is wrong, `RefusedError` with each place."""

    def __init__(self, core: Connection) -> None:
        self._core = core

    async def put(self, schedule: Schedule) -> ScheduleView:
        """Have the server keep it: made, or changed to what it says now. The same again changes nothing."""
        if not isinstance(schedule.target, str) and (target := target_of(schedule.target)).document:
            await self._core.calls.put_json(f"/graphs/{target.graph}", target.document, api.PublishedGraph)
        return await self.put_spec(schedule.name, await self._spec(schedule))

    async def put_spec(self, name: str, spec: ScheduleSpec, revision: int | None = None) -> ScheduleView:
        """The same from plain data.

        Args:
            revision: of the schedule to change, as it was seen; 0 to make one and change none.
        Raises:
            ConflictError: it is at another revision.
        """
        return await self._core.calls.put(_path(name) + query_text({"revision": revision}), spec, ScheduleView)

    async def list(self) -> Sequence[ScheduleView]:
        """All of them, by name, each with its next instant."""
        found: list[ScheduleView] = []
        after = ""
        while True:
            page = await self._core.calls.get("/schedules", SchedulePage, {"after": after, "limit": 1000})
            found += page.schedules
            after = page.next
            if not after:
                return found

    async def get(self, name: str) -> ScheduleView:
        """One, with its next ten instants."""
        return await self._core.calls.get(_path(name), ScheduleView)

    async def pause(self, name: str, reason: str = "") -> ScheduleView:
        """Nothing is due until it is resumed; runs and backfills go on."""
        return await self._core.calls.post(f"{_path(name)}/pause", PauseRequest(reason), ScheduleView)

    async def resume(self, name: str) -> ScheduleView:
        """Go on from now: what was due in between is missed."""
        return await self._core.calls.post(f"{_path(name)}/resume", {}, ScheduleView)

    async def trigger(self, name: str, due_at: datetime | None = None, overlap: Overlap | None = None) -> FireView:
        """Fire now, paused or not; the answer says what came of it.

        Args:
            due_at: an aware instant to run for instead of now. An instant has one run: a second time gives that.
            overlap: for this once, instead of the schedule's own.
        """
        asked = TriggerRequest(_text(due_at or self._core.identity.now()), overlap)  # sent again, it is the same one
        return await self._core.calls.post(f"{_path(name)}/trigger", asked, FireView)

    async def backfill(self, name: str, start: datetime, end: datetime, at_once: int = 1) -> DueList:
        """Have a run for each due instant of a range, both ends included; those that have one keep it.

        Gives the first 1,000 instants. The server goes on by itself, ``at_once`` runs at a time.
        """
        return await self._backfill(name, BackfillRequest(_text(start), _text(end), at_once))

    async def rehearse_backfill(self, name: str, start: datetime, end: datetime) -> DueList:
        """What `backfill` would do; starts nothing."""
        return await self._backfill(name, BackfillRequest(_text(start), _text(end), dry_run=True))

    async def _backfill(self, name: str, request: BackfillRequest) -> DueList:
        return await self._core.calls.post(f"{_path(name)}/backfill", request, DueList)

    async def remove(self, name: str) -> None:
        """Its runs go on; its history goes with it."""
        await self._core.calls.delete(_path(name))

    async def due(self, name: str, count: int = 10, after: datetime | None = None) -> DueList:
        """The next instants, or those after another moment."""
        query: Mapping[str, Any] = {"limit": count, "after": _text(after) if after else ""}
        return await self._core.calls.get(f"{_path(name)}/due", DueList, query)

    async def fires(self, name: str, before: int = 0, limit: int = 100) -> FirePage:
        """What became of each due instant, newest first; the last 500 are kept.

        Args:
            before: a page's ``next``, for older ones.
        """
        query: Mapping[str, Any] = {"before": before or None, "limit": limit}
        return await self._core.calls.get(f"{_path(name)}/fires", FirePage, query)

    async def _spec(self, schedule: Schedule) -> ScheduleSpec:
        inputs: Any = await self._core.values.send_plain(await bind_plain(schedule.inputs))
        return ScheduleSpec(
            target=schedule.target_name,
            input=inputs,
            cron=schedule.cron,
            every_s=seconds(schedule.every) or 0.0,
            at=_text(schedule.at),
            anchor_at=_text(schedule.anchor),
            zone=schedule.zone,
            start_at=_text(schedule.start),
            end_at=_text(schedule.end),
            overlap=schedule.overlap,
            queue_limit=schedule.queue_limit,
            catch_up=schedule.catch_up,
            catch_up_window_s=seconds(schedule.catch_up_window) or 0.0,
            jitter_s=seconds(schedule.jitter) or 0.0,
            priority=schedule.priority,
            tags=dict(schedule.tags),
        )


def _path(name: str) -> str:
    return f"/schedules/{escaped(name)}"


def _text(instant: datetime | None) -> str:
    return instant.isoformat() if instant else ""
