"""Several servers on one store, under simulated faults: what is promised holds whoever dies, freezes or is cut off."""

import pytest

from tests.simulation import shared
from tests.simulation.families import case_of, run
from tests.simulation.mill import SETTINGS
from tidemill.testing.faults import Fault, Kind
from tidemill.testing.simulation.plans import Case, text_of_case

SEEDS, MANY, BLOCK = 40, 400, 10

pytestmark = pytest.mark.usefixtures("quiet")


def holds(case):
    outcome = run(case)
    assert outcome.failure is None, f"{outcome.failure}\n{text_of_case(case)}"
    return outcome


@pytest.mark.promise("P1", "P2", "P3", "P4")
@pytest.mark.parametrize("first", range(0, SEEDS, BLOCK))
def test_promises_hold_with_several_servers_under_any_faults(first):
    for seed in range(first, first + BLOCK):
        holds(case_of("together", seed))


@pytest.mark.parametrize("kind", [Kind.KILL, Kind.POWER, Kind.FREEZE, Kind.CUT])
def test_what_hangs_on_a_server_that_goes_away_is_taken_over(kind):
    """Both of the first two at once: what was theirs ends at the third, or when they are back."""
    longer = 3 * SETTINGS.lease.total_seconds()
    faults = tuple(Fault(1.0, kind, server, longer) for server in ("north", "south"))
    holds(Case("together/away", faults, family="together"))


def test_a_seed_is_the_same_run():
    assert run(case_of("together", 3)).digest == run(case_of("together", 3)).digest


def test_a_store_without_locks_is_found(monkeypatch):
    monkeypatch.setattr(shared.SharedBeat, "_hold_run", lambda beat, run: True)
    assert "a run that it does not hold" in (run(case_of("together", 0)).failure or "")


@pytest.mark.slow
@pytest.mark.parametrize("first", range(SEEDS, MANY, BLOCK))
def test_promises_hold_with_several_servers_under_many_more_faults(first):
    for seed in range(first, first + BLOCK):
        holds(case_of("together", seed))


@pytest.mark.slow
def test_a_claim_by_a_server_that_lost_the_session_is_found(monkeypatch):
    async def all_of_them(beat, sessions):
        await beat._ask()
        return sessions

    monkeypatch.setattr(shared.SharedBeat, "mine", all_of_them)
    assert any(run(case_of("together", seed)).failure for seed in range(MANY))
