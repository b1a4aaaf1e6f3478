"""Pauses of runs, tasks, queues and workers, and changes of queued work: through the client, HTTP and a worker."""

import asyncio
from pathlib import Path

import pytest

from tests.server.http import Http, until
from tests.server.mill import Mill, mill
from tidemill.client.errors import NotFoundError, RefusedError, UnknownTaskError, WrongStatusError
from tidemill.client.remote import AsyncClient, AsyncRun
from tidemill.sdk.errors import InvalidInputError, RunCancelledError
from tidemill.sdk.words import map_over
from tidemill.sdk.worker import Worker
from tidemill.sdk.workflow import workflow

shop = Worker("shop")
ORDER: list[int] = []


@shop.task
async def quick(x: int) -> int:
    ORDER.append(x)
    return x


@shop.task
async def patient(x: int, seconds: float = 0.2) -> int:
    await asyncio.sleep(seconds)
    return x


@shop.task(queue="night")
async def nightly(x: int) -> int:
    return x


@shop.task
async def total(xs: list[int]) -> int:
    return sum(xs)


@workflow
def many(xs: list[int]) -> int:
    return total(map_over(patient, xs, window=2))


async def stays(run: AsyncRun[int], status: str = "running") -> None:
    """Other work has come and gone meanwhile, and it has not moved."""
    view = await run.view()
    assert (view.status, view.done) == (status, 0)


@pytest.mark.feature("F7")
async def test_a_paused_run_starts_nothing_and_goes_on_when_it_is_resumed(served: Mill, client: AsyncClient) -> None:
    async with served.worker(shop, slots=2):
        run = await client.submit(many, list(range(8)))
        paused = await run.pause("the disk is full", by="ann")
        assert (paused.status, paused.reason, paused.paused_by) == ("paused", "the disk is full", "ann")
        assert (await run.pause()).paused_at == paused.paused_at

        async def is_quiet() -> bool:
            return not any(each.status in ("leased", "running") for each in await run.steps())

        await until(is_quiet)
        done = (await run.view()).done
        assert await (await client.submit(quick, 1)).result(20) == 1
        assert (await run.view()).done == done < 8
        why = await client.why(run.id)
        assert "the run is paused by ann since" in why.reasons[0]
        assert why.advice == f"tidemill resume {run.id}"
        assert {each.reasons for each in why.steps if each.status == "ready"} == {("its run is paused",)}
        assert (await run.resume()).status == "running"
        assert await run.result(20) == sum(range(8))


async def test_a_paused_run_can_be_cancelled(served: Mill, client: AsyncClient) -> None:
    async with served.worker(shop):
        run = await client.submit(many, [1, 2, 3, 4])
        await run.pause()
        await run.cancel()
        with pytest.raises(RunCancelledError):
            await run.result(20)
        assert all(each.status not in ("ready", "waiting") for each in await run.steps())


async def test_what_is_over_is_neither_paused_nor_changed(served: Mill, client: AsyncClient) -> None:
    async with served.worker(shop):
        run = await client.submit(quick, 1)
        await run.result(20)
        with pytest.raises(WrongStatusError, match="is succeeded: there is nothing of it to pause"):
            await run.pause()
        with pytest.raises(WrongStatusError, match="cannot be resumed"):
            await run.resume()
        with pytest.raises(WrongStatusError, match="is not changed any more"):
            await run.change(priority=3)
        with pytest.raises(NotFoundError):
            await client.run("01a1fdf5-c3e7-7000-94b5-82e9bf96627c").pause()


@pytest.mark.feature("F7")
@pytest.mark.parametrize("kind", ["task", "queue", "worker"])
async def test_what_is_paused_starts_nothing_until_it_is_resumed(served: Mill, client: AsyncClient, kind: str) -> None:
    name = {"task": "shop.nightly", "queue": "night", "worker": "w1"}[kind]
    async with served.worker(shop):
        view = await client.pause(**{kind: name}, by="ann", reason="deploy")  # type: ignore[arg-type]
        assert (view.kind, view.name, view.is_paused, view.by) == (kind, name, True, "ann")
        assert [each.name for each in await client.pauses()] == [name]
        run = await client.submit(nightly, 3)
        if kind != "worker":
            assert await (await client.submit(quick, 1)).result(20) == 1
        await stays(run)
        (step,) = (await client.why(run.id)).steps
        assert "paused by ann" in step.reasons[0]
        assert step.advice == f"tidemill resume --{kind} {name}"
        if kind == "worker":
            (worker,) = await client.workers()
            assert worker.paused is not None
        else:
            (task,) = [each for each in await client.tasks() if each.definition.name == "shop.nightly"]
            assert task.paused is not None
            assert task.paused.kind == kind
        assert not (await client.resume(**{kind: name})).is_paused
        assert await run.result(20) == 3
        assert not await client.pauses()


