"""`app(worker)`: a module that is a command by itself."""

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from tests.cli.processes import Mill, command, environment
from tidemill import Client, InvalidInputError, Worker, app

MAIN = '''
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from tidemill import File, PermanentError, Worker, app

media = Worker("media")
state = {"started": False}


class Size(NamedTuple):
    width: int
    height: int


@media.on_start
async def start() -> None:
    state["started"] = True


@media.on_stop
def stop() -> None:
    Path("stopped.txt").write_text("in order")


@media.task
def double(x: int, plus: int = 0) -> int:
    """Twice as much."""
    assert state["started"]
    return 2 * x + plus


@media.task
async def size_of(photo: File, more: list[File]) -> Size:
    width, height = photo.read_text().split("x")
    return Size(int(width), int(height) + len(more))


@media.stream
def count(upto: int) -> Iterator[int]:
    yield from range(upto)


@media.task
def fail() -> None:
    raise PermanentError("no flour")


if __name__ == "__main__":
    app(media)
    print("after", file=sys.stderr)
'''

LARGER = """
import signal
import sys
import threading

from main import media
from tidemill import app

own = lambda number, frame: print("my own handler", flush=True)
signal.signal(signal.SIGTERM, own)

if sys.argv[2] == "thread":
    stop = threading.Event()
    thread = threading.Thread(target=app, args=(media,), kwargs={"argv": ["--url", sys.argv[1]], "stop": stop})
    thread.start()
    signal.pause()  # our own handler hears it, and the thread does not
    stop.set()
    thread.join()
else:
    app(media, argv=["--url", sys.argv[1]])
assert signal.getsignal(signal.SIGTERM) is own
print("the program goes on", flush=True)
"""


@pytest.fixture
def media(tmp_path: Path) -> Mill:
    (tmp_path / "main.py").write_text(MAIN)
    (tmp_path / "larger.py").write_text(LARGER)
    return Mill(tmp_path)


