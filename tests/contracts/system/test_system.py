"""The machine's clock, threads and disk."""

import asyncio
import io
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tidemill.adapters.system import clock as clock_module
from tidemill.adapters.system.capture import CapturedStream
from tidemill.adapters.system.clock import SystemClock
from tidemill.adapters.system.disk import OsDisk
from tidemill.adapters.system.entropy import OsEntropy
from tidemill.adapters.system.faults import CrashFaults, UnknownPointError
from tidemill.adapters.system.threads import ThreadPool


class Hands:
    """Both clocks, in microseconds."""

    def __init__(self) -> None:
        self.ticks, self.wall = 0, 1_800_000_000_000_000

    def pass_time(self, microseconds: int) -> None:
        self.ticks += microseconds
        self.wall += microseconds


@pytest.fixture
def hands(monkeypatch: pytest.MonkeyPatch) -> Hands:
    hands = Hands()
    monkeypatch.setattr(clock_module, "_ticks", lambda: hands.ticks)
    monkeypatch.setattr(clock_module, "_wall", lambda: hands.wall)
    return hands


@pytest.fixture
def pool() -> Iterator[ThreadPool]:
    pool = ThreadPool(2)
    yield pool
    pool.close()


def test_the_clock_is_the_wall_clock() -> None:
    assert abs(SystemClock().now() - time.time_ns() // 1000) < 1_000_000


@pytest.mark.promise("P7")
@pytest.mark.parametrize("jump", [-3_600_000_000, 3_600_000_000])
def test_a_jump_of_the_wall_clock_moves_nothing_at_once(hands: Hands, jump: int) -> None:
    clock = SystemClock()
    start = clock.now()
    hands.wall += jump
    hands.pass_time(10_000_000)
    assert abs(clock.now() - start - 10_000_000) <= 5000


def test_a_small_difference_is_made_up_slowly_and_time_never_turns(hands: Hands) -> None:
    clock = SystemClock()
    last = clock.now()
    hands.wall -= 20_000
    for _ in range(1000):
        hands.pass_time(100_000)
        assert clock.now() > last
        last = clock.now()
    assert abs(last - hands.wall) <= 1000


async def test_a_call_runs_elsewhere_and_brings_its_result_or_error(pool: ThreadPool) -> None:
    assert await pool.call("any", threading.get_ident) != threading.get_ident()
    with pytest.raises(ZeroDivisionError):
        await pool.call("any", lambda: 1 // 0)


async def test_a_commit_waits_for_no_other_work(pool: ThreadPool) -> None:
    release = threading.Event()
    waiting = [asyncio.create_task(pool.call("blob.write", release.wait)) for _ in range(8)]
    assert await pool.call("store.commit", lambda: "done") == "done"
    release.set()
    assert all(await asyncio.gather(*waiting))


async def test_a_cancelled_caller_leaves_the_call_to_end(pool: ThreadPool) -> None:
    release, ended = threading.Event(), threading.Event()
    call = asyncio.create_task(pool.call("any", lambda: (release.wait(), ended.set())))
    await asyncio.sleep(0)
    call.cancel()
    await asyncio.wait([call])
    release.set()
    assert await pool.call("any", lambda: ended.wait(5))


def test_files_are_appended_renamed_read_listed_and_deleted(tmp_path: Path) -> None:
    disk = OsDisk(tmp_path / "new")
    disk.write_part("parts/1", b"abc")
    disk.write_part("parts/1", memoryview(b"def"))
    disk.sync("parts/1")
    disk.rename("parts/1", "a/b/1")
    disk.write_part("parts/2", b"")
    assert disk.read("a/b/1") == b"abcdef"
    assert disk.read("a/b/1", 2, 3) == b"cde"
    assert disk.read("a/b/1", 9) == disk.read("a/b/1", 9, 3) == b""
    assert (disk.size("a/b/1"), disk.size("a/none"), disk.size("none/x")) == (6, None, None)
    assert list(disk.list("")) == ["a/b/1", "parts/2"]
    assert list(disk.list("parts/")) == ["parts/2"]
    assert list(disk.list("none/")) == []
    disk.delete("parts/2")
    disk.delete("parts/2")
    assert disk.size("parts/2") is None
    with pytest.raises(FileNotFoundError):
        disk.read("parts/2")


def test_chance_has_the_length_asked_for() -> None:
    assert len(OsEntropy().bytes(16)) == 16
    assert OsEntropy().bytes(16) != OsEntropy().bytes(16)


def test_a_crash_comes_at_the_point_and_time_that_were_named(monkeypatch: pytest.MonkeyPatch) -> None:
    codes: list[int] = []
    monkeypatch.setattr("os._exit", codes.append)
    faults = CrashFaults("blob.sync.before:2, answer.after")
    faults.reach("blob.sync.before")
    faults.reach("ack.before")
    assert codes == []
    faults.reach("blob.sync.before")
    faults.reach("answer.after")
    assert codes == [137, 137]


def test_a_point_that_is_not_declared_is_an_error() -> None:
    with pytest.raises(UnknownPointError, match="ports/faults"):
        CrashFaults("store.commit.befor:1")
    with pytest.raises(UnknownPointError):
        CrashFaults("").reach("blob.sync.during")  # type: ignore[arg-type]


def test_a_stand_in_for_an_output_ends_without_touching_what_is_behind_it() -> None:
    behind = io.StringIO()
    CapturedStream(behind, "STDOUT", lambda: None).close()
    print("still there", file=behind)
    behind.close()
    CapturedStream(behind, "STDOUT", lambda: None).close()  # as the interpreter does when it is forgotten
