"""What one submission has wrong with it is its own affair, and nobody is left waiting."""

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.server.mill import Mill
from tests.server.tasks import add, media, shout
from tidemill import File, Worker
from tidemill.client.errors import InvalidInputError, RefusedError
from tidemill.client.remote import AsyncClient
from tidemill.core.errors import InternalError

TIMEOUT_S = 20
extra = Worker("extra")


@dataclass(frozen=True)
class Visit:
    name: str
    at: datetime


@extra.task
def told(visit: Visit) -> str:
    return f"{visit.name} in {visit.at.year}"


@extra.task
def length(text: str) -> int:
    return len(text)


async def test_a_file_travels_to_a_task_that_is_known_by_name(client: AsyncClient, tmp_path: Path) -> None:
    (tmp_path / "in.txt").write_text("hello")
    async with asyncio.timeout(TIMEOUT_S):
        run = await client.submit_named(shout.name, {"file": File(tmp_path / "in.txt")})
        loud = await run.result()
        assert loud["name"] == "loud.txt"
        copy = File(await client.download((await client.run(run.id, shout).result()), tmp_path / "out.txt"))
    assert copy.read_text() == "HELLO"


async def test_records_and_dates_travel_as_plain_data(served: Mill) -> None:
    async with served.worker(extra), AsyncClient(served.url) as client, asyncio.timeout(TIMEOUT_S):
        run = await client.submit_named("extra.told", {"visit": Visit("Ida", datetime(2031, 5, 6, tzinfo=UTC))})
        assert await run.result() == "Ida in 2031"


async def test_a_value_without_a_plain_form_is_refused_with_its_place(client: AsyncClient) -> None:
    async with asyncio.timeout(TIMEOUT_S):
        with pytest.raises(InvalidInputError) as wrong:
            await client.submit_named("media.add", {"a": 1, "b": {"deep": [1, object()]}, "c": 2**70})
        assert dict(wrong.value.violations).keys() == {"$.b.deep[1]", "$.c"}
        assert await (await client.submit_named("media.add", {"a": 1})).result() == 3


async def test_a_submission_that_breaks_the_request_does_not_break_the_others(client: AsyncClient) -> None:
    wrong = client.options(tags={"number": 7})  # type: ignore[dict-item]  # what a program without types may do
    none = client.options(tags={"what": object()})  # type: ignore[dict-item]
    submits = [client.submit(add, 1), wrong.submit(add, 2), client.submit(add, 3), none.submit(add, 4)]
    async with asyncio.timeout(TIMEOUT_S):
        first, second, third, fourth = await asyncio.gather(*submits, return_exceptions=True)
        assert isinstance(second, RefusedError)
        assert isinstance(fourth, TypeError)
        assert not isinstance(first, BaseException)
        assert not isinstance(third, BaseException)
        assert (await first.result(), await third.result()) == (3, 5)


async def test_submissions_that_are_too_large_together_go_one_by_one(served: Mill) -> None:
    text = "x" * 6_000_000
    async with served.worker(extra), AsyncClient(served.url) as client, asyncio.timeout(TIMEOUT_S):
        runs = await asyncio.gather(*(client.submit_named("extra.length", {"text": text}) for _ in range(3)))
        assert [await run.result() for run in runs] == [6_000_000] * 3


async def test_who_still_waits_when_the_client_closes_is_told(served: Mill) -> None:
    async with served.worker(media), asyncio.timeout(TIMEOUT_S):
        client = AsyncClient(served.url)
        submits = [asyncio.create_task(client.submit(add, 1)) for _ in range(600)]
        await asyncio.sleep(0)
        await client.close()
        for each in await asyncio.gather(*submits, return_exceptions=True):
            assert isinstance(each, InternalError)
