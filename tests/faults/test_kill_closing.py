"""The server is killed while a run takes back what it did, and while it tidies up: each is done, once."""

from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from tests.cli.processes import until
from tests.faults import closers
from tests.faults.processes import Mill
from tidemill import Client
from tidemill.client.blocking import Run

FLOWS: dict[str, Any] = {"workflow": closers.trip, "machine": closers.round_trip}
BOOKED = ["book-first", "book-second", "book-third"]
CLOSED = ["unbook-third", "unbook-second", "unbook-first", "tidy-room", "tidy-yard"]


def journal(folder: Path) -> list[str]:
    """What was done, each key once, in the order in which it was done first."""
    seen = folder / "journal.txt"
    lines = seen.read_text().splitlines() if seen.exists() else []
    done = dict.fromkeys(line for line in lines if not line.startswith("began "))
    return [line.split()[0] for line in done]


def has_begun(folder: Path, what: str) -> Callable[[], bool]:
    return lambda: (folder / "journal.txt").exists() and f"began {what} " in (folder / "journal.txt").read_text()


def check(run: Run[Any], folder: Path) -> None:
    failure = run.ended(timeout=60).failure
    assert failure is not None
    assert failure.message.endswith(f"there is no money in {folder.name}"), failure.message
    assert journal(folder) == BOOKED + CLOSED
    steps = {step.path.rpartition("/")[2]: step.status for step in run.steps()}
    assert {status for name, status in steps.items() if name not in ("pay", "travel#1")} == {"succeeded"}, steps
    assert steps["pay"] == "failed"


@pytest.mark.slow
@pytest.mark.parametrize("which", FLOWS)
@pytest.mark.parametrize("when", ["gone", "back"])
def test_all_is_undone_and_tidied_once_though_the_server_dies_in_each_step(
    tmp_path: Path, which: str, when: str
) -> None:
    """Each step of the end is under way as the server dies, and ends while it is gone, or when it is back."""
    folder = tmp_path / "work"
    folder.mkdir()
    for what in CLOSED:
        (folder / f"hold {what}").touch()
    with Mill(tmp_path, Path(closers.__file__)) as mill, mill.telling(), Client(mill.url) as client:
        run: Run[Any] = client.submit(FLOWS[which], folder=str(folder))
        for what in CLOSED:
            until(has_begun(folder, what), lambda what=what: f"{what} to begin")  # type: ignore[misc]
            mill.server.kill()
            if when == "gone":
                (folder / f"hold {what}").unlink()
                until(lambda what=what: what in journal(folder), lambda what=what: f"{what} to end")  # type: ignore[misc]
            mill.server.start()
            mill.wait_for("/api/v1/tasks", '"live":true')
            (folder / f"hold {what}").unlink(missing_ok=True)
        check(run, folder)
        lines = (folder / "journal.txt").read_text().splitlines()
        assert len(lines) == len(set(lines)), "the worker outlived the server, so nothing was done again"


@pytest.mark.slow
@pytest.mark.parametrize(("what", "commit"), [*product(["unbook-third"], range(1, 6)), *product(["tidy-room"], [1, 2])])
@pytest.mark.parametrize("side", ["before", "after"])
def test_all_is_undone_and_tidied_though_the_server_dies_at_a_commit(
    tmp_path: Path, side: str, what: str, commit: int
) -> None:
    """It is back while this step of the end is under way, and dies again at one of its next commits."""
    folder = tmp_path / "work"
    folder.mkdir()
    held = folder / f"hold {what}"
    held.touch()
    with Mill(tmp_path, Path(closers.__file__)) as mill, mill.telling(), Client(mill.url) as client:
        run: Run[Any] = client.submit(FLOWS["machine" if commit % 2 else "workflow"], folder=str(folder))
        until(has_begun(folder, what), lambda: f"{what} to begin")
        mill.server.kill()
        mill.server.environment["TIDEMILL_FAULT"] = f"store.commit.{side}:{commit}"
        mill.server.start()
        held.unlink()
        assert mill.server.process is not None
        mill.server.process.wait(30)  # it ends itself at that point
        mill.server.stop()
        del mill.server.environment["TIDEMILL_FAULT"]
        mill.server.start()
        mill.wait_for("/api/v1/tasks", '"live":true')
        check(run, folder)
