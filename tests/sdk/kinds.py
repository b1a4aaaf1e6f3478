"""Made-up types with values of them, for property tests."""

import dataclasses
import enum
import itertools
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Generic, Literal, NamedTuple, NewType, Optional, TypedDict, TypeVar
from uuid import UUID

import msgspec
from hypothesis import strategies as st
from typing_extensions import TypeAliasType

from tidemill import Clamp, Codec, File
from tidemill.core.ids import digest_of
from tidemill.sdk.file import stored
from tidemill.sdk.forms import union_of

T = TypeVar("T")

Pair = tuple[Any, st.SearchStrategy[Any]]  # a type, and values of it


class Color(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


@dataclasses.dataclass(frozen=True)
class Page(Generic[T]):
    items: list[T]
    best: T | None = None


class Cell(msgspec.Struct, Generic[T], frozen=True):
    value: T


@dataclasses.dataclass(frozen=True)
class Tree:
    name: str
    below: "list[Tree]" = dataclasses.field(default_factory=list)


class Point:
    """Travels by a codec; msgspec would not know it."""

    def __init__(self, x: int, y: int) -> None:
        self.x, self.y = x, y

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Point) and (self.x, self.y) == (other.x, other.y)

    def __hash__(self) -> int:
        return hash((self.x, self.y))

    def __repr__(self) -> str:
        return f"Point({self.x}, {self.y})"


Sent = Annotated[Point, Codec(Point, tuple[int, int], lambda point: (point.x, point.y), lambda xy: Point(*xy))]

integers = st.integers(-(2**63), 2**63 - 1)
floats = st.floats(allow_nan=False, allow_infinity=False)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
datetimes = st.datetimes(timezones=st.sampled_from([UTC, timezone(timedelta(hours=-3.5))]))
files = st.builds(
    lambda data, name: stored(digest=f"sha256:{digest_of(data).hex()}", size=len(data), name=name), st.binary(), texts
)
paths = st.lists(st.from_regex(r"[a-z]{1,3}", fullmatch=True), min_size=1, max_size=3).map(lambda names: Path(*names))

# By what JSON makes of them: members of a union are taken from different groups, since a reader tells no others apart.
GROUPS: Mapping[str, Sequence[Pair]] = {
    "null": [(None, st.none())],
    "bool": [(bool, st.booleans())],
    "int": [(int, integers), (Level, st.sampled_from(Level)), (Annotated[int, Clamp(1, 8)], integers)],
    "text": [
        (str, texts),
        (bytes, st.binary(max_size=8)),
        (date, st.dates()),
        (datetime, datetimes),
        (time, st.times()),
        (timedelta, st.timedeltas(timedelta(days=-999), timedelta(days=999))),
        (UUID, st.uuids()),
        (Decimal, st.decimals(allow_nan=False, allow_infinity=False)),
        (Path, paths),
        (Color, st.sampled_from(Color)),
        (Literal["a", "b"], st.sampled_from("ab")),
        (NewType("Name", str), texts),
    ],
    "object": [
        (File, files),
        (Cell[int], st.builds(Cell, integers)),
        (Tree, st.recursive(st.builds(Tree, texts), lambda inner: st.builds(Tree, texts, st.lists(inner, max_size=2)))),
    ],
    "array": [(Sent, st.builds(Point, integers, integers))],
}
SCALARS = [pair for pairs in GROUPS.values() for pair in pairs] + [
    (float, floats),
    (Annotated[float, Clamp(0)], floats),
]
KEYS: Sequence[Pair] = [
    (str, texts), (int, integers), (Level, st.sampled_from(Level)), (Color, st.sampled_from(Color)), (date, st.dates()),
    (datetime, datetimes), (UUID, st.uuids()), (Decimal, st.decimals(allow_nan=False, allow_infinity=False)),
]  # fmt: skip
HASHABLE = [pair for group in ("bool", "int", "text") for pair in GROUPS[group]]

