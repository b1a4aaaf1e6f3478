"""Random workflows in the real engine, under simulated faults: each ends as plain calls would, and leaves nothing."""

import pytest

from tests.simulation import mill
from tests.simulation.families import case_of, run
from tests.simulation.flows import Flows
from tidemill.testing.simulation.plans import Case, text_of_case

PUSH, NIGHT, BLOCK = 12, 3000, 50

pytestmark = pytest.mark.usefixtures("quiet")


def holds(seed: int) -> None:
    case = case_of("flows", seed)
    outcome = run(case)
    assert outcome.failure is None, f"{outcome.failure}\n{text_of_case(case)}"


@pytest.mark.promise("P6")
@pytest.mark.parametrize("first", range(0, PUSH, 4))
def test_workflows_are_right_under_any_faults(first):
    for seed in range(first, first + 4):
        holds(seed)


@pytest.mark.slow
@pytest.mark.parametrize("first", range(PUSH, NIGHT, BLOCK))
def test_workflows_are_right_under_many_more_faults(first):
    for seed in range(first, first + BLOCK):
        holds(seed)


def test_a_wrong_answer_is_found():
    """The same runs, where another interpreter says what is right."""

    class Wrong(Flows):
        def answer(self, index):
            return {"value": "never"} if index == 0 else super().answer(index)

    outcome = mill.run(Case("0"), Wrong("flows/0"))
    assert outcome.failure is not None
    assert "run 0 ended with" in outcome.failure
