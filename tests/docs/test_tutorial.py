"""The tutorial and the guides are true: each block runs, with real processes, and prints what the page shows."""

from pathlib import Path

import pytest

from tests import index
from tests.docs.pages import blocks, pages, read
from tests.docs.terminal import Terminal, exit_code, fits, played
from tests.languages.node import why_not

OURS = ("docs/tutorial.md", "docs/guide/", "docs/coming-from/")
PAGES = [
    page for page in pages() if page.startswith(OURS) and any(each.language == "sh" for each in blocks(read(page)))
]


@pytest.mark.timeout(240)
@pytest.mark.parametrize("page", PAGES)
def test_each_block_does_what_the_page_shows(page: str, tmp_path: Path) -> None:
    if any(each.language == "js" for each in blocks(read(page))) and (reason := why_not()):
        pytest.skip(reason)
    if "tidemill worker --dir" in read(page) and (reason := index.why_not()):
        pytest.skip(reason)
    with Terminal(tmp_path) as terminal:
        for block, said in played(page, terminal):
            if block.language == "sh":
                assert said.code == exit_code(block), f"{page}:{block.line} ended with {said.code}:\n{said.text}"
            else:
                assert fits(block.text, said.text), f"{page}:{block.line} shows\n{block.text}\nbut it is\n{said.text}"


@pytest.mark.parametrize(
    ("shown", "said", "is_right"),
    [
        ("ready\n", "ready\n", True),
        ("ready\n", "ready!\n", False),
        ("it took 2.5 s\n", "it took 31 ms\n", True),
        ("it took 2.5 s\n", "it took long\n", False),
        ("run 01a1fdf5-c3e7-7000-94b5-82e9bf96627c\n", "run 01a1fdf5-c3e7-7000-94b5-82e9bf966000\n", True),
        ("a … c\n", "a b c\n", True),
        ("a … c\n", "a b\n c\n", False),
        ("first\n…\nlast\n", "first\nlast\n", True),
        ("first\n…\nlast\n", "first\n1\n2\nlast\n", True),
        ("first\n…\nlast\n", "first\n1\n2\n", False),
    ],
)
def test_a_shown_text_is_compared_with_what_was_said(shown: str, said: str, *, is_right: bool) -> None:
    assert fits(shown, said) is is_right
