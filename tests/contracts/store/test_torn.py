"""A log that was cut, damaged or left behind: all that was acknowledged is there, or the store is refused."""

import os
import random
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import apsw
import pytest

from tests.contracts.store.sample import a_run, a_step, run_id, write
from tidemill.adapters.storage.errors import StoreRefusedError
from tidemill.adapters.storage.sqlite.connection import Synchronous
from tidemill.adapters.storage.sqlite.store import SqliteOptions, SqliteStore
from tidemill.adapters.storage.sqlite.writer import _CHECKPOINT_PAGES
from tidemill.adapters.system.entropy import OsEntropy
from tidemill.adapters.system.threads import ThreadPool
from tidemill.core.rows import Changes, Entry, History, Keys
from tidemill.core.values import Inline

HEADER, FRAME = 32, 24 + 4096
BEATS = 12


def beat_of(number: int) -> Changes:
    run = run_id(number)
    return Changes(
        runs=[a_run(run)],
        steps=[a_step(run)],
        values={(run, "ocr", f"p{n}"): Inline(bytes([number]) * 2000) for n in range(3)},
        history=[History(run, number, (Entry("run_created"),))],
    )


async def copied(source: Path, target: Path, *endings: str) -> Path:
    """The files of a store, as they are at this moment."""
    target.mkdir()
    for ending in endings:
        shutil.copyfile(f"{source}{ending}", target / f"t.db{ending}")
    return target / "t.db"


@pytest.fixture
async def torn(tmp_path: Path, threads: ThreadPool) -> tuple[Path, list[int]]:
    """A copy of a store under load, and how long its log was after each beat that was acknowledged."""
    path, sizes = tmp_path / "live.db", []
    store = SqliteStore(path, threads, OsEntropy())
    for number in range(1, BEATS + 1):
        await write(store, beat_of(number))
        sizes.append(Path(f"{path}-wal").stat().st_size)
    assert sizes[-1] // FRAME < _CHECKPOINT_PAGES
    copy = await copied(path, tmp_path / "copy", "", "-wal", ".mark")
    await store.close()
    return copy, sizes


async def beats_in(path: Path, threads: ThreadPool) -> int:
    """How many beats are there, from the first on; each is whole. Raises StoreRefusedError."""
    store = SqliteStore(path, threads, OsEntropy())
    try:
        there = len(await store.unfinished(None, 100))
        for number in range(1, BEATS + 1):
            wanted = beat_of(number)
            rows = await store.rows(
                Keys(runs=[run_id(number)], steps=[(run_id(number), "ocr")], values=list(wanted.values))
            )
            found = [row for group in (rows.runs, rows.steps, rows.values) for row in group.values() if row is not None]
            assert len(found) == (5 if number <= there else 0), "half a beat"
        assert [row for _, row in await store.feed(0, None, 100)] == [beat_of(n + 1).history[0] for n in range(there)]
        return there
    finally:
        await store.close()


