"""The arithmetic of the benchmarks."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.figures import Mark, Repetition, latency_figures, percentile, ratio, rounded, summary, verdicts
from benchmarks.plan import OURS, PEERS, WORKLOADS, size_of

FINITE = st.floats(min_value=-1e9, max_value=1e9)


def repetition(rate: float, foreign: float = 0.0, server_s: float = 1.0) -> Repetition:
    return Repetition({"tasks_per_s": rate}, 1000, {"server": server_s}, foreign)


@given(st.lists(FINITE, min_size=1), st.floats(min_value=0.01, max_value=1.0))
def test_a_percentile_is_the_smallest_value_that_covers_its_share(values: list[float], share: float) -> None:
    found = percentile(values, share)
    assert sum(each <= found for each in values) >= share * len(values) - 1e-6
    assert sum(each < found for each in values) < share * len(values) + 1e-6


def test_latency_is_told_in_milliseconds() -> None:
    assert latency_figures([0.001] * 99 + [0.5]) == {"p50_ms": 1.0, "p95_ms": 1.0, "p99_ms": 1.0}


def test_there_is_no_percentile_of_nothing() -> None:
    with pytest.raises(ValueError, match="nothing"):
        percentile([], 0.5)


def test_disturbed_repetitions_do_not_count_beside_quiet_ones() -> None:
    found = summary([repetition(5000), repetition(900, foreign=0.8), repetition(5200)], "tasks_per_s")
    assert (found.figures["tasks_per_s"], found.repetitions, found.noisy) == (5100, 2, False)
    assert found.spread == pytest.approx(1.04)


def test_where_none_was_quiet_all_count_and_it_is_said() -> None:
    found = summary([repetition(900, foreign=0.8), repetition(1000, foreign=0.5)], "tasks_per_s")
    assert (found.figures["tasks_per_s"], found.noisy, found.foreign_cores) == (950, True, 0.8)


def test_cpu_is_told_per_task() -> None:
    assert summary([repetition(1, server_s=0.15)], "tasks_per_s").cpu_us_per_task == {"server": pytest.approx(150)}


def test_marks_are_held_against_figures_and_cpu() -> None:
    marks = [Mark("tasks_per_s", at_least=5000), Mark("cpu_us.server", at_most=150), Mark("other", at_most=1)]
    found = verdicts(marks, summary([repetition(6000, server_s=0.2)], "tasks_per_s"))
    assert [each.holds for each in found] == [True, False, None]
    assert [each.bound for each in found] == [">= 5000", "<= 150", "<= 1"]


def test_a_ratio_above_one_says_that_ours_is_better() -> None:
    assert ratio(6000, 2000, more_is_better=True) == 3
    assert ratio(2.0, 5.0, more_is_better=False) == 2.5
    assert ratio(1.0, 0.0, more_is_better=True) == float("inf")


@pytest.mark.parametrize(
    ("value", "shown"), [(5172.4, 5172.0), (1.23456, 1.235), (0.0, 0.0), (-0.000123456, -0.0001235)]
)
def test_a_figure_is_shown_with_what_counts(value: float, shown: float) -> None:
    assert rounded(value) == shown


@pytest.mark.parametrize("workload", WORKLOADS)
@pytest.mark.parametrize("system", [OURS, *PEERS])
def test_each_workload_has_a_size_for_each_system(workload: str, system: str) -> None:
    whole, quick = (size_of(workload, system, quick=quick) for quick in (False, True))
    assert whole.count >= quick.count
    assert whole.seconds >= quick.seconds
    assert whole.count or whole.seconds
