"""The harness proved on a toy: planted bugs are found, sound runs pass, a seed is a run, a case shrinks and replays."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from tests.simulation import toy
from tidemill.testing.faults import Fault, Kind
from tidemill.testing.simulation.plans import Case, shrink, smallest, swarm, text_of_case

ROOT = Path(__file__).parent.parent.parent


def case_of(seed):
    return swarm(str(seed), toy.HOSTS)


def failures(bug, seeds):
    return [outcome.failure for seed in range(seeds) if (outcome := toy.run(case_of(seed), {bug})).failure]


def test_a_sound_toy_passes():
    assert {seed: failure for seed in range(60) if (failure := toy.run(case_of(seed)).failure)} == {}


@pytest.mark.parametrize(
    ("bug", "sign"),
    [("stale", "P3: a stale result"), ("wakeup", "P4: server: sleeps on a full inbox"), ("nosync", "")],
)
def test_a_planted_bug_is_found(bug, sign):
    found = failures(bug, 40)
    assert len(found) >= 2
    assert any(sign in failure for failure in found)


def digests(seeds):
    return [toy.run(case_of(seed)).digest for seed in range(seeds)]


def test_a_seed_gives_the_same_run_under_any_hash_seed():
    script = "from tests.simulation.test_harness import digests; print(*digests(6))"
    told = []
    for hash_seed in ("1", "2"):
        env = os.environ | {"PYTHONHASHSEED": hash_seed, "PYTHONPATH": str(ROOT / "src")}
        done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, env=env, capture_output=True, check=True)
        told.append(done.stdout.decode().split())
    assert told == [digests(6)] * 2
    assert len(set(told[0])) == 6


def test_every_crash_point_of_a_run_is_survived_and_a_missing_sync_is_found():
    """Power loss inside each single write, sync, cut and read."""

    def failing(bugs, every):
        calls = toy.run(Case("0"), bugs).disk_calls["server"]
        points = range(1, calls, every)
        return [point for point in points if toy.run(at(point), bugs).failure]

    def at(point):
        return Case("0", (Fault(0.0, Kind.CRASH_POINT, "server", (point - 1) / 10),))

    assert failing(set(), every=7) == []
    assert failing({"nosync"}, every=7) != []


def test_a_failing_case_shrinks_to_data_that_fails_in_the_same_way():
    first = next(case for seed in range(100) if is_stale(case := case_of(seed)) and len(case.faults) > 3)
    small = shrink(first, toy.run(first, {"stale"}).moves, is_stale)
    assert len(small.faults) <= 2
    kept = msgspec.json.decode(text_of_case(small), type=Case)
    assert kept == small
    assert is_stale(kept)
    assert toy.run(kept, {"stale"}).digest == toy.run(small, {"stale"}).digest


def is_stale(case):
    return "P3: a stale" in (toy.run(case, {"stale"}).failure or "")


def test_delta_debugging_finds_the_two_that_matter():
    assert smallest(range(100), lambda some: {17, 80} <= set(some)) == [17, 80]
    assert smallest(range(100), lambda some: True) == []


def test_noise_differs_between_seeds():
    assert len({hashlib.sha256(text_of_case(case_of(seed)).encode()).digest() for seed in range(50)}) == 50
