"""What a change of a task means for those who call it as it was."""

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, make_dataclass
from enum import Enum
from typing import Annotated, Any, Literal, NamedTuple, NotRequired, TypedDict

import jsonschema_rs
import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tidemill import File, Worker
from tidemill.core.compat import Level, compare
from tidemill.core.definitions import TaskDefinition
from tidemill.sdk.forms import union_of


def definition(function: Callable[..., Any], **options: Any) -> TaskDefinition:
    worker = Worker("t")
    return worker.task("one", **options)(function).definition


def of(given: Any, returned: Any = int, **defaults: Any) -> TaskDefinition:
    def one(value: Any) -> Any: ...

    one.__annotations__.update({"value": given, "return": returned})
    if defaults:
        one.__defaults__ = (defaults["default"],)
    return definition(one)


_numbers = itertools.count()


@dataclass
class Draft:
    topic: str
    pages: int = 1


def draft(**fields: Any) -> Any:
    """A record of this name; a field with a default is a pair."""
    listed = [(name, *each) if isinstance(each, tuple) else (name, each) for name, each in fields.items()]
    return make_dataclass("Draft", listed, kw_only=True)


class Pair(NamedTuple):
    left: int
    right: str


class Three(NamedTuple):
    left: int
    right: str
    more: int


class Color(Enum):
    RED = "red"


class Colors(Enum):
    RED = "red"
    BLUE = "blue"


class Note(TypedDict, total=False):
    text: str


class Text(TypedDict):
    text: str


Positive = Annotated[int, msgspec.Meta(ge=0)]
Small = Annotated[int, msgspec.Meta(ge=0, le=9)]
Same, More, Worse = Level.COMPATIBLE, Level.WIDENED, Level.BREAKING

INPUTS: list[tuple[Any, Any, Level]] = [
    (int, int, Same),
    (int, float, More),
    (float, int, Worse),
    (int, str, Worse),
    (int, int | None, More),
    (int | None, int, Worse),
    (int | str, str | int | None, More),
    (Literal["a"], Literal["a", "b"], More),
    (Literal["a", "b"], Literal["a"], Worse),
    (Literal["a", "b"], str, More),
    (Literal["a", 1], int | str, More),
    (Color, Colors, More),
    (Colors, Color, Worse),
    (Small, Positive, More),
    (Positive, Small, Worse),
    (Small, int, More),
    (list[int], list[float], More),
    (list[int | str], list[int], Worse),
    (list[int], set[int], Worse),
    (set[int], list[int], More),
    (tuple[int, str], list[int | str], More),
    (list[int | str], tuple[int, str], Worse),
    (dict[str, int], dict[str, float], More),
    (dict[str, float], dict[str, int], Worse),
    (Draft, draft(topic=str, pages=(int, 1)), Same),
    (Draft, draft(topic=str, pages=(int, 1), kind=(str, "long")), More),
    (Draft, draft(topic=str, pages=(int, 1), kind=str), Worse),
    (Draft, draft(topic=str), Worse),
    (draft(topic=str), Draft, More),
    (Draft, draft(topic=str, pages=int), Worse),
    (Draft, dict[str, Any], More),
    (Draft, dict[str, str], Worse),
    (Text, Note, More),
    (Note, Text, Worse),
    (list[Draft], list[draft(topic=str, pages=(float, 1))], More),  # type: ignore[misc]
    (Any, int, Worse),
    (int, Any, More),
    (bytes, str, Worse),
    (str, bytes, Worse),
    (File, File | None, More),
]


def in_words(case: tuple[Any, Any, Level]) -> str:
    return f"{case[0]}-{case[1]}-{case[2].name}"


@pytest.mark.feature("B8")
@pytest.mark.parametrize("case", INPUTS, ids=in_words)
def test_an_input_may_only_widen(case: tuple[Any, Any, Level]) -> None:
    old, new, level = case
    if Any in (old, new):
        old, new = (list[each] for each in (old, new))  # type: ignore[valid-type]
    verdict = compare(of(old), of(new))
    assert verdict.level is level, verdict
    assert verdict.serves is (level is not Worse)


OUTPUTS: list[tuple[Any, Any, Level]] = [
    (float, int, More),
    (int, float, Worse),
    (int | None, int, More),
    (int, int | None, Worse),
    (Colors, Color, More),
    (Color, Colors, Worse),
    (Draft, draft(topic=str, pages=(int, 1), kind=(str, "long")), More),
    (Draft, draft(topic=str), More),
    (draft(topic=str, pages=int), draft(topic=str), Worse),
    (Pair, Three, More),
    (Three, Pair, Worse),
    (list[int], tuple[int, int], More),
]


@pytest.mark.feature("B8")
@pytest.mark.parametrize("case", OUTPUTS, ids=in_words)
def test_an_output_may_only_narrow(case: tuple[Any, Any, Level]) -> None:
    old, new, level = case
    assert compare(of(int, old), of(int, new)).level is level


