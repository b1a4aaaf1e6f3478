"""Storms: whatever falls on real processes and the lines between them, nothing is lost, doubled or changed."""

import json
from pathlib import Path

import pytest

from tests.storm.plan import KILLS, strikes
from tests.storm.report import as_data
from tests.storm.storm import Report, Size, blow_over


def check(report: Report) -> None:
    print(json.dumps(as_data(report), indent=1))
    assert report.wrong == []
    assert set(report.notes.told) == set(report.notes.accepted)
    assert report.kills == report.size.kills


@pytest.mark.timeout(300)
@pytest.mark.promise("P1")
@pytest.mark.promise("P2")
@pytest.mark.promise("P3")
@pytest.mark.promise("P6")
@pytest.mark.promise("P10")
async def test_a_small_storm_loses_nothing(tmp_path: Path) -> None:
    check(await blow_over(Size(), tmp_path))


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("seed", ["middle 1", "middle 2"])
async def test_a_middle_storm_loses_nothing(tmp_path: Path, seed: str) -> None:
    check(await blow_over(Size(tasks=5000, seconds=100, kills=30, in_flight=60, most_ms=100, seed=seed), tmp_path))


def test_a_plan_has_as_many_kills_as_it_was_told_and_is_the_same_for_its_seed() -> None:
    planned = strikes("7", 50, 100)
    assert sum(each.blow in KILLS for each in planned) == 50
    assert planned == strikes("7", 50, 100)
    assert all(0 < each.at_s < 100 for each in planned)
