"""Schedules over plain HTTP, with a real worker and the real clock."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.server.http import Http, until
from tests.server.mill import Mill
from tidemill.sdk.worker import Worker

SCHEDULES = "/api/v1/schedules"
house = Worker("house")
MONTH: dict[str, Any] = {"target": "house.report", "cron": "0 3 1 * *", "zone": "Europe/Berlin"}


@house.task
def report(day: str, name: str = "", copies: int = 1) -> str:
    return f"{name} {day} {copies}"


@house.task
async def slow(seconds: float = 60) -> float:
    await asyncio.sleep(seconds)
    return seconds


@pytest.fixture
async def keeping(served: Mill, http: Http) -> AsyncIterator[Http]:
    async with served.worker(house):
        yield http


async def put(http: Http, name: str, **spec: Any) -> dict[str, Any]:
    given = {"target": "house.report", "input": {"day": "$due_date"}, **spec}
    answer = await http("PUT", f"{SCHEDULES}/{name}", given)
    assert answer.status == 200, answer
    return dict(answer.json)


async def post(http: Http, name: str, what: str, **body: Any) -> Any:
    answer = await http.post(f"{SCHEDULES}/{name}/{what}", body)
    assert answer.status < 300, answer
    return answer.json


async def fires(http: Http, name: str) -> list[dict[str, Any]]:
    """Oldest first."""
    return list((await http.get(f"{SCHEDULES}/{name}/fires")).json["fires"])[::-1]


async def view(http: Http, name: str) -> dict[str, Any]:
    return dict((await http.get(f"{SCHEDULES}/{name}")).json)


async def outcome(http: Http, run: str) -> Any:
    return (await http.get(f"/api/v1/runs/{run}/result?wait=20")).json.get("value")


async def cancel(http: Http, run: str) -> None:
    await http.post(f"/api/v1/runs/{run}/cancel", {})


async def test_an_interval_starts_one_run_for_each_instant_that_knows_its_own(keeping: Http) -> None:
    given = {"day": "$due_at", "name": "$schedule and $$due_at"}
    await put(keeping, "often", every_s=1, input=given | {"name": "$schedule"}, overlap="allow", tags={"who": "ann"})

    async def has_fired() -> bool:
        return len(await fires(keeping, "often")) >= 2

    await until(has_fired)
    await post(keeping, "often", "pause")
    lines = [line for line in await fires(keeping, "often") if line["kind"] == "started"]
    assert len({line["due_at"] for line in lines}) == len(lines) >= 2
    for line in lines:
        assert datetime.fromisoformat(line["due_at"]).microsecond == 0
        assert await outcome(keeping, line["run"]) == f"often {line['due_at']} 1"
        run = (await keeping.get(f"/api/v1/runs/{line['run']}")).json
        assert run["tags"] == {"who": "ann", "schedule": "often", "due_at": line["due_at"]}


@pytest.mark.feature("E10")
async def test_one_that_is_made_shows_its_next_ten_instants_in_its_zone(keeping: Http) -> None:
    made = await put(keeping, "monthly", cron="30 3 1 * *", zone="Europe/Berlin")
    assert len(made["next"]) == 10
    assert {text[11:] for text in made["next"]} == {"01:30:00Z", "02:30:00Z"}
    assert (made["status"], made["revision"], made["spec"]["zone"]) == ("active", 1, "Europe/Berlin")
    assert [text[:7] for text in made["next"]] == sorted({text[:7] for text in made["next"]})
    later = (await keeping.get(f"{SCHEDULES}/monthly/due?after=2030-01-01T00:00:00Z&limit=1")).json
    assert later == {"due": [{"due_at": "2030-01-01T02:30:00Z"}], "more": True}


@pytest.mark.feature("E10")
async def test_once_fires_once_and_is_over(keeping: Http) -> None:
    at = (datetime.now(UTC) + timedelta(seconds=0.3)).isoformat()
    await put(keeping, "party", at=at)

    async def is_over() -> bool:
        return (await view(keeping, "party"))["status"] == "over"

    await until(is_over)
    (line,) = await fires(keeping, "party")
    assert (line["kind"], datetime.fromisoformat(line["due_at"])) == ("started", datetime.fromisoformat(at))
    again = await put(keeping, "party", at=at)
    assert (again["revision"], again["last"]["run"]) == (1, line["run"])


WRONG = [
    ({"cron": "61 * * * *"}, "$.cron", "Bad minute"),
    ({"zone": "Europe/Berln"}, "$.zone", "'Europe/Berlin'"),
    ({"every_s": 5}, "$", "exactly one of cron, every_s and at"),
    ({"cron": "", "every_s": 0.01}, "$.every_s", "is from 1"),
    ({"anchor_at": "2026-01-01T00:00:00Z"}, "$.anchor_at", "goes with every_s"),
    ({"cron": "", "at": "2020-01-01T00:00:00Z"}, "$", "never due"),
    ({"cron": "", "at": "tomorrow"}, "$.at", "is no instant"),
    ({"end_at": "2030-01-01T00:00:00"}, "$.end_at", "lacks its offset"),
    ({"end_at": "2001-01-01T00:00:00Z"}, "$", "never due"),
    ({"start_at": "2031-01-01T00:00:00Z", "end_at": "2030-01-01T00:00:00Z"}, "$.end_at", "before start_at"),
    ({"queue_limit": 0}, "$.queue_limit", "from 1"),
    ({"jitter_s": -1}, "$.jitter_s", "from 0"),
    ({"overlap": "both"}, "$.overlap", "both"),
    ({"colour": "red"}, "$", "colour"),
    ({"input": {"day": 3}}, "$.day", "not of type"),
    ({"input": {"dya": "$due_at"}}, "$.dya", "day"),
    ({"input": {"day": "$due_dat"}}, "$.input.day", "did you mean '$due_date'"),
    ({"tags": {str(n): "" for n in range(63)}}, "$.tags", "at most 62"),
    ({"priority": 5000}, "$.priority", "1000"),
    ({"input": {"day": "x" * 70_000}}, "$.input", "65,536"),
]


@pytest.mark.parametrize(("spec", "place", "said"), WRONG, ids=[str(spec)[:40] for spec, _, _ in WRONG])
async def test_what_is_wrong_is_refused_at_once_with_its_place(
    keeping: Http, spec: dict[str, Any], place: str, said: str
) -> None:
    answer = await keeping("PUT", f"{SCHEDULES}/wrong", {**MONTH, "input": {"day": "x"}, **spec})
    assert answer.status == 422, answer
    assert [what for at, what in answer.json["violations"] if at == place and said in what], answer.json
    assert (await keeping.get(f"{SCHEDULES}/wrong")).problem == "unknown_schedule"


async def test_an_unknown_target_is_refused_with_those_that_look_like_it(keeping: Http) -> None:
    answer = await keeping("PUT", f"{SCHEDULES}/wrong", {**MONTH, "target": "house.reprot"})
    assert (answer.problem, answer.json["nearest"][0]) == ("unknown_task", "house.report")
    assert (await keeping("PUT", f"{SCHEDULES}/a%20b", MONTH)).problem == "bad_request"


async def test_the_same_again_changes_nothing_and_a_revision_guards_a_change(keeping: Http) -> None:
    first = await put(keeping, "monthly", cron="@monthly")
    assert (await put(keeping, "monthly", cron="0 0 1 * *")) == first
    path = f"{SCHEDULES}/monthly?revision="
    spec = first["spec"] | {"overlap": "queue"}
    assert (await keeping("PUT", path + "0", spec)).problem == "conflict"
    changed = (await keeping("PUT", path + "1", spec)).json
    assert (changed["revision"], changed["spec"]["overlap"], changed["next"]) == (2, "queue", first["next"])
    assert (await keeping("PUT", path + "1", spec)).problem == "conflict"
    assert (await keeping("PUT", f"{SCHEDULES}/new?revision=0", spec)).status == 200
    page = (await keeping.get(f"{SCHEDULES}?limit=1")).json
    assert ([each["name"] for each in page["schedules"]], page["next"]) == (["monthly"], "monthly")
    assert [each["name"] for each in (await keeping.get(f"{SCHEDULES}?after=monthly")).json["schedules"]] == ["new"]


@pytest.mark.feature("E10")
async def test_a_pause_stops_it_and_a_trigger_fires_it_all_the_same(keeping: Http) -> None:
    await put(keeping, "often", every_s=1)
    paused = await post(keeping, "often", "pause", reason="holidays")
    assert (paused["status"], paused["reason"]) == ("paused", "holidays")
    before = len(await fires(keeping, "often"))
    line = await post(keeping, "often", "trigger")
    assert (line["kind"], line["cause"]) == ("started", "trigger")
    assert line["due_at"][:10] in await outcome(keeping, line["run"])
    again = await post(keeping, "often", "trigger", due_at=line["due_at"])
    assert (again["kind"], again["run"]) == ("there", line["run"])
    assert len(await fires(keeping, "often")) == before + 2
    resumed = await post(keeping, "often", "resume")
    assert resumed["status"] == "active"
    assert (await post(keeping, "often", "resume"))["revision"] == resumed["revision"]


@pytest.mark.feature("E10")
async def test_a_run_that_goes_on_has_the_next_skipped_queued_or_replaces_it(keeping: Http) -> None:
    spec = {"target": "house.slow", "input": {}, "cron": "@yearly"}
    await put(keeping, "slow", **spec)
    first = await post(keeping, "slow", "trigger")
    skipped = await post(keeping, "slow", "trigger")
    assert (skipped["kind"], first["run"] in skipped["detail"]) == ("skipped", True)
    await put(keeping, "slow", **spec, overlap="queue", queue_limit=1)
    assert (await post(keeping, "slow", "trigger"))["kind"] == "waits"
    assert (await post(keeping, "slow", "trigger"))["detail"] == "1 wait already"
    assert len((await view(keeping, "slow"))["waiting"]) == 1
    await cancel(keeping, first["run"])

    async def second() -> str | None:
        now = await view(keeping, "slow")
        return next(iter(now["running"])) if now.get("running", [first["run"]]) != [first["run"]] else None

    await until(second)
    queued = await second()
    assert queued
    await put(keeping, "slow", **spec, overlap="replace")
    assert (await post(keeping, "slow", "trigger"))["kind"] == "waits"

    async def is_replaced() -> bool:
        return (await view(keeping, "slow"))["running"] != [queued]

    await until(is_replaced)
    assert (await keeping.get(f"/api/v1/runs/{queued}")).json["status"] == "cancelled"
    third = (await view(keeping, "slow"))["running"][0]
    allowed = await post(keeping, "slow", "trigger", overlap="allow")
    assert allowed["kind"] == "started"
    for run in (third, allowed["run"]):
        await cancel(keeping, run)


async def test_a_backfill_runs_what_has_no_run_yet_and_tells_before(keeping: Http) -> None:
    await put(keeping, "daily", cron="0 3 * * *", zone="Europe/Berlin")
    there = await post(keeping, "daily", "trigger", due_at="2026-03-30T01:00:00Z")
    span = {"from_at": "2026-03-28T00:00:00+01:00", "until_at": "2026-03-31T12:00:00+02:00"}
    told = await post(keeping, "daily", "backfill", **span, dry_run=True)
    assert [each["due_at"] for each in told["due"]] == [
        "2026-03-28T02:00:00Z",
        "2026-03-29T01:00:00Z",
        "2026-03-30T01:00:00Z",
        "2026-03-31T01:00:00Z",
    ]
    assert [each.get("run", "") for each in told["due"]] == ["", "", there["run"], ""]
    assert "backfill" not in await view(keeping, "daily")
    await post(keeping, "daily", "backfill", **span, at_once=2)

    async def is_done() -> bool:
        return "backfill" not in await view(keeping, "daily")

    await until(is_done)
    lines = [line for line in await fires(keeping, "daily") if line["cause"] == "backfill"]
    assert [line["kind"] for line in lines] == ["started", "started", "there", "started"]
    assert await outcome(keeping, lines[1]["run"]) == " 2026-03-29 1"
    wrong = await keeping.post(f"{SCHEDULES}/daily/backfill", {"from_at": "2026-01-02T00:00:00Z", "until_at": "x"})
    assert wrong.problem == "invalid_body"


async def test_one_that_is_removed_is_gone_and_made_anew_is_another(keeping: Http) -> None:
    at = "2026-03-30T01:00:00Z"
    await put(keeping, "daily", cron="@daily")
    first = await post(keeping, "daily", "trigger", due_at=at)
    assert (await keeping("DELETE", f"{SCHEDULES}/daily", content_type="application/json")).status == 204
    assert (await keeping.get(f"{SCHEDULES}/daily")).problem == "unknown_schedule"
    assert (
        await keeping("DELETE", f"{SCHEDULES}/daily", content_type="application/json")
    ).problem == "unknown_schedule"
    assert (await keeping.post(f"{SCHEDULES}/daily/trigger", {})).problem == "unknown_schedule"
    assert await outcome(keeping, first["run"]) == " 2026-03-30 1"
    await put(keeping, "daily", cron="@daily")
    assert await fires(keeping, "daily") == []
    again = await post(keeping, "daily", "trigger", due_at=at)
    assert (again["kind"], again["run"] == first["run"]) == ("started", False)


async def test_a_target_that_takes_other_inputs_by_now_is_told_of(served: Mill, http: Http) -> None:
    async with served.worker(house):
        await put(http, "daily", cron="@daily")
    other = Worker("house")

    @other.task
    def report(number: int) -> int:
        return number

    async with served.worker(other):
        line = await post(http, "daily", "trigger")
        assert (line["kind"], "day" in line["detail"]) == ("refused", True)
        assert (await view(http, "daily"))["status"] == "active"
        await put(http, "daily", cron="@daily", input={"number": 3})
        assert await outcome(http, (await post(http, "daily", "trigger"))["run"]) == 3
