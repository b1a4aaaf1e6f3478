"""Stores with real processes: two workers add at the same time, and servers and workers are killed in the middle."""

from pathlib import Path

import pytest

from tests.faults.processes import Mill, Program
from tidemill import Client

SHARERS = Path(__file__).parents[1] / "e2e" / "sharers.py"


@pytest.mark.timeout(100)
def test_two_workers_add_a_thousand_times_and_the_sum_is_exact_though_the_server_dies(tmp_path: Path) -> None:
    with Mill(tmp_path, SHARERS) as mill, Client(mill.url) as client, mill.telling():
        other = Program(
            tmp_path / "other.log", "worker", str(SHARERS), "--url", mill.url, TIDEMILL_DATA=str(tmp_path / "other")
        )
        other.start()
        try:
            names = ("inline.add", "inline.aadd", "apart.add", "inline.add", "inline.aadd")
            runs = [client.submit_named(name, {"key": "n", "times": 200}) for name in names]
            store = client.store("inline.add", "sums")
            for enough in (60, 200):
                while (store.get("n") or 0) < enough:
                    pass
                mill.server.kill()
                mill.server.start()
                mill.wait_for("/api/v1/health", "")
            for run in runs:
                run.result(timeout=60)
            sums = {name: client.store(name, "sums").get("n") for name in names}
            assert sums == {"inline.add": 400, "inline.aadd": 400, "apart.add": 200}
        finally:
            other.stop()


@pytest.mark.timeout(100)
def test_a_worker_that_dies_in_the_middle_leaves_what_it_wrote_and_the_next_goes_on(tmp_path: Path) -> None:
    with Mill(tmp_path, SHARERS) as mill, Client(mill.url) as client, mill.telling():
        run = client.submit_named("inline.once_each", {"times": 200})
        store = client.store("inline.once_each", "done")
        while len(store.page().entries) < 40:
            pass
        mill.worker.kill()
        mill.worker.start()
        assert run.result(timeout=60) == 200
        found = {entry.key: entry.value for entry in store.entries()}
        assert (len(found), set(found.values())) == (200, {1, 2})


@pytest.mark.timeout(100)
def test_a_body_in_a_process_has_channels_and_attributes(tmp_path: Path) -> None:
    with Mill(tmp_path, SHARERS) as mill, Client(mill.url) as client, mill.telling():
        run = client.submit_named("apart.tell", {"words": ["a", "b", "c"]})
        assert run.result(timeout=60) == ["a", "b", "c", "c"]
        assert [item.value for item in run.store("line").items().items] == ["a", "b", "c"]
        assert (run.data(), run.step_data()) == ({"first": "a"}, {"tell": {"words": 3}})
