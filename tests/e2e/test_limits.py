"""A worker's limits and health, with a real server and a real worker."""

import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.processes import Mill, free_port
from tidemill import Client

POOLED = Path(__file__).parent / "pooled.py"


@pytest.fixture(scope="module")
def health() -> str:
    return f"127.0.0.1:{free_port()}"


@pytest.fixture(scope="module")
def mill(tmp_path_factory: pytest.TempPathFactory, health: str) -> Iterator[Mill]:
    mill = Mill(tmp_path_factory.mktemp("mill"), POOLED)
    mill.worker.environment |= {"TIDEMILL_HEALTH": health, "TIDEMILL_POOLS": "audio=3"}
    with mill:
        yield mill


@pytest.mark.feature("D6")
@pytest.mark.parametrize(("task", "limit"), [("video", 1), ("audio", 3), ("plain", 6)])
def test_a_worker_never_has_more_at_once_than_its_limits_say(mill: Mill, task: str, limit: int) -> None:
    with Client(mill.url) as client, mill.telling():
        runs = [client.submit_named(f"pooled.{task}", {"x": number}) for number in range(12)]
        seen = [run.result(timeout=30) for run in runs]
    assert max(seen) <= limit
    assert max(seen) == 1 or limit > 1


def asked(health: str, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://{health}{path}", timeout=5) as answer:  # loopback
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


@pytest.mark.feature("D9")
def test_the_health_server_says_alive_ready_and_figures(mill: Mill, health: str) -> None:
    assert asked(health, "/healthz") == (200, "alive\n")
    assert asked(health, "/readyz") == (200, "ready\n")
    status, figures = asked(health, "/metrics")
    assert status == 200
    assert "tidemill_worker_connected 1" in figures
    assert asked(health, "/secrets")[0] == 404
    mill.server.kill()
    try:
        until_not_ready(health)
        assert asked(health, "/healthz")[0] == 200
    finally:
        mill.server.start()
        mill.wait_for("/api/v1/tasks", '"live":true')


def until_not_ready(health: str) -> None:
    for _ in range(200):
        if asked(health, "/readyz")[0] == 503:
            return
        time.sleep(0.05)  # a poll of another process
    raise AssertionError("the worker says that it is ready without a server")


def test_a_server_that_stops_ends_live_answers_without_a_word(tmp_path: Path) -> None:
    with Mill(tmp_path, POOLED) as mill, Client(mill.url) as client:
        assert client.submit_named("pooled.plain", {"x": 1}).result(timeout=30) >= 1  # its outcome stream stays open
        feed = urllib.request.urlopen(f"{mill.url}/api/v1/events", timeout=10)
        mill.worker.stop()
        assert mill.server.process is not None
        mill.server.process.terminate()
        assert mill.server.process.wait(timeout=20) == 0
        feed.read()
        feed.close()
    assert "ERROR" not in mill.server.log.read_text()
