"""What an author wrote as an argument, as an expression of the graph: stand-ins, literals, and literals with both."""

from collections.abc import Mapping, Sequence
from typing import Any, get_args, get_origin, is_typeddict

from tidemill.core.fit import fits, view_of
from tidemill.core.terms import Calc, Constant, Input, ListExpr, Operand, RecordExpr, StatusOf
from tidemill.core.terms import Size as SizeOf
from tidemill.sdk.errors import DoesNotFitError
from tidemill.sdk.forms import fields_of, is_named_tuple, name_of, union_of
from tidemill.sdk.kinds import bare, fixed_kinds, keys_of, members, record_names
from tidemill.sdk.plans import TypePlan, plan_of
from tidemill.sdk.standin import Criterion, Standin, TraceError, facts_of, holds_standins
from tidemill.sdk.tracer import Tracer


def expression_of(tracer: Tracer, value: Any, kind: Any, place: str) -> Input:
    """An argument as an input expression. ``place`` names it in messages: ``compose(captions=…)``.

    Raises:
        TraceError: it does not fit the type; both types are shown.
    """
    if isinstance(value, Standin):
        return _of_standin(tracer, value, plan_of(kind), place)
    if isinstance(value, Criterion):
        raise TraceError(
            f"{place}: {value!r} can only be a condition; for a bool use "
            "branch(condition, then=lambda: True, otherwise=lambda: False)"
        )
    if not holds_standins(value):
        return Constant(_plain(value, kind, place))
    options = members(kind)
    if len(options) > 1:
        return _of_union(tracer, value, options, place)
    return _of_parts(tracer, value, bare(kind), place)


def argument_of(tracer: Tracer, value: Any, plan: TypePlan, place: str) -> Input:
    """As ``expression_of``, of a parameter: its plan may know codecs that its type does not name."""
    if isinstance(value, Standin):
        return _of_standin(tracer, value, plan, place)
    return expression_of(tracer, value, plan.kind, place)


def _of_standin(tracer: Tracer, value: Standin, plan: TypePlan, place: str) -> Input:
    facts = facts_of(value)
    if isinstance(facts.expression, Calc):
        raise TraceError(f"{place}: {facts.text} can only be part of a condition; use a task that calculates it")
    misfit = fits(facts.plan.schema, plan.schema)
    if misfit is not None:
        raise TraceError(f"{place} takes {plan.name}, and {facts.text} is {facts.plan.name}: {misfit.text}")
    expression: Operand = tracer.operand(facts)
    if isinstance(expression, SizeOf | StatusOf | Calc):
        raise TraceError(f"{place}: {facts.text} can only be compared, as in size(items) > 3; use a task that counts")
    return expression


def _plain(value: Any, kind: Any, place: str) -> Any:
    plan = plan_of(kind)
    try:
        plain = plan.plain(value)
    except DoesNotFitError as error:
        raise TraceError(f"{place} takes {plan.name}, not {value!r}: {error}") from None
    if plan.may_hold_files and plan.encode(value).local:
        raise TraceError(f"{place}: a local file cannot be part of a workflow; make it an input of the workflow")
    return plain


def _of_union(tracer: Tracer, value: Any, options: Sequence[Any], place: str) -> Input:
    reasons = []
    for option in options:
        if option is type(None):
            continue
        try:
            return expression_of(tracer, value, option, place)
        except TraceError as error:
            reasons.append(str(error))
    raise TraceError("; or ".join(reasons))


def _of_parts(tracer: Tracer, value: Any, kind: Any, place: str) -> Input:
    origin = get_origin(kind) or kind
    if isinstance(value, list | tuple) and not is_named_tuple(type(value)):
        kinds = fixed_kinds(kind) or [_argument(kind, 0, (list, tuple, Sequence), place, value)] * len(value)
        if len(kinds) != len(value):
            raise TraceError(f"{place} takes {name_of(kind)}, and got {len(value)} items")
        return ListExpr(tuple(_each(tracer, value, kinds, place)))
    if isinstance(value, dict):
        if is_typeddict(origin):
            return _of_fields(tracer, value, kind, place)
        inner = _argument(kind, 1, (dict, Mapping), place, value)
        return RecordExpr(
            {str(key): expression_of(tracer, each, inner, f"{place}[{key!r}]") for key, each in value.items()}
        )
    if kind is Any:
        kind, origin = type(value), type(value)
    if not isinstance(origin, type) or not isinstance(value, origin):
        raise TraceError(f"{place} takes {name_of(kind)}, not {name_of(type(value))}")
    if isinstance(value, tuple):
        return ListExpr(tuple(_each(tracer, value, list(fields_of(kind).values()), place)))
    return _of_fields(tracer, {name: getattr(value, name) for name in record_names(value)}, kind, place)


def _each(tracer: Tracer, values: Sequence[Any], kinds: Sequence[Any], place: str) -> list[Input]:
    pairs = zip(values, kinds, strict=True)
    return [expression_of(tracer, each, kind, f"{place}[{index}]") for index, (each, kind) in enumerate(pairs)]


def _argument(kind: Any, index: int, bases: tuple[Any, ...], place: str, value: Any) -> Any:
    """The type of the elements of a list or dict type."""
    origin, arguments = get_origin(kind) or kind, get_args(kind)
    if kind is Any:
        return Any
    if not isinstance(origin, type) or not any(issubclass(origin, base) for base in bases):
        raise TraceError(f"{place} takes {name_of(kind)}, not a {type(value).__name__}")
    return arguments[index] if len(arguments) > index else Any


def _of_fields(tracer: Tracer, values: Mapping[str, Any], kind: Any, place: str) -> Input:
    keys = keys_of(kind)
    for name in values:
        if name not in keys:
            raise TraceError(f"{place}: {name_of(kind)} has no field {name!r}")
    parts = {}
    for name, value in values.items():
        key, inner = keys[name]
        parts[str(key)] = expression_of(tracer, value, inner, f"{place}.{name}")
    required = view_of(plan_of(kind).schema).resolved().schema.get("required", ())
    missing = [name for name in required if name not in parts]
    if missing:
        raise TraceError(f"{place}: {name_of(kind)} needs {', '.join(missing)} too")
    return RecordExpr(parts)


def recorded(tracer: Tracer, cls: Any, values: Mapping[str, Any]) -> Input:
    """A record of a class that validates: its constructor runs when a task takes it."""
    return _of_fields(tracer, values, cls, name_of(cls))


def kind_of(value: Any) -> Any:
    """The type of what a body gave."""
    if isinstance(value, Standin):
        return facts_of(value).plan.kind
    if isinstance(value, list):
        return list[_joined(value)]  # type: ignore[misc]  # made at run time
    if isinstance(value, dict):
        return dict[str, _joined(list(value.values()))]  # type: ignore[misc]
    if isinstance(value, tuple) and not is_named_tuple(type(value)):
        return tuple[tuple(kind_of(each) for each in value)]  # type: ignore[misc]
    if isinstance(value, Criterion):
        raise TraceError(f"{value!r} can only be a condition; let the body give a value")
    return type(value)


def _joined(values: Sequence[Any]) -> Any:
    return union_of(list(dict.fromkeys(map(kind_of, values)))) if values else Any
