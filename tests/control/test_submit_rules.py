"""Keys of submissions, one run at a time, debounce, and runs that begin later: through the client and HTTP."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from tests.server.http import Http
from tests.server.mill import Mill
from tests.server.tasks import add, media, price, sleepy
from tidemill.client.errors import AlreadySubmittedError, RefusedError
from tidemill.client.remote import AsyncClient
from tidemill.core.rules import OnActive
from tidemill.sdk.errors import InvalidInputError, RunCancelledError


@pytest.mark.feature("F9")
async def test_the_same_key_and_input_give_the_same_run(served: Mill, client: AsyncClient) -> None:
    keyed = client.options(key="order-7")
    async with served.worker(media):
        first = await keyed.submit(add, 1)
        assert await first.result(20) == 3
        again = await keyed.submit(add, 1)
        assert again.id == first.id
        assert await again.result(20) == 3
        assert (await client.submit(add, 1)).id != first.id
        assert (await keyed.submit(sleepy, 0.0)).id != first.id  # of another target


async def test_a_key_with_another_input_is_a_conflict_that_names_both(served: Mill, client: AsyncClient) -> None:
    async with served.worker(media):
        keyed = client.options(key="order-7")
        first = await keyed.submit(add, 1)
        with pytest.raises(
            AlreadySubmittedError, match=f"'order-7' of media.add belongs to run {first.id}.*; run .* was"
        ):
            await keyed.submit(add, 2)


async def test_a_key_of_one_batch_starts_one_run(served: Mill, client: AsyncClient) -> None:
    async with served.worker(media):
        keyed = client.options(key="order-8")
        runs = await asyncio.gather(*(keyed.submit(add, 5) for _ in range(50)))
        assert len({run.id for run in runs}) == 1
        assert await asyncio.gather(*(run.result(20) for run in runs)) == [7] * 50
        assert len((await client.runs(workflow="media.add")).runs) == 1


async def test_a_key_is_forgotten_when_its_time_is_over(served: Mill, client: AsyncClient) -> None:
    async with served.worker(media):
        keyed = client.options(key="order-9", key_lifetime=0)
        first = await keyed.submit(add, 1)
        assert await first.result(20) == 3
        second = await keyed.submit(add, 2)
        assert second.id != first.id
        assert await second.result(20) == 4


@pytest.mark.feature("F9")
async def test_one_run_of_a_unique_key_at_a_time(served: Mill, client: AsyncClient) -> None:
    async with served.worker(media):
        alone = client.options(unique="customer-5")
        first = await alone.submit(sleepy, 30.0)
        assert (await alone.submit(sleepy, 0.0)).id == first.id
        with pytest.raises(AlreadySubmittedError, match=f"run {first.id} has the unique key 'customer-5'"):
            await alone.options(on_active=OnActive.REFUSE).submit(sleepy, 0.0)
        await first.cancel()
        with pytest.raises(RunCancelledError):
            await first.result(20)
        second = await alone.submit(sleepy, 0.0)
        assert second.id != first.id
        assert await second.result(20) == 0.0


@pytest.mark.feature("F9")
async def test_a_debounced_run_begins_once_with_the_last_input(served: Mill, client: AsyncClient) -> None:
    async with served.worker(media):
        calm = client.options(key="save", debounce=0.4)
        runs = [await calm.submit(add, each, each) for each in range(10)]
        assert len({run.id for run in runs}) == 1
        assert await runs[0].status() == "pending"
        assert await runs[0].result(20) == 18
        later = await calm.submit(add, 1, 1)
        assert later.id != runs[0].id
        assert await later.result(20) == 2


async def test_an_input_that_the_last_submission_leaves_out_is_gone(served: Mill, client: AsyncClient) -> None:
    async with served.worker(media):
        calm = client.options(key="save", debounce=0.3)
        await calm.submit_named("media.add", {"a": 1, "b": 100})
        run = await calm.submit_named("media.add", {"a": 1})
        assert await run.result(20) == 3


@pytest.mark.parametrize("when", ["delay", "start_at"])
async def test_a_run_for_later_is_pending_until_then(served: Mill, client: AsyncClient, when: str) -> None:
    soon = timedelta(seconds=0.5)
    async with served.worker(media):
        later = client.options(delay=soon) if when == "delay" else client.options(start_at=datetime.now(UTC) + soon)
        run = await later.submit(add, 1)
        view = await run.view()
        assert (view.status, bool(view.start_at)) == ("pending", True)
        assert [each.id for each in (await client.runs(status=["pending"])).runs] == [run.id]
        assert "begins" in (await client.why(run.id)).reasons[0]
        assert await run.result(20) == 3


async def test_a_pending_run_can_be_cancelled(client: AsyncClient, served: Mill) -> None:
    async with served.worker(media):
        run = await client.options(delay=timedelta(days=1)).submit(add, 1)
        await run.cancel("not needed")
        with pytest.raises(RunCancelledError):
            await run.result(20)
        assert (await run.view()).start_at == ""


async def test_two_handles_of_one_run_both_hear_of_its_end(served: Mill, client: AsyncClient) -> None:
    async with served.worker(media):
        run = await client.submit(sleepy, 0.2)
        handles = [client.run(run.id, sleepy) for _ in range(3)]
        assert await asyncio.gather(*(each.result(20) for each in [run, *handles])) == [0.2] * 4


async def test_nonsense_is_refused_with_each_place(served: Mill, http: Http) -> None:
    async with served.worker(media):
        body = {
            "task": "media.add",
            "input": {"a": 1},
            "key": "x" * 300,
            "debounce_s": 2,
            "delay_s": -1,
            "start_at": "tomorrow",
            "run_timeout_s": -3,
        }
        answer = await http.post("/api/v1/runs", body)
        assert answer.problem == "invalid_body"
        assert {place for place, _ in answer.json["violations"]} == {
            "$.key",
            "$.delay_s",
            "$.start_at",
            "$.run_timeout_s",
        }
        answer = await http.post("/api/v1/runs", {"task": "media.add", "input": {"a": 1}, "debounce_s": 1})
        assert answer.json["violations"] == [["$.debounce_s", "needs a key: it is for submissions that have the same"]]


async def test_a_time_without_a_zone_is_refused_before_anything_is_sent(client: AsyncClient) -> None:
    with pytest.raises(InvalidInputError, match="give a datetime with a time zone"):
        client.options(start_at=datetime(2030, 1, 1))  # noqa: DTZ001  # what is tested


async def test_debounce_without_a_key_is_refused(served: Mill, client: AsyncClient) -> None:
    async with served.worker(media):
        with pytest.raises(RefusedError, match="needs a key"):
            await client.options(debounce=1).submit(price, {"name": "x"})  # type: ignore[arg-type]  # a plain record fits
