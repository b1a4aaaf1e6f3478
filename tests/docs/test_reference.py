"""The page on the command line names each command and exit code."""

import re

from tests.docs.pages import read
from tidemill.cli.main import COMMANDS, Exit

PAGE = read("docs/cli.md")


def test_each_command_is_described() -> None:
    assert [name for name in COMMANDS if not re.search(rf"^\| `tidemill {name}\b", PAGE, re.MULTILINE)] == []


def test_each_exit_code_is_described_and_no_other() -> None:
    assert [int(code) for code in re.findall(r"^\| (\d+) \|", PAGE, re.MULTILINE)] == [code.value for code in Exit]
