"""A disk is full: it is said, nothing that was acknowledged is lost, and all goes on when there is space again."""

import json
import time
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from tests.cli.processes import until
from tests.faults import everything
from tests.faults.processes import Mill
from tests.faults.small_disk import WHY_NOT, LimitedFiles, SmallDisk, unshare
from tests.faults.workload import OCTETS, SCHEDULE, Errand, Workload
from tidemill import Client

SIZE = "size=6m"


@pytest.fixture
def mill(tmp_path: Path) -> Mill:
    mill = Mill(tmp_path, Path(everything.__file__))
    mill.worker.environment["TIDEMILL_RECONNECT_S"] = "0.3"
    return mill


def small(mill: Mill, options: str = SIZE) -> SmallDisk:
    if not unshare():
        pytest.skip(WHY_NOT)
    return SmallDisk(mill.server, mill.data, options)


@pytest.fixture(params=["full", "limited"])
def disk(request: pytest.FixtureRequest, mill: Mill) -> SmallDisk | LimitedFiles:
    return small(mill) if request.param == "full" else LimitedFiles(mill.server)


def begin(mill: Mill) -> Workload:
    with Client(mill.url) as client:
        client.submit(everything.spread, x=1, xs=[1]).result(timeout=60)
    work = Workload(mill.url)
    work.pending.append(Errand("PUT", "/schedules/tick", json.dumps(SCHEDULE).encode()))
    return work


def refused(url: str, media: str, body: bytes) -> str:
    """What is said to a request that cannot be taken now."""
    with pytest.raises(HTTPError) as caught:
        urlopen(Request(url, body, {"content-type": media}), timeout=30)  # loopback
    with caught.value as error:
        assert (error.code, error.headers["retry-after"]) == (503, "1")
        return str(error.read().decode())


def submit_until_refused(work: Workload) -> None:
    """What fits into what is left is still taken."""
    ends = time.monotonic() + 60
    while work.send():
        assert time.monotonic() < ends, "a full disk took everything"
        work.add_round("spool")


def test_submissions_are_refused_while_the_disk_is_full_and_all_ends_when_it_is_not(
    mill: Mill, disk: SmallDisk | LimitedFiles
) -> None:
    with mill, mill.telling():
        work = begin(mill)
        work.add_round("spool")  # some of it is under way when the disk is full
        assert work.send()
        disk.fill()
        submit_until_refused(work)
        body, health = work.pending[0], {"detail": ""}

        def is_said() -> bool:
            """Not if something smaller fitted in between."""
            assert "cannot write" in refused(f"{mill.url}/api/v1{body.path}", body.media, body.body)
            health.update(work.get("/health"))
            return health["status"] == "unavailable"

        until(is_said, lambda: "the server to say that it cannot write")
        assert "cannot write" in health["detail"]
        disk.clear()
        until(work.send, lambda: "the disk to take what waited")
        work.check(mill.data if isinstance(disk, LimitedFiles) else disk.inside)
        assert work.get("/health")["status"] == "ok"


def test_bytes_are_refused_while_no_file_can_be_made_and_runs_go_on(mill: Mill) -> None:
    disk = small(mill, f"{SIZE},nr_inodes=100")
    with mill, mill.telling():
        work = begin(mill)
        made = disk.fill_names()
        assert made
        assert "No space left" in refused(f"{mill.url}/api/v1/blobs", OCTETS, b"some bytes")
        work.add("small", {"task": "mill.small"}, {"x": 5})
        work.add("large", {"task": "mill.large"}, {"x": 5})  # its result waits at the worker
        assert work.send()
        until(lambda: "uploading" in mill.worker.log.read_text(), lambda: "the worker to try in vain")
        for path in made:
            path.unlink()
        work.add_round("")
        until(work.send, lambda: "the disk to take what waited")
        work.check(disk.inside)


def test_a_worker_whose_disk_is_full_keeps_its_results_and_gets_its_files_later(mill: Mill, tmp_path: Path) -> None:
    if not unshare():
        pytest.skip(WHY_NOT)
    disk = SmallDisk(mill.worker, tmp_path / "worker", SIZE)
    with mill, mill.telling():
        work = begin(mill)
        disk.fill()
        work.add_round("spool")
        assert work.send()
        until(lambda: "spool.write failed" in mill.worker.log.read_text(), lambda: "a result that cannot be written")
        mill.server.kill()
        mill.server.start()
        disk.clear()
        mill.wait_for("/api/v1/tasks", '"live":true')
        work.check(mill.data)
        kept = [run for run, kind in work.acknowledged.items() if kind == "long"]
        assert [len(work.get(f"/runs/{run}/attempts")["attempts"]) for run in kept] == [1]


def test_a_server_starts_on_a_full_disk_and_takes_work_when_there_is_space(mill: Mill, tmp_path: Path) -> None:
    if not unshare():
        pytest.skip(WHY_NOT)
    with mill, mill.telling():
        work = begin(mill)
        work.add_round("spool")
        assert work.send()
        mill.server.kill()
        mill.data.rename(tmp_path / "before")
        fill = f"cp -r {tmp_path}/before/. {mill.data} && {{ cat /dev/zero > {mill.data}/filler || :; }} 2>/dev/null"
        disk = SmallDisk(mill.server, mill.data, SIZE, fill)
        mill.server.start()
        mill.wait_for("/healthz", "ok")
        assert "without --url" in mill.server.log.read_text()
        disk.clear()
        mill.wait_for("/api/v1/tasks", '"live":true')
        work.check(disk.inside)


def test_a_folder_that_cannot_be_written_is_refused_at_start(mill: Mill) -> None:
    small(mill, "ro")
    mill.server.start()
    assert mill.server.process is not None
    assert mill.server.process.wait(60) == 2
    mill.server.stop()
    assert "Read-only file system" in mill.server.log.read_text()
    assert "Traceback" not in mill.server.log.read_text()
