"""Small operations that the server does itself, with no worker: arithmetic, comparison, text, lists, records.

In a workflow each call on a result that is not there yet makes a node, whose name is that of the function; a second
use gets one by ``name``. Anywhere else, and on literals, they are plain functions. A division by zero or an index out
of range fails the step with `invalid_input`. A result has at most 16 KiB; what is larger, or takes long, belongs into a
task.
"""

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar, cast, get_args

from tidemill.core.operations import apply
from tidemill.sdk.definition import recording
from tidemill.sdk.expressions import kind_of
from tidemill.sdk.forms import union_of
from tidemill.sdk.kinds import bare
from tidemill.sdk.nodes import Trace
from tidemill.sdk.standin import holds_standins

N = TypeVar("N", int, float)
O = TypeVar("O", int, float, str)  # noqa: E741  # of what has an order
T = TypeVar("T")
A = TypeVar("A")
B = TypeVar("B")


def _do(op: str, kind: Any, name: str, **operands: Any) -> Any:
    """``kind``: the type of the result."""
    trace = cast("Trace | None", recording.get())
    if trace is None or not holds_standins(list(operands.values())):
        return apply(op, operands)
    return trace.operate(name or op, op, operands, kind)


def _number(*operands: object) -> Any:
    return float if any(bare(kind_of(each)) is float for each in operands) else int


def _element(items: object) -> Any:
    arguments = get_args(bare(kind_of(items)))
    return arguments[0] if arguments else Any


def _either(one: Any, other: Any) -> Any:
    return union_of(list(dict.fromkeys((one, other))))


def _pair_of(one: Any, other: Any) -> Any:
    return tuple[one, other]


def _list_of(kind: Any) -> Any:
    return list[kind]


def _dict_of(kind: Any) -> Any:
    return dict[str, kind]


def _value(record: object) -> Any:
    arguments = get_args(bare(kind_of(record)))
    return arguments[1] if len(arguments) > 1 else Any


def add(a: N, b: N, *, name: str = "") -> N:
    """``a + b``."""
    return cast("N", _do("add", _number(a, b), name, a=a, b=b))


def subtract(a: N, b: N, *, name: str = "") -> N:
    """``a - b``."""
    return cast("N", _do("subtract", _number(a, b), name, a=a, b=b))


def multiply(a: N, b: N, *, name: str = "") -> N:
    """``a * b``."""
    return cast("N", _do("multiply", _number(a, b), name, a=a, b=b))


def divide(a: float, b: float, *, name: str = "") -> float:
    """``a / b``."""
    return cast(float, _do("divide", float, name, a=a, b=b))


def floor_divide(a: N, b: N, *, name: str = "") -> N:
    """``a // b``."""
    return cast("N", _do("floor_divide", _number(a, b), name, a=a, b=b))


def modulo(a: N, b: N, *, name: str = "") -> N:
    """``a % b``."""
    return cast("N", _do("modulo", _number(a, b), name, a=a, b=b))


def negate(a: N, *, name: str = "") -> N:
    """``-a``."""
    return cast("N", _do("negate", _number(a), name, a=a))


def absolute(a: N, *, name: str = "") -> N:
    """``abs(a)``."""
    return cast("N", _do("absolute", _number(a), name, a=a))


def rounded(a: float, digits: int = 0, *, name: str = "") -> float:
    """``a`` with some digits after the point."""
    return cast(float, _do("rounded", float, name, a=a, digits=digits))


def equal(a: T, b: T, *, name: str = "") -> bool:
    """``a == b``, as a value; a condition needs no operation."""
    return cast(bool, _do("equal", bool, name, a=a, b=b))


def unequal(a: T, b: T, *, name: str = "") -> bool:
    """``a != b``, as a value; a condition needs no operation."""
    return cast(bool, _do("unequal", bool, name, a=a, b=b))


def less(a: O, b: O, *, name: str = "") -> bool:
    """``a < b``, as a value; a condition needs no operation."""
    return cast(bool, _do("less", bool, name, a=a, b=b))


def at_most(a: O, b: O, *, name: str = "") -> bool:
    """``a <= b``, as a value; a condition needs no operation."""
    return cast(bool, _do("at_most", bool, name, a=a, b=b))


def more(a: O, b: O, *, name: str = "") -> bool:
    """``a > b``, as a value; a condition needs no operation."""
    return cast(bool, _do("more", bool, name, a=a, b=b))


def at_least(a: O, b: O, *, name: str = "") -> bool:
    """``a >= b``, as a value; a condition needs no operation."""
    return cast(bool, _do("at_least", bool, name, a=a, b=b))


def both(a: bool, b: bool, *, name: str = "") -> bool:  # noqa: FBT001  # it is an operand
    """``a and b``."""
    return cast(bool, _do("both", bool, name, a=a, b=b))


def either(a: bool, b: bool, *, name: str = "") -> bool:  # noqa: FBT001  # it is an operand
    """``a or b``."""
    return cast(bool, _do("either", bool, name, a=a, b=b))


