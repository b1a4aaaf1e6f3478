"""Each example does what its page says, with one command."""

import re
import subprocess
from pathlib import Path

import pytest

from tests.cli.processes import Mill
from tests.house.source import ROOT

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
