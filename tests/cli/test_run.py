"""`tidemill run`, as a person uses it: it starts what is missing, and loses nothing."""

import json
import signal
import sys
from textwrap import dedent

import pytest

from tests.cli.processes import Mill, children_of, is_alive, until

GRIND = ("run", "mill.py", "--workflow", "grind", "--xs", "[1, 2, 4, 5, 6, 7]")


def test_a_task_runs_without_anything_started_before(mill: Mill) -> None:
    said = mill.tidemill("run", "mill.py", "--workflow", "double", "--x", "21")
    assert (said.code, said.err) == (0, "")
    assert "42" in said.out.splitlines()


def test_the_live_page_is_promised_for_as_long_as_its_server_lives(mill: Mill) -> None:
    double = ("run", "mill.py", "--workflow", "double", "--x", "21")
    assert "\nlive page, while this runs: http://127.0.0.1:" in mill.tidemill(*double).out
    with mill.server() as (_, url):
        assert f"\nlive page: {url}/runs/" in mill.tidemill(*double).out, "found by its address in the data folder"
        assert f"\nlive page: {url}/runs/" in mill.tidemill(*double, "--url", url).out


def test_a_workflow_prints_its_result_and_the_page_of_its_run(mill: Mill) -> None:
    said = mill.tidemill("run", "mill.py", "--xs", "[1, 2, 4]")
    assert said.code == 0, said.err
    assert "7" in said.out.splitlines()
    page = (mill.folder / "tidemill-out" / "grind" / "run.html").read_text()
    assert "grind" in page
    assert "3 of 3" in page


def test_json_is_one_document(mill: Mill) -> None:
    said = mill.tidemill("run", "mill.py", "--xs", "[1, 2]", "--json")
    assert said.code == 0, said.err
    found = said.json
    assert (found["status"], found["value"], found["workflow"]) == ("succeeded", 3, "grind")


def test_a_directory_goes_in_and_one_comes_out(mill: Mill) -> None:
    folder = mill.folder / "notes"
    (folder / "deep").mkdir(parents=True)
    (folder / "deep" / "a.txt").write_text("ay")
    said = mill.tidemill("run", "mill.py", "--workflow", "louder", "--notes", "notes", "--json")
    assert said.code == 0, said.err
    assert said.json["value"]["$directory"].keys() == {"deep/a.txt"}
    assert (mill.folder / "tidemill-out" / "mill.louder" / "loud" / "deep" / "a.txt").read_text() == "AY"
    people = mill.tidemill("run", "mill.py", "--workflow", "louder", "--notes", "notes").out
    assert "deep/a.txt: tidemill-out/mill.louder/loud/deep/a.txt" in people
    (folder / "out").symlink_to(mill.folder)
    assert "'out' is a symbolic link" in mill.tidemill("run", "mill.py", "--workflow", "louder", "--notes", "notes").err
    assert "no folder nowhere" in mill.tidemill("run", "mill.py", "--workflow", "louder", "--notes", "nowhere").err


@pytest.mark.feature("A12")
def test_a_number_that_was_corrected_is_told(mill: Mill) -> None:
    cut = ("run", "mill.py", "--workflow", "cut", "--width")
    said = mill.tidemill(*cut, "99")
    assert "adjusted: $.width of cut from 99 to 8" in said.out
    assert mill.tidemill(*cut, "0", "--json").json["adjustments"] == [
        {"path": "$.width", "given": 0, "used": 1, "step": "cut"}
    ]
    assert "adjusted" not in mill.tidemill(*cut, "5").out


def test_a_folder_goes_in_and_a_file_comes_out(mill: Mill) -> None:
    folder = mill.folder / "notes"
    (folder / "deep").mkdir(parents=True)
    (folder / "b.txt").write_text("bee")
    (folder / "deep" / "a.txt").write_text("ay")
    (folder / ".hidden").write_text("no")
    (folder / "out").symlink_to(mill.folder / "mill.py")
    said = mill.tidemill("run", "mill.py", "--workflow", "read", "--folder", "notes")
    assert said.code == 0, said.err
    out = mill.folder / "tidemill-out" / "read" / "loud.html"
    assert out.read_text() == "b.txt BEE\ndeep/a.txt AY"
    assert f"open it: {out}" in said.out


