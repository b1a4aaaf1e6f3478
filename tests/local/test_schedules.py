"""Schedules by the Python client, both ways; what cannot be meant is refused where it is written."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from tidemill import CatchUp, DefinitionError, Overlap, Schedule, Worker, workflow
from tidemill.client.errors import NotFoundError, RefusedError
from tidemill.core.errors import ConflictError
from tidemill.testing.local import local

office = Worker("office")


@office.task
def report(day: date, at: datetime, title: str = "") -> str:
    return f"{title}: {day} {at.isoformat()}"


@workflow
def weekly(day: date, at: datetime) -> str:
    return report(day, at, "weekly")


GIVEN: dict[str, Any] = {"day": "$due_date", "at": "$due_at"}


def test_a_task_or_workflow_is_scheduled_and_its_run_knows_its_instant() -> None:
    due_at = datetime(2026, 3, 29, 22, 30, tzinfo=UTC)
    with local(office) as client:
        for target, title in ((report, "nightly"), (weekly, "weekly"), ("office.report", "by name")):
            inputs = GIVEN if target is weekly else GIVEN | {"title": title}
            schedule = Schedule(
                name="s",
                target=target,
                inputs=inputs,
                cron="30 0 * * *",
                zone="Europe/Berlin",
                overlap=Overlap.ALLOW,
                catch_up=CatchUp.NONE,
                jitter=timedelta(minutes=5),
                tags={"of": "office"},
            )
            view = client.schedules.put(schedule)
            assert client.schedules.put(schedule) == view
            line = client.schedules.trigger("s", due_at)
            assert client.run(line.run).result(20) == f"{title}: 2026-03-30 2026-03-29T22:30:00+00:00"
            assert client.schedules.trigger("s", due_at).run == line.run
            client.schedules.remove("s")


async def test_all_of_it_goes_without_blocking_too() -> None:
    async with local(office) as client:
        mine = Schedule(
            name="s", target=report, inputs=GIVEN, every=timedelta(days=1), end=datetime(2100, 1, 1, tzinfo=UTC)
        )
        await client.schedules.put(mine)
        first, last = datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 3, 3, tzinfo=UTC)
        told = await client.schedules.rehearse_backfill("s", first, last)
        assert [each.due_at for each in told.due] == [f"2026-03-0{day}T00:00:00Z" for day in (1, 2, 3)]
        await client.schedules.backfill("s", first, last, at_once=3)
        assert (await client.schedules.pause("s", "holidays")).reason == "holidays"
        assert (await client.schedules.resume("s")).status == "active"
        assert len((await client.schedules.due("s", 3)).due) == 3
        line = await client.schedules.trigger("s")
        assert (await client.schedules.fires("s")).fires[0].number >= line.number
        assert [each.name for each in await client.schedules.list()] == ["s"]
        with pytest.raises(ConflictError, match="revision"):
            await client.schedules.put_spec("s", (await client.schedules.get("s")).spec, revision=0)
        with pytest.raises(NotFoundError, match="no schedule 'x'"):
            await client.schedules.get("x")
        with pytest.raises(RefusedError, match="day"):
            await client.schedules.put(Schedule(name="s", target="office.report", inputs={"at": "$due_at"}, every=60))


@pytest.mark.parametrize(
    ("said", "text"),
    [
        ({}, "exactly one of cron, every and at"),
        ({"cron": "@daily", "every": 3}, "exactly one of cron, every and at"),
        ({"at": datetime(2030, 1, 1)}, "at has no time zone"),  # noqa: DTZ001
        ({"every": 60, "inputs": {"dya": "x"}}, "did you mean 'day'"),
        ({"every": 60, "target": print}, "target is a task"),
    ],
)
def test_what_cannot_be_meant_is_refused_where_it_is_written(said: dict[str, Any], text: str) -> None:
    with pytest.raises(DefinitionError, match=text):
        Schedule(**{"name": "s", "target": report, **said})
