"""A server is killed while its schedule fires, and started again: each instant has one run, and none is missing."""

import json
import time
import urllib.request
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tests.faults.processes import Mill

WORKER = """
from tidemill import Worker

bell = Worker("bell")


@bell.task
def ring(at: str) -> str:
    return at
"""
WITHIN_S = 40.0


def asked(mill: Mill, method: str, path: str, body: object = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(
        f"{mill.url}/api/v1{path}", data, {"content-type": "application/json"}, method=method
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.load(answer)


def fired(mill: Mill, count: int) -> list[dict[str, Any]]:
    """Lines that say that a run was started, oldest first, once there are so many."""
    until = time.monotonic() + WITHIN_S
    while time.monotonic() < until:
        found = asked(mill, "GET", "/schedules/bell/fires")["fires"][::-1]
        if len(found) >= count:
            return list(found)
        time.sleep(0.05)
    raise AssertionError(f"not {count} lines within {WITHIN_S} s")


@pytest.mark.feature("E10")
def test_what_came_due_without_a_server_is_made_up_for_and_nothing_comes_twice(tmp_path: Path) -> None:
    (tmp_path / "bell.py").write_text(WORKER)
    spec = {"target": "bell.ring", "input": {"at": "$due_at"}, "every_s": 1, "overlap": "allow", "catch_up": "all"}
    with Mill(tmp_path, tmp_path / "bell.py") as mill:
        asked(mill, "PUT", "/schedules/bell", spec)
        count = 0
        for _ in range(2):
            count = len(fired(mill, count + 1))
            mill.server.kill()
            time.sleep(1.2)  # an instant comes, and nobody is there
            mill.server.start()
            mill.wait_for("/healthz", "ok")
        lines = fired(mill, count + 2)
        due = [datetime.fromisoformat(line["due_at"]) for line in lines]
        assert {line["kind"] for line in lines} == {"started"}
        assert {after - before for before, after in pairwise(due)} == {timedelta(seconds=1)}
        assert len({line["run"] for line in lines}) == len(lines)
        for line in lines:
            result = asked(mill, "GET", f"/runs/{line['run']}/result?wait=20")
            assert result["value"] == line["due_at"]
