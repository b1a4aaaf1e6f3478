"""Conditions: total, typed, evaluated on plain values. A value that does not fit fails the step; the text is shown."""

import operator
from collections.abc import Callable, Mapping

from tidemill.core.errors import InputError
from tidemill.core.graph import (
    AllOf,
    AnyOf,
    Compare,
    Comparison,
    Condition,
    Constant,
    IsTrue,
    ListExpr,
    Not,
    Operand,
    Present,
    RecordExpr,
    Ref,
    Size,
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


class ConditionError(InputError):
    """A condition met a value that it cannot judge."""

    def __init__(self, condition: Condition, reason: str) -> None:
        super().__init__(f"the condition `{text_of(condition)}` cannot be judged: {reason}")


def holds(condition: Condition, look: Look) -> bool:
    """Judge a condition; ``look`` gives the plain value of an operand.

    Raises:
        ConditionError: a value is of the wrong kind, or not there.
    """
    match condition:
        case Compare(op=op, left=left, right=right):
            return _compare(condition, _OPERATIONS[op], look(left), look(right))
        case IsTrue(of=of):
            value = look(of)
            if not isinstance(value, bool):
                raise ConditionError(condition, f"{text_of(of)} is no bool")
            return value
        case Present(of=of):
            return look(of) is not None
        case Not(of=inner):
            return not holds(inner, look)
        case AllOf(of=parts):
            return all(holds(part, look) for part in parts)
        case AnyOf(of=parts):
            return any(holds(part, look) for part in parts)


def _compare(condition: Condition, apply: Callable[[object, object], object], left: object, right: object) -> bool:
    try:
        return bool(apply(left, right))
    except TypeError:
        kinds = f"{type(left).__name__} and {type(right).__name__} do not compare"
        raise ConditionError(condition, kinds) from None


def text_of(condition: Condition | Operand) -> str:  # noqa: C901  # one match over a union
    """How a person reads it."""
    match condition:
        case Ref(node=node, port=port, fields=fields):
            head = f"{node}.{port}" if node and port != "value" else node or port
            return head + "".join(f"[{field}]" if isinstance(field, int) else f".{field}" for field in fields)
        case Constant(value=value):
            return repr(value)
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
        case Not(of=inner):
            return f"not ({text_of(inner)})"
        case AllOf(of=parts):
            return " and ".join(f"({text_of(part)})" for part in parts)
        case AnyOf(of=parts):
            return " or ".join(f"({text_of(part)})" for part in parts)
