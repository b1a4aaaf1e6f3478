"""What is written for users is true: links lead somewhere, the code of the README runs, what is missing is missing."""

import re
from pathlib import Path
from typing import Any

import pytest

from tests.docs.pages import ROOT, blocks, links, pages, parts, read
from tests.features import LEDGER, TESTS, done_ids, read_ledger, read_marks
from tidemill import File
from tidemill.testing.local import local

IMAGE_LIMIT = 200 * 1024


@pytest.mark.parametrize("place", pages())
def test_each_link_leads_to_a_file_and_to_a_part_of_it(place: str) -> None:
    page = ROOT / place
    for target, part in links(read(place)):
        file = page.parent / target if target else page
        assert file.exists(), f"there is no {target}"
        assert not part or part in parts(file.read_text("utf-8")), f"{target or place} has no part {part}"


def test_images_are_small() -> None:
    assert [path.name for path in (ROOT / "docs").rglob("*.png") if path.stat().st_size > IMAGE_LIMIT] == []


def test_the_readme_begins_with_the_two_commands() -> None:
    commands = [block.text for block in blocks(read("README.md")) if block.language == "sh"]
    assert commands[:2] == ["./dev shelf\n", "./dev test\n"]


def test_the_example_of_the_readme_runs(tmp_path: Path) -> None:
    (source,) = [block.text for block in blocks(read("README.md")) if block.language == "python"]
    example: dict[str, Any] = {"__name__": "readme"}
    exec(compile(source, "README.md", "exec", dont_inherit=True), example)
    (tmp_path / "tide.txt").write_text("high water " * 600)
    (tmp_path / "noise.bin").write_bytes(b"\xff\xfe\xff")
    files = [File(tmp_path / "tide.txt"), File(tmp_path / "noise.bin")]
    with local(example["texts"]) as client:
        assert client.submit(example["survey"], files).result(30) == "1,200 words: a book"
        assert client.submit(example["survey"], files[1:]).result(30) == "a leaflet"


def test_each_promise_of_the_readme_names_tests_that_exist_or_says_not_yet() -> None:
    rows = re.findall(r"^\| P(\d+) \| .+ \| (.+) \|$", read("README.md"), re.MULTILINE)
    assert [int(number) for number, _ in rows] == list(range(1, 14))
    for number, proof in rows:
        named = re.findall(r"\[(test_\w+)\]\(([^)]+)\)", proof)
        assert named or proof.startswith("not yet"), f"P{number}"
        for test, place in named:
            assert f"def {test}(" in read(place), f"P{number}: {place} has no {test}"


@pytest.mark.parametrize("place", [page for page in pages() if page.startswith("docs/coming-from/")])
def test_what_is_not_here_yet_is_open_in_the_ledger(place: str) -> None:
    missing = read(place).partition("## What is not here yet")[2].partition("\n## ")[0]
    named = {
        f"{letter}{number}"
        for letter, first, last in re.findall(r"\b([A-Z])(\d+)(?: to \1(\d+))?", missing)
        for number in range(int(first), int(last or first) + 1)
    }
    rows = read_ledger(LEDGER.read_text("utf-8"))
    assert named
    assert named <= {row.id for row in rows}
    assert sorted(named & done_ids(rows, read_marks(TESTS))) == []
