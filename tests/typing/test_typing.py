"""Both type checkers, in strict mode, accept right uses and refuse wrong ones, with no plug-in."""

import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

import tidemill

HERE = Path(__file__).parent
FILES = ("stubs.py", "good.py", "bad.py")

Line = tuple[str, int]

needs_mypy = pytest.mark.skipif(find_spec("mypy") is None, reason="mypy is not installed")
needs_pyright = pytest.mark.skipif(find_spec("pyright") is None, reason="pyright is not installed")


def marked() -> set[Line]:
    return {
        (name, number)
        for name in FILES
        for number, text in enumerate((HERE / name).read_text("utf-8").splitlines(), start=1)
        if text.endswith("# E")
    }


def output_of(*command: str) -> str:
    done = subprocess.run([sys.executable, "-m", *command], cwd=HERE, capture_output=True, text=True, check=False)
    assert done.returncode in {0, 1}, done.stdout + done.stderr
    return done.stdout


def by_mypy(cache: Path) -> set[Line]:
    text = output_of("mypy", "--config-file", "mypy.ini", "--output", "json", "--cache-dir", str(cache), *FILES)
    found = [json.loads(line) for line in text.splitlines()]
    return {(Path(each["file"]).name, each["line"]) for each in found if each["severity"] == "error"}


def by_pyright() -> set[Line]:
    text = output_of("pyright", "--project", "pyrightconfig.json", "--pythonpath", sys.executable, "--outputjson")
    found = json.loads(text)["generalDiagnostics"]
    return {
        (Path(each["file"]).name, each["range"]["start"]["line"] + 1) for each in found if each["severity"] == "error"
    }


def difference(reported: set[Line]) -> list[str]:
    missed = [f"{name}:{line} should be refused" for name, line in sorted(marked() - reported)]
    return missed + [f"{name}:{line} should be accepted" for name, line in sorted(reported - marked())]


def test_the_right_uses_run() -> None:
    source = str(Path(tidemill.__file__).parent.parent)
    compile_all = (
        f"import sys; sys.path.append({source!r}); import good; print([w.compiled.digest for w in good.WORKFLOWS])"
    )
    done = subprocess.run([sys.executable, "-c", compile_all], cwd=HERE, capture_output=True, text=True, check=False)
    assert done.stdout.count("sha256:") == 11, done.stderr


@pytest.mark.feature("E1")
@needs_mypy
def test_mypy_refuses_the_marked_lines_and_no_others(tmp_path: Path) -> None:
    assert difference(by_mypy(tmp_path)) == []


@pytest.mark.feature("E1")
@needs_pyright
def test_pyright_refuses_the_marked_lines_and_no_others() -> None:
    assert difference(by_pyright()) == []
