"""A Clamp corrects a number of a task's input, says so, and shows in the schema."""

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, NamedTuple, TypedDict

import jsonschema_rs
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidemill import Clamp, DefinitionError, File, Worker
from tidemill.core.run import Adjustment
from tidemill.core.values import Encoding, Given, Inline
from tidemill.sdk.errors import DoesNotFitError
from tidemill.sdk.plans import plan_of

Width = Annotated[int, Clamp(1, 8)]
Share = Annotated[float, Clamp(high=1.0)]


@dataclass
class Part:
    width: Width
    shares: list[Share] = field(default_factory=list)
    below: "list[Part]" = field(default_factory=list)


class Shape(msgspec.Struct):
    side: Width = 3


class Circle(msgspec.Struct, tag="circle"):
    r: Annotated[float, Clamp(low=0)]


class Square(msgspec.Struct, tag="square"):
    r: float


class Note(TypedDict):
    stars: Width


class Pair(NamedTuple):
    left: Width
    right: Part


CASES: list[tuple[Any, Any, Any, dict[str, tuple[float, float]]]] = [
    (Width, 99, 8, {"$": (99, 8)}),
    (Width, -99, 1, {"$": (-99, 1)}),
    (Width, 5, 5, {}),
    (Share, 7, 1.0, {"$": (7, 1.0)}),
    (Share, -1e300, -1e300, {}),
    (Width | None, 9, 8, {"$": (9, 8)}),
    (Width | None, None, None, {}),
    (Annotated[int | None, Clamp(1, 8)], 9, 8, {"$": (9, 8)}),
    (Width | str, "9", "9", {}),
    (Width | float, 9.5, 9.5, {}),
    (Part, Part(9, [0.5, 2.0], [Part(-9)]), Part(8, [0.5, 1.0], [Part(1)]),
     {"$.width": (9, 8), "$.shares[1]": (2.0, 1.0), "$.below[0].width": (-9, 1)}),
    (Shape, Shape(77), Shape(8), {"$.side": (77, 8)}),
    (Circle | Square, Square(-1.0), Square(-1.0), {}),
    (Circle | Square, Circle(-1.0), Circle(0.0), {"$.r": (-1.0, 0)}),
    (Note, {"stars": 0}, {"stars": 1}, {"$.stars": (0, 1)}),
    (Pair, Pair(0, Part(0)), Pair(1, Part(1)), {"$[0]": (0, 1), "$[1].width": (0, 1)}),
    (dict[str, Width], {"a": 9, "b": 2}, {"a": 8, "b": 2}, {"$.a": (9, 8)}),
    (tuple[Width, ...], (9, 1), (8, 1), {"$[0]": (9, 8)}),
    (list[Part | Shape], [Shape(9), Part(0)], [Shape(8), Part(1)], {"$[0].side": (9, 8), "$[1].width": (0, 1)}),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "given", "used", "places"), CASES)
def test_a_number_out_of_bounds_is_corrected_wherever_it_is(
    kind: Any, given: Any, used: Any, places: dict[str, tuple[float, float]]
) -> None:
    plan = plan_of(kind)
    plain = plan.plain(given)
    jsonschema_rs.validate(plan.schema, plain)  # so that the server lets it pass
    for value in (plan.encode(given).inline, Inline(msgspec.json.encode(plain), Encoding.JSON)):
        assert plan.decode(Given(value)) == given
        assert plan.decode_input(Given(value)) == (used, tuple(Adjustment(p, *n) for p, n in places.items()))


@given(st.floats() | st.integers(-(2**63), 2**64 - 1), st.integers(-9, 9), st.integers(0, 9))
def test_what_is_corrected_lies_within_and_what_lies_within_stays(number: float, low: int, more: int) -> None:
    plan = plan_of(Annotated[float, Clamp(low, low + more)])
    value = Given(plan.encode(number).inline)
    if not math.isfinite(number):
        with pytest.raises(DoesNotFitError, match="cannot be corrected"):
            plan.decode_input(value)
        return
    used, adjusted = plan.decode_input(value)
    assert low <= used <= low + more
    assert bool(adjusted) == (not low <= number <= low + more)
    assert adjusted or used == number


def test_the_schema_says_it() -> None:
    assert plan_of(Width).schema == {"type": "integer", "x-tidemill-clamp": {"minimum": 1, "maximum": 8}}
    assert plan_of(Share).schema == {"type": "number", "x-tidemill-clamp": {"maximum": 1.0}}
    assert plan_of(Part).schema["$defs"]["Part"]["properties"]["width"] == plan_of(Width).schema


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (Clamp, "needs a bound"),
        (lambda: Clamp(8, 1), "leaves no number; the lower bound comes first"),
        (lambda: Clamp(math.nan), "nan is none"),
        (lambda: Clamp(True), "True is none"),
        (lambda: plan_of(Annotated[str, Clamp(1)]), "str cannot be corrected by a Clamp; it takes int and float"),
        (lambda: plan_of(Annotated[bool, Clamp(1)]), "bool cannot be corrected"),
        (lambda: plan_of(Annotated[int, Clamp(0.5)]), "bounds of a Clamp of an int are whole numbers"),
        (lambda: plan_of(dict[Width, int]), "keys of a dict cannot be corrected"),
    ],
)
def test_a_clamp_that_cannot_be_is_refused(make: Any, said: str) -> None:
    with pytest.raises(DefinitionError, match=said):
        make()


def test_a_fraction_is_no_whole_number_whatever_its_size() -> None:
    for number in (3.5, 99.5, 3.0):
        with pytest.raises(DoesNotFitError, match="Expected `int`"):
            plan_of(Width).decode_input(Given(Inline(msgspec.msgpack.encode(number))))


def test_a_plain_call_gets_what_a_worker_would_give_it(tmp_path: Path) -> None:
    worker = Worker("w")

    @worker.task
    def draw(part: Part, width: Width = 2) -> list[int]:
        return [part.width, width]

    @dataclass
    class Framed:
        photo: File
        width: Width

    @worker.task
    def frame(framed: Framed) -> str:
        return f"{framed.photo.read_text()} {framed.width}"

    assert draw(Part(99), width=-3) == [8, 1]
    (tmp_path / "a.txt").write_text("cat")
    assert frame(Framed(File(tmp_path / "a.txt"), 99)) == "cat 8"
