"""What a task learns of itself from its Context."""

import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.server.http import speaking
from tests.server.mill import mill
from tidemill import AsyncClient, Context, Needs, TransientError, Worker
from tidemill.client.errors import RefusedError
from tidemill.testing.local import local

TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = f"00-{TRACE}-b7ad6b7169203331-00"

MACHINE = {"cpus": 4, "ram": "8GiB", "gpus": [{"id": "3", "vram": "24GiB", "tags": []}]}
who = Worker("who", resources=MACHINE)  # type: ignore[arg-type]


@who.task(retries=1, timeout=60, needs=Needs(cpus=2, gpus=1))
async def told(ctx: Context, fails: bool = False) -> dict[str, Any]:
    if fails and ctx.attempt == 1:
        ctx.emit("key", [ctx.idempotency_key, ctx.span_id])
        raise TransientError("once more", retry_after=0.01)
    names = (
        "tenant", "run_id", "parent_run", "step_path", "attempt", "idempotency_key", "task", "worker", "workflow",
        "release", "priority", "trace_id", "span_id", "traceparent",
    )  # fmt: skip
    facts = {name: getattr(ctx, name) for name in names}
    left = ctx.time_left is not None and timedelta() < ctx.time_left <= timedelta(seconds=60)
    granted = {"cpus": ctx.granted.cpus, "gpus": list(ctx.granted.gpus)}
    return facts | {"tags": dict(ctx.tags), "left": left, "deadline": ctx.deadline is not None, "granted": granted}


@who.task
async def asks(ctx: Context) -> dict[str, Any]:
    return {"own": ctx.traceparent, "child": await ctx.submit(told)}


plain = Worker("plain")


@plain.task
def nothing() -> None:
    """A task that asks for nothing."""


@pytest.mark.feature("C1")
async def test_a_context_says_who_where_and_until_when() -> None:
    async with local(who) as client:
        said = client.options(tags={"team": "blue"}, priority=7, traceparent=PARENT)
        run = await said.submit(told, fails=True)
        facts = await run.result()
        assert re.fullmatch(r"[0-9a-f]{16}", facts["span_id"])
        assert facts == {
            "tenant": "default",
            "run_id": run.id,
            "parent_run": "",
            "step_path": "told",
            "attempt": 2,
            "idempotency_key": f"{run.id}/told",
            "task": "who.told",
            "worker": "local",
            "workflow": "who.told",
            "release": "",
            "priority": 7,
            "tags": {"team": "blue"},
            "trace_id": TRACE,
            "span_id": facts["span_id"],
            "traceparent": f"00-{TRACE}-{facts['span_id']}-00",
            "left": True,
            "deadline": True,
            "granted": {"cpus": 2.0, "gpus": ["3"]},
        }
        (first,) = [event async for event in run.emitted()]
        assert first.payload[0] == facts["idempotency_key"]
        assert first.payload[1] != facts["span_id"]
        assert (await run.view()).trace_id == TRACE


async def test_a_child_belongs_to_the_trace_of_its_parent_and_a_run_of_its_own_has_one() -> None:
    async with local(who) as client:
        run = await client.submit(asks)
        answer = await run.result()
        trace = run.id.replace("-", "")
        assert answer["own"].startswith(f"00-{trace}-")
        child = answer["child"]
        assert (child["parent_run"], child["trace_id"]) == (run.id, trace)
        assert answer["own"].endswith("-01")


async def test_a_trace_comes_in_the_header_of_a_request(tmp_path: Path) -> None:
    async with mill(tmp_path) as served, served.worker(plain), speaking(served.url) as http:
        for header, expected in ((PARENT, TRACE), (PARENT.upper(), None), ("00-0-0-0", None)):
            accepted = (await http.post("/api/v1/runs", {"task": "plain.nothing"}, traceparent=header)).json
            view = (await http.get(f"/api/v1/runs/{accepted['id']}")).json
            assert view["trace_id"] == (expected or accepted["id"].replace("-", ""))
        refused = await http.post("/api/v1/runs", {"task": "plain.nothing", "traceparent": "mine"})
        assert refused.json["violations"][0][0] == "$.traceparent"
        async with AsyncClient(served.url) as client:
            with pytest.raises(RefusedError, match="traceparent"):
                await client.options(traceparent="mine").submit(nothing)


def test_a_context_outside_a_server_has_a_trace_too() -> None:
    facts = told()
    assert facts["traceparent"] == f"00-{facts['trace_id']}-{facts['span_id']}-01"
