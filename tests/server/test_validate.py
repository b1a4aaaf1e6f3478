"""Inputs against announced schemas: what fits passes, what does not is told place by place."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidemill.core.definitions import TaskDefinition
from tidemill.sdk.file import File
from tidemill.sdk.plans import plan_of
from tidemill.sdk.worker import Worker
from tidemill.server.validate import BadSchemaError, Checks, InputCheck, path_text

made = Worker("made")


@dataclass(frozen=True)
class Part:
    name: str
    weight: float = 1.0
    tags: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Tree:
    part: Part
    below: list["Tree"] = field(default_factory=list)


@made.task
def everything(  # noqa: PLR0913, PLR0917 - one of each kind
    part: Part, tree: Tree, data: bytes, file: File, some: list[int] | None = None, free: Any = None
) -> None: ...


FITS: dict[str, Any] = {
    "part": {"name": "a"},
    "tree": {"part": {"name": "b"}, "below": [{"part": {"name": "c"}}]},
    "data": b"\xff\x00",
    "file": {"$file": "sha256:" + "0" * 64, "size": 3},
}


def wrong(**changes: Any) -> dict[str, str]:
    return dict(Checks().of_task(everything.definition).violations({**FITS, **changes}))


def test_what_fits_passes() -> None:
    assert wrong() == {}
    assert wrong(data="aGVsbG8=", some=[1, 2], free={"any": [b"thing", None, 1.5]}) == {}
    assert wrong(part={"name": "a", "weight": float("nan")}) == {}


@pytest.mark.feature("B6")
def test_each_violation_has_its_place() -> None:
    tree = {"part": {"name": 1}, "below": [{"part": {"name": "c", "weight": "heavy", "nmae": 1}}, {}]}
    assert wrong(tree=tree).keys() == {
        "$.tree.part.name",
        "$.tree.below[0].part.weight",
        "$.tree.below[0].part.nmae",
        "$.tree.below[1].part",
    }
    assert wrong(some=[1, "2", 3]).keys() == {"$.some[1]"}
    assert wrong(some="none").keys() == {"$.some"}
    assert "is missing" in dict(Checks().of_task(everything.definition).violations({}))["$.part"]
    assert wrong(file={"$file": "nonsense", "size": -1}).keys() == {"$.file.$file", "$.file.size"}


@pytest.mark.feature("B9")
def test_an_unknown_key_names_the_nearest() -> None:
    assert wrong(prat={"name": "a"}) == {"$.prat": "unknown input; did you mean 'part'?"}


def test_a_place_is_written_as_a_json_path() -> None:
    assert path_text(["photos", 3, "name"]) == "$.photos[3].name"


def test_a_schema_that_is_none_or_leads_outside_is_the_workers_fault() -> None:
    for schema in ({"type": "arry"}, {"$ref": "http://127.0.0.1:1/x"}, {"$ref": "#/$defs/none"}):
        with pytest.raises(BadSchemaError):
            InputCheck({"a": schema}, frozenset())


def test_compiled_checks_are_kept_by_digest() -> None:
    checks = Checks()
    assert checks.of_task(everything.definition) is checks.of_task(everything.definition)


anything = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats() | st.text() | st.binary(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
)


@given(st.dictionaries(st.sampled_from([*FITS, "some", "free", "x"]), anything))
def test_no_data_breaks_the_check(data: dict[str, Any]) -> None:
    definition: TaskDefinition = everything.definition
    for path, text in Checks().of_task(definition).violations(msgspec.msgpack.decode(msgspec.msgpack.encode(data))):
        assert path.startswith("$.")
        assert 0 < len(text) <= 300


def test_a_number_of_more_than_64_bits_is_refused_where_it_is() -> None:
    for number in (2**64, 10**30, -(2**63) - 1):
        assert wrong(some=[1, number]) == {
            "$.some[1]": f"{number} has more than 64 bits; take it as text (str) or Decimal"
        }
    assert wrong(some=[2**64 - 1, -(2**63)]) == {}
    assert wrong(part={"name": "a", "weight": 10**30}, free=10**30) == {}


def test_what_a_model_may_make_of_a_text_is_left_to_it_and_the_rest_is_checked() -> None:
    pydantic = pytest.importorskip("pydantic", reason="pydantic is not installed")

    class Stamp(pydantic.BaseModel):  # type: ignore[misc,name-defined]
        at: datetime

    class Parcel(pydantic.BaseModel):  # type: ignore[misc,name-defined]
        copies: int = pydantic.Field(ge=1)
        fast: bool = False
        to: str = ""
        stamps: list[Stamp] = pydantic.Field(default_factory=list)

    class Strict(pydantic.BaseModel):  # type: ignore[misc,name-defined]
        model_config = pydantic.ConfigDict(strict=True)
        copies: int

    def faults(kind: Any, value: Any) -> set[str]:
        check = InputCheck({"x": plan_of(kind).schema}, frozenset())
        return {place for place, _ in check.violations({"x": value})}

    assert faults(Parcel, {"copies": "3", "fast": "yes", "stamps": [{"at": 0}]}) == set()
    assert faults(Parcel, {"copies": 0, "to": 3, "stamps": [{}, 3]}) == {
        "$.x.copies",
        "$.x.to",
        "$.x.stamps[0].at",
        "$.x.stamps[1]",
    }
    assert faults(Parcel, {"copies": [3], "stamps": "x"}) == {"$.x.copies", "$.x.stamps"}
    assert faults(list[Parcel], [{"copies": "3"}, {}]) == {"$.x[1].copies"}
    assert faults(Strict, {"copies": "3"}) == {"$.x.copies"}
