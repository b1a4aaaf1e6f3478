"""What is written for users is true: links lead somewhere, and the code of the README runs."""

from pathlib import Path
from typing import Any

import pytest

from tests.docs.pages import ROOT, blocks, links, pages, read
from tidemill import File
from tidemill.testing.local import local

IMAGE_LIMIT = 200 * 1024


@pytest.mark.parametrize("place", pages())
def test_each_link_leads_to_a_file(place: str) -> None:
    folder = (ROOT / place).parent
    assert [target for target in links(read(place)) if not (folder / target).exists()] == []


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
