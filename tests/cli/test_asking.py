"""Commands that ask a server: for people, and as JSON for programs."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.processes import MILL, Mill
from tidemill import Client


@pytest.fixture(scope="module")
def there(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Mill, str]]:
    """A server with a worker and three runs."""
    folder: Path = tmp_path_factory.mktemp("mill")
    (folder / "mill.py").write_text(MILL)
    mill = Mill(folder)
    with mill.server() as (_, url), mill.process("worker", "mill.py", "--url", url) as worker:
        worker.wait_for("connected")
        for name, given in {"double": ["--x", "2"], "fail": ["--x", "1"], "grind": ["--xs", "[1, 2]"]}.items():
            mill.tidemill("run", "mill.py", "--workflow", name, *given, "--url", url)
        yield mill, url
    shutil.rmtree(folder, ignore_errors=True)


def test_runs_are_listed(there: tuple[Mill, str]) -> None:
    mill, url = there
    found = mill.tidemill("runs", "list", "--json", "--url", url).json["runs"]
    assert [(each["workflow"], each["status"]) for each in found] == [
        ("grind", "succeeded"),
        ("mill.fail", "failed"),
        ("mill.double", "succeeded"),
    ]
    failed = mill.tidemill("runs", "list", "--status", "failed", "--url", url).out
    assert "mill.fail" in failed
    assert "grind" not in failed


def test_a_run_is_shown_with_its_steps(there: tuple[Mill, str]) -> None:
    mill, url = there
    newest = mill.tidemill("runs", "list", "--json", "--url", url).json["runs"][0]["id"]
    shown = mill.tidemill("runs", "show", newest, "--url", url)
    assert "grind succeeded" in shown.out
    assert "2/2" in shown.out
    steps = mill.tidemill("runs", "show", newest, "--json", "--url", url).json["steps"]
    assert {step["path"] for step in steps} >= {"total"}
    assert not any("[" in step["path"] for step in steps)


def test_logs_are_lines_of_json(there: tuple[Mill, str]) -> None:
    mill, url = there
    double = mill.tidemill("runs", "list", "--workflow", "mill.double", "--json", "--url", url).json["runs"][0]["id"]
    lines = [
        json.loads(line) for line in mill.tidemill("runs", "logs", double, "--json", "--url", url).out.splitlines()
    ]
    assert [line["text"] for line in lines] == ["doubling 2"]
    assert "doubling 2" in mill.tidemill("runs", "logs", double, "--follow", "--url", url).out


def test_logs_of_a_step_that_there_is_not_say_so(there: tuple[Mill, str]) -> None:
    mill, url = there
    run = mill.tidemill("runs", "list", "--workflow", "grind", "--json", "--url", url).json["runs"][0]["id"]
    for follow in ((), ("--follow",)):
        wrong = mill.tidemill("runs", "logs", run, "--step", "totl", *follow, "--url", url)
        assert (wrong.code, wrong.out) == (2, "")
        assert f"the run {run} has no step 'totl'; there are total" in wrong.err
    silent = mill.tidemill("runs", "logs", run, "--step", "total", "--url", url)
    assert (silent.code, silent.out, silent.err) == (0, "", ""), "it is there, and said nothing"


def test_the_beginning_of_a_run_is_enough_where_it_is_the_only_one(there: tuple[Mill, str]) -> None:
    mill, url = there
    ids = [each["id"] for each in mill.tidemill("runs", "list", "--json", "--url", url).json["runs"]]
    newest, second = ids[:2]
    shared = next(newest[:length] for length in range(len(newest), 0, -1) if second.startswith(newest[:length]))
    enough = newest[: len(shared) + 1]
    assert mill.tidemill("runs", "show", enough, "--json", "--url", url).json["run"]["id"] == newest
    assert mill.tidemill("why", enough.upper(), "--json", "--url", url).json["run"] == newest
    assert mill.tidemill("runs", "logs", enough.replace("-", ""), "--url", url).code == 0
    streamed = mill.tidemill("runs", "stream", enough, "--url", url)
    assert "the result of this run is no stream" in streamed.err, "it was found"
    several = mill.tidemill("runs", "show", shared, "--url", url)
    assert (several.code, newest in several.err, second in several.err) == (2, True, True)
    none = mill.tidemill("runs", "show", "ffff", "--url", url)
    assert (none.code, "no run is ffff, and none begins so" in none.err) == (2, True)


def test_a_run_that_waits_says_why_and_can_be_cancelled(there: tuple[Mill, str]) -> None:
    mill, url = there
    (mill.folder / "other.py").write_text(
        "from tidemill import Worker\nlone = Worker('lone')\n@lone.task\ndef wait(x: int) -> int: return x\n"
    )
    with mill.process("worker", "other.py", "--url", url) as worker:
        worker.wait_for("connected")
    with Client(url) as client:
        run = client.submit_named("lone.wait", {"x": 1}).id
    why = mill.tidemill("why", run, "--json", "--url", url).json
    assert (why["run"], why["steps"][0]["advice"]) == (run, "start a worker that has the task lone.wait")
    ended = mill.tidemill("runs", "cancel", run, "--reason", "enough", "--json", "--url", url)
    assert (ended.json["status"], ended.json["reason"]) == ("cancelled", "enough")


def test_tasks_workflows_and_workers_are_listed(there: tuple[Mill, str]) -> None:
    mill, url = there
    tasks = mill.tidemill("tasks", "--json", "--url", url).json["tasks"]
    assert "mill.double" in [each["definition"]["name"] for each in tasks]
    graphs = mill.tidemill("workflows", "--json", "--url", url).json["graphs"]
    assert [each["name"] for each in graphs] == ["grind"]
    workers = mill.tidemill("workers", "--json", "--url", url).json["workers"]
    assert workers[0]["live"]
    assert "mill.double" in mill.tidemill("tasks", "--url", url).out
    assert "connected" in mill.tidemill("workers", "--url", url).out


def test_what_a_server_knows_is_run_by_its_name(there: tuple[Mill, str], tmp_path: Path) -> None:
    _, url = there
    elsewhere = Mill(tmp_path)
    assert elsewhere.tidemill("run", "mill.double", "--x", "4", "--json", "--url", url).json["value"] == 8
    assert elsewhere.tidemill("run", "grind", "--xs", "[2, 5]", "--json", "--url", url).json["value"] == 7
    one_by_one = ("--xs", "2", "--xs", "5", "--xs", "1")
    assert elsewhere.tidemill("run", "grind", *one_by_one, "--json", "--url", url).json["value"] == 8
    wrong = elsewhere.tidemill("run", "mill.double", "--x", "four", "--url", url)
    assert (wrong.code, "$.x" in wrong.err) == (2, True)
    unknown = elsewhere.tidemill("run", "mill.dubble", "--x", "4", "--url", url)
    assert unknown.code == 2
    assert "mill.double" in unknown.err


def test_doctor_finds_nothing_wrong(there: tuple[Mill, str]) -> None:
    mill, url = there
    said = mill.tidemill("doctor", "--json", "--url", url)
    assert said.code == 0
    assert {each["state"] for each in said.json["findings"]} <= {"ok", "note"}


@pytest.mark.parametrize("arguments", [("runs", "show", "nope"), ("runs", "logs", "nope"), ("why", "nope")])
def test_what_is_not_there_is_exit_code_2(there: tuple[Mill, str], arguments: tuple[str, ...]) -> None:
    mill, url = there
    said = mill.tidemill(*arguments, "--url", url)
    assert said.code == 2
    assert "nope" in said.err


@pytest.mark.parametrize("command", ["runs list", "tasks", "workers", "workflows"])
def test_without_a_server_it_is_exit_code_3(mill: Mill, command: str) -> None:
    said = mill.tidemill(*command.split(), "--url", "http://127.0.0.1:9")
    assert said.code == 3
    assert said.err == (
        "tidemill: no server answers at http://127.0.0.1:9: nothing listens there. Start one with `tidemill server` or "
        "`tidemill dev`, or say where yours is: --url URL\n"
    )


@pytest.mark.parametrize(
    "command", ["", *["run", "dev", "server", "worker", "runs", "why", "tasks", "workflows", "workers", "doctor"]]
)
def test_each_command_has_help(mill: Mill, command: str) -> None:
    said = mill.tidemill(*command.split(), "--help")
    assert said.code == 0
    assert "Usage: tidemill" in said.out


def test_the_version_is_printed(mill: Mill) -> None:
    assert mill.tidemill("--version").out.startswith("tidemill, version 0.")
