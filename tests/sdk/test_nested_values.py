"""Values are nested to one bound, in each interpreter."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
import pytest

from tidemill.core.nesting import NESTING_LIMIT
from tidemill.core.values import Encoding, Given, Inline
from tidemill.sdk.errors import DoesNotFitError
from tidemill.sdk.plans import plan_of


@dataclass
class Verdict:
    score: float
    at: datetime | None = None
    past: "list[Verdict]" = field(default_factory=list)


def nest_of(depth: int) -> Any:
    nest: Any = 1
    for level in range(depth):
        nest = {"a": nest} if level % 2 else [nest]
    return nest


def verdict_of(depth: int) -> Verdict:
    verdict = Verdict(1.0)
    for _ in range((depth - 2) // 2):
        verdict = Verdict(1.0, None, [verdict])
    return verdict


@pytest.mark.parametrize(
    ("kind", "made"),
    [
        (Any, nest_of),
        (dict, nest_of),
        (dict[UUID, Any], lambda depth: {UUID(int=1): nest_of(depth - 1)}),
        (Verdict, verdict_of),
        (list[Verdict | int], lambda depth: [verdict_of(depth - 1)]),
    ],
)
def test_the_depth_of_values_has_one_bound_in_each_interpreter(kind: Any, made: Callable[[int], Any]) -> None:
    plan = plan_of(kind)
    assert plan.decode(Given(plan.encode(made(NESTING_LIMIT)).inline)) == made(NESTING_LIMIT)
    deep = msgspec.to_builtins(made(NESTING_LIMIT + 2), str_keys=True)
    for value, encoding in (
        (msgspec.msgpack.encode(deep), Encoding.MSGPACK),
        (msgspec.json.encode(deep), Encoding.JSON),
    ):
        with pytest.raises(DoesNotFitError, match="nested too deep, past 100 levels"):
            plan.decode(Given(Inline(value, encoding)))
    with pytest.raises(DoesNotFitError, match="nested too deep, past 100 levels"):
        plan.encode(made(NESTING_LIMIT + 2))


def test_brackets_in_texts_and_side_by_side_are_not_depth() -> None:
    for value in (["[[{" * 100, '"[' * 100], [[]] * 500, {str(at): {"a": [at]} for at in range(200)}):
        for data, encoding in (
            (msgspec.msgpack.encode(value), Encoding.MSGPACK),
            (msgspec.json.encode(value), Encoding.JSON),
        ):
            assert plan_of(Any).decode(Given(Inline(data, encoding))) == value
