"""The examples in other languages, each a folder with a spec, served by the command line against a real server."""

import importlib.util
import json
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from tests.faults.processes import COMMAND, Mill, Program
from tidemill import Client, File, workflow
from tidemill.sdk.errors import RunCancelledError, RunFailedError

EXAMPLES = Path(__file__).parents[2] / "examples" / "programs"
NEEDS = {"words": ["bash", "awk"], "orders": ["node"], "primes": ["make", "cc"]}


def missing(example: str) -> list[str]:
    return [program for program in NEEDS[example] if shutil.which(program) is None]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The examples, built."""
    folder = tmp_path_factory.mktemp("programs") / "examples"
    shutil.copytree(EXAMPLES, folder)
    if not missing("primes"):
        subprocess.run(["make", "-s", "-B"], cwd=folder / "primes", check=True)
    return folder


@pytest.fixture(scope="module")
def mill(folder: Path) -> Iterator[Mill]:
    mill = Mill(folder.parent, folder / "words")
    others = [
        Program(
            folder.parent / f"{name}.log", "worker", str(folder / name), "--url", mill.url, TIDEMILL_DATA=str(folder)
        )
        for name in ("orders", "primes")
        if not missing(name)
    ]
    try:
        with mill:
            for each in others:
                each.start()
                mill.wait_for("/api/v1/tasks", f'"name":"{Path(each.arguments[1]).name}.')
            yield mill
    finally:
        for each in others:
            each.stop()


@pytest.fixture
def client(mill: Mill, request: pytest.FixtureRequest) -> Iterator[Client]:
    example = request.node.name.removeprefix("test_").partition("_")[0]
    if example in NEEDS and (lacks := missing(example)):
        pytest.skip(f"there is no {', '.join(lacks)} on this machine")
    with Client(mill.url) as client, mill.telling():
        yield client


def stubs_of(target: Path, out: Path) -> ModuleType:
    """What callers import: written by the command line, from the spec alone."""
    subprocess.run([*COMMAND, "stubs", str(target), "--out", str(out)], check=True, capture_output=True)
    spec = importlib.util.spec_from_file_location(out.stem, out)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[out.stem] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


TEXT = "The tide comes in.\nThe tide goes out, and the mill turns.\n"


@pytest.mark.feature("D4")
def test_words_are_counted_by_a_shell_script(client: Client, folder: Path, tmp_path: Path) -> None:
    stubs = stubs_of(folder / "words", tmp_path / "words_stubs.py")
    (tmp_path / "text.txt").write_text(TEXT)
    text = File(tmp_path / "text.txt")
    run = client.submit(stubs.count, text, shortest=4)
    counted = run.result(timeout=30)
    assert (counted.lines, counted.words) == (2, 6)
    client.download(counted.table, tmp_path / "table.txt")
    assert (tmp_path / "table.txt").read_text().split()[:4] == ["2", "tide", "1", "comes"]
    (attempt,) = run.attempts()
    assert attempt.progress is not None
    words = TEXT.lower().replace(".", "").replace(",", "").split()
    assert client.submit(stubs.each, text).result(timeout=30) == words

    (tmp_path / "empty.txt").write_text("1, 2, 3\n")
    with pytest.raises(RunFailedError) as caught:
        client.submit(stubs.count, File(tmp_path / "empty.txt")).result(timeout=30)
    assert (caught.value.code.value, caught.value.message) == ("invalid_input", "the text has no words")
    assert caught.value.violations == (("$.text", "no words"),)


@pytest.mark.feature("B3")
def test_orders_are_summed_in_node_through_stubs_of_the_spec(client: Client, folder: Path, tmp_path: Path) -> None:
    stubs = stubs_of(folder / "orders", tmp_path / "orders_stubs.py")
    orders = [stubs.Order("a", 1.5), stubs.Order("b", 2.0, "USD"), stubs.Order("a", 4.0)]

    @workflow
    def sums(orders: list[stubs.Order], rates: dict[str, float] | None) -> list[stubs.Total]:
        return stubs.totals(orders, rates)

    run = client.submit(sums, orders * 5_000, {"USD": 0.5})
    assert run.result(timeout=30) == [stubs.Total("a", 10_000, 27_500.0), stubs.Total("b", 5_000, 5_000.0)]
    assert [line.text for line in run.logs()] == ["orders.totals: 2 customers"]
    with pytest.raises(RunFailedError) as caught:
        client.submit(stubs.totals, orders).result(timeout=30)
    assert caught.value.violations == (("$.orders[1].currency", "there is no rate for USD"),)


def test_orders_with_a_wrong_input_never_reach_the_program(client: Client) -> None:
    wrong = {"orders": [{"customer": "a", "amount": -1}, {"customer": 3, "amount": 2, "currency": "GBP"}]}
    with pytest.raises(Exception, match="amount") as caught:
        client.submit_named("orders.totals", wrong)
    assert all(place in str(caught.value) for place in ("orders[0].amount", "orders[1].customer", "orders[1].currency"))


@pytest.mark.feature("D4")
def test_primes_are_found_in_c(client: Client) -> None:
    assert client.submit_named("primes.count", {"upto": 1_000_000}).result(timeout=30) == 78_498
    assert client.submit_named("primes.list", {"upto": 30}).result(timeout=30) == [2, 3, 5, 7, 11, 13, 17, 19, 23, 29]
    assert len(client.submit_named("primes.list", {"upto": 20_000}).result(timeout=30)) == 2_262


def test_primes_stop_when_they_are_told_to(client: Client) -> None:
    run = client.submit_named("primes.list", {"upto": 1_000_000})
    end = time.monotonic() + 20
    while run.view().status != "running" and time.monotonic() < end:
        time.sleep(0.005)
    run.cancel()
    with pytest.raises(RunCancelledError):
        run.result(timeout=30)


def test_a_manifest_comes_from_a_spec(folder: Path) -> None:
    told = subprocess.run([*COMMAND, "discover", str(folder / "words")], check=True, capture_output=True)
    (worker,) = json.loads(told.stdout)["workers"]
    assert [task["name"] for task in worker["tasks"]] == ["words.count", "words.each"]
    assert [set(task["outputs"]) for task in worker["tasks"]] == [{"lines", "words", "table"}, {"value"}]


def served(target: Path) -> str:
    """Why the command line will not serve a target."""
    tried = subprocess.run([*COMMAND, "worker", str(target)], capture_output=True, text=True, timeout=30, check=False)
    assert tried.returncode != 0
    return tried.stderr


def test_a_folder_that_cannot_be_served_says_why(tmp_path: Path) -> None:
    assert "has no main.py and no worker.tsp" in served(tmp_path)
    spec = tmp_path / "a.tsp"
    spec.write_text("namespace a; op f(): vod;")
    assert "a.tsp:1:22: there is no type vod; did you mean void?" in served(tmp_path)
    spec.write_text("namespace a; op f(): void;")
    assert "a.tsp:1:17: no program is named" in served(tmp_path)
    for name in ("run.sh", "run.py"):
        (tmp_path / name).write_text("#!/bin/sh\n")
        (tmp_path / name).chmod(0o755)
    assert "has run.py and run.sh; write @command" in served(tmp_path)
    (tmp_path / "b.tsp").write_text("namespace b; op f(): void;")
    assert "has a.tsp, b.tsp; call that of its worker worker.tsp" in served(tmp_path)