async def test_a_pause_outlives_the_server(tmp_path: Path) -> None:
    async with mill(tmp_path) as first, first.worker(shop), AsyncClient(first.url) as client:
        await client.pause(task="shop.quick")
        run = await client.submit(quick, 5)
    async with mill(tmp_path) as second, second.worker(shop), AsyncClient(second.url) as client:
        assert [each.name for each in await client.pauses()] == ["shop.quick"]
        assert await (await client.submit(patient, 1)).result(20) == 1
        again = client.run(run.id, quick)
        await stays(again)
        await client.resume(task="shop.quick")
        assert await again.result(20) == 5


async def test_names_that_nobody_knows_are_refused_with_the_nearest(served: Mill, client: AsyncClient) -> None:
    async with served.worker(shop):
        with pytest.raises(UnknownTaskError, match=r"shop\.quick"):
            await client.pause(task="shop.quikc")
        with pytest.raises(NotFoundError, match="night"):
            await client.pause(queue="nigth")
        with pytest.raises(NotFoundError):
            await client.pause(worker="w7")
        with pytest.raises(InvalidInputError, match="name one"):
            await client.pause(task="a", queue="b")
        assert not await client.pauses()


@pytest.mark.feature("F12")
async def test_another_priority_puts_queued_runs_into_another_order(served: Mill, client: AsyncClient) -> None:
    ORDER.clear()
    async with served.worker(shop, slots=1):
        await client.pause(task="shop.quick")
        runs = [await client.options(tags={"n": str(x)}).submit(quick, x) for x in range(4)]
        await runs[3].change(priority=10)
        await runs[0].change(priority=-10)
        view = await runs[2].change(tags={"team": "a"}, untag=["n"])
        assert (view.tags, view.priority) == ({"team": "a"}, 0)
        assert [each.id for each in (await client.runs(tags={"team": "a"})).runs] == [runs[2].id]
        assert not (await client.runs(tags={"n": "2"})).runs
        await asyncio.gather(*(is_placed(served, run) for run in (runs[0], runs[3])))
        await client.resume(task="shop.quick")
        await asyncio.gather(*(run.result(20) for run in runs))
        assert ORDER == [3, 1, 2, 0]


async def is_placed(served: Mill, run: AsyncRun[int]) -> None:
    """Its bites are done: nothing of the sort is due any more."""

    async def quiet() -> bool:
        due = await served.engine.queries.next_due()
        return due is None or due > served.engine.clock.now() + 30_000_000

    await until(quiet)


async def test_nonsense_is_refused_by_place(served: Mill, client: AsyncClient, http: Http) -> None:
    async with served.worker(shop):
        run = await client.options(delay=100).submit(quick, 1)
        path = f"/api/v1/runs/{run.id}"
        assert (await http("PATCH", path, {})).problem == "invalid_body"
        answer = await http("PATCH", path, {"priority": 10**9, "tags": {"x" * 300: ""}})
        assert {place for place, _ in answer.json["violations"]} == {"$.priority", "$.tags"}
        assert (await http("PUT", "/api/v1/pauses/server/x", {})).problem == "bad_request"
        with pytest.raises(RefusedError):
            await run.change()


async def test_priority_and_tags_of_a_pending_run_hold_when_it_begins(served: Mill, client: AsyncClient) -> None:
    async with served.worker(shop):
        run = await client.options(delay=0.3).submit(quick, 1)
        await run.change(priority=7, tags={"late": "yes"})
        assert await run.result(20) == 1
        view = await run.view()
        assert (view.priority, view.tags) == (7, {"late": "yes"})
