"""A run as a picture: the graph with how its steps stand, and when they ran; drawn by the server."""

import asyncio
import re
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from xml.etree import ElementTree

import pytest

from tests.server.http import Http
from tests.server.mill import Mill
from tests.server.test_page import in_a_browser, page
from tidemill import Context, StateMachine, TransientError, Worker, branch, loop, map_over, workflow
from tidemill.client.remote import AsyncClient

SVG = "{http://www.w3.org/2000/svg}"
__all__ = ["page"]  # a fixture


def yard() -> tuple[Worker, StateMachine, threading.Event]:
    """A machine whose task `hold` waits for the event. Its tasks run on another loop than the test."""
    worker, gate = Worker("yard"), threading.Event()
    tries: list[int] = []

    @worker.task
    async def hold(ctx: Context, x: int) -> int:
        ctx.progress(0.4, "waiting")
        await asyncio.to_thread(gate.wait, 30)
        return x

    @worker.task
    async def cut(x: int) -> int:
        return x

    @worker.task(retries=2)
    async def total(xs: list[int]) -> int:
        tries.append(1)
        if len(tries) == 1:
            raise TransientError("busy")
        return sum(xs)

    made = StateMachine("grinding")

    @made.state
    def grind(xs: list[int], last: int | None = made.previous("weigh", int)) -> int:
        return total(map_over(cut, xs, window=2))

    @made.state
    def weigh(ground: int = grind.output) -> int:
        return branch(ground > 100, then=lambda: cut(ground), otherwise=lambda: hold(ground))

    grind.otherwise(to=weigh)
    weigh.when(weigh.output < 0, to=grind)
    weigh.otherwise(to=made.end("success", output=weigh.output))
    return worker, made, gate


@pytest.fixture
async def client(served: Mill) -> AsyncIterator[AsyncClient]:
    async with AsyncClient(served.url) as made:
        yield made


def boxes(svg: str) -> dict[str, tuple[set[str], list[str]]]:
    """By title: the classes and the other texts of the outermost box of that title."""
    found: dict[str, tuple[set[str], list[str]]] = {}
    for group in ElementTree.fromstring(svg).iter(f"{SVG}g"):
        title, *texts = [str(each.text) for each in group.iter(f"{SVG}text")]
        found.setdefault(title, (set(group.get("class", "").split()), texts))
    return found


def rows(svg: str) -> dict[str, str]:
    """By label: how each row of a timeline stands."""
    groups = [each for each in ElementTree.fromstring(svg).iter(f"{SVG}g") if "row" in each.get("class", "").split()]
    return {str(group.findtext(f"{SVG}text")): group.get("class", "").partition("is-")[2] for group in groups}


async def until(look: Callable[[], Awaitable[str]], words: str) -> str:
    async with asyncio.timeout(20):
        while True:
            if words in (found := await look()):
                return found
            await asyncio.sleep(0.02)


@pytest.mark.feature("O2")
async def test_a_picture_has_the_state_that_runs_counts_of_maps_and_the_end(served: Mill, client: AsyncClient) -> None:
    worker, grinding, gate = yard()
    async with served.worker(worker):
        run = await client.submit(grinding, list(range(12)))

        async def seen() -> str:
            return (await run.picture()).svg

        live = boxes(await until(seen, "40% waiting"))
        assert {"is-succeeded"} <= live["grind"][0]
        assert {"is-running", "current"} <= live["weigh"][0]
        assert "12 of 12" in live["cut"][1]
        assert live["hold"][0] >= {"is-running"}
        assert live["the run succeeds"][0] == {"box", "success"}
        during = rows((await run.timeline()).svg)
        assert during["weigh#1"] == "waiting"
        gate.set()
        assert await run.result(20) == 66
        ended = boxes((await run.picture()).svg)
        assert {"is-succeeded", "current"} <= ended["the run succeeds"][0]
        assert "current" not in ended["weigh"][0]
        svg = (await run.timeline()).svg
        assert rows(svg)["grind#1"] == "succeeded"
        assert re.search(r"grind#1/total attempt 1 on w1 from [\d:]+ UTC: failed", svg)
        assert re.search(r"grind#1/total attempt 2 on w1 from [\d:]+ UTC: succeeded", svg)


async def test_a_loop_shows_its_round_and_a_branch_its_arm(served: Mill, client: AsyncClient) -> None:
    worker = Worker("yard")

    @worker.task
    async def more(x: int) -> int:
        return x + 1

    @workflow
    def climb(x: int) -> int:
        top = loop(more, x, until=lambda at: at > 4, limit=9)
        return branch(top > 100, then=lambda: more.options(name="high")(top), otherwise=lambda: top)

    async with served.worker(worker):
        run = await client.submit(climb, 1)
        assert await run.result(20) == 5
        found = boxes((await run.picture()).svg)
    assert "round 4" in found["more"][1]
    assert found["otherwise"][0] >= {"is-taken"}
    assert not {each for each in found["then"][0] if each.startswith("is-")}


async def test_a_timeline_of_a_large_map_is_bounded_and_says_so(served: Mill, client: AsyncClient) -> None:
    worker = Worker("yard")

    @worker.task
    async def cut(x: int) -> int:
        return x

    @workflow
    def many(xs: list[int]) -> list[int]:
        return map_over(cut, xs, window=200)

    async with served.worker(worker, slots=200):
        run = await client.submit(many, list(range(500)))
        await run.result(60)
        found = rows((await run.timeline()).svg)
        assert len(found) == 22
        assert "500 of 500" in (await run.picture()).svg


async def test_a_picture_may_run_nothing_and_strange_questions_are_refused(working: Http) -> None:
    run = (await working.post("/api/v1/runs", {"task": "media.add", "input": {"a": 1}})).json["id"]
    answer = await working.get(f"/api/v1/runs/{run}/picture")
    assert answer.headers["content-type"].startswith("image/svg+xml")
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert "sandbox" in answer.headers["content-security-policy"]
    ElementTree.fromstring(answer.body)
    assert (await working.get(f"/api/v1/runs/{run}/picture?timeline=maybe")).problem == "bad_request"
    assert (await working.get(f"/api/v1/runs/{'0' * 8}/picture")).problem == "unknown_run"


@in_a_browser
async def test_the_page_shows_the_picture_and_the_timeline(served: Mill, client: AsyncClient, page: object) -> None:
    worker, grinding, gate = yard()
    async with served.worker(worker):
        run = await client.submit(grinding, [1, 2])
        await page.goto(f"{served.url}/runs/{run.id}")  # type: ignore[attr-defined]
        picture = page.locator(".frame img[alt='Graph of this run']")  # type: ignore[attr-defined]
        await picture.wait_for()
        assert await picture.evaluate("image => image.naturalWidth") > 100

        async def shown() -> str:
            return str(await picture.get_attribute("src"))

        assert "success%20is-succeeded" not in await shown()
        gate.set()
        await run.result(20)
        await page.locator(".pill.succeeded").wait_for()  # type: ignore[attr-defined]
        await until(shown, "success%20is-succeeded%20current")
        await page.get_by_role("button", name="Timeline").click()  # type: ignore[attr-defined]
        await page.locator(".frame img[alt='Timeline of this run']").wait_for()  # type: ignore[attr-defined]
