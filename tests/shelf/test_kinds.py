from pathlib import Path

import pytest
import shelf_kinds

from tests.shelf.plain_run import SAMPLES


@pytest.mark.parametrize(
    ("sample", "label", "group"),
    [
        ("harbour/harbour-at-dusk.jpg", "jpeg", "image"),
        ("mill/tide-mill.png", "png", "image"),
        ("mill/turning-wheel.gif", "gif", "image"),
        ("harbour/lighthouse-at-night.webp", "webp", "image"),
        ("mill/tide-mills.md", "markdown", "text"),
        ("workshop/backoff.py", "python", "text"),
        ("mill/millstones.html", "html", "text"),
        ("mill/care-of-the-wheel.docx", "docx", "text"),
        ("tides/tide-table.csv", "csv", "text"),
        ("workshop/empty-page.txt", "empty", "other"),
        ("tides/gauge-dump.bin", "unknown", "other"),
    ],
)
def test_a_file_is_told_by_its_content(sample: str, label: str, group: str, tmp_path: Path) -> None:
    disguised = tmp_path / "name.that-says-nothing"
    disguised.write_bytes((SAMPLES / sample).read_bytes())
    kind = shelf_kinds.identify(disguised)
    assert (kind.label, kind.group) == (label, group)


@pytest.mark.parametrize("content", [b"a", b"hello world this is a text\n", b"ok\n", "höre\n".encode()])
def test_a_short_text_is_plain_text(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "short"
    path.write_bytes(content)
    assert (shelf_kinds.identify(path).label, shelf_kinds.identify(path).group) == ("txt", "text")


@pytest.mark.parametrize(
    "content", [b"\0", b"\0" * 5000, b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"%PDF-1.7\n%\xe2\xe3"]
)
def test_no_content_is_too_strange_to_be_named(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "strange"
    path.write_bytes(content)
    assert shelf_kinds.identify(path).group in {"image", "text", "other"}


@pytest.mark.parametrize("name", ["ünï códe 文件.md", "line\nbreak", "quo\"te's <b>", "-rf", "a" * 200])
def test_a_strange_name_does_not_matter(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes((SAMPLES / "mill/tide-mills.md").read_bytes())
    assert shelf_kinds.identify(path).label == "markdown"
