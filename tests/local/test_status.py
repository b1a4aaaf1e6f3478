"""How a worker is, asked in its process and of the server."""

import asyncio
import threading
from pathlib import Path

import pytest

from tests.server.http import speaking
from tests.server.mill import mill
from tidemill import AsyncClient, Context, Needs, Worker
from tidemill.assembly.offers import offered
from tidemill.assembly.settings import Settings

GATE = threading.Event()
box = Worker(
    "box",
    type="gpu",
    tags=["fast"],
    labels={"zone": "a"},
    pools={"slow": 2},
    models=["sd15"],
    resources={"cpus": 4, "ram": "8GiB", "gpus": [{"id": "0", "vram": "24GiB"}]},
)


@box.task(pool="slow", needs=Needs(vram="8GiB", type="gpu", labels={"zone": "a"}))
def hold(ctx: Context, title: str, password: str, text: str) -> str:
    ctx.models.mark_hot("clip", size="1GiB")
    assert GATE.wait(20)
    return title


@pytest.mark.feature("D16", "D17")
async def test_a_worker_tells_what_it_has_and_runs(tmp_path: Path) -> None:
    GATE.clear()
    offers, labels = offered([box], Settings())
    pools = {"offers": offers, "labels": labels}
    with pytest.raises(RuntimeError, match="worker nobody is not being served"):
        Worker("nobody").status()
    async with mill(tmp_path) as served, served.worker(box, slots=5, **pools), AsyncClient(served.url) as client:
        run = await client.submit(hold, "sea", "hunter2", "x" * 99)
        async with asyncio.timeout(20):
            while not served.engine.seats.of_worker("w1")[0].session.offers.hot:  # noqa: ASYNC110 - nobody tells of it
                await asyncio.sleep(0.01)
        status = box.status()
        assert (status.id, status.type, status.tags, status.connected) == ("w1", "gpu", ("fast",), True)
        assert (status.free, status.held, status.hot) == (4, 1, {"clip": 1024**3})
        assert status.resources.cpus == 4
        assert status.heard_s is not None
        [mine] = status.attempts
        assert (mine.run, mine.path, mine.task, mine.state) == (run.id, "hold", "box.hold", "running")
        assert mine.inputs == {"title": '"sea"', "password": "hidden", "text": "text of 99 characters"}
        assert mine.requires.vram == 8 * 1024**3
        assert mine.granted is not None
        assert mine.granted.gpus == ("0",)
        detail = await client.worker("w1")
        view = detail.worker
        assert (view.id, view.offers.type, view.labels, view.free, view.offers.hot) == (
            "w1", "gpu", {"zone": "a"}, 4, {"clip": 1024**3}
        )  # fmt: skip
        [theirs] = detail.attempts
        assert (theirs.run, theirs.task, theirs.inputs) == (run.id, "box.hold", mine.inputs)
        assert theirs.attempt.granted == mine.granted
        assert theirs.requires == mine.requires
        assert theirs.attempt.status in ("leased", "running")
        assert "hunter2" not in repr(status) + repr(detail)
        GATE.set()
        assert await run.result(timeout=20) == "sea"


@pytest.mark.feature("D16")
async def test_workers_are_listed_by_type_label_and_tag_and_tasks_may_require_them(tmp_path: Path) -> None:
    GATE.set()
    offers, labels = offered([box], Settings())
    async with (
        mill(tmp_path) as served,
        AsyncClient(served.url) as client,
        speaking(served.url) as http,
        served.worker(box, name="bare"),
        served.worker(box, name="full", offers=offers, labels=labels),
    ):
        run = await client.submit(hold, "sea", "hunter2", "x")
        assert await run.result(timeout=20) == "sea"
        assert [each.worker for each in await run.attempts()] == ["full"]
        for query, found in {
            "": {"bare", "full"},
            "type=gpu": {"full"},
            "type=": {"bare"},
            "label=zone%3Da": {"full"},
            "label=zone%3Db": set(),
            "tag=fast&type=gpu": {"full"},
            "tag=slow": set(),
        }.items():
            listed = (await http.get(f"/api/v1/workers?{query}")).json["workers"]
            assert {each["id"] for each in listed} == found, query
        assert [each.id for each in await client.workers(type="gpu", labels={"zone": "a"})] == ["full"]
        assert (await http.get("/api/v1/workers?label=zone")).problem == "bad_request"
        assert (await http.get("/api/v1/workers/nobody")).problem == "unknown_worker"