def call(mill: Mill, asked: Any) -> tuple[int, str, str]:
    done = subprocess.run(
        command("main.py", "--call", "-"),
        cwd=mill.folder,
        env=environment(),
        input=asked if isinstance(asked, str) else json.dumps(asked),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


@pytest.mark.feature("D14")
def test_a_module_serves_its_tasks_and_stops_on_a_signal(media: Mill) -> None:
    with media.server() as (_, url), media.process("main.py", "--url", url) as served:
        served.wait_for("connected")
        with Client(url) as client:
            assert client.submit_named("media.double", {"x": 4}).result(30) == 8
        served.send(signal.SIGTERM)
        assert served.ended() == 0, served.said
        assert "after" in served.said
    assert (media.folder / "stopped.txt").read_text() == "in order"


@pytest.mark.feature("D14")
@pytest.mark.parametrize("how", ["thread", "main"])
def test_a_larger_program_goes_on_with_its_own_handlers(media: Mill, how: str) -> None:
    with media.server() as (_, url), media.process("larger.py", url, how) as program:
        program.wait_for("connected")
        program.send(signal.SIGTERM)
        program.wait_for("the program goes on")
        assert program.ended() == 0, program.said
        assert ("my own handler" in program.said) == (how == "thread")


@pytest.mark.feature("D14")
def test_it_lists_its_tasks_writes_stubs_and_prints_its_manifest(media: Mill) -> None:
    listed = media.tidemill("main.py", "--list")
    assert listed.code == 0, listed.err
    assert "media.double(x: int, plus: int = 0) -> int\n    Twice as much.\n" in listed.out
    assert "media.count(upto: int) -> Iterator[int]" in listed.out
    manifest = media.tidemill("main.py", "--manifest")
    assert [task["name"] for task in manifest.json["workers"][0]["tasks"]]
    assert media.tidemill("main.py", "--stubs-path", "stubs.py").code == 0
    assert "def double(x: int, plus: int = 0) -> int:" in (media.folder / "stubs.py").read_text()
    shown = media.tidemill("main.py", "--help")
    assert shown.out.startswith("Usage: main.py [OPTIONS]")
    for option in ("--stubs-path", "--manifest", "--call", "--list", "--url"):
        assert option in shown.out
    both = media.tidemill("main.py", "--list", "--manifest")
    assert (both.code, "one of them" in both.err) == (2, True)


@pytest.mark.feature("D14")
def test_it_runs_one_call_from_json(media: Mill) -> None:
    (media.folder / "a.txt").write_text("3x4")
    (media.folder / "call.json").write_text('{"task": "media.double", "inputs": {"x": 2, "plus": 1}}')
    assert media.tidemill("main.py", "--call", "call.json").json == 5
    asked = {"task": "media.size_of", "inputs": {"photo": "a.txt", "more": ["a.txt"]}}
    assert json.loads(call(media, asked)[1]) == {"width": 3, "height": 5}
    assert json.loads(call(media, {"task": "media.count", "inputs": {"upto": 3}})[1]) == [0, 1, 2]
    assert call(media, {"task": "media.fail"}) == (1, "", "main.py: media.fail failed: PermanentError: no flour\n")


@pytest.mark.feature("A10")
def test_a_start_that_fails_ends_the_process_with_its_reason(media: Mill) -> None:
    broken = MAIN.replace('state["started"] = True', 'raise LookupError("no such card")')
    (media.folder / "broken.py").write_text(broken)
    with media.server() as (_, url):
        for arguments in (("broken.py", "--url", url), ("worker", "broken.py", "--url", url)):
            ended = media.tidemill(*arguments)
            assert ended.code == 1, ended.err
            assert (
                "the worker media did not start: its on_start start failed with LookupError: no such card" in ended.err
            )


@pytest.mark.parametrize(
    ("asked", "code", "text"),
    [
        ({"task": "media.double", "inputs": {"x": "two", "plux": 1}}, 2, "$.x: Expected `int`, got `str`"),
        ({"task": "media.double", "inputs": {}}, 2, "$.x: missing"),
        ({"task": "media.size_of", "inputs": {"photo": "b.txt", "more": []}}, 2, "$.photo: there is no file b.txt"),
        ({"task": "media.doubel", "inputs": {}}, 2, "did you mean media.double?"),
        ({"task": "medi.double", "inputs": {}}, 2, "there is no worker medi; did you mean media?"),
        ({"x": 3}, 2, "names no task"),
        ({"task": "media.double", "inputs": [1]}, 2, "are no JSON object"),
        ("{", 2, "holds no JSON"),
    ],
)
def test_a_call_that_cannot_be_made_is_told(media: Mill, asked: Any, code: int, text: str) -> None:
    found, _, said = call(media, asked)
    assert (found, text in said) == (code, True), said
    assert "Traceback" not in said


def test_with_arguments_of_its_own_errors_are_raised(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mill = Worker("mill")

    @mill.task
    def half(x: int) -> float:
        return x / 2

    asked = tmp_path / "call.json"
    asked.write_text('{"x": 3}')
    app(mill, argv=["--call", str(asked)])
    assert capsys.readouterr().out == "1.5\n"
    asked.write_text('{"x": null}')
    with pytest.raises(InvalidInputError, match=r"\$\.x"):
        app(mill, argv=["--call", str(asked)])
    found: list[BaseException] = []

    def listed() -> None:
        try:
            app(mill, argv=["--list"])
        except BaseException as error:  # noqa: BLE001
            found.append(error)

    thread = threading.Thread(target=listed)
    thread.start()
    thread.join(30)
    assert found == []
    assert "mill.half(x: int) -> float" in capsys.readouterr().out


def test_the_shelf_is_a_command_of_its_own() -> None:
    main = Path(__file__).parents[2] / "examples" / "shelf" / "main.py"
    done = subprocess.run(
        [sys.executable, str(main), "--list"],
        env=environment() | {"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "shelf.identify(file: File) -> Identified" in done.stdout, done.stderr
