"""The words of zipped XML documents (Word, OpenDocument, EPUB...), with the standard library alone.

A document is hostile until read: nothing here trusts the sizes that an archive claims, and no XML entity is expanded.
"""

import posixpath
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote
from xml.etree import ElementTree as ET
from zipfile import BadZipFile, ZipFile

from shelf_markup import words_of_markup
from shelf_types import UnreadableError

_MAX_PARTS = 5_000
_MAX_PART_BYTES = 8 * 1024 * 1024
_MAX_TOTAL_BYTES = 24 * 1024 * 1024
_ENOUGH_CHARACTERS = 1_000_000


@dataclass(frozen=True)
class _Layout:
    """Where a format keeps its words: parts by pattern, in natural order; a paragraph's tag; the tags that hold text.

    No text tags means that all text inside a paragraph counts.
    """

    parts: str
    paragraphs: frozenset[str]
    texts: frozenset[str] = frozenset()


_OPEN_DOCUMENT = _Layout(r"content\.xml", frozenset({"p", "h"}))
_LAYOUTS = {
    "docx": _Layout(r"word/document\.xml", frozenset({"p"}), frozenset({"t"})),
    "dotx": _Layout(r"word/document\.xml", frozenset({"p"}), frozenset({"t"})),
    "pptx": _Layout(r"ppt/slides/slide\d+\.xml", frozenset({"p"}), frozenset({"t"})),
    "xlsx": _Layout(r"xl/sharedStrings\.xml", frozenset({"si"}), frozenset({"t"})),
    "odt": _OPEN_DOCUMENT,
    "odp": _OPEN_DOCUMENT,
    "ods": _OPEN_DOCUMENT,
}
DOCUMENT_LABELS = frozenset(_LAYOUTS) | {"epub"}

_DAMAGED = (BadZipFile, zlib.error, EOFError, KeyError, RuntimeError, ET.ParseError, UnicodeDecodeError)


def words_of_document(path: Path, name: str, label: str) -> str:
    """Give the text, one paragraph per block, blocks parted by an empty line; ``label`` is in ``DOCUMENT_LABELS``.

    Raises:
        UnreadableError: damaged, encrypted, or unpacks to more than is allowed.
    """
    try:
        with ZipFile(path) as archive:
            box = _Box(archive, name)
            blocks = _book_blocks(box) if label == "epub" else _layout_blocks(box, _LAYOUTS[label])
            return _joined(blocks)
    except _DAMAGED as error:
        raise UnreadableError(name, "the document is damaged or locked") from error


class _Box:
    """An archive that is read under limits on what really comes out of it."""

    def __init__(self, archive: ZipFile, name: str) -> None:
        self.names = archive.namelist()
        if len(self.names) > _MAX_PARTS:
            raise UnreadableError(name, f"the document has more than {_MAX_PARTS} parts")
        self._archive, self._name, self._left = archive, name, _MAX_TOTAL_BYTES

    def read(self, part: str) -> bytes:
        limit = min(_MAX_PART_BYTES, self._left)
        with self._archive.open(part) as stream:
            content = stream.read(limit + 1)
        if len(content) > limit:
            allowed = _MAX_PART_BYTES // 1024 // 1024
            raise UnreadableError(self._name, f"a part of the document unpacks to more than {allowed} MiB")
        self._left -= len(content)
        return content

    def tree(self, part: str) -> ET.Element:
        content = self.read(part)
        if b"<!DOCTYPE" in content or b"<!ENTITY" in content:
            raise UnreadableError(self._name, "the document declares XML entities, which are not read")
        return ET.fromstring(content)  # noqa: S314 no declarations are left, which is where the attacks are


def _layout_blocks(box: _Box, layout: _Layout) -> Iterator[str]:
    pattern = re.compile(layout.parts)
    for part in sorted(filter(pattern.fullmatch, box.names), key=_natural):
        for element in box.tree(part).iter():
            if _tag(element) in layout.paragraphs:
                yield _paragraph(element, layout.texts)


def _paragraph(element: ET.Element, texts: frozenset[str]) -> str:
    if not texts:
        return "".join(element.itertext())
    return "".join(inner.text or "" for inner in element.iter() if _tag(inner) in texts)


def _book_blocks(box: _Box) -> Iterator[str]:
    """An EPUB's chapters in reading order: its container names a package, whose spine names the chapters."""
    root = next(_elements(box.tree("META-INF/container.xml"), "rootfile")).attrib["full-path"]
    package = box.tree(root)
    chapters = {item.get("id"): item.get("href", "") for item in _elements(package, "item")}
    folder = posixpath.dirname(root)
    for reference in _elements(package, "itemref"):
        part = posixpath.normpath(posixpath.join(folder, unquote(chapters[reference.get("idref")])))
        yield words_of_markup(box.read(part).decode("utf-8", "replace"))


def _elements(root: ET.Element, tag: str) -> Iterator[ET.Element]:
    return (element for element in root.iter() if _tag(element) == tag)


def _tag(element: ET.Element) -> str:
    return element.tag.rpartition("}")[2]


def _natural(part: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", part)]


def _joined(blocks: Iterator[str]) -> str:
    """Join until there is more than anyone will index."""
    kept: list[str] = []
    characters = 0
    for block in blocks:
        if text := block.strip():
            kept.append(text)
            characters += len(text)
        if characters > _ENOUGH_CHARACTERS:
            break
    return "\n\n".join(kept)
