"""Stand-ins: what the inputs and results of nodes are while a workflow is traced.

A stand-in knows its type. It gives the fields that the type has and the conditions that a comparison makes;
everything else that Python can do with a value raises, with the words to use instead.
"""

import datetime
import difflib
import uuid
from collections.abc import Callable, Iterator, Sequence
from enum import Enum
from typing import Any, Literal, NoReturn, get_args, get_origin, is_typeddict

from msgspec import Struct

from tidemill.core.conditions import text_of
from tidemill.core.terms import (
    Calc,
    Calculation,
    Compare,
    Comparison,
    Condition,
    Constant,
    IsTrue,
    Not,
    Operand,
    Present,
    RecordExpr,
    Ref,
    StatusOf,
)
from tidemill.core.terms import Size as SizeOf
from tidemill.sdk.errors import DefinitionError, DoesNotFitError
from tidemill.sdk.file import File
from tidemill.sdk.forms import is_record
from tidemill.sdk.kinds import FILE_FIELDS, bare, fixed_kinds, keys_of, members, record_names
from tidemill.sdk.plans import TypePlan, plan_of


class TraceError(DefinitionError):
    """A workflow that does what only a running task can do; the text says what to write instead."""


class Facts(Struct, frozen=True, eq=False):
    """What a stand-in stands for. ``owner`` is the trace that it belongs to."""

    expression: Operand
    plan: TypePlan
    owner: Any

    @property
    def text(self) -> str:
        return f"<{self.plan.name} from {text_of(self.expression)}>"


_EQUATED = (bool, int, float, str, datetime.date, uuid.UUID, type(None))
_ORDERED = (int, float, str, datetime.date)


class Standin:
    """Stands for a value that exists only when the workflow runs."""

    __slots__ = ("_tidemill",)

    def __init__(self, facts: Facts) -> None:
        object.__setattr__(self, "_tidemill", facts)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return field_of(facts_of(self), name)

    def __getitem__(self, key: Any) -> Any:
        return item_of(facts_of(self), key)

    def __iter__(self) -> Iterator[Any]:
        facts = facts_of(self)
        kinds = fixed_kinds(facts.plan.kind)
        if kinds is None:
            refuse_use(facts, "be iterated over", "map_over(lambda each: …, items)")
        return iter([item_of(facts, index) for index in range(len(kinds))])

    def __eq__(self, other: object) -> Any:
        return _compared(facts_of(self), Comparison.EQUAL, other)

    def __ne__(self, other: object) -> Any:
        return _compared(facts_of(self), Comparison.UNEQUAL, other)

    def __lt__(self, other: object) -> Any:
        return _compared(facts_of(self), Comparison.LESS, other)

    def __le__(self, other: object) -> Any:
        return _compared(facts_of(self), Comparison.AT_MOST, other)

    def __gt__(self, other: object) -> Any:
        return _compared(facts_of(self), Comparison.MORE, other)

    def __ge__(self, other: object) -> Any:
        return _compared(facts_of(self), Comparison.AT_LEAST, other)

    def __add__(self, other: object) -> Any:
        return calculated(Calculation.PLUS, self, other)

    def __radd__(self, other: object) -> Any:
        return calculated(Calculation.PLUS, other, self)

    def __sub__(self, other: object) -> Any:
        return calculated(Calculation.MINUS, self, other)

    def __rsub__(self, other: object) -> Any:
        return calculated(Calculation.MINUS, other, self)

    def __mul__(self, other: object) -> Any:
        return calculated(Calculation.TIMES, self, other)

    def __rmul__(self, other: object) -> Any:
        return calculated(Calculation.TIMES, other, self)

    def __truediv__(self, other: object) -> Any:
        return calculated(Calculation.DIVIDED, self, other)

    def __rtruediv__(self, other: object) -> Any:
        return calculated(Calculation.DIVIDED, other, self)

    def __mod__(self, other: object) -> Any:
        return calculated(Calculation.MODULO, self, other)

    def __rmod__(self, other: object) -> Any:
        return calculated(Calculation.MODULO, other, self)

    def __hash__(self) -> int:  # noqa: PLE0309  # it never returns
        refuse_use(facts_of(self), "be a key or a member of a set", "a list")

    def __repr__(self) -> str:
        return facts_of(self).text


