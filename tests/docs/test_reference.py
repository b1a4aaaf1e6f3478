"""The page on the command line names each command, setting and exit code."""

import re
from dataclasses import fields

from tests.docs.pages import read
from tidemill.assembly.settings import PREFIX, Settings
from tidemill.cli.main import COMMANDS, Exit

PAGE = read("docs/cli.md")


def test_each_command_is_described() -> None:
    assert [name for name in COMMANDS if not re.search(rf"^\| `tidemill {name}\b", PAGE, re.MULTILINE)] == []


def test_each_setting_is_described_and_no_other() -> None:
    assert set(re.findall(rf"`({PREFIX}\w+)`", PAGE)) == {f"{PREFIX}{each.name.upper()}" for each in fields(Settings)}


def test_each_exit_code_is_described_and_no_other() -> None:
    assert [int(code) for code in re.findall(r"^\| (\d+) \|", PAGE, re.MULTILINE)] == [code.value for code in Exit]
