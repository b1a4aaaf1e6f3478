"""Tell what a file is from its bytes, never from its name."""

from pathlib import Path

from magika import Magika
from magika.types import ContentTypeInfo
from shelf_documents import DOCUMENT_LABELS
from shelf_once import once
from shelf_pictures import PICTURE_LABELS
from shelf_types import Group, Kind

# A few words look like any language to the classifier: "hello world" is a .gitattributes file to it.
_SHORT_TEXT_BYTES = 64
_SURE_SCORE = 0.97
_PLAIN_TEXT = Kind("txt", "text", "text", "text/plain", "Short plain text", 1.0)

# Text by its bytes, yet its words are buried in commands or keys.
_TEXT_NOT_FOR_READING = frozenset({"rtf", "postscript", "pem", "crt", "stltext", "dxf"})


def identify(path: Path) -> Kind:
    """Name the file's type; an empty file or unknown bytes have a kind of their own, so this never fails on content."""
    result = _classifier().identify_path(path)
    found, score = result.output, result.score
    if found.is_text and score < _SURE_SCORE and path.stat().st_size < _SHORT_TEXT_BYTES:
        return _PLAIN_TEXT
    return Kind(
        label=str(found.label),
        group=_group_of(found),
        family=found.group,
        mime=found.mime_type,
        description=found.description,
        score=round(score, 2),  # more digits would say nothing, and could differ between machines
    )


def _group_of(found: ContentTypeInfo) -> Group:
    label = str(found.label)
    if label in PICTURE_LABELS:
        return "image"
    if label in DOCUMENT_LABELS or (found.is_text and label not in _TEXT_NOT_FOR_READING):
        return "text"
    return "other"


@once
def _classifier() -> Magika:
    return Magika()
