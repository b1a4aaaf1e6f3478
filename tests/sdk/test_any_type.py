"""Types made up at random: values come back both ways and meet the schema; what is changed is refused, or fits."""

import copy
from typing import Any

import jsonschema_rs
import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.sdk.kinds import cases
from tidemill.core.values import Encoding, Given, Inline
from tidemill.sdk.errors import DoesNotFitError
from tidemill.sdk.plans import TypePlan
from tidemill.server.validate import InputCheck


@settings(max_examples=100)
@given(cases)
def test_a_value_of_any_type_comes_back_both_ways_and_meets_the_schema(case: tuple[Any, Any]) -> None:
    kind, value = case
    plan = TypePlan(kind)
    plain = plan.plain(value)
    jsonschema_rs.validate(plan.schema, plain)
    assert InputCheck({"x": plan.schema}, frozenset()).violations({"x": plain}) == ()
    encoded = plan.encode(value)
    assert plan.decode(Given(encoded.inline)) == value
    again = plan.decode(Given(Inline(msgspec.json.encode(plain), Encoding.JSON)))
    assert again == value
    assert plan.encode(copy.deepcopy(value)).data == encoded.data


leaves = st.sampled_from([None, True, 0, -1, 2**63, 1.5, "", "x", "2020-01-01", [], [[]], {}, {"a": 1}])


@st.composite
def changed(draw: st.DrawFn) -> tuple[Any, Any]:
    """A type, and JSON that was a value of it until one place was changed."""
    kind, value = draw(cases)
    plain = copy.deepcopy(TypePlan(kind).plain(value))
    return kind, _changed(draw, plain)


def _changed(draw: st.DrawFn, plain: Any) -> Any:
    if not plain or not isinstance(plain, list | dict) or draw(st.booleans()):
        return draw(leaves)
    key = draw(st.sampled_from(sorted(plain) if isinstance(plain, dict) else range(len(plain))))
    match draw(st.sampled_from(["inside", "inside", "drop", "add"])):
        case "inside":
            plain[key] = _changed(draw, plain[key])
        case "drop":
            del plain[key]
        case _ if isinstance(plain, dict):
            plain["more"] = draw(leaves)
        case _:
            plain.append(draw(leaves))
    return plain


@settings(max_examples=100)
@given(changed())
def test_a_changed_value_is_refused_with_its_place_or_is_one_of_the_type(case: tuple[Any, Any]) -> None:
    kind, plain = case
    plan, places = TypePlan(kind), list[str]()
    for value in (Inline(msgspec.json.encode(plain), Encoding.JSON), Inline(msgspec.msgpack.encode(plain))):
        try:
            found = plan.decode(Given(value))
        except DoesNotFitError as error:
            places.append(error.path)
        else:
            assert plan.decode(Given(plan.encode(found).inline)) == found
    assert all(place.startswith("$") for place in places)