class Criterion:
    """A condition over stand-ins: for ``branch``, ``not_``, ``all_of`` and ``any_of``."""

    __slots__ = ("condition", "owner")

    def __init__(self, condition: Condition, owner: Any) -> None:
        self.condition, self.owner = condition, owner

    def __eq__(self, other: object) -> Any:
        raise TraceError(f"{self!r} is a condition, and conditions do not compare; use all_of, any_of, not_")

    __hash__ = None  # type: ignore[assignment]  # as for any value whose == has another meaning

    def __repr__(self) -> str:
        return f"<condition {text_of(self.condition)}>"


def facts_of(standin: Standin) -> Facts:
    facts: Facts = object.__getattribute__(standin, "_tidemill")
    return facts


def refuse_use(facts: Facts, what: str, instead: str) -> NoReturn:
    raise TraceError(f"{facts.text} has no value yet, so it cannot {what} here; use {instead}")


def _refusal(what: str, instead: str) -> Callable[..., NoReturn]:
    def refuse(self: Any, *_: Any) -> NoReturn:
        if isinstance(self, Standin):
            refuse_use(facts_of(self), what, instead)
        raise TraceError(f"{self!r} is decided when the workflow runs, so it cannot {what} here; use {instead}")

    return refuse


_IN_A_TASK = "a task that does it"
_BRANCHES = "branch(condition, then=lambda: …, otherwise=lambda: …), and all_of, any_of, not_ for and, or, not"
_REFUSED: tuple[tuple[str, str, str], ...] = (
    ("bool", "decide a Python branch", _BRANCHES),
    ("len", "be measured", "size(…), which makes conditions"),
    ("contains", "be searched", _IN_A_TASK),
    ("str", "be turned into text", _IN_A_TASK),
    ("format", "be turned into text", _IN_A_TASK),
    ("bytes", "be turned into bytes", _IN_A_TASK),
    ("call", "be called", "call(task, …) for a task that came as a value"),
    ("setattr", "be changed", "record(Class, field=…) to build another"),
    ("delattr", "be changed", "record(Class, field=…) to build another"),
    ("setitem", "be changed", "a task that gives the changed value"),
    ("delitem", "be changed", "a task that gives the changed value"),
    ("enter", "be entered", _IN_A_TASK),
    ("await", "be awaited", "the call alone: a workflow is not async"),
    ("aiter", "be iterated over", "map_over(lambda each: …, items)"),
    ("next", "be iterated over", "map_over(lambda each: …, items)"),
    ("reversed", "be iterated over", _IN_A_TASK),
    *((name, "be turned into a number", _IN_A_TASK) for name in ("int", "float", "complex", "index", "round")),
    *(
        (side + name, "be calculated with", _IN_A_TASK)
        for name in "matmul floordiv divmod pow lshift rshift and or xor".split()  # noqa: SIM905
        for side in ("", "r", "i")
        if side + name != "idivmod"
    ),
    *((f"i{name}", "be calculated with", _IN_A_TASK) for name in ("add", "sub", "mul", "truediv", "mod")),
    *((name, "be calculated with", _IN_A_TASK) for name in ("neg", "pos", "abs", "invert")),
)
for _name, _what, _instead in _REFUSED:
    setattr(Standin, f"__{_name}__", _refusal(_what, _instead))
for _name in ("bool", "and", "or", "xor", "rand", "ror", "invert", "str", "format", "int", "len", "iter"):
    setattr(Criterion, f"__{_name}__", _refusal("decide or become a value", _BRANCHES))


