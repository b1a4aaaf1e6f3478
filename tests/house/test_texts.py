"""What no file of the repository says."""

import re

import pytest

from tests.house.source import ROOT, our_files

# In pieces, so that this file does not say it either.
HOSTS = [
    "pypi" + ".org",
    "files.python" + "hosted.org",
    "registry.npm" + "js.org",
    "deb.debian" + ".org",
    "cra" + "tes.io",
]
NEVER = {
    "a registry's address": "|".join(map(re.escape, HOSTS)),
    "a path of somebody's machine": r"(?<![\w.$}~/-])/(?:home|Users|root|work)/[\w.]|/tmp/[a-z]{2}/bin",
    "a folder outside the repository": r"\.\./shar" + "ed",
    "an address of a mirror": r"file:/" + "//",
}


def texts() -> list[tuple[str, str]]:
    found = []
    for place in our_files():
        content = (ROOT / place).read_bytes()
        if b"\0" not in content:
            found.append((place, content.decode("utf-8", "replace")))
    return found


def lines_with(pattern: str, text: str) -> list[int]:
    return [number for number, line in enumerate(text.splitlines(), 1) if re.search(pattern, line)]


@pytest.mark.parametrize("what", NEVER)
def test_no_file_holds(what: str) -> None:
    found = [f"{place}:{line}" for place, text in texts() for line in lines_with(NEVER[what], text)]
    assert found == []


def test_a_forbidden_text_is_noticed() -> None:
    assert lines_with(NEVER["a path of somebody's machine"], "see\n/home" + "/me/x") == [2]
    assert lines_with(NEVER["a path of somebody's machine"], "$HOME/work/x, ~/work/y, a/work/z, /workers/x") == []