def opposite(a: bool, *, name: str = "") -> bool:  # noqa: FBT001  # it is an operand
    """``not a``."""
    return cast(bool, _do("opposite", bool, name, a=a))


def join(items: Sequence[str], by: str = "", *, name: str = "") -> str:
    """``by.join(items)``."""
    return cast(str, _do("join", str, name, items=items, by=by))


def split(text: str, by: str, *, name: str = "") -> list[str]:
    """``text.split(by)``."""
    return cast("list[str]", _do("split", list[str], name, text=text, by=by))


def lower(text: str, *, name: str = "") -> str:
    """``text.lower()``."""
    return cast(str, _do("lower", str, name, text=text))


def upper(text: str, *, name: str = "") -> str:
    """``text.upper()``."""
    return cast(str, _do("upper", str, name, text=text))


def strip(text: str, *, name: str = "") -> str:
    """``text.strip()``."""
    return cast(str, _do("strip", str, name, text=text))


def replace(text: str, old: str, new: str, *, name: str = "") -> str:
    """``text.replace(old, new)``."""
    return cast(str, _do("replace", str, name, text=text, old=old, new=new))


def fill(template: str, *, name: str = "", **fields: object) -> str:
    """A text with named fields: ``fill("{a} and {b}", a=…, b=…)``. Numbers, texts and bools fit."""
    return cast(str, _do("fill", str, name, template=template, **fields))


def text(a: str | float | bool, *, name: str = "") -> str:  # noqa: FBT001  # it is an operand
    """A number or a bool as a text."""
    return cast(str, _do("text", str, name, a=a))


def length(items: Sequence[Any] | Mapping[str, Any], *, name: str = "") -> int:
    """``len(items)``, of a list, record or text of any length."""
    return cast(int, _do("length", int, name, items=items))


def concat(a: Sequence[A], b: Sequence[B], *, name: str = "") -> list[A | B]:
    """``a + b``, of lists."""
    return cast(
        "list[A | B]",
        _do("concat", _list_of(_either(_element(a), _element(b))), name, a=a, b=b),
    )


def part(items: Sequence[T], start: int, stop: int, *, name: str = "") -> list[T]:
    """``items[start:stop]``."""
    return cast("list[T]", _do("part", _list_of(_element(items)), name, items=items, start=start, stop=stop))


def count(start: int, stop: int, *, name: str = "") -> list[int]:
    """``range(start, stop)``, as a list."""
    return cast("list[int]", _do("count", list[int], name, start=start, stop=stop))


def item(items: Sequence[T], index: int, *, name: str = "") -> T:
    """``items[index]``, for an index that is known only when the workflow runs."""
    return cast("T", _do("item", _element(items), name, items=items, index=index))


def ordered(items: Sequence[O], *, name: str = "") -> list[O]:
    """``sorted(items)``."""
    return cast("list[O]", _do("ordered", _list_of(_element(items)), name, items=items))


def backwards(items: Sequence[T], *, name: str = "") -> list[T]:
    """The items from the last to the first."""
    return cast("list[T]", _do("backwards", _list_of(_element(items)), name, items=items))


def unique(items: Sequence[T], *, name: str = "") -> list[T]:
    """Each item once, in the order of their first places. Of numbers, texts and bools."""
    return cast("list[T]", _do("unique", _list_of(_element(items)), name, items=items))


def total(items: Sequence[N], *, name: str = "") -> N:
    """``sum(items)``."""
    return cast("N", _do("total", _element(items), name, items=items))


def smallest(items: Sequence[O], *, name: str = "") -> O:
    """``min(items)``."""
    return cast("O", _do("smallest", _element(items), name, items=items))


def largest(items: Sequence[O], *, name: str = "") -> O:
    """``max(items)``."""
    return cast("O", _do("largest", _element(items), name, items=items))


def zipped(a: Sequence[A], b: Sequence[B], *, name: str = "") -> list[tuple[A, B]]:
    """``zip(a, b)``, as a list; both have one length."""
    return cast("list[tuple[A, B]]", _do("zipped", _list_of(_pair_of(_element(a), _element(b))), name, a=a, b=b))


def contains(items: Sequence[T] | Mapping[str, T], item: T | str, *, name: str = "") -> bool:
    """``item in items``, as a value."""
    return cast(bool, _do("contains", bool, name, items=items, item=item))


def get(record: Mapping[str, T], key: str, *, name: str = "") -> T:
    """``record[key]``, for a key that is known only when the workflow runs."""
    return cast("T", _do("get", _value(record), name, record=record, key=key))


def merged(a: Mapping[str, A], b: Mapping[str, B], *, name: str = "") -> dict[str, A | B]:
    """``{**a, **b}``."""
    return cast("dict[str, A | B]", _do("merged", _dict_of(_either(_value(a), _value(b))), name, a=a, b=b))
