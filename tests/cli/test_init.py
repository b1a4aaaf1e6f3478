"""`tidemill init` makes folders that run, pass their tests and type-check at once."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.processes import Mill, environment
from tests.house.source import ROOT
from tidemill.cli.init import InitError, Kind, make_project

RUNS: dict[str, tuple[tuple[str, ...], dict[str, object]]] = {
    "worker": (("--text", "the tide comes in"), {"words": 4, "longest": "comes"}),
    "workflow": (("--texts", "high water", "--texts", "low"), {"texts": 2, "words": 3}),
}


def done(folder: Path, *command: str) -> str:
    settings = environment(MYPYPATH=str(ROOT / "src"), MYPY_CACHE_DIR=str(folder / ".mypy_cache"))
    said = subprocess.run(
        [sys.executable, "-m", *command], cwd=folder, env=settings, capture_output=True, text=True, check=False
    )
    assert said.returncode == 0, said.stdout + said.stderr
    return said.stdout


@pytest.mark.feature("D2")
@pytest.mark.parametrize(("kind", "name"), [("worker", "my-tides"), ("workflow", "import")])
def test_what_is_made_runs_and_passes_its_tests(tmp_path: Path, kind: str, name: str) -> None:
    said = Mill(tmp_path).tidemill("init", kind, name)
    assert said.code == 0, said.err
    folder = tmp_path / name
    assert f"cd {name}" in said.out
    given, result = RUNS[kind]
    ran = Mill(folder).tidemill("run", ".", *given, "--json")
    assert ran.code == 0, ran.err
    assert ran.json["value"] == result
    assert "passed" in done(folder, "pytest", "-q", "-p", "no:cacheprovider")


@pytest.mark.slow
@pytest.mark.feature("D2")
@pytest.mark.parametrize("kind", RUNS)
def test_what_is_made_type_checks_and_is_formatted(tmp_path: Path, kind: str) -> None:
    folder = make_project(Kind(kind), "my-tides", tmp_path)
    assert "Success" in done(folder, "mypy")
    assert "0 errors" in done(folder, "pyright", "--pythonpath", sys.executable)
    done(folder, "ruff", "format", "--isolated", "--line-length", "120", "--check", ".")


@pytest.mark.feature("D2")
@pytest.mark.parametrize("kind", RUNS)
def test_nothing_is_overwritten(tmp_path: Path, kind: str) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "main.py").write_text("x = 1\n")
    (tmp_path / "link").symlink_to("nowhere")
    for name in ("mine", "link"):
        said = Mill(tmp_path).tidemill("init", kind, name)
        assert said.code == 2
        assert f"{name} is there already" in said.err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link", "mine"]
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["main.py"]


@pytest.mark.parametrize(
    "name", ["", "1a", "../up", "a b", "a/b", ".hidden", "größe", "a-", "Tests", "tidemill", "x" * 65]
)
def test_a_name_that_cannot_be_used_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(InitError, match="name"):
        make_project(Kind.WORKER, name, tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_place_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    with pytest.raises(InitError, match="cannot make"):
        make_project(Kind.WORKER, "mine", tmp_path / "nowhere")
