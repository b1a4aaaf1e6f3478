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


@pytest.mark.feature("F7")
def test_runs_tasks_and_workers_are_paused_and_resumed(commands: Mill) -> None:
    with commands.server() as (_, url), commands.process("worker", "mill.py", "--url", url, "--id", "w1") as worker:
        worker.wait_for("connected")

        def say(*words: str, code: Exit = Exit.OK) -> str:
            said = commands.tidemill(*words, TIDEMILL_URL=url)
            assert said.code == code, said
            return said.out + said.err

        assert "tidemill resume --task mill.double" in say("pause", "--task", "mill.double", "--reason", "deploy")
        assert "'mill.double'" in say("pause", "--task", "mill.duoble", code=Exit.INPUT)
        run = say("run", "mill.double", "--x", "4", "--detach").strip()
        assert "task mill.double is paused by" in say("why", run)
        assert "task mill.double is paused by" in say("tasks")
        assert "deploy" in say("pause")
        assert json.loads(say("pause", "--json"))["pauses"][0]["name"] == "mill.double"
        assert "paused" in say("pause", run)
        assert f"tidemill resume {run}" in say("why", run)
        assert say("runs", "set", run, "--priority", "5", "--tag", "team=a", "--tag", "n=1") == (
            f"run {run} has priority 5, team=a, n=1\n"
        )
        assert "n" not in json.loads(say("set", run, "--untag", "n", "--json"))["tags"]
        say("resume", run)
        say("pause", "--worker", "w1")
        assert "paused by" in say("workers")
        say("resume", "--task", "mill.double")
        assert "worker w1: is paused by" in say("why", run)
        say("resume", "--worker", "w1")
        eventually(lambda: shown(commands, run, url)["status"] == "succeeded", lambda: f"run {run} to end")
        assert "there is nothing of it to pause" in say("pause", run, code=Exit.FAILED)


@pytest.mark.feature("F7")
def test_many_runs_by_filter_with_a_dry_run_first(commands: Mill) -> None:
    with commands.server() as (_, url), commands.process("worker", "mill.py", "--url", url) as worker:
        worker.wait_for("connected")
        for number in range(3):
            commands.tidemill("run", "mill.double", f"--x={number}", "--delay=1h", "--detach", TIDEMILL_URL=url)
        dry = commands.tidemill("cancel", "--workflow", "mill.double", "--dry-run", TIDEMILL_URL=url)
        assert "cancel: 3 runs would be touched" in dry.out
        assert dry.out.count("pending") == 3
        listed = json.loads(commands.tidemill("runs", "list", "--status", "pending", "--json", TIDEMILL_URL=url).out)
        assert len(listed["runs"]) == 3
        changed = ("set", "--workflow", "mill.double", "--set-tag", "team=a", "--json")
        assert json.loads(commands.tidemill(*changed, TIDEMILL_URL=url).out)["count"] == 3
        done = commands.tidemill("cancel", "--tag", "team=a", "--status", "pending", TIDEMILL_URL=url)
        assert "cancel: 3 runs done" in done.out
        said = commands.tidemill("runs", "list", "--tag", "team=a", "--json", TIDEMILL_URL=url)
        assert {each["status"] for each in json.loads(said.out)["runs"]} == {"cancelled"}


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("cancel",), "--dry-run"),
        (("pause", "x", "--task", "a"), "name one thing"),
        (("resume", "--task", "a", "--queue", "b"), "name one thing"),
        (("set", "x"), "say what to change"),
        (("set", "x", "--priority", "1", "--workflow", "w"), "not both"),
        (("cancel", "--tag", "team"), "is not NAME=TEXT"),
        (("cancel", "--older-than", "long"), "no length of time"),
    ],
)
def test_what_is_not_meant_is_refused_before_anything_is_asked(
    commands: Mill, words: tuple[str, ...], told: str
) -> None:
    said = commands.tidemill(*words)
    assert said.code == Exit.INPUT
    assert told in said.err
