"""A task that kills its worker each time, with a worker that somebody starts again."""

from pathlib import Path

import pytest

from tests.faults.processes import Mill
from tidemill import Client, RunFailedError

DEADLY = Path(__file__).parent / "deadly.py"


@pytest.mark.timeout(100)
def test_a_task_that_kills_its_workers_fails_after_three_of_them(tmp_path: Path) -> None:
    with Mill(tmp_path, DEADLY) as mill, Client(mill.url) as client, mill.telling():
        poison = client.submit_named("deadly.dies", {"x": 9})
        for _ in range(3):
            assert mill.worker.process is not None
            mill.worker.process.wait(timeout=30)
            mill.worker.stop()
            mill.worker.start()
        with pytest.raises(RunFailedError, match="3 workers died while they ran it"):
            poison.result(timeout=30)
        assert [attempt.status for attempt in poison.attempts()] == ["lost"] * 3
        assert client.submit_named("deadly.lives", {"x": 5}).result(timeout=30) == 5
