"""Tasks of one record each, tasks of several outputs, and one that nobody may wait for."""

from dataclasses import dataclass
from typing import Annotated, NamedTuple, TypedDict

import msgspec
from pydantic import BaseModel, field_validator

from tidemill import Clamp, Worker, map_over, workflow

records = Worker("records")


class Ends(NamedTuple):
    first: str
    last: str


@records.task
def ends(words: list[str], upper: bool = False) -> Ends:
    first, last = words[0], words[-1]
    return Ends(first.upper(), last.upper()) if upper else Ends(first, last)


@records.task
def join(left: str, right: str) -> str:
    return f"{left}-{right}"


@workflow
def around(words: list[str]) -> str:
    first, last = ends(words)
    return join(last, first)


@dataclass(frozen=True)
class Order:
    item: str
    copies: int = 1

    def __post_init__(self) -> None:
        if self.copies < 1:
            raise ValueError("copies must be 1 or more")


class Note(TypedDict):
    text: str
    stars: int


class Parcel(msgspec.Struct):
    weight: float
    tags: list[str] = []


class Letter(BaseModel):
    to: str
    pages: int

    @field_validator("pages")
    @classmethod
    def some_pages(cls, pages: int) -> int:
        if pages < 1:
            raise ValueError("a letter has a page")
        return pages


class Crate(msgspec.Struct):
    boards: int

    def __post_init__(self) -> None:
        if self.boards < 4:
            raise ValueError("a crate has four boards")


@records.task
def ship(crates: list[Crate], orders: dict[str, Order], letters: list[Letter]) -> int:
    return len(crates) + len(orders) + len(letters)


@records.task
def order(order: Order) -> str:
    return f"{order.copies} x {order.item}"


@records.task
def note(note: Note) -> int:
    return note["stars"]


@records.task
def parcel(parcel: Parcel) -> Parcel:
    return Parcel(parcel.weight * 2, [*parcel.tags, "seen"])


@records.task
def letter(letter: Letter) -> str:
    return letter.to * letter.pages


@records.task
def loose(record: dict[str, int]) -> int:
    return sum(record.values())


class Cut(NamedTuple):
    size: Annotated[int, Clamp(1, 8)]
    share: Annotated[float, Clamp(high=1.0)] = 0.5


@records.task
def cut(width: Annotated[int, Clamp(1, 8)], cuts: list[Cut]) -> list[float]:
    return [width, *(each.size * each.share for each in cuts)]


@workflow
def two_cuts(width: int) -> list[list[float]]:
    return map_over(lambda each: cut(each, []), [width, 2, 77])
