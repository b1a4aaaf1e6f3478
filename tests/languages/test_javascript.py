"""The worker in JavaScript: it passes the kit, and takes part in workflows beside a Python worker."""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.cli.processes import Mill, environment
from tests.house.source import ROOT
from tests.languages.node import why_not
from tidemill import Client, RunFailedError, Worker, map_over, stub, workflow

EXAMPLE = ROOT / "examples" / "javascript"
WORDS = """
import { Worker } from "./tidemill.js";
const worker = new Worker("words");
const text = { type: "string" }, anything = {}, integer = { type: "integer" };
worker.task("shout", { text }, async ({ text }) => text.toUpperCase(), { output: text });
worker.task("size", { value: anything }, async ({ value }) => JSON.stringify(value).length, { output: integer });
worker.task("long", { size: integer }, async ({ size }) => "x".repeat(size), { output: text });
worker.task("broken", { text }, async ({ text }) => { throw new TypeError(text); }, { output: text });
process.exit(await worker.run());
"""
PYTHON = """
from tidemill import Worker
python = Worker("python")

@python.task
def split(text: str) -> dict[str, list[str]]:
    return {"words": text.split()}

@python.task
def join(parts: list[str], size: int) -> str:
    return f"{' '.join(parts)} ({size})"
"""

python = Worker("python")


@python.task
def split(text: str) -> dict[str, list[str]]:
    return {"words": text.split()}


@python.task
def join(parts: list[str], size: int) -> str:
    return f"{' '.join(parts)} ({size})"


@stub("words.shout")
def shout(text: str) -> str: ...


@stub("words.size")
def size(value: list[str]) -> int: ...


@stub("words.long")
def long(size: int) -> str: ...


@stub("words.broken")
def broken(text: str) -> str: ...


@workflow
def cheer(text: str) -> str:
    found = split(text)
    shouted = map_over(shout, found["words"])
    return join(shouted, size(shouted))


@pytest.fixture
def mill(tmp_path: Path) -> Mill:
    if reason := why_not():
        pytest.skip(reason)
    for file in EXAMPLE.glob("*.js*"):
        shutil.copy(file, tmp_path)
    (tmp_path / "words.js").write_text(WORDS)
    (tmp_path / "python.py").write_text(PYTHON)
    return Mill(tmp_path)


@pytest.mark.feature("Q5")
def test_the_example_passes_the_conformance_kit(mill: Mill) -> None:
    said = mill.tidemill("conformance", "--json", "--", "node", "worker.js")
    assert [(each["id"], each["reason"]) for each in said.json if each["outcome"] != "passed"] == []
    assert said.code == 0


def test_a_workflow_uses_a_javascript_and_a_python_worker(mill: Mill) -> None:
    with (
        mill.server() as (_, url),
        mill.process("worker", "python.py", "--url", url),
        javascript(mill, url) as words,
        Client(url) as client,
    ):
        many = "to be or not " * 100
        assert client.submit(cheer, many).result(60) == f"{' '.join(many.upper().split())} (2101)"
        assert client.submit(long, 2_000_000).result(60) == "x" * 2_000_000
        assert client.submit(size, ["y" * 100_000]).result(60) == 100_004
        with pytest.raises(RunFailedError, match="no such thing"):
            client.submit(broken, "no such thing").result(60)
        words.terminate()
        assert words.wait(20) == 0


@contextmanager
def javascript(mill: Mill, url: str) -> Iterator[subprocess.Popen[bytes]]:
    with (mill.folder / "words.log").open("wb") as log:
        words = subprocess.Popen(
            ["node", "words.js"], cwd=mill.folder, env=environment(TIDEMILL_URL=url), stdout=log, stderr=log
        )
    try:
        yield words
    finally:
        words.kill()
        words.wait()
