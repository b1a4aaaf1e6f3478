"""The disk: what a kill keeps, and what a power loss may take."""

from contextlib import closing, suppress

import apsw
import pytest

from tests.simulation.toy import connect
from tidemill.testing.simulation.chance import stream
from tidemill.testing.simulation.disk import Ending, ProcessDiedError, SimDisk, SimFiles
from tidemill.testing.simulation.vfs import SimVFS

SEEDS = [str(n) for n in range(40)]


def after_power_loss(disk, seed):
    return disk.after(Ending.POWER, stream(seed, "power"))


def rows(disk):
    with closing(SimVFS(disk)) as vfs, closing(connect(vfs)) as db:
        return [row for (row,) in db.execute("select a from t order by a")]


def write(disk, synchronous="full"):
    vfs = SimVFS(disk)
    db = connect(vfs, synchronous)
    assert db.execute("pragma journal_mode").fetchall() == [("wal",)]
    db.execute("create table t(a integer primary key, filler text)")
    for n in range(20):
        db.execute("insert into t values(?, ?)", (n, "x" * 700))
    return vfs, db


@pytest.mark.parametrize("seed", SEEDS)
def test_what_sqlite_committed_survives_a_power_loss(seed):
    disk = SimDisk()
    vfs, _ = write(disk)
    assert rows(after_power_loss(disk, seed)) == list(range(20))
    vfs.close()


def test_without_sync_commits_are_lost_by_power_and_kept_by_a_kill():
    lost = 0
    for seed in SEEDS:
        disk = SimDisk()
        vfs, db = write(disk, "off")
        assert rows(disk.copy()) == list(range(20))
        try:
            lost += rows(after_power_loss(disk, seed)) != list(range(20))
        except apsw.Error:
            lost += 1
        vfs.close()
        db.close()
    assert lost > len(SEEDS) // 2


def test_a_death_inside_a_call_ends_even_a_step_that_tries_for_ever():
    disk, died = SimDisk(), []
    disk.on_death = lambda: died.append(disk.calls)
    disk.die_at = 3
    files = SimFiles(disk)

    def try_for_ever():
        while True:
            with suppress(Exception):
                files.write_part("a", b"x")

    with pytest.raises(ProcessDiedError):
        try_for_ever()
    assert died == [3]
    assert disk.files["a"].data == b"xx"


def endings(story):
    """What the file `blob` may hold after ``story`` and a power loss."""
    found = set()
    for seed in SEEDS:
        disk = SimDisk()
        story(SimFiles(disk))
        later = SimFiles(after_power_loss(disk, seed))
        found.add(None if later.size("blob") is None else later.read("blob"))
    return found


def test_a_file_that_was_synced_and_renamed_is_there_in_full():
    def story(files):
        files.write_part("part", b"ab")
        files.write_part("part", b"cd")
        files.sync("part")
        files.rename("part", "blob")

    assert endings(story) == {b"abcd"}


def test_a_file_that_was_renamed_without_sync_may_be_empty_or_partial():
    def story(files):
        files.write_part("part", b"ab")
        files.write_part("part", b"cd")
        files.rename("part", "blob")

    assert {b"abcd", b""} < endings(story)


def test_a_new_name_may_be_lost_though_its_bytes_were_synced():
    def story(files):
        files.write_part("blob", b"ab")
        files.sync("blob")

    assert endings(story) == {None, b"ab"}


def test_a_rename_that_died_before_the_sync_of_its_folder_may_be_lost():
    def story(files):
        files.write_part("part", b"new")
        files.sync("part")
        files._disk.die_at = files._disk.calls + 2
        with pytest.raises(OSError, match="dead"):
            files.rename("part", "blob")

    assert endings(story) == {None, b"new"}


def test_a_deletion_may_be_undone():
    def story(files):
        files.write_part("part", b"old")
        files.sync("part")
        files.rename("part", "blob")
        files.delete("blob")

    assert endings(story) == {None, b"old"}


def test_reading_what_is_not_there_is_an_error():
    files = SimFiles(SimDisk())
    assert files.size("a") is None
    assert files.list("") == []
    with pytest.raises(FileNotFoundError):
        files.read("a")
