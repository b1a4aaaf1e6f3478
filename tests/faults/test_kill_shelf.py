"""The main job under kill -9, with real processes, real models and real files."""

import importlib.util
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import pytest

from tests.faults.processes import Mill
from tidemill import Client, File

ROOT = Path(__file__).parents[2]
SHELF = ROOT / "examples" / "shelf"
SAMPLES = SHELF / "samples"
OFTEN = 3  # moments at each push; the others in the night, with a hundred more
MOMENTS = [
    pytest.param(who, moment, marks=() if moment < OFTEN else pytest.mark.slow)
    for moment in range(10)
    for who in ("worker", "server")
]


@dataclass(frozen=True)
class Scene:
    """A mill with the samples uploaded, and what a run gives that nobody kills."""

    mill: Mill
    client: Client
    index: Any
    folder: list[File]
    page: str  # digests
    document: str
    seconds: float

    def submit(self) -> Any:
        return self.client.submit(self.index, self.folder, "Samples")


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    pytest.importorskip("magika", reason="the shelf's models are not installed")
    index = workflow_of_the_shelf()
    with Mill(tmp_path_factory.mktemp("mill"), SHELF) as mill, Client(mill.url) as client:
        paths = sorted(path for path in SAMPLES.rglob("*") if path.is_file())
        folder = [client.upload(path) for path in paths]
        client.submit(index, folder, "Samples").result()  # loads the models
        begun = time.monotonic()
        shelf = client.submit(index, folder, "Samples").result()
        yield Scene(mill, client, index, folder, shelf.page.digest, shelf.index.digest, time.monotonic() - begun)


def workflow_of_the_shelf() -> Any:
    """As `tidemill worker examples/shelf` imports it."""
    sys.path.insert(0, str(SHELF))
    spec = importlib.util.spec_from_file_location("shelf_main", SHELF / "main.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["shelf_main"] = module
    spec.loader.exec_module(module)
    return module.index


def result_of(run: Any) -> Any:
    try:
        return run.result(timeout=60)
    except TimeoutError as error:
        open_steps = [(step.path, step.status) for step in run.steps() if step.status != "succeeded"]
        error.add_note(f"{run.view()}\n{open_steps}")
        raise


def check(scene: Scene, who: str, seed: str) -> None:
    run = scene.submit()
    time.sleep(Random(seed).random() * scene.seconds)  # the moment is the point: no event stands for it
    program = scene.mill.worker if who == "worker" else scene.mill.server
    program.kill()
    program.start()
    with scene.mill.telling():
        shelf = result_of(run)
    assert (shelf.page.digest, shelf.index.digest) == (scene.page, scene.document)
    steps = {step.path: step.status for step in run.steps()}
    assert set(steps.values()) <= {"succeeded", "failed"}
    for path in steps:
        ends = [attempt.status for attempt in run.attempts(path)]
        assert ends.count("succeeded") <= 1
        assert "succeeded" not in ends[:-1], f"{path} ran again after its result was recorded: {ends}"


@pytest.mark.xdist_group("kill")
@pytest.mark.timeout(120)
@pytest.mark.feature("F1")
@pytest.mark.parametrize(("who", "moment"), MOMENTS)
def test_a_kill_at_any_moment_loses_nothing_and_runs_nothing_again(scene: Scene, who: str, moment: int) -> None:
    check(scene, who, f"{who}/{moment}")


@pytest.mark.slow
@pytest.mark.xdist_group("kill")
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("who", ["worker", "server"])
def test_a_hundred_more_kills_change_nothing(scene: Scene, who: str) -> None:
    for moment in range(100):
        check(scene, who, f"more/{who}/{moment}")
