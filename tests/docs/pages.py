"""Pages of the documentation, and the fenced blocks in them.

A fence has a language and may have words after it, which say what a test does with the block.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
_BLOCK = re.compile(r"^```(?P<language>\w+)(?P<words>[^\n]*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\]\((?P<target>[^)\s]+)\)")


@dataclass(frozen=True)
class Block:
    """``line`` is where its text begins, from 1."""

    language: str
    words: tuple[str, ...]
    text: str
    line: int


def pages() -> list[str]:
    """Every page for users, named from the root."""
    found = [ROOT / "README.md", ROOT / "CHANGELOG.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")]
    return sorted(path.relative_to(ROOT).as_posix() for path in found if path.is_file())


def read(place: str) -> str:
    return (ROOT / place).read_text("utf-8")


def blocks(text: str) -> Iterator[Block]:
    for found in _BLOCK.finditer(text):
        line = text.count("\n", 0, found.start("text")) + 1
        yield Block(found["language"], tuple(found["words"].split()), found["text"], line)


def links(text: str) -> list[tuple[str, str]]:
    """Links inside the repository: the file, "" for the page itself, and the part of that page."""
    targets = [found["target"] for found in _LINK.finditer(text) if "://" not in found["target"]]
    return [(file, part) for file, _, part in (target.partition("#") for target in targets)]


def parts(text: str) -> set[str]:
    """What a link may name behind ``#``: headings, as GitHub writes them."""
    without_code = _BLOCK.sub("", text)
    headings = re.findall(r"^#+ (.+)$", without_code, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading).strip().lower().replace(" ", "-") for heading in headings}
