"""Tidemill under simulated faults: what it promises holds at each death and at the end."""

import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest
from msgspec.structs import replace

from tests.simulation import mill
from tidemill.testing.faults import Fault, Kind
from tidemill.testing.simulation.plans import Case, kept_cases, swarm, text_of_case

ROOT = Path(__file__).parent.parent.parent
CASES = kept_cases(Path(__file__).parent / "cases")
PUSH, NIGHT, BLOCK = 50, 2000, 50
MEDDLED = 15


@pytest.fixture(autouse=True)
def _quiet():
    """What the server and the workers log about each fault is no news here."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


def holds(case):
    outcome = mill.run(case)
    assert outcome.failure is None, f"{outcome.failure}\n{text_of_case(case)}"


@pytest.mark.promise("P1", "P2", "P3", "P4")
@pytest.mark.parametrize("seed", range(PUSH))
def test_promises_hold_under_any_faults(seed):
    holds(swarm(str(seed), mill.HOSTS))


@pytest.mark.parametrize("seed", range(MEDDLED))
def test_promises_hold_while_runs_are_paused_resumed_and_reordered(seed):
    holds(replace(swarm(f"meddled/{seed}", mill.HOSTS), meddling=0.6))


@pytest.mark.slow
@pytest.mark.parametrize("first", range(0, 500, BLOCK))
def test_promises_hold_under_many_more_pauses(first):
    for seed in range(first, first + BLOCK):
        holds(replace(swarm(f"meddled/{seed}", mill.HOSTS), meddling=0.6))


@pytest.mark.slow
@pytest.mark.parametrize("first", range(PUSH, NIGHT, BLOCK))
def test_promises_hold_under_many_more_faults(first):
    for seed in range(first, first + BLOCK):
        holds(swarm(str(seed), mill.HOSTS))


@pytest.mark.parametrize("name", CASES)
def test_what_failed_once_holds(name):
    holds(CASES[name])


@pytest.mark.slow
def test_each_crash_point_of_the_server_is_survived():
    calls = mill.run(Case("0")).disk_calls["server"]
    for point in range(1, calls, 3):
        holds(Case("0", (Fault(0.0, Kind.CRASH_POINT, "server", (point - 1) / 10),)))


def digests(seeds):
    logging.disable(logging.CRITICAL)
    return [mill.run(swarm(str(seed), mill.HOSTS)).digest for seed in range(seeds)]


def test_a_seed_is_the_same_run_under_any_hash_seed():
    script = "from tests.simulation.test_seeds import digests; print(*digests(6))"
    env = os.environ | {"PYTHONPATH": str(ROOT / "src")}
    started = [
        subprocess.Popen(
            [sys.executable, "-c", script], cwd=ROOT, env=env | {"PYTHONHASHSEED": hash_seed}, stdout=subprocess.PIPE
        )
        for hash_seed in ("1", "2")
    ]
    one, two = (process.communicate()[0].decode().split() for process in started)
    assert one == two
    assert len(set(one)) == 6
