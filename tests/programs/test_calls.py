"""Programs called through the whole of Tidemill: what they are given, what they give, and how they fail."""

import json
import stat
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from tests.programs.scripts import (
    Album,
    Halves,
    Point,
    album,
    any_,
    file,
    halves,
    maybe,
    nothing,
    number,
    points,
    raw,
    slow,
    status,
    text,
    w,
)
from tidemill import File, workflow
from tidemill.client.blocking import Client
from tidemill.sdk.errors import RunFailedError
from tidemill.testing.local import local
from tidemill.wire.program import ITEM, WORDS, program_schema


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    with local(w) as client:
        yield client


def lines_of(run: Any, level: str) -> list[str]:
    return [line.text for line in run.logs() if line.level == level]


def failure_of(client: Client, task: Any, *args: Any) -> tuple[str, str]:
    with pytest.raises(RunFailedError) as caught:
        client.submit(task, *args).result()
    assert caught.value.traceback == ""
    return caught.value.code.value, caught.value.message


def test_a_shell_script_is_enough(client: Client) -> None:
    assert client.submit(number, "echo $((TASK_VALUE_x * 2)) > $TASK_OUTPUT_value", 21).result() == 42
    assert client.submit(number, "cat $TASK_INPUT_x > $TASK_OUTPUT_value").result() == 7
    script = """printf '"%s"' "$(echo "$TASK_VALUE_x" | tr a-z A-Z)" > "$TASK_OUTPUT_value" """
    assert client.submit(text, script, "straße").result() == "STRAßE"


def test_the_call_file_is_as_its_schema_says(client: Client) -> None:
    run = client.submit(any_, 'cp "$1" $TASK_OUTPUT_value; cat "$TASK_CALL"', {"a": [1, "b"]})
    call = run.result()
    assert json.loads(lines_of(run, "STDOUT")[0]) == call
    jsonschema_rs.validator_for(program_schema()).validate(call)
    assert (call["protocol"], call["task"], call["operation"]) == ("tidemill.program/1", "w.any_", "any_")
    assert call["inputs"]["x"]["value"] == {"a": [1, "b"]}
    assert call["attempt"].pop("traceparent").startswith(f"00-{run.id.replace('-', '')}-")
    assert call["attempt"].pop("granted") == {"cpus": 0, "ram": 0, "gpus": [], "vram": 0}
    assert call["attempt"] == {
        "run": run.id, "step": "any_", "number": 1, "key": f"{run.id}/any_", "worker": "local",
        "workflow": "w.any_", "priority": 0, "tags": {}, "tenant": "default", "release": "", "parent": "",
    }  # fmt: skip


def test_a_large_value_lies_only_in_its_file(client: Client) -> None:
    script = 'if [ -z "${TASK_VALUE_x+set}" ]; then wc -c < $TASK_INPUT_x > $TASK_OUTPUT_value; fi'
    assert client.submit(any_, script, "x" * 100_000).result() == 100_003
    inputs = client.submit(any_, 'cp "$1" $TASK_OUTPUT_value', "x" * 100_000).result()["inputs"]
    assert "value" not in inputs["x"]
    assert Path(inputs["x"]["path"]).name == "x"


def test_bytes_are_bytes(client: Client) -> None:
    data = bytes(range(256)) * 100
    assert client.submit(raw, "cat $TASK_INPUT_x $TASK_INPUT_x > $TASK_OUTPUT_value", data).result() == data * 2
    assert client.submit(raw, ": > $TASK_OUTPUT_value", data).result() == b""


def test_files_come_and_go_as_paths(client: Client, tmp_path: Path) -> None:
    photo = tmp_path / "cat.png"
    photo.write_bytes(b"\x89PNG" + bytes(200_000))
    script = """
        case $TASK_INPUT_x in *.png) ;; *) exit 1;; esac
        cp $TASK_INPUT_x $TASK_OUTPUT_value
        echo '{"files": {"value": {"name": "dog.png", "media_type": "image/png"}}}' > $TASK_DONE
    """
    given = client.submit(file, script, File(photo)).result()
    client.download(given, tmp_path / "dog.png")
    assert (tmp_path / "dog.png").read_bytes() == photo.read_bytes()
    assert (given.name, given.media_type) == ("dog.png", "image/png")