def test_a_file_that_is_not_given_is_the_one_that_the_last_run_left(mill: Mill) -> None:
    before = mill.tidemill("run", "mill.py", "--workflow", "count")
    assert before.code == 2
    assert "Run `tidemill run mill.py` first" in before.err
    (mill.folder / "notes").mkdir()
    (mill.folder / "notes" / "a").write_text("x")
    assert mill.tidemill("run", "mill.py", "--workflow", "read", "--folder", "notes").code == 0
    after = mill.tidemill("run", "mill.py", "--workflow", "count", "--json")
    assert after.code == 0, after.err
    assert "from the last run of mill.py" in after.err
    assert after.json["value"] == len("a X")


def test_a_failure_says_where_and_why_and_its_exit_code_is_1(mill: Mill) -> None:
    said = mill.tidemill("run", "mill.py", "--workflow", "fail", "--x", "1")
    assert said.code == 1
    assert "failed at fail: no flour (permanent)" in said.out
    assert "Traceback" not in said.out + said.err


def test_an_error_that_nobody_meant_is_shown_with_its_place_in_the_code(mill: Mill) -> None:
    code = """
        from tidemill import Worker
        w = Worker("w")
        @w.task
        def divide(x: int) -> int:
            return x // 0
        @w.task
        def promise(x: int) -> int:
            return str(x)
    """
    (mill.folder / "hasty.py").write_text(dedent(code))
    divided = mill.tidemill("run", "hasty.py", "--workflow", "divide", "--x", "1")
    assert "failed at divide: ZeroDivisionError: integer division or modulo by zero (internal)" in divided.out
    assert 'hasty.py", line 6, in divide' in divided.out
    promised = mill.tidemill("run", "hasty.py", "--workflow", "promise", "--x", "1")
    assert "the task gave no int" in promised.out
    assert "Traceback" not in promised.out + promised.err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["run", "nowhere"], "there is no folder, no file, no module and no entry point nowhere"),
        (["run", "./nowhere/"], "there is no folder ./nowhere/"),
        (["run", "."], "has no main.py"),
        (["run", "mill.py", "--workflow", "grnd"], "Did you mean grind"),
        (["run", "mill.py:mil"], "there is no"),
        (["run", "mill.py", "--workflow", "double"], "Missing option '--x'"),
        (["run", "mill.py", "--workflow", "double", "--x", "ten"], "'ten' is not a valid integer"),
        (["run", "mill.py", "--workflow", "double", "--x", "1", "--y", "2"], "No such option '--y'"),
        (["run", "mill.py", "--xs", '[1, "two"]'], "(at $[1])"),
        (["run", "mill.py", "--xs", "@missing.json"], "cannot read missing.json"),
        (["run", "mill.py", "--workflow", "read", "--folder", "nowhere"], "there is no folder nowhere"),
        (["run", "mill.py", "--workflow", "read", "--folder", "empty"], "there are no files in empty"),
        (["run", "broken.py"], "broken.py:2"),
        (["run", "raises.py"], "ValueError: no luck"),
        (["run", "bare.py"], "declares no worker and no workflow"),
        (["rnu", "mill.py"], "Did you mean run"),
    ],
)
def test_a_mistake_gets_a_sentence_and_exit_code_2(mill: Mill, arguments: list[str], words: str) -> None:
    (mill.folder / "empty").mkdir()
    (mill.folder / "broken.py").write_text("x = 1\ny = = 2\n")
    (mill.folder / "raises.py").write_text("def f():\n    raise ValueError('no luck')\nf()\n")
    (mill.folder / "bare.py").write_text("x = 1\n")
    said = mill.tidemill(*arguments)
    assert said.code == 2, said.err
    assert words in said.err
    assert "Traceback" not in said.err
    assert not (mill.folder / ".tidemill").exists()


def test_a_server_that_was_named_and_is_not_there_is_exit_code_3(mill: Mill) -> None:
    said = mill.tidemill("run", "mill.py", "--xs", "[1]", "--url", "http://127.0.0.1:9")
    assert said.code == 3
    assert said.err == (
        "tidemill: no server answers at http://127.0.0.1:9: nothing listens there. Without --url and TIDEMILL_URL, "
        "a server is started for you\n"
    )


