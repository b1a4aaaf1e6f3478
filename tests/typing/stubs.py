"""Stubs as another package would have them, and the types that they need."""

from collections.abc import Generator, Iterator
from dataclasses import dataclass

from tidemill import File, StubCalledError, stub, stub_stream, unset


@dataclass(frozen=True)
class Verdict:
    score: float
    notes: str


@dataclass(frozen=True)
class Draft:
    topic: str
    pages: int
    kind: str = "long"


@stub("review.judge", schema="sha256:11")
def judge(draft: Draft) -> Verdict:
    raise StubCalledError("review.judge")


@stub("review.shorten", schema="sha256:12")
def shorten(draft: Draft, pages: int = 4) -> Draft:
    raise StubCalledError("review.shorten")


@stub("print.pdf", schema="sha256:13")
def pdf(draft: Draft) -> File:
    raise StubCalledError("print.pdf")


@stub_stream("review.notes", schema="sha256:14")
def notes(draft: Draft, most: int = unset) -> Iterator[str]:
    raise StubCalledError("review.notes")


@stub_stream("review.parts", schema="sha256:15", names={"from_": "from"})
def parts(draft: Draft, from_: int = 0) -> Generator[str, None, Verdict]:
    raise StubCalledError("review.parts")
