"""A server that is killed with webhooks to send sends them all when it is back."""

import asyncio
import json
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from tests.faults.processes import Mill
from tests.server.receiver import receiving
from tidemill import webhooks

WORKER = """
from tidemill import Worker

mill = Worker("mill")


@mill.task
def double(x: int) -> int:
    return 2 * x
"""
RUNS = 30


def ask(url: str, method: str, body: Any) -> Any:
    headers = {"content-type": "application/json"}
    request = urllib.request.Request(url, json.dumps(body).encode(), headers, method=method)
    with urllib.request.urlopen(request, timeout=20) as answer:
        return json.loads(answer.read())


@pytest.mark.slow
@pytest.mark.feature("E11")
@pytest.mark.parametrize("fault", ["", "store.commit.before:60", "store.commit.after:60", "store.commit.after:75"])
async def test_what_is_to_be_sent_survives_kill_9(tmp_path: Path, fault: str) -> None:
    worker = tmp_path / "mill.py"
    worker.write_text(WORKER)
    own = {"TIDEMILL_WEBHOOK_ALLOW": "127.0.0.1", "TIDEMILL_WEBHOOK_RETRY_S": "0.2"}
    async with receiving() as receiver:
        receiver.answers["/"] = [web.Response(status=503)]
        mill = Mill(tmp_path, worker, **own, **({"TIDEMILL_FAULT": fault} if fault else {}))
        await asyncio.to_thread(mill.__enter__)
        try:
            with mill.telling():
                made = await asyncio.to_thread(ask, mill.url + "/api/v1/webhooks/w", "PUT", {"url": receiver.url})
                runs = await asyncio.to_thread(submitted, mill.url)
                await receiver.after(1)
                assert mill.server.process is not None
                if fault:
                    await asyncio.to_thread(mill.server.process.wait, 30)  # it ends itself at that point
                    mill.server.stop()
                else:
                    mill.server.kill()
                receiver.answers["/"] = [web.Response()]
                mill.server.environment.pop("TIDEMILL_FAULT", None)
                receiver.got.clear()
                await asyncio.to_thread(mill.server.start)
                told = await all_told(receiver, made["secret"], runs)
                assert set(runs) <= told
        finally:
            await asyncio.to_thread(mill.__exit__)


def submitted(url: str) -> list[str]:
    """Runs that were acknowledged; a server that dies in between ends it."""
    acknowledged = []
    for number in range(RUNS):
        try:
            body = {"task": "mill.double", "input": {"x": number}}
            acknowledged.append(ask(url + "/api/v1/runs", "POST", body)["id"])
        except OSError:
            break
    return acknowledged


async def all_told(receiver: Any, secret: str, runs: list[str]) -> set[str]:
    told: set[str] = set()
    async with asyncio.timeout(40):
        while not set(runs) <= told:
            await receiver.after(len(receiver.got) + 1)
            told = {webhooks.verify(each.headers, each.body, secret).data["run"] for each in receiver.got}
    return told