_numbers = itertools.count()


def kinds() -> st.SearchStrategy[Pair]:
    """Types of any depth with strategies for their values."""
    return st.recursive(st.sampled_from(SCALARS), _around, max_leaves=6)


def _around(inner: st.SearchStrategy[Pair]) -> st.SearchStrategy[Pair]:
    fields = st.lists(st.tuples(inner, st.booleans()), min_size=1, max_size=3)
    return st.one_of(
        inner.map(lambda pair: (list[pair[0]], st.lists(pair[1], max_size=3))),
        inner.map(lambda pair: (Sequence[pair[0]], st.lists(pair[1], max_size=3))),
        inner.map(lambda pair: (tuple[pair[0], ...], st.lists(pair[1], max_size=3).map(tuple))),
        st.lists(inner, min_size=1, max_size=3).map(lambda pairs: _fixed([*pairs])),
        st.sampled_from(HASHABLE).map(lambda pair: (set[pair[0]], st.sets(pair[1], max_size=3))),
        st.sampled_from(HASHABLE).map(lambda pair: (frozenset[pair[0]], st.frozensets(pair[1], max_size=3))),
        st.tuples(st.sampled_from(KEYS), inner).map(
            lambda two: (dict[two[0][0], two[1][0]], st.dictionaries(two[0][1], two[1][1], max_size=3))
        ),
        inner.map(lambda pair: (Optional[pair[0]], st.none() | pair[1])),  # noqa: UP045
        _unions(),
        inner.map(lambda pair: (Page[pair[0]], st.builds(Page, st.lists(pair[1], max_size=2), st.none() | pair[1]))),
        inner.map(lambda pair: (TypeAliasType("Named", pair[0]), pair[1])),
        fields.map(_dataclass),
        fields.map(_named_tuple),
        fields.map(_typed_dict),
    )


def _fixed(pairs: Sequence[Pair]) -> Pair:
    return tuple[tuple(kind for kind, _ in pairs)], st.tuples(*(values for _, values in pairs))  # type: ignore[misc]


@st.composite
def _unions(draw: st.DrawFn) -> Pair:
    groups = draw(st.lists(st.sampled_from(sorted(GROUPS)), min_size=2, max_size=4, unique=True))
    members = [draw(st.sampled_from(GROUPS[group])) for group in groups]
    return union_of([kind for kind, _ in members]), st.one_of(*(values for _, values in members))


def _dataclass(fields: Sequence[tuple[Pair, bool]]) -> Pair:
    number = next(_numbers)
    ordered = sorted(enumerate(fields), key=lambda each: each[1][1])
    made: list[Any] = [
        (f"f{number}_{i}", Optional[kind], None) if has_default else (f"f{number}_{i}", kind)  # noqa: UP045
        for i, ((kind, _), has_default) in ordered
    ]
    cls = dataclasses.make_dataclass(f"Made{number}", made)
    given = {f"f{number}_{i}": values for i, ((_, values), _) in ordered}
    return cls, st.fixed_dictionaries(given).map(lambda found: cls(**found))


def _named_tuple(fields: Sequence[tuple[Pair, bool]]) -> Pair:
    cls: Any = NamedTuple(f"Tuple{next(_numbers)}", [(f"f{i}", kind) for i, ((kind, _), _) in enumerate(fields)])  # type: ignore[misc]
    return cls, st.tuples(*(values for (_, values), _ in fields)).map(lambda found: cls(*found))


def _typed_dict(fields: Sequence[tuple[Pair, bool]]) -> Pair:
    cls: Any = TypedDict(f"Dict{next(_numbers)}", {f"f{i}": kind for i, ((kind, _), _) in enumerate(fields)})  # type: ignore[misc]
    return cls, st.fixed_dictionaries({f"f{i}": values for i, ((_, values), _) in enumerate(fields)})


cases = kinds().flatmap(lambda pair: st.tuples(st.just(pair[0]), pair[1]))
