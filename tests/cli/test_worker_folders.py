"""`tidemill worker --dir`: real workers in environments that a real uv makes."""

import json
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.processes import WITHIN_S, Mill, children_of, environment, until
from tests.house.source import ROOT
from tests.index import why_not
from tidemill import Client
from tidemill.adapters.environments.uv import find_uv

PROJECT = '[project]\nname = "{name}"\nversion = "1"\ndependencies = ["tidemill", "iniconfig"]\n'
MAIN = """
import sys, time
from importlib.util import find_spec
from pathlib import Path
{imports}
from tidemill import Worker, app

{name} = Worker("{name}")

@{name}.task
def where() -> list[str]:
    return [sys.prefix, str(find_spec("iniconfig") is not None), str(find_spec("pytest") is not None)]

@{name}.task
def slow(seconds: float) -> str:
    time.sleep(seconds)
    Path("slow.txt").write_text("whole")
    return "whole"

if __name__ == "__main__":
    app({name})
"""


@pytest.fixture(scope="module")
def envs(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Where the environments of this module's tests are."""
    if reason := why_not():
        pytest.skip(reason)
    return str(tmp_path_factory.mktemp("envs"))


@pytest.fixture
def farm(tmp_path: Path) -> Iterator[Mill]:
    """A folder with `workers/`: wheat has dependencies of its own, rye has none."""
    add(tmp_path, "wheat", "import iniconfig", PROJECT.format(name="wheat"))
    add(tmp_path, "rye", "", "")
    (tmp_path / "workers" / "notes").mkdir()
    yield Mill(tmp_path)
    shutil.rmtree(tmp_path / ".tidemill", ignore_errors=True)


def add(top: Path, name: str, imports: str, project: str) -> Path:
    folder = top / "workers" / name
    folder.mkdir(parents=True)
    (folder / "main.py").write_text(MAIN.format(name=name, imports=imports))
    if project:
        (folder / "pyproject.toml").write_text(project)
    return folder


def listed(farm: Mill, envs: str) -> dict[str, str]:
    said = farm.tidemill("worker", "--dir", "workers", "--envs", "--json", TIDEMILL_ENVS=envs)
    return {row["folder"] or row["digest"]: row["state"] for row in said.json["environments"]}


@pytest.mark.xdist_group("envs")
@pytest.mark.feature("D3")
def test_a_folder_of_workers_runs_each_in_its_environment_and_restarts_what_dies(farm: Mill, envs: str) -> None:
    with farm.server() as (_, url), Client(url) as client:
        with farm.process("worker", "--dir", "workers", "--url", url, TIDEMILL_ENVS=envs) as process:
            process.wait_for(r"wheat \| .* registered")
            process.wait_for(r"rye +\| .* registered")
            prefix, own, ours = client.submit_named("wheat.where", {}).result(WITHIN_S)
            assert Path(prefix).parent == Path(envs)
            assert (own, ours) == ("True", "False")  # its own packages, and none of those that are beside Tidemill
            assert client.submit_named("rye.where", {}).result(WITHIN_S)[0] != prefix
            victim = until(lambda: serving(process.popen.pid, "workers/wheat"), lambda: "the worker of wheat")
            os.kill(victim, signal.SIGKILL)
            process.wait_for(r"wheat \| worker wheat ended \(killed by signal 9\); again in 0.1 s")
            assert client.submit_named("wheat.where", {}).result(WITHIN_S)[0] == prefix
            run = client.submit_named("wheat.slow", {"seconds": 0.5})
            until(lambda: any(step.status == "running" for step in run.steps()), lambda: "a running step")
            process.send(signal.SIGTERM)
            assert process.ended() == 0
            assert run.result(WITHIN_S) == "whole"
        assert {line.partition("|")[0].strip() for line in process.said.splitlines() if "|" in line} == {"wheat", "rye"}


def serving(parent: int, folder: str) -> int | None:
    found = [pid for pid in children_of(parent) if folder.encode() in Path(f"/proc/{pid}/cmdline").read_bytes()]
    return found[0] if found else None


@pytest.mark.xdist_group("envs")
@pytest.mark.feature("D1")
def test_a_worker_is_a_program_of_its_own(farm: Mill, envs: str) -> None:
    """By its own `app()` and by `tidemill worker FOLDER`, with the packages that it declares and no others."""
    assert farm.tidemill("worker", "--dir", "workers", "--build", TIDEMILL_ENVS=envs).code == 0
    said = farm.tidemill("worker", "--dir", "workers", "--envs", "--json", TIDEMILL_ENVS=envs).json["environments"]
    (digest,) = (row["digest"] for row in said if row["folder"] == "wheat")
    own = Path(envs) / digest / "bin"
    wheat = farm.folder / "workers" / "wheat"
    for command in (["python", "main.py"], ["tidemill", "worker", str(wheat)]):
        with farm.server() as (_, url), Client(url) as client:
            bare = {name: value for name, value in environment().items() if name != "PYTHONPATH"}
            worker = subprocess.Popen([own / command[0], *command[1:], "--url", url], cwd=wheat, env=bare)
            try:
                until(lambda: any(task.live for task in client.tasks()), lambda: "a worker that is there")
                assert client.submit_named("wheat.where", {}).result(WITHIN_S)[0] == str(own.parent)
            finally:
                worker.terminate()
                assert worker.wait(WITHIN_S) == 0


@pytest.mark.xdist_group("envs")
def test_an_environment_is_built_once_and_old_ones_are_taken_away(farm: Mill, envs: str) -> None:
    wheat = farm.folder / "workers" / "wheat" / "pyproject.toml"
    wheat.write_text(PROJECT.format(name="wheat").replace('"iniconfig"', '"iniconfig>=2"'))
    assert listed(farm, envs)["wheat"] == "not built"
    first = farm.tidemill("worker", "--dir", "workers", "--build", TIDEMILL_ENVS=envs)
    assert (first.code, "its environment is built" in first.out) == (0, True), first
    again = farm.tidemill("worker", "--dir", "workers", "--build", TIDEMILL_ENVS=envs)
    assert (again.code, "building" in again.out) == (0, False)
    digest = re.search(r"[0-9a-f]{32}", again.out)
    assert digest is not None
    with farm.process("worker", "--dir", "workers", TIDEMILL_ENVS=envs) as process:
        process.wait_for(r"wheat \| .*worker wheat@")
        wheat.write_text(PROJECT.format(name="wheat").replace('"iniconfig"', '"iniconfig>1"'))
        assert listed(farm, envs)[digest[0]].startswith("old, of ")
        assert (
            f"in use, kept: {digest[0]}"
            in farm.tidemill("worker", "--dir", "workers", "--prune", TIDEMILL_ENVS=envs).out
        )
        process.send(signal.SIGINT)
        process.send(signal.SIGTERM)  # a second signal ends what would drain
        assert process.ended() in {0, 130}
    assert f"took away {digest[0]}" in farm.tidemill("worker", "--dir", "workers", "--prune", TIDEMILL_ENVS=envs).out
    assert not (Path(envs) / digest[0]).exists()


@pytest.mark.xdist_group("envs")
def test_one_that_cannot_be_built_is_told_and_stops_no_other(farm: Mill, envs: str) -> None:
    add(farm.folder, "weeds", "", '[project]\nname="weeds"\nversion="1"\ndependencies=["tidemill-no-such-package-x"]\n')
    add(farm.folder, "stones", "", '[project]\nname="stones"\n[tool')
    built = farm.tidemill("worker", "--dir", "workers", "--build", TIDEMILL_ENVS=envs)
    assert built.code == 1
    assert re.search(r"weeds +\| +.*tidemill-no-such-package-x was not found", built.out)
    assert re.search(r"stones +\| .*pyproject.toml cannot be read", built.out)
    assert not [path for path in Path(envs).glob("*") if path.suffix == "" and not (path / "bin" / "python").exists()]
    with farm.server() as (_, url), Client(url) as client:
        with farm.process("worker", "--dir", "workers", "--url", url, TIDEMILL_ENVS=envs) as process:
            process.wait_for(r"wheat +\| .* registered")
            assert client.submit_named("wheat.where", {}).result(WITHIN_S)[1] == "True"
            process.wait_for(r"weeds +\| uv pip install ended with exit code 1")
            process.send(signal.SIGTERM)
            assert process.ended() == 1
        assert "failed for good: stones, weeds" in process.said


@pytest.mark.xdist_group("envs")
def test_two_commands_build_one_environment(farm: Mill, envs: str) -> None:
    wheat = farm.folder / "workers" / "wheat" / "pyproject.toml"
    wheat.write_text(PROJECT.format(name="wheat").replace('"iniconfig"', '"iniconfig>=0.1"'))
    with (
        farm.process("worker", "--dir", "workers", "--build", TIDEMILL_ENVS=envs) as one,
        farm.process("worker", "--dir", "workers", "--build", TIDEMILL_ENVS=envs) as two,
    ):
        assert (one.ended(), two.ended()) == (0, 0)
        assert (one.said + two.said).count("its environment is built") == 1


@pytest.mark.xdist_group("envs")
def test_a_build_that_was_killed_is_never_used(farm: Mill, envs: str) -> None:
    wheat = farm.folder / "workers" / "wheat" / "pyproject.toml"
    wheat.write_text(PROJECT.format(name="wheat").replace('"iniconfig"', '"iniconfig>=0.2"'))
    with farm.process("worker", "--dir", "workers", "--build", TIDEMILL_ENVS=envs) as process:
        process.wait_for("Using Python")
        process.popen.kill()
        process.popen.wait()
    assert listed(farm, envs)["wheat"] == "not built"
    again = farm.tidemill("worker", "--dir", "workers", "--build", TIDEMILL_ENVS=envs)
    assert (again.code, "its environment is built" in again.out) == (0, True), again


@pytest.mark.xdist_group("envs")
def test_a_lock_is_held_to(farm: Mill, envs: str) -> None:
    """Of uv.lock and of requirements.txt with hashes exactly what they say comes in; Tidemill may change none of it."""
    oats, barley = (add(farm.folder, name, "", PROJECT.format(name=name)) for name in ("oats", "barley"))
    project = PROJECT.format(name="oats").replace("iniconfig", "iniconfig==2.0.0")
    (oats / "pyproject.toml").write_text(f'{project}[tool.uv.sources]\ntidemill = {{ path = "{ROOT}" }}\n')
    subprocess.run([find_uv(), "lock", "--quiet"], cwd=oats, check=True, timeout=60)
    (barley / "requirements.txt").write_text("iniconfig==2.0.0 --hash=sha256:" + "0" * 64 + "\n")
    built = farm.tidemill("worker", "--dir", "workers", "--build", TIDEMILL_ENVS=envs)
    assert built.code == 1
    assert re.search(r"barley +\| .*[Hh]ash mismatch", built.out)
    digests = {row["folder"]: row for row in json.loads(said(farm, envs))["environments"]}
    assert digests["oats"]["state"] == "uv.lock"
    (site,) = (Path(envs) / digests["oats"]["digest"] / "lib").glob("python*/site-packages")
    assert (site / "iniconfig-2.0.0.dist-info").is_dir()


FLOW = """
from stubs import where
from tidemill import Worker, workflow

mill = Worker("mill")

@mill.task
def last(places: list[str]) -> str:
    return places[0]

@workflow
def go() -> str:
    return last(where())
"""


@pytest.mark.xdist_group("envs")
def test_run_starts_the_workers_of_a_folder_too(farm: Mill, envs: str) -> None:
    """The workflow calls by stubs what it cannot import; what cannot be built is told before anything runs."""
    shutil.rmtree(farm.folder / "workers" / "rye")
    (farm.folder / "flow.py").write_text(FLOW)
    built = farm.tidemill("worker", "--dir", "workers", "--build", TIDEMILL_ENVS=envs)
    own = Path(built.out.split()[-1])
    main = farm.folder / "workers" / "wheat" / "main.py"
    subprocess.run([own / "bin" / "python", main, "--stubs-path", "stubs.py"], cwd=farm.folder, check=True, timeout=60)
    done = farm.tidemill("run", "flow.py", "--dir", "workers", "--json", TIDEMILL_ENVS=envs)
    assert (done.code, Path(done.json["value"])) == (0, own), done
    main.write_text("import no_such_module")
    refused = farm.tidemill("run", "flow.py", "--dir", "workers", "--new", TIDEMILL_ENVS=envs)
    assert (refused.code, "No module named 'no_such_module'" in refused.err) == (2, True), refused


def said(farm: Mill, envs: str) -> str:
    return farm.tidemill("worker", "--dir", "workers", "--envs", "--json", TIDEMILL_ENVS=envs).out


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--dir", "nowhere"], "there is no folder nowhere"),
        (["--dir", "workers/notes"], "no folder in workers/notes has a main.py or a worker.tsp"),
        (["--dir", "workers/rye"], "workers/rye is a worker itself: tidemill worker workers/rye"),
        (["--build"], "--build needs --dir DIR"),
        (["--dir", "workers", "workers/rye"], "leave out TARGET"),
        (["--dir", "workers", "--id", "me"], "leave out --id and TIDEMILL_WORKER_ID"),
    ],
)
def test_what_makes_no_sense_is_refused(farm: Mill, arguments: list[str], reason: str) -> None:
    done = farm.tidemill("worker", *arguments)
    assert (done.code, reason in done.err) == (2, True), done.err


@pytest.mark.slow
def test_a_worker_that_always_dies_fails_for_good(farm: Mill) -> None:
    shutil.rmtree(farm.folder / "workers" / "wheat")
    (farm.folder / "workers" / "rye" / "main.py").write_text("raise RuntimeError('no soil')")
    began = time.monotonic()
    done = farm.tidemill("worker", "--dir", "workers")
    assert done.code == 1, time.monotonic() - began
    assert "rye | worker rye ended (exit code 2) 8 times in a row: it is not started any more" in done.out
    assert "RuntimeError: no soil" in done.out
