"""Conditions: total, typed, evaluated on plain values. A value that does not fit fails the step; the text is shown."""

import operator
from collections.abc import Callable, Mapping
from typing import Any

from tidemill.core.chunks import NoSuchFieldError
from tidemill.core.errors import InputError
from tidemill.core.terms import (
    VALUE,
    AllOf,
    AnyOf,
    Calc,
    Calculation,
    Compare,
    Comparison,
    Condition,
    Constant,
    Contains,
    Has,
    IsTrue,
    ListExpr,
    Not,
    Operand,
    Present,
    RecordExpr,
    Ref,
    Size,
    StatusOf,
)

Look = Callable[[Operand], object]

_OPERATIONS: Mapping[Comparison, Callable[[object, object], object]] = {
    Comparison.EQUAL: operator.eq,
    Comparison.UNEQUAL: operator.ne,
    Comparison.LESS: operator.lt,  # type: ignore[dict-item]  # a misfit raises TypeError, which is meant
    Comparison.AT_MOST: operator.le,  # type: ignore[dict-item]
    Comparison.MORE: operator.gt,  # type: ignore[dict-item]
    Comparison.AT_LEAST: operator.ge,  # type: ignore[dict-item]
}
_CALCULATIONS: Mapping[Calculation, Callable[[Any, Any], object]] = {
    Calculation.PLUS: operator.add,
    Calculation.MINUS: operator.sub,
    Calculation.TIMES: operator.mul,
    Calculation.DIVIDED: operator.truediv,
    Calculation.MODULO: operator.mod,
}
_SHOWN = 40  # characters of a constant
_LONGEST = 64 * 1024  # of a text or list that a calculation makes


class ConditionError(InputError):
    """A condition met a value that it cannot judge."""

    def __init__(self, condition: Condition | Operand, reason: str) -> None:
        super().__init__(f"the condition `{text_of(condition)}` cannot be judged: {reason}")


def holds(condition: Condition, look: Look) -> bool:  # noqa: C901  # one match over a union
    """Judge a condition; ``look`` gives the plain value of an operand that is no calculation.

    Raises:
        ConditionError: a value is of the wrong kind, or not there.
    """
    match condition:
        case Compare(op=op, left=left, right=right):
            return _compare(condition, _OPERATIONS[op], look_through(left, look), look_through(right, look))
        case IsTrue(of=of):
            value = look(of)
            if not isinstance(value, bool):
                raise ConditionError(condition, f"{text_of(of)} is no bool")
            return value
        case Present(of=of):
            return look(of) is not None
        case Has(of=of):
            return _has(of, look)
        case Contains(item=item, within=within):
            return _contains(condition, look_through(item, look), look_through(within, look))
        case Not(of=inner):
            return not holds(inner, look)
        case AllOf(of=parts):
            return all(holds(part, look) for part in parts)
        case AnyOf(of=parts):
            return any(holds(part, look) for part in parts)


def look_through(operand: Operand, look: Look) -> object:
    """The plain value of an operand. Raises ConditionError for a calculation that has no result."""
    if not isinstance(operand, Calc):
        return look(operand)
    left, right = look_through(operand.left, look), look_through(operand.right, look)
    try:
        return calculate(operand.op, left, right)
    except (TypeError, ArithmeticError) as error:
        raise ConditionError(operand, str(error)) from None


def calculate(op: Calculation, left: object, right: object) -> object:
    """Numbers; ``+`` joins two texts or two lists. Raises TypeError, ArithmeticError."""
    joins = op is Calculation.PLUS and type(left) is type(right) and isinstance(left, str | list)
    if joins and len(left) + len(right) > _LONGEST:  # type: ignore[arg-type]
        raise OverflowError(f"more than {_LONGEST} characters or items are not joined here")
    if not joins and not (_is_number(left) and _is_number(right)):
        raise TypeError(f"{type(left).__name__} {op.value} {type(right).__name__} is no calculation")
    return _CALCULATIONS[op](left, right)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _has(of: Ref, look: Look) -> bool:
    try:
        return look(of) is not None
    except NoSuchFieldError:
        return False


def _contains(condition: Condition, item: object, within: object) -> bool:
    if not isinstance(within, list | dict | str) or (isinstance(within, str) and not isinstance(item, str)):
        kinds = f"{type(within).__name__} cannot hold {type(item).__name__}"
        raise ConditionError(condition, kinds)
    return item in within if not isinstance(within, dict) else isinstance(item, str) and item in within


def _compare(condition: Condition, apply: Callable[[object, object], object], left: object, right: object) -> bool:
    try:
        return bool(apply(left, right))
    except TypeError:
        kinds = f"{type(left).__name__} and {type(right).__name__} do not compare"
        raise ConditionError(condition, kinds) from None


def text_of(term: Condition | Operand) -> str:  # noqa: C901  # one match over a union
    """How a person reads it."""
    match term:
        case Ref(node=node, port=port, fields=fields):
            head = f"{node}.{port}" if node and port != VALUE else node or port
            return head + "".join(f"[{field}]" if isinstance(field, int) else f".{field}" for field in fields)
        case Constant(value=value):
            text = repr(value)
            return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"
        case Size(of=of):
            return f"size({text_of(of)})"
        case ListExpr(items=items):
            return "[" + ", ".join(text_of(item) for item in items) + "]"
        case RecordExpr(fields=parts):
            return "{" + ", ".join(f"{name}: {text_of(part)}" for name, part in parts.items()) + "}"
        case Compare(op=op, left=left, right=right):
            return f"{text_of(left)} {op.value} {text_of(right)}"
        case IsTrue(of=ref):
            return text_of(ref)
        case Present(of=ref):
            return f"{text_of(ref)} is present"
        case Has(of=ref):
            return f"has({text_of(ref)})"
        case Contains(item=item, within=within):
            return f"{text_of(item)} in {text_of(within)}"
        case StatusOf(of=node):
            return f"status({node})"
        case Calc(op=op, left=left, right=right):
            return f"({text_of(left)} {op.value} {text_of(right)})"
        case Not(of=inner):
            return f"not ({text_of(inner)})"
        case AllOf(of=parts):
            return " and ".join(f"({text_of(part)})" for part in parts)
        case AnyOf(of=parts):
            return " or ".join(f"({text_of(part)})" for part in parts)
