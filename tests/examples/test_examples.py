"""Each example does what its page says, with one command."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.processes import Mill, until
from tests.house.source import ROOT
from tidemill.assembly.address import read_address

EXAMPLES = ROOT / "examples"


@pytest.fixture
def mill(tmp_path: Path) -> Mill:
    return Mill(tmp_path)


def test_each_example_has_a_page_that_gives_its_command() -> None:
    pages = [folder for main in EXAMPLES.glob("*/main.py") if (folder := main.parent).name != "shelf"]
    assert pages
    for folder in pages:
        assert f"./dev example {folder.name}" in (folder / "README.md").read_text("utf-8")


def test_dev_says_which_examples_there_are() -> None:
    said = subprocess.run([ROOT / "dev", "example", "nope"], capture_output=True, text=True, check=False)
    assert said.returncode == 1
    assert "there is no example nope; there is " in said.stderr
    assert "repair" in said.stderr


def test_a_formula_is_found_by_what_was_wrong_with_the_ones_before(mill: Mill) -> None:
    said = mill.tidemill("run", str(EXAMPLES / "repair"), "--pairs", "[[1, 3], [2, 8], [5, 35]]")
    assert said.code == 0, said.err
    (formula,) = re.findall(r"^\(.*\)$", said.out, re.MULTILINE)
    assert [eval(formula, {"x": x}) for x in (1, 2, 5, 7)] == [3, 8, 35, 63]  # what the example made
    assert "write#2" in said.err + said.out


def test_primes_are_counted_in_parts(mill: Mill) -> None:
    said = mill.tidemill("run", str(EXAMPLES / "scatter"), "--parts", "300")
    assert said.code == 0, said.err
    assert said.out.splitlines()[-1].strip() == "3245" or "3245" in said.out


@pytest.mark.slow
def test_primes_are_counted_in_ten_thousand_parts(mill: Mill) -> None:
    said = mill.tidemill("run", str(EXAMPLES / "scatter"))
    assert "78498" in said.out


def test_a_text_is_published_when_somebody_agrees() -> None:
    command = [sys.executable, str(EXAMPLES / "approval" / "main.py")]
    said = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert said.returncode == 0, said.stderr
    assert said.stdout.count("Publish this?") == 2
    assert said.stdout.endswith("published by Ann: There is much to say about tides. Say when high water comes.\n")


def test_a_run_of_the_example_asks_and_is_answered_from_another_terminal(mill: Mill) -> None:
    with mill.process("run", str(EXAMPLES / "approval"), "--topic", "tides") as running:
        url = until(lambda: read_address(mill.folder / ".tidemill"), lambda: f"a server: {running.said}").url
        (found,) = until(lambda: mill.tidemill("approvals", "--url", url, "--json").json["waits"], lambda: "a question")
        running.wait_for("asks: Publish this\\? publish or write again\\?")
        answered = mill.tidemill("approve", found["run"], "--choice", "publish", "--who", "Ann", "--url", url)
        assert answered.code == 0, answered.err
        running.wait_for("published by Ann")


def booked(mill: Mill) -> list[str]:
    lines = (mill.folder / "Ada.ledger.jsonl").read_text().splitlines()
    return [json.loads(line)["what"] for line in lines]


def test_a_journey_that_cannot_be_paid_is_taken_back(mill: Mill) -> None:
    failed = mill.tidemill("run", str(EXAMPLES / "saga"), "--budget", "100")
    assert failed.code == 1
    assert "a seat and a room cost 300, and there are 100" in failed.err + failed.out
    found = booked(mill)
    assert set(found[:2]) == {"seat booked", "room booked"}
    assert set(found[2:4]) == {"seat cancelled", "room cancelled"}
    assert found[4:] == ["account closed"]
    done = mill.tidemill("run", str(EXAMPLES / "saga"))
    assert done.code == 0
    assert booked(mill)[-2:] == ["paid", "account closed"]
