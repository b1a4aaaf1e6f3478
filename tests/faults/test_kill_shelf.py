"""The main job under kill -9, with real processes, real models and real files."""

import importlib.util
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest

from tests.faults.processes import Mill
from tidemill import Client, File

ROOT = Path(__file__).parents[2]
SHELF = ROOT / "examples" / "shelf"
SAMPLES = SHELF / "samples"
MOMENTS = [(who, moment) for moment in range(10) for who in ("worker", "server")]


@pytest.fixture(scope="module")
def mill(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mill]:
    pytest.importorskip("magika", reason="the shelf's models are not installed")
    with Mill(tmp_path_factory.mktemp("mill"), SHELF) as mill:
        yield mill


@pytest.fixture(scope="module")
def client(mill: Mill) -> Iterator[Client]:
    with Client(mill.url) as client:
        yield client


@pytest.fixture(scope="module")
def folder(client: Client) -> list[File]:
    paths = sorted(path for path in SAMPLES.rglob("*") if path.is_file())
    return [client.upload(path) for path in paths]


@pytest.fixture(scope="module")
def index() -> Any:
    """The workflow, as `tidemill worker examples/shelf` imports it."""
    sys.path.insert(0, str(SHELF))
    spec = importlib.util.spec_from_file_location("shelf_main", SHELF / "main.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["shelf_main"] = module
    spec.loader.exec_module(module)
    return module.index


@pytest.fixture(scope="module")
def undisturbed(client: Client, index: Any, folder: list[File]) -> tuple[str, str, float]:
    """Digests of the page and the index of a run that nobody kills, and how many seconds it takes."""
    client.submit(index, folder, "Samples").result()
    begun = time.monotonic()
    shelf = client.submit(index, folder, "Samples").result()
    return shelf.page.digest, shelf.index.digest, time.monotonic() - begun


def result_of(run: Any) -> Any:
    try:
        return run.result(timeout=60)
    except TimeoutError as error:
        open_steps = [(step.path, step.status) for step in run.steps() if step.status != "succeeded"]
        error.add_note(f"{run.view()}\n{open_steps}")
        raise


@pytest.mark.xdist_group("kill")
@pytest.mark.timeout(120)
@pytest.mark.feature("F1")
@pytest.mark.parametrize(("who", "moment"), MOMENTS)
def test_a_kill_at_any_moment_loses_nothing_and_runs_nothing_again(
    mill: Mill,
    client: Client,
    index: Any,
    folder: list[File],
    undisturbed: tuple[str, str, float],
    who: str,
    moment: int,
) -> None:
    page, document, seconds = undisturbed
    run = client.submit(index, folder, "Samples")
    time.sleep(Random(f"{who}/{moment}").random() * seconds)  # the moment is the point: no event stands for it
    program = mill.worker if who == "worker" else mill.server
    program.kill()
    program.start()
    with mill.telling():
        shelf = result_of(run)
    assert (shelf.page.digest, shelf.index.digest) == (page, document)
    steps = {step.path: step.status for step in run.steps()}
    assert set(steps.values()) <= {"succeeded", "failed"}
    for path in steps:
        ends = [attempt.status for attempt in run.attempts(path)]
        assert ends.count("succeeded") <= 1
        assert "succeeded" not in ends[:-1], f"{path} ran again after its result was recorded: {ends}"
