"""Files that rot: damage is said, by the server and by `tidemill store check`, and never shown as if it were right."""

import hashlib
import json
import os
import subprocess
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest

from tests.cli.processes import until
from tests.faults import everything
from tests.faults.processes import COMMAND, Mill
from tests.faults.workload import OCTETS, Errand, Workload

FILLED = "Q" * 200


def check(data: Path) -> tuple[int, list[str]]:
    """The exit code, and what is said."""
    command = [*COMMAND, "store", "check", "--data", str(data), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout)["problems"]


def flip(path: Path, at: int) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 4
    path.write_bytes(data)


@pytest.fixture
def mill(tmp_path: Path) -> Mill:
    return Mill(tmp_path, Path(everything.__file__))


def worked(mill: Mill) -> Workload:
    """Runs that have ended, on a server that runs."""
    work = Workload(mill.url)
    work.add("large", {"task": "mill.large"}, {"x": 5})
    work.add("join", {"task": "mill.join"}, {"parts": [f"a {FILLED}"]})
    assert work.send()
    for run in work.acknowledged:
        work.ended(run)
    return work


def test_a_damaged_blob_is_named_by_the_check_and_given_to_nobody(mill: Mill) -> None:
    with mill, mill.telling():
        work = worked(mill)
        assert check(mill.data) == (0, [])
        [blob] = blobs(mill)
        whole = blob.read_bytes()
        flip(blob, 50_000)
        run = next(run for run, kind in work.acknowledged.items() if kind == "large")
        assert f"blob sha256:{blob.name} is damaged on disk" in refused(mill, f"/runs/{run}/result")
        assert blob.name in refused(mill, f"/blobs/sha256:{blob.name}")
        assert check(mill.data) == (
            1,
            [f"the blob sha256:{blob.name} is damaged: it has {len(whole):,} bytes, and had {len(whole):,}"],
        )
        blob.unlink()
        assert blob.name in refused(mill, f"/runs/{run}/result")
        assert check(mill.data) == (1, [f"the blob sha256:{blob.name} cannot be read: No such file or directory"])
        blob.write_bytes(whole)  # a copy is put back
        assert work.ended(run)["status"] == "succeeded"


@pytest.mark.parametrize("size", [30_000, 3_000_000])
@pytest.mark.parametrize("how", ["damaged", "missing"])
def test_a_step_whose_input_is_gone_fails_at_once_and_says_which(mill: Mill, how: str, size: int) -> None:
    """To try again would find nothing either; once the bytes are sent anew, it works."""
    with mill, mill.telling():
        work = Workload(mill.url)
        data = os.urandom(size)
        file = {"$file": f"sha256:{hashlib.sha256(data).hexdigest()}", "size": size}
        work.pending.append(Errand("POST", "/blobs", data, OCTETS))
        assert work.send()
        [blob] = blobs(mill)
        if how == "missing":
            blob.unlink()
        else:
            flip(blob, size - 5)
        work.add("weigh", {"task": "mill.weigh"}, {"file": file})
        assert work.send()
        [run] = work.acknowledged
        failure = ended(work, run)["failure"]
        assert failure["code"] == "permanent"
        assert f"the input 'file' of run {run} cannot be read from the server" in failure["message"]
        assert blob.name in failure["message"]
        assert len(work.get(f"/runs/{run}/attempts")["attempts"]) == 1
        work.pending.append(Errand("POST", "/blobs", data, OCTETS))
        work.add("weigh", {"task": "mill.weigh"}, {"file": file})
        assert work.send()
        again = next(each for each in work.acknowledged if each != run)
        assert work.ended(again)["value"].startswith(f"weigh {size} ")
        assert check(mill.data) == (0, [])


def blobs(mill: Mill) -> list[Path]:
    return [path for path in (mill.data / "blobs").glob("??/*") if path.is_file()]


def ended(work: Workload, run: str) -> Any:
    """A run that does not succeed."""
    return until(lambda: found if (found := work.get(f"/runs/{run}")).get("ended_at") else None, lambda: "it to end")


def refused(mill: Mill, path: str) -> str:
    """What is said of something that is gone."""
    with pytest.raises(HTTPError) as caught:
        urlopen(f"{mill.url}/api/v1{path}", timeout=30)  # loopback
    with caught.value as error:
        assert error.code == 404
        return str(error.read().decode())


def test_a_damaged_row_is_said_and_the_other_runs_go_on(mill: Mill) -> None:
    with mill, mill.telling():
        work = worked(mill)
        mill.server.process.terminate()  # type: ignore[union-attr]
        assert mill.server.process.wait(60) == 0  # type: ignore[union-attr]
        mill.server.stop()
        store = mill.data / "tidemill.db"
        run = next(run for run, kind in work.acknowledged.items() if kind == "join")
        data = store.read_bytes()
        for place in (at for at in range(len(data)) if data.startswith(FILLED.encode(), at)):
            flip(store, place + 100)
        code, said = check(mill.data)
        assert code == 1
        assert all("is not as it was written" in line for line in said)
        mill.server.start()
        mill.wait_for("/api/v1/tasks", '"live":true')
        with pytest.raises(HTTPError) as caught:
            urlopen(f"{mill.url}/api/v1/runs/{run}/result", timeout=30)  # loopback
        with caught.value as error:
            assert error.code == 500
        assert "tidemill store check" in mill.server.log.read_text()
        worked(mill)


@pytest.mark.parametrize("name", ["tidemill.db", "logs.db"])
def test_a_file_that_is_no_database_is_refused_with_advice(mill: Mill, name: str) -> None:
    mill.data.mkdir()
    (mill.data / name).write_bytes(b"what is this?" * 1000)
    mill.server.start()
    assert mill.server.process is not None
    assert mill.server.process.wait(60) not in (0, None)
    mill.server.stop()
    said = mill.server.log.read_text()
    assert name in said
    assert "tidemill store check" in said
    assert "put back a copy" in said
    assert "Traceback" not in said
    assert check(mill.data)[0] == 1
