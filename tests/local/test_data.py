"""Free attributes of runs and steps: by their tasks, from outside, bounded, and kept."""

import asyncio
from typing import Any

import pytest

from tidemill import AsyncClient, Context, StateMachine, TransientError, Worker, map_over, workflow
from tidemill.client.errors import NotFoundError
from tidemill.sdk.errors import InvalidInputError
from tidemill.testing.local import local

press = Worker("press")


@press.task(retries=1)
def scan(ctx: Context, page: int, breaks: bool = False) -> int:
    ctx.set("page", page)
    ctx.set("state", {"attempt": ctx.attempt, "words": [1, None, "two"]})
    ctx.set_run(f"seen_{page}", True)
    ctx.set_run("last", page)
    if breaks and ctx.attempt == 1:
        ctx.set("broken", "yes")
        raise TransientError("jam", retry_after=0.01)
    return page


@press.task
def double(page: int) -> int:
    return 2 * page


@workflow
def book(pages: list[int]) -> list[int]:
    return map_over(scan, pages)


@press.task
def wrongly(ctx: Context, how: str) -> None:
    match how:
        case "name":
            ctx.set("no name!", 1)
        case "size":
            ctx.set_run("large", "x" * 5_000)
        case "nan":
            ctx.set("none", object())
        case "many":
            for number in range(66):
                ctx.set(f"name_{number}", number)


desk = StateMachine("desk")


@desk.state
def first(page: int) -> int:
    return scan(page)


@desk.state
def second(page: int = first.output) -> int:
    return double(page)


first.otherwise(to=second)
second.when(first.output > 1, to=desk.end("success", output=(first.output, second.output)))
second.otherwise(to=desk.end("failure", status="too small"))


@pytest.mark.feature("E15")
async def test_tasks_set_attributes_of_their_step_and_run() -> None:
    async with local(press) as client:
        run = await client.submit(book, [3, 5])
        assert await run.result() == [3, 5]
        assert await run.step_data() == {
            f"scan[{at}]/scan": {"page": page, "state": {"attempt": 1, "words": [1, None, "two"]}}
            for at, page in enumerate((3, 5))
        }
        own = await run.data()
        assert (own.pop("last") in (3, 5), own) == (True, {"seen_3": True, "seen_5": True})
        assert [event async for event in run.emitted()] == []
        noted = [event for event in [each async for each in run.events()] if event.kind == "data_set"]
        assert len(noted) == 8
        machine = await client.submit(desk, 4)
        assert await machine.result() == (4, 8)
        assert (await machine.step_data())["first#1/scan"]["page"] == 4


async def test_the_last_write_wins_and_those_of_a_failed_attempt_stay() -> None:
    async with local(press) as client:
        run = await client.submit(scan, 7, breaks=True)
        await run.result()
        (values,) = (await run.step_data()).values()
        assert (values["broken"], values["state"]["attempt"]) == ("yes", 2)


@pytest.mark.parametrize(
    ("how", "said"), [("name", "no name of an attribute"), ("size", "may have 4,096"), ("nan", "no plain data")]
)
async def test_what_cannot_be_kept_fails_where_it_is_set(how: str, said: str) -> None:
    async with local(press) as client:
        failure = (await (await client.submit(wrongly, how)).ended()).failure
        assert failure is not None
        assert said in failure.message


async def test_what_is_too_many_is_left_out_and_told() -> None:
    async with local(press) as client:
        run = await client.submit(wrongly, "many")
        await run.result()
        (values,) = (await run.step_data()).values()
        assert values == {f"name_{number}": number for number in range(64)}
        left_out = [each.detail["name"] async for each in run.events() if each.kind == "data_left_out"]
        assert left_out == ["name_64", "name_65"]


async def changed(client: AsyncClient, run: Any, *args: Any, **kwargs: Any) -> str:
    with pytest.raises(InvalidInputError) as error:
        await run.set(*args, **kwargs)
    return str(error.value)


async def test_somebody_outside_sets_and_removes_all_or_nothing() -> None:
    async with local(press) as client:
        run = await client.submit(scan, 1)
        await run.result()
        assert await run.set({"label": "good", "page": None}, remove=["last"]) == {
            "seen_1": True, "label": "good", "page": None,
        }  # fmt: skip
        assert await run.set({"checked": 1.5}, remove=["state", "nothing"], path="scan") == {"page": 1, "checked": 1.5}
        assert "64 attributes" in await changed(client, run, {f"n{at}": at for at in range(70)})
        assert "'a b' is no name" in await changed(client, run, {"good": 1, "a b": 2})
        assert "may have 4,096" in await changed(client, run, {"good": "x" * 5_000})
        assert set(await run.data()) == {"seen_1", "label", "page"}
        with pytest.raises(NotFoundError, match="no step 'nope'"):
            await run.set({"a": 1}, path="nope")
        with pytest.raises(NotFoundError):
            await client.run("0190d5a4-0000-7000-8000-000000000000").set({"a": 1})
        await asyncio.gather(*(run.set({f"by_{at}": at}) for at in range(20)))
        assert len(await run.data()) == 23
