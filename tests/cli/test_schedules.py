"""`tidemill schedules`, with a real server and worker."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.processes import MILL, Mill


@pytest.fixture(scope="module")
def there(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Mill, str]]:
    folder: Path = tmp_path_factory.mktemp("mill")
    (folder / "mill.py").write_text(MILL)
    mill = Mill(folder)
    with mill.server() as (_, url), mill.process("worker", "mill.py", "--url", url) as worker:
        worker.wait_for("connected")
        yield mill, url


@pytest.mark.feature("E10")
def test_a_schedule_is_kept_shown_changed_triggered_and_removed(there: tuple[Mill, str]) -> None:
    mill, url = there

    def ask(*words: str, code: int = 0) -> str:
        answer = mill.tidemill("schedules", *words, "--url", url)
        assert answer.code == code, answer
        return answer.out + answer.err

    terms = (
        "--cron",
        "0 3 * * *",
        "--zone",
        "Europe/Berlin",
        "--overlap",
        "queue",
        "--jitter",
        "5m",
        "--tag",
        "who=ann",
    )
    made = ask("add", "nightly", "mill.double", *terms, "--x", "4")
    assert "nightly starts mill.double, 0 3 * * * Europe/Berlin: active" in made
    assert "x=4" in made
    assert "is at revision 1" in ask("add", "nightly", "mill.double", "--cron", "@daily", "--x", "4", code=1)
    assert "did you mean 'Europe/Berlin'" in ask("edit", "nightly", "--zone", "Europe/Berlni", code=2)
    assert "did you mean 'mill.double'" in ask("add", "no", "mill.duoble", "--every", "2h", code=2)
    assert "is missing" in ask("add", "no", "mill.double", "--every", "2h", code=2)
    assert "x=5" in ask("edit", "nightly", "--every", "90m", "--x", "5")
    assert "every 1:30:00" in ask("list")
    assert "paused (holidays)" in ask("pause", "nightly", "--reason", "holidays")
    assert "started (trigger)" in ask("trigger", "nightly")
    assert ": active" in ask("resume", "nightly")
    assert "started (trigger)" in ask("history", "nightly")
    assert len(ask("next", "nightly", "--count", "3").splitlines()) == 4
    span = ("--from", "2026-03-01", "--to", "2026-03-01T03:00Z")
    assert ask("backfill", "nightly", *span, "--dry-run").splitlines() == [
        "2026-03-01 00:00:00",
        "2026-03-01 01:30:00",
        "2026-03-01 03:00:00",
    ]
    ask("backfill", "nightly", *span, "--at-once", "3")
    shown = mill.tidemill("schedules", "show", "nightly", "--json", "--url", url).json
    assert (shown["spec"]["every_s"], shown["spec"]["input"], shown["spec"]["overlap"]) == (5400.0, {"x": 5}, "queue")
    assert (shown["spec"]["tags"], shown["spec"]["jitter_s"], len(shown["next"])) == ({"who": "ann"}, 300.0, 10)
    listed = mill.tidemill("schedules", "list", "--json", "--url", url).json
    assert [each["name"] for each in listed["schedules"]] == ["nightly"]
    assert ask("remove", "nightly") == "nightly is removed\n"
    assert "No such schedule" in ask("show", "nightly", code=2)


def test_a_trigger_that_starts_nothing_says_so_by_its_exit_code(there: tuple[Mill, str]) -> None:
    mill, url = there
    mill.tidemill("schedules", "add", "slow", "mill.slow", "--every", "1d", "--x", "1", "--seconds", "30", "--url", url)
    first = mill.tidemill("schedules", "trigger", "slow", "--json", "--url", url)
    assert (first.code, first.json["kind"]) == (0, "started")
    second = mill.tidemill("schedules", "trigger", "slow", "--url", url)
    assert (second.code, f"run {first.json['run']} goes on" in second.out) == (1, True)
    replaced = mill.tidemill("schedules", "trigger", "slow", "--overlap", "replace", "--json", "--url", url)
    assert (replaced.code, replaced.json["kind"]) == (0, "waits")
