"""Words for conditions that Python has no comparison for; on real values they are what Python does."""

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar, cast

from tidemill.core.terms import Constant, Contains, Has, Operand, Ref, StatusOf
from tidemill.sdk.errors import DoesNotFitError
from tidemill.sdk.kinds import bare
from tidemill.sdk.plans import TypePlan, plan_of
from tidemill.sdk.standin import Criterion, Facts, Standin, TraceError, element_kind, facts_of

T = TypeVar("T")

Condition = bool  # what type checkers take a comparison of stand-ins for


def in_(item: T, items: Sequence[T] | Mapping[T, Any], /) -> Condition:
    """Whether a list has the item, a dict the key, a text the part; ``item in items``, for conditions."""
    if isinstance(items, Standin):
        facts = facts_of(items)
        kind = bare(facts.plan.kind)
        inner = plan_of(str if kind is str or _is_dict(kind) else element_kind(facts))
        return _contains(facts.owner, item, inner, items, facts.plan)
    if isinstance(item, Standin):
        facts = facts_of(item)
        return _contains(facts.owner, item, facts.plan, [facts.plan.plain(each) for each in items], plan_of(list[Any]))
    return item in items


def _is_dict(kind: Any) -> bool:
    return kind is dict or getattr(kind, "__origin__", None) is dict


def _contains(owner: Any, item: object, inner: TypePlan, items: object, outer: TypePlan) -> Condition:
    for each in (item, items):
        if isinstance(each, Standin):
            owner = owner.innermost(facts_of(each).owner)
    return cast("bool", Criterion(Contains(_operand(owner, item, inner), _operand(owner, items, outer)), owner))


def _operand(owner: Any, value: object, plan: TypePlan) -> Operand:
    if isinstance(value, Standin):
        found: Operand = owner.operand(facts_of(value))
        return found
    try:
        return Constant(plan.plain(value))
    except DoesNotFitError as error:
        raise TraceError(f"{value!r} is never among {plan.name}: {error}") from None


def has(value: object, /) -> Condition:
    """Whether a field is there, and not None; for keys that a record may lack."""
    if not isinstance(value, Standin):
        return value is not None
    facts = facts_of(value)
    if not isinstance(facts.expression, Ref):
        raise TraceError(f"{facts.text} is no result or field of one; has(…) takes one")
    return cast("bool", Criterion(Has(facts.expression), facts.owner))


def status_of(value: object, /) -> str:
    """The status that a step or a state ended with: ``success``, one that its task set, ``failure``, ``timeout``.

    Of a step that was left out, since what it needs failed, it is ``skipped``.

    Args:
        value: the output of the state, or the result of the step. On real values it is ``success``, for there is one.
    """
    value = value[0] if isinstance(value, tuple) and value else value  # of several outputs any
    if not isinstance(value, Standin):
        return "success"
    facts = facts_of(value)
    if not isinstance(facts.expression, Ref) or not facts.expression.node or facts.expression.fields:
        raise TraceError(f"{facts.text} is no result of a step or state, so it has no status")
    return cast("str", Standin(Facts(StatusOf(facts.expression.node), plan_of(str), facts.owner)))
