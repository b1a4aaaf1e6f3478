"""The core against the reference: random workflows, random histories."""

from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.core.graphs import TASKS, Maker
from tests.core.history import History
from tests.core.reference import LeftOutError, NodeFailedError, outcome_of
from tests.core.state_graphs import StateMaker
from tidemill.core.graph import Workflow
from tidemill.core.run import Ended, Succeeded

INPUTS = {"n": 7, "xs": [3, 1, 4, 1, 5]}
EXAMPLES = settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))


def made(seed: int) -> Workflow:
    """A graph for an odd seed, a machine of states for an even one."""
    maker = Maker if seed % 2 else StateMaker
    return maker(Random(f"graph/{seed}")).workflow()


def expected(seed: int) -> tuple[str, object]:
    try:
        status, outputs = outcome_of(made(seed), INPUTS, TASKS)
    except (NodeFailedError, LeftOutError):
        return "failed", None
    return "succeeded", (status, outputs)


def played(seed: int, noise: int, **how: bool) -> tuple[str, object]:
    history = History(made(seed), INPUTS, Random(f"history/{noise}"))
    run = history.play(**{"hostile": False, "cancel": False, **how})
    match run.state:
        case Ended(outcome=Succeeded(status=status)):
            return run.status, (status, history.outputs())
        case _:
            return run.status, None


@EXAMPLES
@given(seed=st.integers(0, 10_000), noise=st.integers(0, 10_000))
def test_a_run_gives_what_plain_calls_give(seed: int, noise: int) -> None:
    assert played(seed, noise) == expected(seed)


@pytest.mark.promise("P6")
@EXAMPLES
@given(seed=st.integers(0, 10_000), noise=st.integers(0, 10_000))
def test_workers_that_fail_die_and_repeat_themselves_change_nothing(seed: int, noise: int) -> None:
    assert played(seed, noise, hostile=True) == expected(seed)


@EXAMPLES
@given(seed=st.integers(0, 10_000), noise=st.integers(0, 10_000))
def test_a_cancelled_run_ends_with_nothing_left_open(seed: int, noise: int) -> None:
    status, outputs = played(seed, noise, hostile=True, cancel=True)
    wanted = expected(seed)
    assert status == "cancelled" or (status, outputs) == wanted


@EXAMPLES
@given(seed=st.integers(0, 10_000), noise=st.integers(0, 10_000))
def test_a_run_that_is_paused_and_resumed_at_any_time_gives_the_same(seed: int, noise: int) -> None:
    assert played(seed, noise, hostile=True, pause=True) == expected(seed)


@EXAMPLES
@given(seed=st.integers(0, 10_000), noise=st.integers(0, 10_000))
def test_a_paused_run_can_be_cancelled_and_leaves_nothing_open(seed: int, noise: int) -> None:
    status, outputs = played(seed, noise, hostile=True, pause=True, cancel=True)
    assert status == "cancelled" or (status, outputs) == expected(seed)


@EXAMPLES
@given(seed=st.integers(0, 10_000), noise=st.integers(0, 10_000))
def test_a_run_that_is_cancelled_while_it_closes_leaves_nothing_open(seed: int, noise: int) -> None:
    status, outputs = played(seed, noise, hostile=True, insist=True)
    assert status == "cancelled" or (status, outputs) == expected(seed)


def test_a_step_that_is_moved_and_swept_in_one_beat_leaves_the_queue() -> None:
    assert played(2031, 2031, hostile=True, pause=True) == expected(2031)


@pytest.mark.slow
@pytest.mark.parametrize("block", range(20))
def test_many_seeds_agree_with_the_reference(block: int) -> None:
    for seed in range(block * 200, block * 200 + 200):
        assert played(seed, seed, hostile=True) == expected(seed), f"seed {seed}"
