"""An attempt is a record of its own: what it was given, what it said, where it ran, what came of it."""

import logging
import os
import socket
from pathlib import Path
from typing import Any

import pytest

from tests.server.http import Http
from tests.server.mill import Mill
from tests.server.test_runs import RUNS
from tidemill import AsyncClient, Context, TransientError, Worker
from tidemill.adapters.environments.about import ABOUT, digest_in
from tidemill.client.errors import NotFoundError

CANARY = "a-value-that-nobody-may-see"
telling = Worker("telling")


@telling.task(retries=1)
async def tells(ctx: Context, words: list[str], pause: float = 0.0) -> str:
    for word in words:
        logging.getLogger("telling").warning("%s at attempt %d", word, ctx.attempt)
        ctx.emit("said", {"word": word})
    if ctx.attempt == 1:
        raise TransientError("once more", retry_after=0)
    return " ".join(words)


@pytest.mark.feature("F2")
async def test_each_attempt_has_a_record_of_its_own(served: Mill, http: Http, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CANARY", CANARY)
    assert os.environ["CANARY"] == CANARY
    async with served.worker(telling, host=socket.gethostname(), environment="d" * 32):
        run = (await http.post(RUNS, {"task": "telling.tells", "input": {"words": ["one", "two"]}})).json["id"]
        await http.get(f"{RUNS}/{run}/result?wait=20")
        records = [await _record(http, run, number) for number in (1, 2)]
        async with AsyncClient(served.url) as client:
            assert (await client.run(run).attempt("tells", 2)).attempt.status == "succeeded"
            with pytest.raises(NotFoundError, match="no attempt"):
                await client.run(run).attempt("tells", 3)
    for number, (record, ending) in enumerate(zip(records, ("failed", "succeeded"), strict=True), 1):
        attempt = record["attempt"]
        assert (attempt["number"], attempt["status"], attempt["worker"]) == (number, ending, "w1")
        assert (attempt["host"], attempt["environment"]) == (socket.gethostname(), "d" * 32)
        assert attempt["leased_at"] <= attempt["started_at"] <= attempt["ended_at"]
        assert attempt["run_s"] >= 0
        assert attempt["peak_memory_bytes"] > 1_000_000
        assert record["inputs"]["words"] == ["one", "two"]
        assert [event["payload"] for event in record["events"]] == [{"word": "one"}, {"word": "two"}]
        texts = [line["text"] for line in record["logs"]]
        assert texts[:2] == [f"one at attempt {number}", f"two at attempt {number}"]
        assert CANARY not in str(record)
    assert records[0]["attempt"]["failure"]["code"] == "transient"
    missing = await http.get(f"{RUNS}/{run}/attempts/x/tells")
    assert missing.problem == "unknown_step"


async def _record(http: Http, run: str, number: int) -> dict[str, Any]:
    answer = await http.get(f"{RUNS}/{run}/attempts/{number}/tells")
    assert answer.status == 200, answer
    found: dict[str, Any] = answer.json
    return found


def test_a_worker_knows_the_digest_of_an_environment_of_ours(tmp_path: Path) -> None:
    folder = tmp_path / ("e" * 32)
    folder.mkdir()
    assert digest_in(folder) == ""
    (folder / ABOUT).write_text("{}")
    assert digest_in(folder) == "e" * 32
