"""A union that ends the process in msgspec is read without it."""

from dataclasses import dataclass
from typing import Annotated

import pytest
from msgspec import Meta, Struct

from tidemill import Clamp, DefinitionError, Worker
from tidemill.sdk.plans import plan_of

Small = Annotated[int, Meta(ge=0, le=9)]


@dataclass
class Holder:
    either: tuple[int, str] | Small
    deep: list[tuple[int, str] | Annotated[str, Meta(min_length=1)]]


class Native(Struct):
    either: tuple[int, str] | Small


class Outer(Struct):
    inner: list[Holder]


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (tuple[int, str] | Small, (1, "a")),
        (tuple[int, str] | Small, 7),
        (Small | tuple[int, str] | None, None),
        (dict[str, tuple[int, int] | Annotated[float, Meta(gt=0)]], {"x": (1, 2), "y": 0.5}),
        (tuple[int, str] | Annotated[int, Clamp(1, 8)], (1, "a")),
        (Holder, Holder((1, "a"), ["b", (2, "c")])),
    ],
)
def test_it_comes_back_as_it_was(kind: object, value: object) -> None:
    plan = plan_of(kind)
    for _ in range(20):
        assert plan.decode_bytes(plan.encode(value).data, plan.encode(value).inline.encoding) == value
    assert plan.schema


@pytest.mark.parametrize("kind", [Native, Outer])
def test_a_struct_with_one_is_refused(kind: type) -> None:
    worker = Worker("w")

    def take(value: object) -> int:
        return 1

    take.__annotations__["value"] = kind
    with pytest.raises(DefinitionError, match="a msgspec Struct cannot hold a union of a fixed tuple"):
        worker.task(take)
