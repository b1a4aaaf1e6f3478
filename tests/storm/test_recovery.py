"""After a kill under load work goes on by itself. The figures are for `python -m tests.storm recovery`."""

from pathlib import Path

import pytest

from tests.storm.recovery import Figures, Trials, of_cancel, of_server, of_worker

BOUND_S = 30.0  # a busy machine makes figures, not promises


def check(figures: Figures, trials: int) -> None:
    print(figures.text())
    assert len(figures.seconds) == trials
    assert min(figures.seconds) > 0
    assert max(figures.seconds) < BOUND_S


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.promise("P4")
async def test_a_server_that_was_killed_gives_out_work_when_it_is_back(tmp_path: Path) -> None:
    check(await of_server(tmp_path, Trials(5)), 5)


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.promise("P4")
async def test_what_a_killed_worker_held_is_done_by_others(tmp_path: Path) -> None:
    check(await of_worker(tmp_path, Trials(5, 2.0)), 5)


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.promise("P5")
async def test_busy_code_that_does_not_listen_is_killed_after_its_grace(tmp_path: Path) -> None:
    check(await of_cancel(tmp_path, Trials(2)), 2)
