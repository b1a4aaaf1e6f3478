"""Keys, later starts and pauses from the command line, with real processes."""

import json
import signal

import pytest

from tests.cli.processes import Mill
from tests.cli.processes import until as eventually
from tidemill.cli.main import Exit


def shown(commands: Mill, run: str, url: str) -> dict[str, object]:
    found: dict[str, object] = json.loads(commands.tidemill("runs", "show", run, "--json", TIDEMILL_URL=url).out)["run"]
    return found


@pytest.mark.feature("F9")
def test_a_key_on_the_command_line_gives_the_same_run(commands: Mill) -> None:
    with commands.server() as (_, url), commands.process("worker", "mill.py", "--url", url) as worker:
        worker.wait_for("connected")
        first, second = (
            commands.tidemill("run", "mill.double", "--x", "4", "--key", "a", "--detach", TIDEMILL_URL=url)
            for _ in range(2)
        )
        assert (first.code, second.out) == (Exit.OK, first.out)
        other = commands.tidemill("run", "mill.double", "--x", "5", "--key", "a", TIDEMILL_URL=url)
        assert other.code == Exit.FAILED
        assert first.out.strip() in other.err
        own = commands.tidemill("run", "mill.py", "--workflow", "double", "--x", "6", "--unique", "b", TIDEMILL_URL=url)
        assert "12" in own.out


def test_a_pending_run_outlives_a_server_that_is_killed(commands: Mill) -> None:
    with commands.server() as (server, url):
        with commands.process("worker", "mill.py", "--url", url) as worker:
            worker.wait_for("connected")
            said = ("run", "mill.double", "--x", "4", "--key", "a", "--detach")
            soon = commands.tidemill(*said, "--debounce", "3s", TIDEMILL_URL=url).out.strip()
            late = commands.tidemill(*said, "--delay", "1h", "--key", "b", TIDEMILL_URL=url).out.strip()
        server.send(signal.SIGKILL)
        server.ended()
    with commands.server() as (_, url), commands.process("worker", "mill.py", "--url", url):
        again = commands.tidemill("run", "mill.double", "--x", "4", "--key", "b", "--detach", TIDEMILL_URL=url)
        assert again.out.strip() == late
        eventually(lambda: shown(commands, soon, url)["status"] == "succeeded", lambda: f"run {soon} to end")
        assert shown(commands, late, url)["status"] == "pending"
        assert f"run {late} begins" not in commands.tidemill("why", soon, TIDEMILL_URL=url).out
        assert "the run begins at" in commands.tidemill("why", late, TIDEMILL_URL=url).out
        assert commands.tidemill("runs", "cancel", late, TIDEMILL_URL=url).code == Exit.OK
        assert shown(commands, late, url)["status"] == "cancelled"


def test_a_wrong_length_or_time_is_refused_by_name(commands: Mill) -> None:
    for option, words in (("--delay=soon", "no length of time"), ("--start-at=noon", "no time")):
        said = commands.tidemill("run", "mill.py", option)
        assert said.code == Exit.INPUT
        assert words in said.err
