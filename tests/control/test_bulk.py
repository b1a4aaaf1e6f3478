"""Many runs at once, by filter: through the client and HTTP."""

import asyncio
from typing import Any

import pytest
from msgspec.structs import replace

from tests.server.http import Http
from tests.server.mill import Mill
from tests.server.tasks import add, media
from tidemill.client.errors import RefusedError
from tidemill.client.remote import AsyncClient, AsyncRun
from tidemill.wire.control import BulkAction, BulkRequest, RunChange

RED = {"team": "red"}


async def waiting(client: AsyncClient, count: int, **tags: str) -> list[AsyncRun[int]]:
    """Runs that wait for the same paused task."""
    runs = client.options(tags=tags)
    return list(await asyncio.gather(*(runs.submit(add, each) for each in range(count))))


async def done(client: AsyncClient, request: BulkRequest) -> list[int]:
    return [bite.count async for bite in client.bulk(request)]


async def statuses(client: AsyncClient) -> dict[str, int]:
    found: dict[str, int] = {}
    before = ""
    while True:
        page = await client.runs(limit=1000, before=before)
        for run in page.runs:
            found[run.status] = found.get(run.status, 0) + 1
        if not page.next:
            return found
        before = page.next


@pytest.mark.feature("F7")
async def test_all_that_a_filter_finds_is_paused_resumed_and_cancelled_in_bites(
    served: Mill, client: AsyncClient
) -> None:
    async with served.worker(media):
        await client.pause(task="media.add")
        await waiting(client, 450, team="red", size="big")
        blue = await waiting(client, 3, team="blue")
        request = BulkRequest(BulkAction.PAUSE, tags=RED, dry_run=True)
        assert await done(client, request) == [200, 200, 50]
        assert await statuses(client) == {"running": 453}
        assert await done(client, replace(request, dry_run=False)) == [200, 200, 50]
        assert await done(client, replace(request, dry_run=False)) == [0]
        assert await statuses(client) == {"running": 3, "paused": 450}
        assert sum(await done(client, BulkRequest(BulkAction.RESUME, tags=RED | {"size": "big"}))) == 450
        assert sum(await done(client, BulkRequest(BulkAction.CANCEL, tags={"team": "none"}))) == 0
        assert sum(await done(client, BulkRequest(BulkAction.CANCEL, tags=RED, reason="too many"))) == 450
        await client.resume(task="media.add")
        assert [await run.result(20) for run in blue] == [2, 3, 4]


async def test_a_broken_off_bulk_goes_on_where_it_was(served: Mill, client: AsyncClient) -> None:
    async with served.worker(media):
        await client.pause(task="media.add")
        await waiting(client, 300)
        request = BulkRequest(BulkAction.PAUSE, workflow="media.add")
        async for bite in client.bulk(request):
            assert bite.count == 200
            break
        assert await statuses(client) == {"running": 100, "paused": 200}
        assert sum(await done(client, request)) == 100
        assert await statuses(client) == {"paused": 300}


@pytest.mark.feature("F12")
async def test_priority_and_tags_of_many(served: Mill, client: AsyncClient) -> None:
    async with served.worker(media):
        await client.pause(task="media.add")
        runs = await waiting(client, 5, team="red")
        change = RunChange(priority=9, tags={"team": "green"})
        assert await done(client, BulkRequest(BulkAction.SET, tags=RED, change=change)) == [5]
        views = [await run.view() for run in runs]
        assert {(view.priority, view.tags["team"]) for view in views} == {(9, "green")}
        assert not (await client.runs(tags=RED)).runs
        assert len((await client.runs(tags={"team": "green"}, status=["running"])).runs) == 5


async def test_what_is_younger_is_left_alone(served: Mill, client: AsyncClient) -> None:
    async with served.worker(media):
        await client.pause(task="media.add")
        await waiting(client, 2)
        assert await done(client, BulkRequest(BulkAction.CANCEL, older_than_s=3600)) == [0]
        assert not (await client.runs(older_than=3600)).runs
        assert len((await client.runs(older_than=0.000001)).runs) == 2


@pytest.mark.parametrize(
    ("body", "place"),
    [
        ({"action": "destroy"}, "$.action"),
        ({"action": "cancel", "statuses": ["succeeded"]}, "$.statuses"),
        ({"action": "set"}, "$"),
        ({"action": "set", "change": {"priority": 10**7}}, "$.priority"),
        ({"action": "cancel", "change": {"priority": 1}}, "$.change"),
        ({"action": "cancel", "before": "yesterday"}, "$.before"),
        ({"action": "cancel", "older_than_s": -1}, "$.older_than_s"),
    ],
)
async def test_nonsense_touches_nothing(http: Http, body: dict[str, Any], place: str) -> None:
    answer = await http.post("/api/v1/runs/bulk", body)
    assert answer.problem == "invalid_body"
    assert [where for where, _ in answer.json["violations"]] == [place]


async def test_a_filter_that_is_no_pair_is_refused(http: Http, client: AsyncClient) -> None:
    assert (await http.get("/api/v1/runs?tag=red")).problem == "bad_request"
    with pytest.raises(RefusedError):
        await client.runs(tags={"": "x"})
