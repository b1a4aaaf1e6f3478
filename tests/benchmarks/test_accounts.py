"""What the kernel's texts say."""

import pytest

from benchmarks.accounts import (
    MIB,
    TICKS_PER_S,
    Snapshot,
    cpu_between,
    foreign_cores,
    parse_file_system,
    parse_machine,
    parse_peak,
    parse_rollup,
    parse_stat,
    parse_switches,
)

FIELDS = "S 1 40 40 0 -1 4194560 2130 0 0 0 {user} {system} 7 8 20 0 5 0 9999"


def test_cpu_and_session_are_read_past_an_odd_name() -> None:
    text = "42 (a ) b) c) " + FIELDS.format(user=3 * TICKS_PER_S, system=TICKS_PER_S)
    found = parse_stat(text)
    assert (found.pid, found.session, found.cpu_s) == (42, 40, 4.0)


def test_waiting_for_a_disk_is_not_work() -> None:
    ticks = [1, 2, 3, 1000, 1000, 4, 5, 6, 0, 0]
    assert parse_machine("cpu  " + " ".join(map(str, ticks)) + "\ncpu0 1 2\n") == pytest.approx(21 / TICKS_PER_S)


def test_memory_is_the_proportional_set() -> None:
    assert parse_rollup("Rss:  4096 kB\nPss:  2048 kB\nPss_Anon: 7 kB\n") == 2 * 1024 * 1024 / MIB
    with pytest.raises(ValueError, match="Pss"):
        parse_rollup("Rss: 1 kB\n")


def test_the_peak_is_the_high_water_mark() -> None:
    assert parse_peak("VmPeak:\t 9 kB\nVmHWM:\t  3072 kB\nVmRSS:\t 1024 kB\n") == 3 * 1024 * 1024 / MIB
    with pytest.raises(ValueError, match="VmHWM"):
        parse_peak("Name:\tx\n")


def test_wakeups_are_the_switches_of_its_own_will() -> None:
    assert parse_switches("Name:\tx\nvoluntary_ctxt_switches:\t17\nnonvoluntary_ctxt_switches:\t3\n") == 17


def test_the_nearest_mount_tells_the_file_system() -> None:
    mounts = "/dev/a / ext4 rw 0 0\ntmpfs /tmp tmpfs rw 0 0\n/dev/b /tmp/deep xfs rw 0 0\n"
    assert parse_file_system(mounts, "/tmp/deep/er") == "xfs"
    assert parse_file_system(mounts, "/tmp/deeper") == "tmpfs"
    assert parse_file_system(mounts, "/var") == "ext4"
    assert parse_file_system("", "/var") == "unknown"


def test_what_others_used_is_what_is_left() -> None:
    before = Snapshot(10.0, {"server": 1.0}, 1.0, 50.0)
    after = Snapshot(12.0, {"server": 2.5}, 3.0, 52.5)
    assert foreign_cores(before, after) == pytest.approx(0.25)
    assert cpu_between(before, after) == {"server": 1.5}
    assert foreign_cores(before, Snapshot(12.0, {}, 9.0, 52.5)) == 0.0
