"""The pages that list something have all of it: commands, exit codes, options of a task."""

import re

from tests.docs.pages import read
from tidemill.cli.main import COMMANDS, Exit
from tidemill.sdk.declaring import LocalOptions

PAGE = read("docs/cli.md")


def test_each_command_is_described() -> None:
    assert [name for name in COMMANDS if not re.search(rf"^\| `tidemill {name}\b", PAGE, re.MULTILINE)] == []


def test_each_exit_code_is_described_and_no_other() -> None:
    assert [int(code) for code in re.findall(r"^\| (\d+) \|", PAGE, re.MULTILINE)] == [code.value for code in Exit]


def test_the_page_on_tasks_has_each_option() -> None:
    table = read("docs/guide/tasks.md").partition("## Options")[2].partition("\n## ")[0]
    options = LocalOptions.__required_keys__ | LocalOptions.__optional_keys__
    assert sorted(name for name in options if f"`{name}" not in table) == []
