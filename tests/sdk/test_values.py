"""Values keep what they are on the wire, by the table of docs/design/values.md."""

import enum
import math
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Generic, Literal, NamedTuple, TypedDict, TypeVar
from uuid import UUID

import jsonschema_rs
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidemill.core.bodies import Encoded
from tidemill.core.ids import digest_of
from tidemill.core.values import Encoding, Given, GivenList, GivenRecord, Inline
from tidemill.sdk.errors import DefinitionError, DoesNotFitError, NoLocalCopyError
from tidemill.sdk.file import File, stored
from tidemill.sdk.plans import plan_of
from tidemill.sdk.result import Failure

T = TypeVar("T")


class Color(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


@dataclass
class Draft:
    topic: str
    pages: int = 1
    at: datetime | None = None


@dataclass
class Verdict:
    score: float
    of: "Draft | str" = ""
    past: "list[Verdict]" = field(default_factory=list)


@dataclass
class Sheet(Generic[T]):
    cells: list[T]
    best: T | None = None


class Box(NamedTuple):
    left: int
    top: int = 0


class Note(TypedDict, total=False):
    text: str
    stars: int


class Point(msgspec.Struct, rename="camel"):
    in_x: int
    in_y: float = 0.0


class Circle(msgspec.Struct, tag=True):
    r: float


class Square(msgspec.Struct, tag=True):
    a: float


integers = st.integers(-(2**63), 2**63 - 1)
floats = st.floats(allow_nan=False, allow_infinity=False)
datetimes = st.datetimes(timezones=st.sampled_from([UTC, timezone(timedelta(hours=2))]))
texts = st.text(st.characters(exclude_categories=["Cs"]))
drafts = st.builds(Draft, texts, integers, st.none() | datetimes)
verdicts = st.builds(Verdict, floats, drafts | texts, st.lists(st.builds(Verdict, floats), max_size=2))
files = st.builds(
    lambda data, name: stored(digest=f"sha256:{digest_of(data).hex()}", size=len(data), name=name), st.binary(), texts
)
paths = st.lists(st.from_regex(r"[a-z]{1,5}", fullmatch=True), min_size=1, max_size=3).map(lambda parts: Path(*parts))

TYPES: dict[Any, st.SearchStrategy[Any]] = {
    None: st.none(),
    bool: st.booleans(),
    int: integers,
    float: floats,
    str: texts,
    bytes: st.binary(),
    date: st.dates(),
    datetime: datetimes,
    time: st.times(),
    timedelta: st.timedeltas(timedelta(days=-999), timedelta(days=999)),
    UUID: st.uuids(),
    Decimal: st.decimals(allow_nan=False, allow_infinity=False),
    Color: st.sampled_from(Color),
    Level: st.sampled_from(Level),
    Path: paths,
    File: files,
    Draft: drafts,
    Verdict: verdicts,
    Box: st.builds(Box, integers, integers),
    Note: st.fixed_dictionaries({}, optional={"text": texts, "stars": integers}),
    Point: st.builds(Point, integers, floats),
    Literal["a", 1] | None: st.sampled_from(["a", 1, None]),
    int | None: st.none() | integers,
    int | str | None: st.none() | integers | texts,
    Draft | Box | str: drafts | st.builds(Box, integers, integers) | texts,
    Draft | Note: drafts | st.just({"stars": 2}),
    File | str: files | texts,
    datetime | date | int: st.dates() | datetimes | integers,
    Circle | Square: st.builds(Circle, floats) | st.builds(Square, floats),
    list[int]: st.lists(integers),
    list[Draft | Failure]: st.lists(drafts | st.just(Failure(msgspec.convert("transient", Any), "later"))),
    tuple[int, str]: st.tuples(integers, texts),
    tuple[Draft, ...]: st.lists(drafts).map(tuple),
    set[str]: st.sets(texts),
    frozenset[int]: st.frozensets(integers),
    dict[str, Draft]: st.dictionaries(texts, drafts),
    dict[int, list[bytes]]: st.dictionaries(integers, st.lists(st.binary())),
    dict[UUID, datetime]: st.dictionaries(st.uuids(), datetimes),
    dict[Color, int]: st.dictionaries(st.sampled_from(Color), integers),
    Sheet[int]: st.builds(Sheet, st.lists(integers), st.none() | integers),
    Sheet[Draft]: st.builds(Sheet, st.lists(drafts), st.none() | drafts),
    Annotated[int, msgspec.Meta(ge=0)]: st.integers(0, 9),
    list: st.lists(integers | texts),
    dict: st.dictionaries(texts, integers),
    Any: st.recursive(
        st.none() | st.booleans() | integers | floats | texts | st.binary(),
        lambda inner: st.lists(inner) | st.dictionaries(texts, inner),
        max_leaves=5,
    ),
}
TYPES[list[Draft | Failure]] = st.lists(drafts)
CASES = st.sampled_from(list(TYPES)).flatmap(lambda kind: st.tuples(st.just(kind), TYPES[kind]))


@given(CASES)
def test_a_value_comes_back_as_it_was(case: tuple[Any, Any]) -> None:
    kind, value = case
    plan = plan_of(kind)
    assert plan.decode(Given(plan.encode(value).inline)) == value


@given(CASES)
def test_the_json_form_means_the_same_and_meets_the_schema(case: tuple[Any, Any]) -> None:
    kind, value = case
    plan = plan_of(kind)
    plain = plan.plain(value)
    jsonschema_rs.validate(plan.schema, plain)
    again = plan.decode(Given(Inline(msgspec.json.encode(plain), Encoding.JSON)))
    if kind is not Any:  # bytes inside Any stay text in JSON
        assert again == value


@given(CASES)
def test_equal_values_have_equal_bytes(case: tuple[Any, Any]) -> None:
    kind, value = case
    again = {each for each in sorted(value, reverse=True)} if kind == set[str] else value  # noqa: C416  # another order
    assert plan_of(kind).encode(value).data == plan_of(kind).encode(again).data


@pytest.mark.parametrize(
    ("kind", "items"),
    [
        (set[Color], list(Color)),
        (set[int | str], [2, "2", 1, "1"]),
        (frozenset[tuple[int, str | None]], [(1, None), (1, "a"), (2, None)]),
        (set[frozenset[str]], [frozenset("ab"), frozenset("a"), frozenset()]),
        (set, ["a", 1, None]),
    ],
)
def test_a_set_of_what_python_cannot_sort_has_one_order_too(kind: Any, items: list[Any]) -> None:
    plan, make = plan_of(kind), set if kind is set or kind.__origin__ is set else frozenset
    orders = [make(items), make(reversed(items)), make(items[1:] + items[:1])]
    assert len({plan.encode(each).data for each in orders}) == 1
    assert plan.decode(Given(plan.encode(orders[0]).inline)) == orders[0]


@pytest.mark.parametrize(
    ("kind", "value", "path"),
    [
        (int, "3", "$"),
        (int, True, "$"),
        (int, 2**70, "$"),
        (list[int], [1, "2"], "$[1]"),
        (Draft, Draft("a", "b"), "$.pages"),  # type: ignore[arg-type]
        (Draft, Draft("a", 1, datetime(2020, 1, 1)), "$.at"),  # noqa: DTZ001
        (datetime, datetime(2020, 1, 1), "$"),  # noqa: DTZ001
        (Verdict, Verdict(1.0, "", [Verdict("x")]), "$.past[0].score"),  # type: ignore[arg-type]
        (Literal["a"], "b", "$"),
        (Annotated[int, msgspec.Meta(ge=0)], -1, "$"),
        (File, "a.png", "$"),
        (dict[int, int], {"a": 1}, "$"),
        (Any, lambda: 0, "$"),
        (Box, (1, 2, 3, 4), "$"),
        (tuple[int, int], (1,), "$"),
    ],
)
def test_a_misfit_is_refused_with_its_place(kind: Any, value: Any, path: str) -> None:
    with pytest.raises(DoesNotFitError) as caught:
        plan_of(kind).encode(value)
    assert caught.value.path.startswith(path)


@pytest.mark.parametrize("value", [math.nan, math.inf, [1.0, {"a": math.nan}]])
def test_json_holds_no_nan(value: Any) -> None:
    plan = plan_of(Any)
    assert plan.encode(value).data
    with pytest.raises(DoesNotFitError, match="no form in JSON"):
        plan.plain(value)


def test_a_field_path_leads_into_a_value() -> None:
    data = plan_of(Verdict).encode(Verdict(1.0, past=[Verdict(2.0, Draft("cats"))])).inline
    assert plan_of(float).decode(Given(data, ("past", 0, "score"))) == 2.0
    assert plan_of(Draft).decode(Given(data, ("past", 0, "of"))) == Draft("cats")
    with pytest.raises(DoesNotFitError, match=r"no 'topic'.*at \$\.past\[0\]"):
        plan_of(str).decode(Given(data, ("past", 0, "topic")))


def test_an_argument_is_put_together_from_parts_in_both_encodings() -> None:
    number, note = Inline(msgspec.msgpack.encode(7)), Inline(b'"cats"', Encoding.JSON)
    part = GivenRecord({"topic": Given(note), "pages": Given(number)})
    assert plan_of(list[Draft]).decode(GivenList((part,))) == [Draft("cats", 7)]
    both = GivenList((Given(Inline(msgspec.msgpack.encode(b"a"))), Given(Inline(b'"YQ=="', Encoding.JSON))))
    assert plan_of(list[bytes]).decode(both) == [b"a", b"a"]


def test_files_inside_are_found_and_local_ones_are_named(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"abc")
    far = stored(digest=f"sha256:{digest_of(b'').hex()}", size=0, name="far")
    for kind, value in ((list[File], [File(tmp_path / "a.txt"), far]), (Any, {"a": [far, File(tmp_path / "a.txt")]})):
        encoded = plan_of(kind).encode(value)
        assert set(encoded.refs) == {digest_of(b"abc"), digest_of(b"")}
        assert [(each.size, each.digest, each.media_type) for each in encoded.local] == [
            (3, digest_of(b"abc"), "text/plain")
        ]


def test_a_file_finds_its_bytes_where_they_are_looked_for(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"abc")
    encoded: Encoded = plan_of(File).encode(File(tmp_path / "a.txt", name="b.txt"))
    file = plan_of(File).decode(Given(encoded.inline), locate=lambda file: str(tmp_path / "a.txt"))
    assert (file.name, file.size, file.media_type) == ("b.txt", 3, "text/plain")
    assert (file.read(), file.read_text(), file.path.name) == (b"abc", "abc", "a.txt")
    assert plan_of(File).encode(file).local == ()
    with pytest.raises(NoLocalCopyError, match="not on this machine"):
        plan_of(File).decode(Given(encoded.inline)).read()


@pytest.mark.parametrize(
    ("kind", "advice"),
    [
        (complex, "a tuple of two floats"),
        (range, "list"),
        (type, "its name"),
        (T, "a generic function has no schema"),
        (dict[str, complex], "a tuple of two floats"),
        (object.__class__, "its name"),
        (Encoding, ""),
        (memoryview, "bytes"),
        (list[int].__class__, "dataclass"),
    ],
)
def test_what_has_no_wire_form_is_refused_with_advice(kind: Any, advice: str) -> None:
    if not advice:
        assert plan_of(kind)
        return
    with pytest.raises(DefinitionError, match=f"cannot be sent; use .*{advice}"):
        plan_of(kind)


def test_a_field_that_has_no_wire_form_is_named() -> None:
    @dataclass
    class Wave:
        phase: complex

    with pytest.raises(DefinitionError, match=r"Wave\.phase: complex cannot be sent"):
        plan_of(list[Wave])


DEEP: list[Any] = []
for _ in range(3000):
    DEEP = [DEEP]


@pytest.mark.parametrize(
    ("value", "said", "path"),
    [
        ({"a": [1, 2**64]}, "an integer of more than 64 bits; use str or Decimal", "$.a[1]"),
        ([Verdict(1.0, Draft("a", -(2**63) - 1))], "an integer of more than 64 bits", "$[0].of.pages"),
        ((1, {"b": "\udc80"}), "half a character, a lone surrogate", "$[1].b"),
        ({"\udc80": 1}, "half a character", "$"),
        (DEEP, "nested too deep", "$"),
    ],
)
def test_what_no_message_holds_is_refused_by_its_sender_with_its_place(value: Any, said: str, path: str) -> None:
    for kind in (Any, list[Any] if isinstance(value, list) else Any):
        with pytest.raises(DoesNotFitError, match=said) as caught:
            plan_of(kind).encode(value)
        assert caught.value.path == path


@pytest.mark.parametrize(
    ("data", "encoding", "said"),
    [
        (b'"\xff"', Encoding.JSON, "no UTF-8"),
        (b"\xa1\xff", Encoding.MSGPACK, "no UTF-8"),
        (b"[" * 5000, Encoding.JSON, "nested too deep"),
        (b"\x91" * 5000 + b"\xc0", Encoding.MSGPACK, "nested too deep"),
        (b'"\\ud800"', Encoding.JSON, "truncated"),
        (b"", Encoding.MSGPACK, "truncated"),
        (b"\x01\x02", Encoding.MSGPACK, "trailing characters"),
        (b"NaN", Encoding.JSON, "malformed"),
    ],
)
def test_bytes_that_are_no_value_are_refused(data: bytes, encoding: Encoding, said: str) -> None:
    for argument in (Given(Inline(data, encoding)), GivenList((Given(Inline(data, encoding)),))):
        with pytest.raises(DoesNotFitError, match=said):
            plan_of(Any).decode(argument)


def test_a_misfit_before_what_is_malformed_is_a_misfit() -> None:
    for kind, data in ((dict[str, int], b"[" * 5000), (dict[str, int], b'{"a": "x", \xff')):
        with pytest.raises(DoesNotFitError):
            plan_of(kind).decode(Given(Inline(data, Encoding.JSON)))


@pytest.mark.parametrize(
    ("kind", "wire", "path"),
    [
        (dict[str, int], {"a": 1, "b": "x"}, "$.b"),
        (dict[str, list[Draft]], {"a": [], "b": [{"topic": "x"}, {"topic": 3}]}, "$.b[1].topic"),
        (list[dict[str, Box]], [{}, {"a": [1], "b": ["x"]}], "$[1].b[0]"),
        (dict[str, dict[str, int]], {"a": {"b": "x"}}, "$.a[...]"),
    ],
)
def test_a_misfit_in_a_dict_names_the_first_key(kind: Any, wire: Any, path: str) -> None:
    for data in (Inline(msgspec.json.encode(wire), Encoding.JSON), Inline(msgspec.msgpack.encode(wire))):
        with pytest.raises(DoesNotFitError) as caught:
            plan_of(kind).decode(Given(data))
        assert caught.value.path == path
        assert caught.value.violations[0][0] == path
