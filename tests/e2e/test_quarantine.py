"""Poison waits for a person: through the command line, HTTP and the client, with processes that die."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e import fragile
from tests.faults.processes import Mill
from tidemill import Client, Code, RunFailedError
from tidemill.core.events import Verdict
from tidemill.wire.quarantine import QuarantineRequest

FRAGILE = Path(fragile.__file__)


@pytest.fixture(scope="module")
def mill(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mill]:
    with Mill(tmp_path_factory.mktemp("fragile"), FRAGILE, TIDEMILL_ON_LOST="quarantine") as mill, mill.telling():
        yield mill


def tidemill(mill: Mill, *arguments: str) -> dict[str, object]:
    command = [sys.executable, "-m", "tidemill", *arguments, "--url", mill.url, "--json"]
    found: dict[str, object] = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    return found


@pytest.mark.feature("F4")
@pytest.mark.promise("P4")
@pytest.mark.timeout(100)
def test_a_poison_is_listed_explained_and_released(mill: Mill, tmp_path: Path) -> None:
    flag = tmp_path / "flag"
    flag.touch()
    with Client(mill.url) as client:
        run = client.submit_named("fragile.careful", {"flag": str(flag)})
        mill.wait_for("/api/v1/quarantine", run.id)
        (found,) = client.quarantined(workflow="fragile.careful").steps
        assert (found.run, found.step, found.task) == (run.id, "careful", "fragile.careful")
        assert "it was lost 3 times" in found.message
        (step,) = run.steps()
        assert (step.status, step.failure is not None) == ("quarantined", True)
        assert run.status() == "running"
        assert "quarantine release" in str(client.why(run.id))
        assert tidemill(mill, "quarantine", "list")["steps"]
        flag.unlink()
        assert tidemill(mill, "quarantine", "release", run.id, "careful")["count"] == 1
        assert run.result(timeout=60) == "went on"
        assert [attempt.status for attempt in run.attempts()] == ["failed"] * 3 + ["succeeded"]
        assert not client.quarantined().steps
        refused = subprocess.run(
            [sys.executable, "-m", "tidemill", "quarantine", "release", run.id, "careful", "--url", mill.url],
            capture_output=True,
            text=True,
            check=False,
        )
        assert refused.returncode == 1
        assert "is not quarantined" in refused.stderr


@pytest.mark.timeout(100)
def test_many_are_discarded_at_once_after_a_look(mill: Mill, tmp_path: Path) -> None:
    flag = tmp_path / "flag"
    flag.touch()
    with Client(mill.url) as client:
        runs = [client.submit_named("fragile.careful", {"flag": str(flag)}) for _ in range(2)]
        for run in runs:
            mill.wait_for("/api/v1/quarantine", run.id)
        look = tidemill(mill, "quarantine", "discard", "--task", "fragile.careful", "--dry-run")
        assert (look["count"], look["dry_run"]) == (2, True)
        assert len(client.quarantined().steps) == 2
        none = QuarantineRequest(Verdict.DISCARD, task="fragile.other")
        assert [bite.steps for bite in client.judge(none)] == [()]
        assert tidemill(mill, "quarantine", "discard", "--task", "fragile.careful")["count"] == 2
        for run in runs:
            with pytest.raises(RunFailedError, match="it was lost 3 times") as caught:
                run.result(timeout=60)
            assert caught.value.code is Code.WORKER_LOST
