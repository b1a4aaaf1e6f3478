"""A server dies while it removes runs and blobs, at each point of that: what is there is whole, and the rest goes."""

import contextlib
import json
import time
import urllib.request
from pathlib import Path

import pytest

from tests.faults import everything
from tests.faults.processes import Mill, Program
from tidemill import Client
from tidemill.assembly.checking import check_data
from tidemill.core.errors import TidemillError

DIED = 137
WITHIN_S = 60.0
FEW = ("blob.delete.before:1", "blob.delete.after:1")
MANY = ("store.commit.before:2", "blob.delete.after:2", "store.commit.before:1", "store.commit.after:2", *FEW)


def start_under(program: Program, plan: str) -> None:
    program.environment["TIDEMILL_FAULT"] = plan
    program.start()
    program.environment.pop("TIDEMILL_FAULT")


def remove(mill: Mill, runs: list[str]) -> None:
    """Remove the next run by hand, which begins a round of what removes."""
    request = urllib.request.Request(  # loopback
        f"{mill.url}/api/v1/runs/{runs[0]}", method="DELETE", headers={"content-type": "application/json"}
    )
    time.sleep(0.1)
    with contextlib.suppress(OSError):  # it is not up yet, or dead by now
        urllib.request.urlopen(request, timeout=5).close()
        del runs[0]


def stored(mill: Mill) -> list[str]:
    return [path.name for path in (mill.data / "blobs").rglob("*") if path.is_file() and path.parent.name != "parts"]


@pytest.mark.parametrize("plans", [FEW, pytest.param(MANY, marks=pytest.mark.slow)])
@pytest.mark.timeout(300)
@pytest.mark.promise("P11")
def test_a_server_that_dies_while_it_removes_leaves_garbage_and_never_a_hole(
    tmp_path: Path, plans: tuple[str, ...]
) -> None:
    settings = {"TIDEMILL_RETAIN": "ever", "TIDEMILL_UNNAMED_BLOBS_S": "0.000001"}
    mill = Mill(tmp_path, Path(everything.__file__), **settings)
    with mill, Client(mill.url) as client, mill.telling():
        kept = client.submit(everything.large, 0)
        value = kept.result(timeout=60)
        large = [client.submit(everything.large, number) for number in range(1, len(plans) + 1)]
        small = [client.submit(everything.small, number) for number in range(200)]
        for run in (*large, *small):
            run.result(timeout=60)
        nudges = [run.id for run in small]
        for plan, run in zip(plans, large, strict=True):
            mill.server.stop()
            start_under(mill.server, plan)
            assert mill.server.process is not None
            ends, runs = time.monotonic() + WITHIN_S, [run.id]
            while mill.server.process.poll() is None:
                assert time.monotonic() < ends, f"{plan} is never reached"
                remove(mill, runs or nudges)
            assert mill.server.process.returncode == DIED
            assert list(check_data(mill.data)) == [], plan
        mill.server.stop()
        mill.server.start()
        mill.wait_for("/api/v1/tasks", '"live":true')
        ends = time.monotonic() + WITHIN_S
        for run in large:
            with contextlib.suppress(TidemillError):  # it went already
                run.remove()
        while len(stored(mill)) > 1:
            assert time.monotonic() < ends, stored(mill)
            remove(mill, nudges)
        assert kept.result(timeout=60) == value
        listed = json.load(urllib.request.urlopen(f"{mill.url}/api/v1/runs?workflow=mill.large"))  # loopback
        assert [run["id"] for run in listed["runs"]] == [kept.id]
    assert list(check_data(mill.data)) == []
