"""The example of a nightly schedule runs as its page says."""

import subprocess
import sys

from tests.house.source import ROOT


def test_the_example_makes_up_for_three_nights() -> None:
    command = [sys.executable, str(ROOT / "examples" / "nightly" / "main.py")]
    said = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout.splitlines()
    assert said[0].startswith("nightly-report is due next at ")
    assert len(said) == 4
    assert all(line.endswith(" orders") for line in said[1:])
