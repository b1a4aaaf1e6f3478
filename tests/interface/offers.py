"""Workers whose stubs are looked at, and what their callers write: right edges, and wrong ones that are marked."""

import datetime
import enum
from collections.abc import Generator, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, TypedDict
from uuid import UUID

import msgspec

from tidemill import Clamp, Context, File, TaskFiles, Worker, injected


class Color(enum.Enum):
    RED = "red"
    DARK_BLUE = "dark blue"


class Box(NamedTuple):
    left: int
    top: int = 0


class Size(NamedTuple):
    width: int
    height: int


class Note(TypedDict, total=False):
    text: str
    stars: int


class Circle(msgspec.Struct, tag=True):
    r: float


class Square(msgspec.Struct, tag=True):
    a: float


class Point(msgspec.Struct, rename="kebab"):
    in_x: int
    in_y: float = 0.5


@dataclass
class Draft:
    """A draft of an article.

    It has pages.
    """

    topic: str
    pages: int = 1
    kind: str = "long"
    date: datetime.date = datetime.date(2020, 1, 1)
    color: Color = Color.RED
    box: Box = Box(1)  # noqa: RUF009
    past: "list[Draft]" = field(default_factory=list)


@dataclass
class Verdict:
    score: float
    notes: str
    at: datetime.datetime | None = None


@dataclass
class Plain:
    numbers: list[int] = field(default_factory=list)
    names: dict[str, int] = field(default_factory=dict)
    pair: tuple[int, str] = (1, "x")


write = Worker("write", pools={"slow": 2})
judge = Worker("judge-it")


@write.task
def compose(ctx: Context, topic: str, notes: str | None = None, *, draft: bool = False) -> Draft:
    """Write a draft with a \\ and a \"\"\" in its docs."""
    return Draft(topic)


@write.task("list", pool="slow")
def everything(draft: Draft, shape: Circle | Square, *, files: TaskFiles = injected) -> list[Draft]:
    return [draft]


@write.task("class")
def size_of(box: Box, note: Note | None = None, point: Point | None = None) -> Size:
    return Size(1, 2)


@write.task
def all_defaults(  # noqa: PLR0913, PLR0917
    width: Annotated[int, Clamp(1, 8)] = 3,
    color: Color = Color.DARK_BLUE,
    kind: Literal["short", "long", 1] = "long",
    at: datetime.datetime = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC),
    wait: datetime.timedelta = datetime.timedelta(hours=1),
    price: Decimal = Decimal("1.5"),
    key: UUID = UUID(int=5),  # noqa: B008
    path: Path = Path("a/b"),
    data: bytes = b'a"\xff',
    numbers: list[int] = [1, 2],  # noqa: B006
    names: set[str] = {"a"},  # noqa: B006
    pair: tuple[int, str] = (1, 'it\'s "x"'),
    anything: Any = None,
    ratio: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.25,
    plain: Plain = Plain([1]),  # noqa: B008
) -> dict[str, Any]:
    return {}


@write.stream
def words(draft: Draft, most: int = 3) -> Iterator[Verdict]:
    yield Verdict(1.0, "")


@write.stream
def chapters(draft: Draft) -> Generator[str, None, Verdict]:
    yield "one"
    return Verdict(1.0, "")


@write.task
def picture(photo: File, others: list[File] | None = None) -> File:
    return photo


@judge.task
def judge_draft(draft: Draft) -> Verdict:
    return Verdict(draft.pages, "fine")


@judge.task
def shorten(draft: Draft, verdict: Verdict, pages: int = 4) -> Draft:
    return draft


@judge.task
def nothing() -> None:
    return None


CALLER = """
from collections.abc import Sequence
from pathlib import Path

from stubs.judge_it import judge_draft, shorten
from stubs.types import Box, Circle, Draft, Verdict
from stubs.write import all_defaults, chapters, class_, compose, list_, picture, words
from tidemill import Client, File, map_over, workflow


@workflow
def article(topic: str) -> Draft:
    draft = compose(topic, None, draft=True)
    verdict = judge_draft(draft)
    return shorten(draft, verdict, pages=draft.pages)


@workflow
def lengths(topic: str) -> int:
    width, _ = class_(Box(1))
    return width


@workflow
def pictured(photos: list[File]) -> list[File]:
    return map_over(picture, photos)


@workflow
def read(draft: Draft) -> Verdict:
    _, last = chapters(draft)
    return judge_draft(shorten(draft, last))


@workflow
def spoken(topic: str) -> list[Verdict]:
    return words(compose(topic), most=2)


@workflow
def listed(draft: Draft) -> list[Draft]:
    return list_(draft, Circle(type="Circle", r=1.0))


def submitted(client: Client) -> Sequence[Draft]:
    client.submit(all_defaults, width=3, path=Path("a"))
    return [client.submit(shorten, Draft("a"), Verdict(1.0, "b")).result()]


def wrong(client: Client, verdict: Verdict) -> None:
    judge_draft(verdict)  # E
    shorten(Draft("a"), Draft("b"))  # E
    compose("a", None, True)  # E
    client.submit(compose, 5)  # E
    words(Draft("a")).score  # E
"""
