"""Cut a text into passages of about 120 tokens.

The rule: sentences (or lines, or what is left of an endless line) are packed in order until the next one would pass
120 tokens. Once a passage is half full it also ends at an empty line or before a heading. A passage that ends inside a
paragraph hands its last sentence on to the next one, if that sentence is at most 30 tokens, so that no thought is lost
at the seam; one that ends with its paragraph hands on nothing.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from shelf_types import Passage

MAX_PASSAGES = 64
_FULL_TOKENS = 120
_HALF_TOKENS = 60
_OVERLAP_TOKENS = 30
_LONGEST_SENTENCE = 480  # characters; longer ones are cut at a space

_TOKEN = re.compile(r"\w{1,6}|[^\w\s]")  # near enough to what the embedder counts, and needs no vocabulary
_BLOCK = re.compile(r"\n[ \t]*\n\s*|\n(?=#{1,6} )")
_SENTENCE = re.compile(r"(?<=[.!?…])[\"'\u201d\u2019)\]]*\s+|\n|(?<=[\u3002\uff01\uff1f])")


@dataclass(frozen=True)
class _Sentence:
    start: int
    end: int
    tokens: int
    ends_block: bool


def cut(text: str) -> list[Passage]:
    """Give the passages in order, one more than the limit at most, so that a caller sees that there was more."""
    passages: list[Passage] = []
    held: list[_Sentence] = []
    fresh = 0  # sentences in ``held`` that no earlier passage has
    for sentence in _sentences(text):
        if fresh and sum(each.tokens for each in held) + sentence.tokens > _FULL_TOKENS:
            passages.append(_passage(text, held))
            held, fresh = _overlap(held), 0
        held.append(sentence)
        fresh += 1
        if sentence.ends_block and sum(each.tokens for each in held) >= _HALF_TOKENS:
            passages.append(_passage(text, held))
            held, fresh = [], 0
        if len(passages) > MAX_PASSAGES:
            return passages
    return [*passages, _passage(text, held)] if fresh else passages


def _passage(text: str, held: list[_Sentence]) -> Passage:
    return Passage(held[0].start, text[held[0].start : held[-1].end])


def _overlap(held: list[_Sentence]) -> list[_Sentence]:
    last = held[-1]
    return [last] if not last.ends_block and last.tokens <= _OVERLAP_TOKENS and len(held) > 1 else []


def _sentences(text: str) -> Iterator[_Sentence]:
    for block_start, block_end in _pieces(text, 0, len(text), _BLOCK):
        ends = [each for piece in _pieces(text, block_start, block_end, _SENTENCE) for each in _short(text, *piece)]
        for index, (start, end) in enumerate(ends):
            tokens = sum(1 for _ in _TOKEN.finditer(text, start, end))
            yield _Sentence(start, end, tokens, index == len(ends) - 1)


def _pieces(text: str, start: int, end: int, border: re.Pattern[str]) -> Iterator[tuple[int, int]]:
    """The spans between borders, trimmed of white space; empty ones are left out."""
    for match in border.finditer(text, start, end):
        yield from _trimmed(text, start, match.end())
        start = match.end()
    yield from _trimmed(text, start, end)


def _trimmed(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    piece = text[start:end]
    if stripped := piece.strip():
        begin = start + piece.index(stripped[0])
        yield begin, begin + len(stripped)


def _short(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    while end - start > _LONGEST_SENTENCE:
        space = text.rfind(" ", start + _LONGEST_SENTENCE // 2, start + _LONGEST_SENTENCE)
        middle = space if space > 0 else start + _LONGEST_SENTENCE
        yield from _trimmed(text, start, middle)
        start = middle
    yield from _trimmed(text, start, end)
