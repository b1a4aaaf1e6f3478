"""Hypothesis draws plans: faults, and a few steps out of order. `python -m tests.simulation` makes plans small."""

import logging

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.simulation import toy
from tests.simulation.families import run
from tests.simulation.mill import HOSTS
from tidemill.testing.faults import Fault, Kind
from tidemill.testing.simulation.plans import Case, text_of_case

SAME_EACH_TIME = settings(
    derandomize=True, database=None, deadline=None, print_blob=False, suppress_health_check=list(HealthCheck)
)
FAULT = st.builds(  # mild to harsh, so that the smallest example is mild
    Fault,
    at=st.integers(0, 12_000).map(lambda ms: ms / 1000),
    kind=st.sampled_from([*reversed(Kind)]),
    host=st.sampled_from(HOSTS),
    span=st.integers(0, 40).map(lambda tenths: tenths / 10),
)
CASE = st.builds(
    Case,
    seed=st.integers(0, 7).map(str),
    faults=st.lists(FAULT, max_size=8).map(lambda drawn: tuple(sorted(drawn))),  # so, one less leaves the rest alone
    moves=st.dictionaries(st.integers(1, 1500), st.integers(1, 4), max_size=20),
    family=st.just("few"),
)


@pytest.fixture(autouse=True, scope="module")
def _quiet():
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


@pytest.mark.promise("P1", "P2", "P3", "P4")
@settings(SAME_EACH_TIME, max_examples=25, phases=[Phase.generate])  # the command makes small
@given(case=CASE)
def test_promises_hold_under_any_plan(case):
    failure = run(case).failure
    assert failure is None, f"{failure}\n{text_of_case(case)}"


def test_a_planted_bug_is_found_by_a_drawn_plan():
    @settings(SAME_EACH_TIME, max_examples=100, phases=[Phase.generate])
    @given(case=CASE)
    def holds(case):
        failure = toy.run(case, {"stale"}).failure
        assert failure is None, failure

    with pytest.raises(AssertionError, match="P3: a stale result"):
        holds()