def again(copy: Path, folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(copy.parent, folder)
    return folder / copy.name


def cuts(size: int) -> Iterator[int]:
    yield 0
    yield HEADER - 1
    yield from range(HEADER, size, FRAME)
    chance = random.Random(7)
    yield from (chance.randrange(size) for _ in range(20))


async def test_a_log_that_was_cut_is_refused_and_without_its_mark_gives_whole_beats(
    tmp_path: Path, threads: ThreadPool, torn: tuple[Path, list[int]]
) -> None:
    copy, sizes = torn
    assert await beats_in(again(copy, tmp_path / "t"), threads) == BEATS
    for cut in cuts(sizes[-1]):
        path = again(copy, tmp_path / "t")
        os.truncate(f"{path}-wal", cut)
        with pytest.raises(StoreRefusedError, match="lacks what was acknowledged"):
            await beats_in(path, threads)
        with pytest.raises(StoreRefusedError, match=r"remove .*\.mark"):  # to look changed nothing
            await beats_in(path, threads)
        Path(f"{path}.mark").unlink()
        if cut > sizes[0]:  # else the schema may be cut too
            assert await beats_in(path, threads) == sum(size <= cut for size in sizes)


async def test_a_log_is_longer_than_what_was_acknowledged(
    tmp_path: Path, threads: ThreadPool, torn: tuple[Path, list[int]]
) -> None:
    """As a power cut leaves it in the middle of a commit."""
    copy, sizes = torn
    for extra in (b"\0" * 100, os.urandom(FRAME), os.urandom(5 * FRAME + 7)):
        path = again(copy, tmp_path / "t")
        with Path(f"{path}-wal").open("r+b") as log:
            log.seek(sizes[-1])
            log.write(extra)
        assert await beats_in(path, threads) == BEATS


async def test_a_flipped_bit_in_the_log_is_refused(
    tmp_path: Path, threads: ThreadPool, torn: tuple[Path, list[int]]
) -> None:
    copy, sizes = torn
    chance, refused = random.Random(3), 0
    for _ in range(25):
        path = again(copy, tmp_path / "t")
        data = bytearray(Path(f"{path}-wal").read_bytes())
        data[chance.randrange(sizes[-1])] ^= 1 << chance.randrange(8)
        Path(f"{path}-wal").write_bytes(data)
        try:
            assert await beats_in(path, threads) == BEATS
        except StoreRefusedError:
            refused += 1
    assert refused >= 20


async def test_a_log_that_was_left_behind_is_missed(
    tmp_path: Path, threads: ThreadPool, torn: tuple[Path, list[int]]
) -> None:
    path = again(torn[0], tmp_path / "t")
    Path(f"{path}-wal").unlink()
    with pytest.raises(StoreRefusedError, match="lacks what was acknowledged"):
        await beats_in(path, threads)
    path.unlink()
    with pytest.raises(StoreRefusedError, match="the file itself is gone"):
        await beats_in(path, threads)


async def test_an_older_copy_of_the_file_beside_a_newer_mark_is_refused(tmp_path: Path, threads: ThreadPool) -> None:
    path = tmp_path / "t.db"
    for number in (1, 2):
        store = SqliteStore(path, threads, OsEntropy())
        await write(store, beat_of(number))
        await store.close()
        if number == 1:
            shutil.copyfile(path, tmp_path / "older.db")
    assert await beats_in(path, threads) == 2
    shutil.copyfile(tmp_path / "older.db", path)
    with pytest.raises(StoreRefusedError, match="its history ends at 1, and went to 2"):
        await beats_in(path, threads)
    Path(f"{path}.mark").unlink()
    assert await beats_in(path, threads) == 1


async def test_another_program_may_open_the_file_after_a_crash(
    tmp_path: Path, threads: ThreadPool, torn: tuple[Path, list[int]]
) -> None:
    """It brings the log into the file, and the log is gone."""
    path = again(torn[0], tmp_path / "t")
    db = apsw.Connection(str(path))
    assert db.execute("select count(*) from run").fetchall() == [(BEATS,)]
    db.close()
    assert not Path(f"{path}-wal").exists()
    assert await beats_in(path, threads) == BEATS


@pytest.mark.parametrize("ending", ["-wal", ".mark"])
async def test_what_is_no_log_and_no_mark_changes_nothing_unseen(
    tmp_path: Path, threads: ThreadPool, torn: tuple[Path, list[int]], ending: str
) -> None:
    path = again(torn[0], tmp_path / "t")
    Path(f"{path}{ending}").write_bytes(b"nonsense" * 100)
    if ending == "-wal":
        with pytest.raises(StoreRefusedError):
            await beats_in(path, threads)
    else:
        assert await beats_in(path, threads) == BEATS


async def test_who_trusts_the_system_has_no_mark(tmp_path: Path, threads: ThreadPool) -> None:
    path = tmp_path / "t.db"
    store = SqliteStore(path, threads, OsEntropy())
    await write(store, beat_of(1))
    await store.close()
    assert Path(f"{path}.mark").exists()
    store = SqliteStore(path, threads, OsEntropy(), options=SqliteOptions(Synchronous.NORMAL))
    await write(store, beat_of(2))
    await store.close()
    assert not Path(f"{path}.mark").exists()


@pytest.mark.promise("P1")
async def test_a_copy_in_the_middle_of_load_holds_what_was_acknowledged(tmp_path: Path, threads: ThreadPool) -> None:
    """All files at one instant, as a snapshot of a disk gives them: the process stands still meanwhile."""
    folder = tmp_path / "live"
    folder.mkdir()
    command = [sys.executable, "-m", "tests.contracts.store.endless", str(folder / "t.db")]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    with subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True) as load:
        assert load.stdout is not None
        try:
            for number in range(5):
                acknowledged = [int(load.stdout.readline()) for _ in range(40)][-1]
                load.send_signal(signal.SIGSTOP)
                shutil.copytree(folder, tmp_path / f"copy{number}")
                load.send_signal(signal.SIGCONT)
                path = tmp_path / f"copy{number}" / "t.db"
                Path(f"{path}-shm").unlink()
                store = SqliteStore(path, threads, OsEntropy())
                assert len(await store.feed(0, None, 100_000)) >= acknowledged
                await store.close()
        finally:
            load.kill()
