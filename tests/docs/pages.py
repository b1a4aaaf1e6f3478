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


def links(text: str) -> list[str]:
    """Targets of links inside the repository, without the part of the page."""
    targets = [found["target"].partition("#")[0] for found in _LINK.finditer(text)]
    return [target for target in targets if target and "://" not in target]
