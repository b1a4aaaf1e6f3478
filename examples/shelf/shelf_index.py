"""The index of a folder as one JSON document, and which of its files are near to each other."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
from shelf_types import Index, Item, Unread
from shelf_vectors import DIMENSIONS, MODEL, Floats, cosines, packed_mean, unpacked

_SHORTLIST = 24
_LEAST_LIKENESS = 0.25


class NotAnIndexError(ValueError):
    """The bytes are not an index that this version of the shelf wrote."""


@dataclass(frozen=True)
class Neighbour:
    """Another item, by its place among the items; ``likeness`` goes from 0 to 1."""

    place: int
    likeness: float


def build(title: str, items: Sequence[Item], unread: Sequence[Unread], note: str = "") -> Index:
    """Put everything in order of name, so that the order in which files came in leaves no trace."""
    return Index(
        title=title,
        model=MODEL,
        items=sorted(items, key=lambda item: (_by_name(item.name), item.size_bytes)),
        unread=sorted(unread, key=lambda file: (_by_name(file.name), file.reason)),
        note=note,
    )


def _by_name(name: str) -> tuple[str, str]:
    """As people sort: page 2 comes before page 10, and capitals do not matter."""
    return re.sub(r"\d+", lambda number: number[0].zfill(20), name.casefold()), name


def encode(index: Index) -> bytes:
    """Give the JSON: the same bytes for the same index, vectors in Base64."""
    return msgspec.json.encode(index, order="deterministic") + b"\n"


def decode(content: bytes) -> Index:
    """Read what ``encode`` wrote.

    Raises:
        NotAnIndexError: not JSON, not an index, or made with another embedding model.
    """
    try:
        index = msgspec.json.decode(content, type=Index)
    except msgspec.DecodeError as error:
        raise NotAnIndexError(f"this is not an index of the shelf: {error}") from error
    if index.model != MODEL:
        raise NotAnIndexError(f"the index was made with the model {index.model}, not {MODEL}; index the folder again")
    for item in index.items:
        expected = len(item.reading.passages) * DIMENSIONS
        if item.vectors.dimensions != DIMENSIONS or len(item.vectors.packed) != expected:
            raise NotAnIndexError(f"the index is damaged: {item.name} has not one vector per passage")
    return index


def neighbours(items: Sequence[Item], most: int = 3) -> list[list[Neighbour]]:
    """Give each item its nearest others, nearest first, and none that are nearly unrelated.

    The likeness of two files is half that of their middles and half that of their two closest passages: what they are
    about, and where they touch. The closest passages are looked for among the 24 nearest by middle alone.
    """
    readable = [place for place, item in enumerate(items) if item.reading.passages]
    found: list[list[Neighbour]] = [[] for _ in items]
    if len(readable) < 2:
        return found
    rows = [unpacked(items[place].vectors) for place in readable]
    middles = cosines(*(2 * [np.stack([packed_mean(each) for each in rows])]))
    for index, place in enumerate(readable):
        shortlist = [other for other in np.argsort(-middles[index], kind="stable") if other != index][:_SHORTLIST]
        scored = [Neighbour(readable[other], _likeness(middles[index, other], rows[index], rows[other]))
                  for other in shortlist]  # fmt: skip
        near = sorted(scored, key=lambda each: (-each.likeness, each.place))
        found[place] = [each for each in near if each.likeness >= _LEAST_LIKENESS][:most]
    return found


def _likeness(middle: float, rows: Floats, others: Floats) -> float:
    return round((float(middle) + float(cosines(rows, others).max())) / 2, 3)