def test_files_inside_other_values_have_a_path(client: Client, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("one")
    script = r"""
        path=$(sed 's/.*"path":"\([^"]*\)".*/\1/' $TASK_INPUT_x)
        (cat $path; echo " two") > new.txt
        sed 's/.*"photos":\[\(.*\)\].*/{"title":"after","photos":[\1,{"$file":"new.txt","name":"b.txt"}]}/' \
            $TASK_INPUT_x > $TASK_OUTPUT_value
    """
    given = client.submit(album, script, Album("before", [File(tmp_path / "a.txt")])).result()
    assert given.title == "after"
    for each, text_ in zip(given.photos, ["one", "one two\n"], strict=True):
        client.download(each, tmp_path / "out")
        assert (tmp_path / "out").read_text() == text_
    assert [each.name for each in given.photos] == ["a.txt", "b.txt"]


def test_several_outputs_are_several_files(client: Client) -> None:
    script = "echo 3 > $TASK_OUTPUT_left; printf 'ab' > $TASK_OUTPUT_right"
    assert client.submit(halves, script).result() == Halves(3, b"ab", None)


def test_what_may_be_nothing_may_be_left_out(client: Client) -> None:
    assert client.submit(nothing, ":").result() is None
    assert client.submit(maybe, ":").result() is None
    assert client.submit(maybe, "echo null > $TASK_OUTPUT_value").result() is None
    assert client.submit(maybe, """echo '{"x": 1}' > $TASK_OUTPUT_value""").result() == Point(1)


def test_a_stream_is_lines_of_items(client: Client) -> None:
    script = """i=0; while [ $i -lt 600 ]; do echo "::tidemill item {\\"x\\": $i}"; i=$((i+1)); done"""
    assert client.submit(points, script).result() == [Point(x) for x in range(600)]
    code, message = failure_of(client, points, """echo '::tidemill item {"x": "a"}'; sleep 60""")
    assert (code, message) == ("internal", "item 0 is no Point: Expected `int`, got `str` (at $.x)")


def test_a_program_may_tell_a_status(client: Client) -> None:
    @workflow
    def review() -> int:
        return status("""echo 1 > $TASK_OUTPUT_value; echo '{"status": "needs_review"}' > $TASK_DONE""")

    run = client.submit(review)
    assert run.result() == 1
    assert [step.status for step in run.steps()] == ["succeeded"]


def test_what_it_writes_is_its_log_and_some_lines_are_heard(client: Client) -> None:
    run = client.submit(
        nothing,
        """
        echo out; echo err >&2; printf 'caf\\351\\n' >&2
        echo '::tidemill progress {"fraction": 1.5, "stage": "end"}'
        echo '::tidemill log {"level": "warning", "message": "hot", "logger": "oven"}'
        echo '::tidemill progres 1'
        echo kept > kept.txt; echo '::tidemill save {"path": "kept.txt", "name": "notes/kept.txt"}'
        echo '::tidemill save "missing.txt"'; ln -s /etc/passwd stolen; echo '::tidemill save "stolen"'
        echo '::tidemill item 1'
        printf 'no line end'
        """,
    )
    run.result()
    assert lines_of(run, "STDOUT") == ["out", "::tidemill progres 1", "no line end"]
    assert lines_of(run, "STDERR") == ["err", "caf\\xe9"]
    assert [(line.logger, line.text) for line in run.logs() if line.level == "WARNING"] == [
        ("oven", "hot"),
        (
            "tidemill",
            f"there is no word 'progres'; the words are {', '.join([*WORDS, ITEM])}",
        ),
        ("tidemill", "what is to be saved is a file that there is not: missing.txt"),
        ("tidemill", "what is to be saved is a link, or leads out of the task's folder; write the file itself"),
        ("tidemill", "w.nothing is no stream, and has no items"),
    ]
    assert [(each.name, each.size) for each in run.artifacts()] == [("notes/kept.txt", 5)]
    (attempt,) = run.attempts()
    assert attempt.progress == (1.0, "end", "")


def test_it_tells_of_events_and_measures(client: Client) -> None:
    run = client.submit(
        nothing,
        """
        echo '::tidemill event {"type": "page_done", "payload": {"page": 3}, "message": "page 3"}'
        echo '::tidemill event "resting"'; echo '::tidemill event "no name!"'
        echo '::tidemill set {"name": "pages", "value": [3, null]}'
        echo '::tidemill set {"name": "last", "value": "b", "of": "run"}'
        echo '::tidemill set {"name": "no name!", "value": 1}'; echo '::tidemill set "alone"'
        echo '::tidemill metric {"name": "loss", "value": 0.25, "unit": "1"}'
        echo '::tidemill metric {"name": "no name!", "value": 1}'
        """,
    )
    run.result()
    told = [(event.number, event.type, event.payload, event.message) for event in run.emitted()]
    assert told == [(1, "page_done", {"page": 3}, "page 3"), (2, "resting", None, "")]
    assert (run.data(), run.step_data()) == ({"last": "b"}, {"nothing": {"pages": [3, None]}})
    (attempt,) = run.attempts()
    assert [(each.name, each.last, each.unit) for each in attempt.metrics] == [("loss", 0.25, "1")]
    texts = [line.text for line in run.logs() if line.level == "WARNING"]
    wanted = ["no type of an event", "no name of an attribute", "required field `value`", "is dropped"]
    assert [each in text for each, text in zip(wanted, texts, strict=True)] == [True] * 4


def test_its_environment_is_a_short_list(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_TOKEN", "do not tell")
    run = client.submit(nothing, "env")
    run.result()
    names = {line.partition("=")[0] for line in lines_of(run, "STDOUT")}
    ours = {name for name in names if name.startswith("TASK_")}
    assert "SECRET_TOKEN" not in names
    assert ours == {"TASK_CALL", "TASK_NAME", "TASK_DONE", "TASK_ERROR", "TASK_FOLDER"} | {
        "TASK_INPUT_script", "TASK_VALUE_script", "TASK_OUTPUT_value",
    }  # fmt: skip


ERROR = "echo '{}' > $TASK_ERROR; exit {}"
FAILURES: dict[str, tuple[str, str]] = {
    "echo what >&2; echo why >&2; exit 3": ("internal", "the program ended with exit code 3: what\nwhy"),
    "exit 3": ("internal", "the program ended with exit code 3"),
    "exit 65": ("invalid_input", "the program ended with exit code 65"),
    "echo 'bad luck' > $TASK_ERROR; exit 1": ("internal", "bad luck"),
    "echo 'bad luck' > $TASK_ERROR": ("internal", "bad luck"),
    """echo '{"code": "permanent", "message": "never"}' > $TASK_ERROR; exit 1""": ("permanent", "never"),
    """echo '{"code": "resource", "message": "full"}' > $TASK_ERROR; exit 1""": ("resource", "full"),
    """echo '{"code": "transient", "message": "m", "retry_after_s": -1}' > $TASK_ERROR; exit 1""": (
        "internal",
        "m (its error file cannot stand: retry_after is from 0 seconds up to ten years, not -1.0)",
    ),
    """echo '{"code": "odd", "message": "m"}' > $TASK_ERROR; exit 1""": ("internal", "m (its code 'odd' is unknown"),
    """echo '{"cod": "odd"}' > $TASK_ERROR; exit 1""": ("internal", "the program failed, and its error file cannot"),
    ":": ("internal", "the program ended well, and wrote no output value: its place is $TASK_OUTPUT_value"),
    "printf 12x > $TASK_OUTPUT_value": ("internal", "output value is no JSON (3 bytes)"),
    """printf '[1, 2' > $TASK_OUTPUT_value""": ("internal", "output value is no JSON (5 bytes): Input data was trunc"),
    "printf '\"a\"' > $TASK_OUTPUT_value": ("internal", "output value is no int: Expected `int`, got `str`"),
    "printf '\\377' > $TASK_OUTPUT_value": ("internal", "output value is no"),
    "ln -s /etc/hostname $TASK_OUTPUT_value": ("internal", "output value is a link, or leads out of the task's"),
    "rmdir ../outputs; mkdir ../../out; echo 1 > ../../out/value; ln -s ../out ../outputs": (
        "internal",
        "output value is a link, or leads out of the task's",
    ),
    "mkdir $TASK_OUTPUT_value": ("internal", "output value is no plain file"),
    "truncate -s 300M $TASK_OUTPUT_value": ("permanent", "output value has more than 268,435,456 bytes"),
    "echo 1 > $TASK_OUTPUT_value; echo x > $TASK_DONE": ("internal", "the done file cannot be read"),
    """echo 1 > $TASK_OUTPUT_value; echo '{"files": {"a": {}}}' > $TASK_DONE""": ("internal", "the done file names an"),
}  # fmt: skip


@pytest.mark.parametrize("script", FAILURES)
def test_a_failure_says_what_went_wrong(client: Client, script: str) -> None:
    code, message = failure_of(client, number.options(retries=0), script)
    expected, start = FAILURES[script]
    assert (code, message[: len(start)]) == (expected, start)


def test_a_transient_failure_is_tried_again(client: Client, tmp_path: Path) -> None:
    script = f"""
        if mkdir {tmp_path}/once 2>/dev/null; then
            echo '{{"code": "transient", "message": "busy", "retry_after_s": 0.01}}' > $TASK_ERROR; exit 1
        fi
        sed 's/.*"number":\\([0-9]*\\).*/\\1/' $TASK_CALL > $TASK_OUTPUT_value
    """
    run = client.submit(number, script)
    assert run.result() == 2
    first, _ = run.attempts()
    assert first.failure is not None
    assert (first.failure.message, first.failure.retry_after_s) == ("busy", 0.01)


def test_violations_of_an_input_arrive_with_their_paths(client: Client) -> None:
    told = {"code": "invalid_input", "message": "no", "violations": [{"path": "$.x", "message": "must be even"}]}
    with pytest.raises(RunFailedError) as caught:
        client.submit(number, f"echo '{json.dumps(told)}' > $TASK_ERROR; exit 1").result()
    assert caught.value.violations == (("$.x", "must be even"),)


def test_a_program_that_outlasts_its_time_is_stopped(client: Client) -> None:
    assert failure_of(client, slow.options(retries=0), "sleep 60 & sleep 60") == ("timeout", "no end after 0.3 s")


def test_the_folder_goes_when_the_result_is_accepted(client: Client) -> None:
    run = client.submit(text, """printf '"%s"' "$TASK_FOLDER" > $TASK_OUTPUT_value""")
    folder = Path(run.result())
    end = time.monotonic() + 20
    while folder.exists() and time.monotonic() < end:
        time.sleep(0.005)
    assert not folder.exists()


def test_programs_go_into_workflows(client: Client) -> None:
    @workflow
    def twice(x: int) -> int:
        double = "echo $((TASK_VALUE_x * 2)) > $TASK_OUTPUT_value"
        return number.options(name="second")(double, number(double, x))

    assert client.submit(twice, 5).result() == 20


def test_the_script_of_these_tests_is_executable() -> None:
    assert (Path(__file__).parent / "shell.sh").stat().st_mode & stat.S_IXUSR
