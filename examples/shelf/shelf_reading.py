"""Get the words out of a file and cut them into passages."""

import codecs
import re
from pathlib import Path

from shelf_documents import DOCUMENT_LABELS, words_of_document
from shelf_markup import words_of_markup
from shelf_passages import MAX_PASSAGES, cut
from shelf_types import Kind, Passage, Reading

READ_LIMIT_BYTES = 1024 * 1024
_MARKUP_LABELS = frozenset({"html", "xml", "svg", "rdf"})
_MARKS = {  # longest first: the mark of UTF-32 begins with that of UTF-16
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
_NOT_FOR_EYES = re.compile(r"[\x00-\x08\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ufeff\ufffe\uffff]")
_CAMERA_WORDS = frozenset(
    {"img", "image", "dsc", "dscn", "dscf", "pxl", "photo", "pic", "picture", "screenshot", "scan"}
)


def read(path: Path, name: str, kind: Kind) -> Reading:
    """Read a file of the group ``text``: at most 1 MiB of plain text, and at most 64 passages.

    Raises:
        UnreadableError: a document that is damaged, locked or unpacks to more than is allowed.
    """
    notes: list[str] = []
    if kind.label in DOCUMENT_LABELS:
        text = words_of_document(path, name, kind.label)
    else:
        with path.open("rb") as stream:
            content = stream.read(READ_LIMIT_BYTES + 1)
        if len(content) > READ_LIMIT_BYTES:
            notes.append("only the first MiB is read")
        text = decoded(content[:READ_LIMIT_BYTES])
        text = words_of_markup(text) if kind.label in _MARKUP_LABELS else text
    text = _NOT_FOR_EYES.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))
    passages = cut(text)
    if len(passages) > MAX_PASSAGES:
        notes.append(f"only the first {MAX_PASSAGES} passages are indexed")
    return Reading(passages[:MAX_PASSAGES], len(text), "; ".join(notes))


def read_name(name: str) -> Reading:
    """Take a picture's words from its name, so that it can be found by them; a camera's numbering has none."""
    stem = name.rpartition("/")[2].rpartition(".")[0] or name
    words = re.findall(r"[^\W\d_]{2,}", re.sub(r"(?<=[a-z])(?=[A-Z])", " ", stem))
    telling = [word for word in words if word.lower() not in _CAMERA_WORDS]
    text = " ".join(telling)
    return Reading([Passage(0, text)] if any(len(word) > 2 for word in telling) else [], len(text))


def decoded(content: bytes) -> str:
    """Decode by a fixed rule: a byte order mark decides; else UTF-8 if it is valid; else UTF-16 if every second byte
    tends to be zero; else Windows-1252, which the web means by Latin-1. A character cut off at the end is dropped.
    """
    for mark, encoding in _MARKS.items():
        if content.startswith(mark):
            return content.decode(encoding, "replace")
    try:
        return codecs.getincrementaldecoder("utf-8")("strict").decode(content)
    except UnicodeDecodeError:
        return content.decode(_encoding_by_zeros(content), "replace")


def _encoding_by_zeros(content: bytes) -> str:
    sample = content[:4096]
    half = max(1, len(sample) // 2)
    if sample[1::2].count(0) > half * 0.4:
        return "utf-16-le"
    if sample[::2].count(0) > half * 0.4:
        return "utf-16-be"
    return "cp1252"