def child(facts: Facts, key: str | int, kind: Any) -> Any:
    """The stand-in of a part of a value."""
    expression = facts.expression
    plan = plan_of(kind, facts.plan.codecs)
    if isinstance(expression, Ref):
        part: Operand = Ref(expression.node, expression.port, (*expression.fields, key))
    elif isinstance(expression, RecordExpr) and key in expression.fields:
        part = expression.fields[str(key)]
    else:
        refuse_use(facts, f"give {key!r}", "a task that gives it")
    return Standin(Facts(part, plan, facts.owner))


def field_of(facts: Facts, name: str) -> Any:
    kind = bare(facts.plan.kind)
    if len(members(kind)) > 1:
        advice = "if_some(value, then=lambda value: …, otherwise=lambda: …)"
        refuse_use(
            facts, f"give .{name}: it may be several things", advice if type(None) in members(kind) else _IN_A_TASK
        )
    if kind is File:
        return _file_field(facts, name)
    keys = keys_of(kind)
    if name in keys and not is_typeddict(get_origin(kind) or kind):
        key, inner = keys[name]
        return child(facts, key, inner)
    return _refuse_field(facts, name, list(keys))


def _file_field(facts: Facts, name: str) -> Any:
    if name in FILE_FIELDS:
        return child(facts, *FILE_FIELDS[name])
    return refuse_use(facts, f"give .{name}", "a task that reads the file")


def _refuse_field(facts: Facts, name: str, known: Sequence[str]) -> NoReturn:
    if hasattr(get_origin(bare(facts.plan.kind)) or bare(facts.plan.kind), name):
        refuse_use(facts, f"run .{name}", "a task that calls it")
    near = difflib.get_close_matches(name, known, 1)
    hint = f"; did you mean .{near[0]}?" if near else f"; it has {', '.join(known)}" if known else ""
    raise TraceError(f"{facts.plan.name} has no field .{name}{hint}")


def item_of(facts: Facts, key: Any) -> Any:
    kind = bare(facts.plan.kind)
    origin, arguments = get_origin(kind) or kind, get_args(kind)
    if isinstance(key, Standin) or not isinstance(key, int | str) or isinstance(key, bool):
        refuse_use(facts, "be indexed with that", "a literal index, or a task that picks")
    if is_typeddict(origin) and key in (keys := keys_of(kind)):
        return child(facts, *keys[str(key)])
    if isinstance(key, str) and origin is dict:
        return child(facts, key, arguments[1] if arguments else Any)
    kinds = fixed_kinds(kind)
    if isinstance(key, int) and kinds is not None and -len(kinds) <= key < len(kinds):
        return child(facts, key % len(kinds), kinds[key])
    if isinstance(key, int) and kinds is None and isinstance(origin, type) and issubclass(origin, Sequence):
        return child(facts, key, element_kind(facts))
    if kind is Any:
        return child(facts, key, Any)
    raise TraceError(f"{facts.plan.name} has no item {key!r}")


def element_kind(facts: Facts) -> Any:
    """The type of a list's elements. Raises TraceError for what is no list."""
    kind = bare(facts.plan.kind)
    if kind in (Any, list, tuple):
        return Any
    origin = get_origin(kind)
    if isinstance(origin, type) and issubclass(origin, Sequence) and fixed_kinds(kind) is None:
        return get_args(kind)[0]
    advice = "if_some(items, then=lambda items: map_over(…, items), otherwise=lambda: [])"
    refuse_use(facts, "be mapped over: it is no list", advice if type(None) in members(kind) else "a list")


def _compared(facts: Facts, op: Comparison, other: object) -> Criterion:
    if isinstance(other, Criterion):
        raise TraceError(f"{other!r} is a condition, and conditions do not compare; use all_of, any_of, not_")
    if isinstance(facts.expression, Ref) and other is None and op in (Comparison.EQUAL, Comparison.UNEQUAL):
        present = Present(facts.expression)
        return Criterion(Not(present) if op is Comparison.EQUAL else present, facts.owner)
    _check_comparable(facts, op)
    if not isinstance(other, Standin):
        return Criterion(Compare(op, facts.expression, Constant(_literal(facts, other))), facts.owner)
    theirs = facts_of(other)
    _check_comparable(theirs, op)
    inner = facts.owner.innermost(theirs.owner)
    return Criterion(Compare(op, inner.operand(facts), inner.operand(theirs)), inner)


