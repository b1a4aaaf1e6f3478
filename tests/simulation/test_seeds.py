"""Tidemill under simulated faults: what it promises holds at each death and at the end."""

import dataclasses
import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.simulation import __main__ as command
from tests.simulation import families, mill
from tests.simulation.families import FAMILIES, case_of, run
from tidemill.testing.faults import Fault, Kind
from tidemill.testing.simulation.plans import Case, kept_cases, text_of_case

ROOT = Path(__file__).parent.parent.parent
CASES = kept_cases(Path(__file__).parent / "cases")
FULL, FEW, MEDDLED, BLOCK = 50, 950, 15, 25  # with those of test_flows more than a thousand

pytestmark = pytest.mark.usefixtures("quiet")


def holds(case):
    outcome = run(case)
    assert outcome.failure is None, f"{outcome.failure}\n{text_of_case(case)}"


def all_hold(family, first, end):
    for seed in range(first, end):
        holds(case_of(family, seed))


@pytest.mark.promise("P1", "P2", "P3", "P4")
@pytest.mark.parametrize("first", range(0, FULL, 10))
def test_promises_hold_under_any_faults(first):
    all_hold("", first, first + 10)


@pytest.mark.promise("P1", "P2", "P3", "P4")
@pytest.mark.parametrize("first", range(0, FEW, BLOCK))
def test_promises_hold_in_a_thousand_small_worlds(first):
    all_hold("few", first, first + BLOCK)


@pytest.mark.parametrize("first", range(0, MEDDLED, 5))
def test_promises_hold_while_runs_are_paused_resumed_and_reordered(first):
    all_hold("meddled", first, first + 5)


@pytest.mark.slow
@pytest.mark.parametrize("first", range(0, 500, BLOCK))
def test_promises_hold_under_many_more_pauses(first):
    all_hold("meddled", first, first + BLOCK)


@pytest.mark.slow
@pytest.mark.parametrize("first", range(0, 2000, BLOCK))
def test_promises_hold_under_many_more_faults(first):
    all_hold("", first, first + BLOCK)


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
    return [run(case_of("", seed)).digest for seed in range(seeds)]


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


def test_the_command_runs_seeds_of_each_family(tmp_path):
    command = [sys.executable, "-m", "tests.simulation", "--seeds", "1", "--jobs", "2"]
    env = os.environ | {"PYTHONPATH": str(ROOT / "src")}
    done = subprocess.run([*command, "--out", tmp_path], cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    assert (done.stdout, done.returncode) == ("all hold\n", 0), done.stderr
    assert f"{len(FAMILIES)} of {len(FAMILIES)} seeds" in done.stderr


def test_what_fails_is_made_small_and_kept(tmp_path, monkeypatch, capsys):
    """The same command, over a mill whose answers are called wrong whenever the server has died."""

    def run_badly(case):
        outcome = run(case)
        deaths = [fault for fault in case.faults if fault.host == "server" and fault.kind is Kind.KILL]
        return outcome if not deaths or outcome.failure else dataclasses.replace(outcome, failure="P9: it died")

    monkeypatch.setattr(families, "run", run_badly)
    monkeypatch.setattr(command, "found", lambda *_: families.failures_of(("few", bad, bad + 1)))
    seeds = ((seed, case_of("few", seed).faults) for seed in range(1000))
    bad = next(seed for seed, faults in seeds if len(faults) > 2 and run_badly(case_of("few", seed)).failure)
    monkeypatch.setattr(sys, "argv", ["simulation", "--out", str(tmp_path)])
    assert command.main() == 1
    assert f"few {bad}: P9: it died" in capsys.readouterr().out
    kept = kept_cases(tmp_path)[f"few_{bad}"]
    assert [(fault.kind, fault.host) for fault in kept.faults] == [(Kind.KILL, "server")]
    assert (kept.moves, kept.note, kept.family) == ({}, "P9: it died", "few")