@pytest.mark.feature("B8")
def test_a_verdict_says_each_place_with_its_reason() -> None:
    def old(topic: str, pages: int = 1, kind: str = "long") -> Draft: ...
    def new(topic: str | None, pages: int = 2, *, color: str = "red", size: int) -> draft(topic=int): ...  # type: ignore[valid-type]

    verdict = compare(definition(old, statuses=["bad"]), definition(new, statuses=["worse"]))
    assert verdict.level is Worse
    assert [(each.place, each.level, each.reason) for each in verdict.changes] == [
        ("input.topic", More, "takes more than before"),
        ("input.pages", More, "its default was 1, and is 2"),
        ("input.kind", Worse, "is not taken any more"),
        ("input.color", More, "is new, and may be left out"),
        ("input.size", Worse, "is new, and required"),
        ("output.value.topic", Worse, "was Draft, and may be what is no such Draft"),
        ("status", More, "may be 'worse' now, for which no transition was written"),
        ("status", More, "is never 'bad' any more"),
    ]


def test_a_stream_and_a_result_are_not_the_same() -> None:
    worker, other = Worker("t"), Worker("t")

    @worker.stream
    def one() -> Iterator[int]:
        yield 1

    def single() -> list[int]: ...

    assert [each.reason for each in compare(one.definition, other.task("one")(single).definition).changes] == [
        "it does not stream any more"
    ]


def test_a_recursive_type_that_gains_a_field_is_widened() -> None:
    trees = [named("a", past=("list[Tree]",)), named("a", past=("list[Tree]",), more=(int, 1))]
    assert compare(of(trees[0]), of(trees[1])).level is More
    assert compare(of(trees[1]), of(trees[0])).level is Worse


def named(*names: str, **fields: Any) -> type:
    kind = make_dataclass("Tree", [*((name, int) for name in names), *((name, *each) for name, each in fields.items())])
    kind.__annotations__["past"] = list[kind]  # type: ignore[valid-type]
    return kind


# Any two versions -----------------------------------------------------------------------------------


def record(fields: dict[str, tuple[Any, bool]]) -> Any:
    return TypedDict(
        f"Record{next(_numbers)}",
        {name: kind if needed else NotRequired[kind] for name, (kind, needed) in fields.items()},
    )


KINDS: st.SearchStrategy[Any] = st.recursive(
    st.sampled_from(
        [int, float, str, bool, bytes, None, Color, Colors, Positive, Small, Literal["a", 1], Literal["a"], Pair]
    ),
    lambda inner: st.one_of(
        inner.map(lambda kind: list[kind]),
        inner.map(lambda kind: set[int] if kind is int else union_of([kind, None])),
        inner.map(lambda kind: dict[str, kind]),
        st.tuples(inner, inner).map(lambda two: tuple[two[0], two[1]]),
        st.dictionaries(st.sampled_from("abc"), st.tuples(inner, st.booleans()), max_size=3).map(record),
    ),
    max_leaves=4,
)


def values_of(schema: Any, defs: Any) -> st.SearchStrategy[Any]:  # noqa: C901  # one case a kind of schema
    """Values that a schema takes."""
    if "$ref" in schema:
        return values_of(defs[schema["$ref"].rpartition("/")[2]], defs)
    if "anyOf" in schema:
        return st.one_of([values_of(each, defs) for each in schema["anyOf"]])
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    match schema.get("type"):
        case "integer":
            return st.integers(schema.get("minimum", -99), schema.get("maximum", 99))
        case "number":
            return st.integers(-9, 9) | st.floats(-9, 9)
        case "boolean":
            return st.booleans()
        case "null":
            return st.none()
        case "string":
            return st.just("YQ==") if "contentEncoding" in schema else st.text(max_size=3)
        case "array" if "prefixItems" in schema:
            return st.tuples(*(values_of(each, defs) for each in schema["prefixItems"])).map(list)
        case "array":
            return st.lists(
                values_of(schema["items"], defs), max_size=2, unique_by=str if schema.get("uniqueItems") else None
            )
        case _ if "properties" in schema:
            needed = set(schema["required"])
            parts = {name: values_of(each, defs) for name, each in schema["properties"].items()}
            return st.fixed_dictionaries(
                {name: each for name, each in parts.items() if name in needed},
                optional={name: each for name, each in parts.items() if name not in needed},
            )
        case _:
            return st.dictionaries(
                st.text(max_size=2), values_of(schema.get("additionalProperties") or {"type": "null"}, defs), max_size=2
            )


@pytest.mark.feature("B8")
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(KINDS, KINDS, st.data())
def test_what_the_old_version_took_a_compatible_one_takes(old: Any, new: Any, data: st.DataObject) -> None:
    before, after = of(old), of(new)
    value = data.draw(values_of(before.inputs, before.inputs.get("$defs", {})))
    assert jsonschema_rs.is_valid(before.inputs, value)
    if compare(before, after).serves:
        assert jsonschema_rs.is_valid(after.inputs, value)
    before, after = of(int, old), of(int, new)
    given_back = {port: data.draw(values_of(each, each.get("$defs", {}))) for port, each in after.outputs.items()}
    if compare(before, after).serves:
        assert all(jsonschema_rs.is_valid(each, given_back[port]) for port, each in before.outputs.items())


@given(KINDS, KINDS)
def test_a_type_is_compatible_with_itself_and_widened_by_a_union(kind: Any, other: Any) -> None:
    assert compare(of(kind), of(kind)).level is Same
    assert compare(of(list[kind]), of(list[union_of([kind, other])])).serves
