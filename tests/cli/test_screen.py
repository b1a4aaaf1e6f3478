"""What a run that is watched without a terminal prints."""

import pytest

from tidemill.cli.screen import PlainScreen
from tidemill.wire.api import StepView


def test_a_loop_says_ever_fewer_of_its_rounds_and_nothing_of_what_is_inside(capsys: pytest.CaptureFixture[str]) -> None:
    screen = PlainScreen()
    for rounds in range(1, 1001):
        inside = StepView(f"half[{rounds - 1}]/half", "succeeded", "task")
        screen.show([StepView("half", "waiting", "loop", elements={"rounds": rounds}), inside])
    screen.show([StepView("half", "succeeded", "loop", elements={"rounds": 1000})])
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 9 + 9 + 9 + 1 + 1
    assert not [line for line in lines if "[" in line]
    assert lines[-1].startswith("✓ half")