def _check_comparable(facts: Facts, op: Comparison) -> None:
    allowed = _EQUATED if op in (Comparison.EQUAL, Comparison.UNEQUAL) else _ORDERED
    for kind in members(facts.plan.kind):
        values = get_args(kind) if get_origin(kind) is Literal else ()
        is_enum = isinstance(kind, type) and issubclass(kind, Enum) and allowed is _EQUATED
        is_plain = kind in allowed or kind in (Any, type(None)) or is_enum
        if not (is_plain or (values and all(isinstance(value, allowed) for value in values))):
            refuse_use(facts, f"be compared by {op.value}: its form on the wire has no such order", _IN_A_TASK)


_NUMBERS = (int, float, Any)


def calculated(op: Calculation, left: object, right: object) -> Standin:
    """A number that conditions may compare; nothing else may take it."""
    (one, ours), (other, theirs) = _number(left), _number(right)
    facts = ours or theirs
    assert facts is not None  # noqa: S101  # one of them is a stand-in
    owner = facts.owner if ours is None or theirs is None else ours.owner.innermost(theirs.owner)
    whole = op is not Calculation.DIVIDED and all(_is_whole(each) for each in (left, right))
    operands = [side if each is None else owner.operand(each) for side, each in ((one, ours), (other, theirs))]
    return Standin(Facts(Calc(op, *operands), plan_of(int if whole else float), owner))


def _number(value: object) -> tuple[Operand, Facts | None]:
    if isinstance(value, Standin):
        facts = facts_of(value)
        if bare(facts.plan.kind) not in _NUMBERS:
            refuse_use(facts, "be calculated with: conditions calculate with numbers", _IN_A_TASK)
        return facts.expression, facts
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TraceError(f"{value!r} cannot be calculated with; conditions calculate with numbers")
    return Constant(value), None


def _is_whole(value: object) -> bool:
    return bare(facts_of(value).plan.kind) is int if isinstance(value, Standin) else isinstance(value, int)


def _literal(facts: Facts, value: object) -> Any:
    try:
        return facts.plan.plain(value)
    except DoesNotFitError as error:
        raise TraceError(f"{facts.text} is never {value!r}: {error}") from None


def condition_of(value: object) -> Criterion | bool:
    """What a word was given as a condition: a comparison, a stand-in of a bool, or a bool that is known already."""
    if isinstance(value, Criterion | bool):
        return value
    if isinstance(value, Standin):
        facts = facts_of(value)
        if bare(facts.plan.kind) in (bool, Any) and isinstance(facts.expression, Ref):
            return Criterion(IsTrue(facts.expression), facts.owner)
        raise TraceError(f"{facts.text} is no condition; compare it, as in value == …")
    raise TraceError(f"{value!r} is no condition; use a comparison of a step's result, as in draft.pages > 4")


def measured(value: Standin) -> Standin:
    """The length of a list, record or text, for comparisons."""
    facts = facts_of(value)
    kind = bare(facts.plan.kind)
    origin = get_origin(kind) or kind
    sized = isinstance(origin, type) and hasattr(origin, "__len__") and not is_record(origin)
    if not (sized or kind is Any) or isinstance(facts.expression, SizeOf):
        refuse_use(facts, "be measured: it is no list, dict, set or text", _IN_A_TASK)
    of = facts.expression
    if isinstance(of, StatusOf | Calc):
        refuse_use(facts, "be measured", _IN_A_TASK)
    return Standin(Facts(SizeOf(of), plan_of(int), facts.owner))


def holds_standins(value: Any) -> bool:
    """Whether a literal has stand-ins inside."""
    if isinstance(value, Standin | Criterion):
        return True
    if isinstance(value, dict):
        return any(map(holds_standins, value.values()))
    if isinstance(value, list | tuple | set | frozenset):
        return any(map(holds_standins, value))
    return any(holds_standins(getattr(value, name, None)) for name in record_names(value))