def test_after_kill_9_of_everything_the_same_command_goes_on(mill: Mill) -> None:
    with mill.process(*GRIND) as first:
        run = first.wait_for(r"run (\S+)")[1]
        until(lambda: len(mill.executed()) >= 2, lambda: "two tasks")
        children = children_of(first.popen.pid)
        assert len(children) == 2
        first.send(signal.SIGKILL)
        first.ended()
        until(lambda: not any(map(is_alive, children)), lambda: f"the end of {children}")
    done = len(mill.executed())
    assert done < 6
    said = mill.tidemill(*GRIND)
    assert said.code == 0, said.err
    assert f"resuming run {run}" in said.out
    assert "25" in said.out.splitlines()
    assert len(mill.executed()) <= 6 + 2, "only what was under way runs again"


def test_children_that_are_killed_are_started_again(mill: Mill) -> None:
    with mill.process(*GRIND) as process:
        process.wait_for(r"run (\S+)")
        until(mill.executed, lambda: "a task")
        server, worker = children_of(process.popen.pid)
        for pid in (worker, server):
            until(lambda pid=pid: is_alive(pid), lambda: "the child")
            __import__("os").kill(pid, signal.SIGKILL)
        assert process.ended() == 0, process.said
        assert "25" in process.said.splitlines()


def test_an_interrupt_stops_in_order_and_the_run_is_kept(mill: Mill) -> None:
    with mill.process(*GRIND) as process:
        run = process.wait_for(r"run (\S+)")[1]
        until(mill.executed, lambda: "a task")
        children = children_of(process.popen.pid)
        process.send(signal.SIGINT)
        assert process.ended() == 5, process.said
        assert f"Run {run} is kept in .tidemill: the same command takes it up again" in process.said
        assert not any(map(is_alive, children))
    before = len(mill.executed())
    said = mill.tidemill(*GRIND, "--json")
    assert (said.code, said.json["value"], said.json["id"]) == (0, 25, run)
    assert len(mill.executed()) == 6
    assert before < 6


def test_a_run_on_a_server_goes_on_when_nobody_watches(mill: Mill) -> None:
    with mill.server() as (_, url), mill.process("worker", "mill.py", "--url", url) as worker:
        worker.wait_for("connected")  # else the command has a worker of its own
        with mill.process(*GRIND, "--url", url) as process:
            run = process.wait_for(r"run (\S+)")[1]
            process.send(signal.SIGINT)
            assert process.ended() == 5
            assert f"run {run} goes on" in process.said

        def status() -> str:
            return str(mill.tidemill("runs", "show", run, "--json", "--url", url).json["run"]["status"])

        until(lambda: status() == "succeeded", lambda: "the end of the run")


@pytest.mark.feature("C5")
def test_what_is_known_by_name_can_be_left_running_and_a_folder_kept(mill: Mill) -> None:
    settings = {"TIDEMILL_KEEP": "for_ever"}
    with mill.server() as (_, url), mill.process("worker", "mill.py", "--url", url, **settings) as worker:
        worker.wait_for("connected")
        said = mill.tidemill("run", "mill.scratch", "--text", "dust", "--detach", "--url", url)
        run = said.out.strip()
        assert (said.code, said.err) == (0, "")
        assert mill.tidemill("runs", "show", run, "--json", "--url", url).json["run"]["id"] == run
        assert mill.tidemill("run", "mill.scratch", "--text", "more", "--url", url).code == 0
    kept = sorted(path.read_text() for path in mill.folder.glob(".tidemill/workers/*/attempts/**/note.txt"))
    assert kept[-1] == "more"


def test_another_input_is_another_run(mill: Mill) -> None:
    one = mill.tidemill("run", "mill.py", "--xs", "[1]", "--json").json
    again = mill.tidemill("run", "mill.py", "--xs", "[1]", "--json").json
    assert one["id"] != again["id"], "a run that has ended is not resumed"


def test_help_lists_the_parameters(mill: Mill) -> None:
    said = mill.tidemill("run", "mill.py", "--workflow", "slow", "--help")
    assert said.code == 0
    assert "--seconds FLOAT" in said.out
    assert "[default: 0.2]" in said.out


def test_help_is_quick_and_imports_no_server(mill: Mill) -> None:
    code = "import sys, tidemill.cli.main; print(json.dumps(sorted(sys.modules)))"
    assert json  # the list is read below
    import subprocess

    from tests.cli.processes import environment

    text = subprocess.check_output([sys.executable, "-c", f"import json; {code}"], env=environment(), text=True)
    heavy = {"aiohttp", "rich", "starlette", "uvicorn", "apsw", "asyncio"}
    assert heavy.isdisjoint(json.loads(text))
