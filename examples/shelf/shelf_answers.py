"""Answer a question with the passages of an index that are nearest to it."""

import numpy as np
from shelf_types import Hit, Index
from shelf_vectors import cosines, embed, unpacked

MAX_HITS = 50


class QuestionError(ValueError):
    """The question cannot be asked as it is."""


def answer(question: str, index: Index, top: int = 5) -> list[Hit]:
    """Give the ``top`` passages (1 to 50) by cosine, best first; of equal ones, the first by name.

    Raises:
        QuestionError: no words, or ``top`` out of range.
    """
    if not question.strip():
        raise QuestionError("the question is empty")
    if not 1 <= top <= MAX_HITS:
        raise QuestionError(f"top is {top}; it must be from 1 to {MAX_HITS}")
    asked = unpacked(embed([question]))
    hits = [
        Hit(item.name, round(float(score), 3), passage.start, " ".join(passage.text.split()))
        for item in index.items
        if item.reading.passages
        for passage, score in zip(item.reading.passages, _scores(asked, unpacked(item.vectors)), strict=True)
    ]
    return sorted(hits, key=lambda hit: -hit.score)[:top]


def _scores(asked: np.ndarray, rows: np.ndarray) -> list[float]:
    return [float(score) for score in cosines(asked, rows)[0]]
