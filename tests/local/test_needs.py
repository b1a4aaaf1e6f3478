"""What tasks need, as a user of them meets it: a real server, a real worker."""

import asyncio
from collections import Counter
from datetime import timedelta
from pathlib import Path

import pytest

from tests.server.mill import mill
from tidemill import AsyncClient, Backoff, Context, DefinitionError, Needs, RateLimit, TransientError, Worker
from tidemill.assembly.offers import offered
from tidemill.assembly.settings import Settings
from tidemill.testing.local import local

tries = Counter[str]()
GPUS = {"cpus": 4, "ram": "8GiB", "gpus": [{"id": "7", "vram": "24GiB", "tags": ["a10"]}]}
box = Worker("box", resources=GPUS, software={"ffmpeg": "6.1"}, tags=["fast"], models=["clip"])  # type: ignore[arg-type]


@box.task(needs=Needs(gpus=1, tags=["a10"], software={"ffmpeg": ">=6"}))
def where(ctx: Context, x: int) -> list[str]:
    return list(ctx.granted.gpus)


@box.task("render", implementation="gpu", needs=Needs(vram="20GiB"))
def on_gpu(ctx: Context, scene: str) -> str:
    return f"{scene} on {','.join(ctx.granted.gpus)}"


@box.task("render", implementation="cpu", needs=Needs(cpus=2))
def on_cpu(ctx: Context, scene: str) -> str:
    return f"{scene} on {ctx.granted.cpus:g} cores"


@box.task(models=["sd15"])
def draw(x: int) -> int:
    return x


@box.task
def load(ctx: Context, name: str) -> str:
    ctx.models.mark_hot(name, size="2GiB")
    ctx.models.mark_hot(name, size="2GiB")
    return name


@box.task
def unload(ctx: Context, name: str) -> str:
    ctx.models.mark_cold(name)
    ctx.models.mark_cold("never there")
    return name


@box.task(
    "press",
    pool="slow",
    timeout=20,
    retries=2,
    backoff=Backoff(first=0.01, most=0.01),
    priority=1,
    concurrency_key="name",
    rate_limit=RateLimit(100, per=timedelta(seconds=1)),
    cache=timedelta(minutes=1),
    needs=Needs(cpus=1, ram="1MiB", tags=["fast"], software={"ffmpeg": ">=6"}),
    models=["clip"],
    max_cost=1.0,
    queue="night",
)
def press_it(ctx: Context, name: str) -> int:
    tries[name] += 1
    if tries[name] < 3:
        raise TransientError("not yet")
    return ctx.priority


@pytest.mark.feature("A4")
def test_a_task_with_a_name_and_every_option_runs_by_all_of_them() -> None:
    with local(box) as client:
        first = client.submit(press_it, "wine")
        assert first.result(timeout=20) == 0
        assert tries["wine"] == 3
        [last] = [each for each in first.attempts() if each.status == "succeeded"]
        assert last.granted is not None
        assert (last.granted.cpus, last.granted.ram) == (1.0, 1024**2)
        again = client.submit(press_it, "wine")
        assert again.result(timeout=20) == 0
        assert tries["wine"] == 3, "the result of the first call stands"
        [view] = [each for each in client.tasks() if each.definition.name == "box.press"]
        options = view.definition.options
        assert (options.pool, options.timeout_s, options.retries, options.priority) == ("slow", 20.0, 2, 1)
        assert (options.requires.queue, options.requires.max_cost, options.requires.models) == ("night", 1.0, ("clip",))
        assert options.concurrency_key == "name"


def test_a_task_is_told_which_gpus_are_its_own() -> None:
    with local(box) as client:
        assert client.submit(where, 1).result(timeout=20) == ["7"]


@pytest.mark.feature("A15")
def test_dispatch_picks_an_implementation_and_a_run_may_insist_on_one() -> None:
    with local(box) as client:
        picked = client.submit(on_gpu, "sea")
        assert picked.result(timeout=20) == "sea on 7"
        pinned = client.submit(on_gpu.options(implementation="cpu"), "sea")
        assert pinned.result(timeout=20) == "sea on 2 cores"
        assert [each.implementation for each in pinned.attempts()] == ["cpu"]
        assert [each.implementation for each in picked.attempts()] == ["gpu"]


@pytest.mark.feature("C8")
async def test_a_model_that_a_task_has_loaded_starts_those_that_need_it(tmp_path: Path) -> None:
    offers, _ = offered([box], Settings())
    async with mill(tmp_path) as served, served.worker(box, offers=offers), AsyncClient(served.url) as client:
        waiting = await client.submit(draw, 5)
        assert await client.submit(load, "sd15") is not None
        assert await waiting.result(timeout=20) == 5
        [seat] = served.engine.seats.of_worker("w1")
        assert seat.session.offers.hot == {"sd15": 2 * 1024**3}
        await (await client.submit(unload, "sd15")).result(timeout=20)
        async with asyncio.timeout(20):
            while served.engine.seats.of_worker("w1")[0].session.offers.hot:  # noqa: ASYNC110 - nobody tells of it
                await asyncio.sleep(0.01)
        again = await client.submit(draw, 6)
        await (await client.submit(load, "other")).result(timeout=20)
        why = await client.why(again.id)
        assert "worker w1: does not have the model sd15" in why.steps[0].reasons


async def test_why_names_what_no_worker_has(tmp_path: Path) -> None:
    async with mill(tmp_path) as served, served.worker(box), AsyncClient(served.url) as client:
        run = await client.submit(where, 1)
        [step] = (await client.why(run.id)).steps
        assert step.reasons[0] == "worker w1: has no tag a10; has no ffmpeg; has 0 such GPUs"
        assert "no worker that has box.where has the tag a10" in step.reasons
        assert step.advice.endswith("worker w1 lacks only that")


async def test_implementations_that_differ_in_their_schema_are_refused_at_start(tmp_path: Path) -> None:
    odd = Worker("odd")

    @odd.task("one", implementation="a", needs=Needs(cpus=1))
    def first(x: int) -> int:
        return x

    @odd.task("one", implementation="b", needs=Needs(cpus=2))
    def second(x: str) -> int:
        return int(x)

    async with mill(tmp_path) as served:
        with pytest.raises(DefinitionError, match=r"the implementations of odd\.one differ"):
            async with served.worker(odd):
                pass
