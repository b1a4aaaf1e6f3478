"""A folder as the value of a list of files."""

import os
from pathlib import Path

import pytest

from tidemill.cli.folders import files_of


def test_a_name_that_is_no_utf8_does_not_stop_the_folder(tmp_path: Path) -> None:
    try:
        (tmp_path / os.fsdecode(b"old-\xe9t\xe9.txt")).write_text("summer")
    except OSError:
        pytest.skip("this file system takes UTF-8 only")
    (tmp_path / "new-\u00e9t\u00e9.txt").write_text("summer, too")
    found = {file.name: file.read_text() for file in files_of(tmp_path)}
    assert found == {r"old-\xe9t\xe9.txt": "summer", "new-\u00e9t\u00e9.txt": "summer, too"}
