"""pydantic models, where pydantic is installed; it is never imported on its own."""

from datetime import UTC, datetime
from typing import Annotated, Any

import pytest

from tidemill import Clamp, DefinitionError, InvalidInputError, Worker, branch, record, workflow
from tidemill.core.terms import RecordExpr, Ref
from tidemill.core.values import Given
from tidemill.sdk.plans import plan_of

pydantic = pytest.importorskip("pydantic", reason="pydantic is not installed")


class Inner(pydantic.BaseModel):  # type: ignore[misc,name-defined]
    n: int = pydantic.Field(ge=0)
    at: datetime | None = None


class Order(pydantic.BaseModel):  # type: ignore[misc,name-defined]
    name: str = pydantic.Field(alias="theName")
    inner: list[Inner] = pydantic.Field(default_factory=list)


worker = Worker("w")


@worker.task
def keep(order: Order, other: Order | None = None) -> list[Order]:
    return [order]


def order(**fields: Any) -> Order:
    return Order(theName="x", inner=[Inner(**fields)])


def test_a_model_comes_back_as_it_was() -> None:
    value = order(n=1, at=datetime(2020, 1, 1, tzinfo=UTC))
    encoded = plan_of(list[Order]).encode([value])
    assert plan_of(list[Order]).decode(Given(encoded.inline)) == [value]
    assert plan_of(Order).plain(value) == {"theName": "x", "inner": [{"n": 1, "at": "2020-01-01T00:00:00Z"}]}
    assert keep.definition.inputs["$defs"]["Inner"]["properties"]["n"]["minimum"] == 0


def test_every_violation_is_told_with_its_path() -> None:
    with pytest.raises(InvalidInputError) as caught:
        keep.bind(({"theName": 3, "inner": [{"n": 1}, {"n": -1}]},), {})
    assert [path for path, _ in caught.value.violations] == ["$.order.theName", "$.order.inner[1].n"]


def test_fields_and_records_go_by_name_and_alias() -> None:
    @workflow
    def flow(order: Order) -> list[Order] | None:
        made = record(Order, theName=order.name, inner=[])
        return branch(order.inner[0].n > 1, then=lambda: keep(made), otherwise=lambda: None)

    inputs = flow.compiled.workflow.body.nodes["branch"].cases[0].body.nodes["keep"].inputs  # type: ignore[union-attr]
    assert isinstance(inputs["order"], RecordExpr)
    assert inputs["order"].fields["theName"] == Ref(port="order", fields=("theName",))


def test_a_clamp_in_a_model_is_refused_since_pydantic_would_not_see_it() -> None:
    class Cut(pydantic.BaseModel):  # type: ignore[misc,name-defined]
        width: Annotated[int, Clamp(1, 8)]

    with pytest.raises(DefinitionError, match=r"Cut\.width: pydantic does not see a Clamp; .* validator"):
        plan_of(list[Cut])
