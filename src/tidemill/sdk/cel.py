"""Conditions written as text in the Common Expression Language (CEL), as conditions over a machine.

lark reads the text, by the grammar in ``cel.lark``; what it means is built with the same stand-ins and words that
conditions in Python use, so types and refusals are the same. A fault is told with its line and column.
"""

import ast
import functools
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from tidemill.core.terms import Comparison
from tidemill.sdk.comparing import has, in_, status_of
from tidemill.sdk.errors import DefinitionError
from tidemill.sdk.standin import Criterion, Standin, TraceError, condition_of, facts_of, field_of, item_of
from tidemill.sdk.words import all_of, any_of, not_, size

Names = Mapping[str, Any]

FUNCTIONS: Mapping[str, Callable[[Any], Any]] = {"size": size, "has": has, "status": status_of}
OFFERED = "size(x), has(x), status(state), x.size(), x.contains(item), and the operator in"


_CALLED = {"ternary": "? :", "record": "a map", "unsigned": "an unsigned number", "bytes": "a value of bytes"}


class CelError(TraceError):
    """A condition as text that cannot be read, or means nothing here."""

    def __init__(self, text: str, line: int, column: int, reason: str) -> None:
        shown = text.splitlines()[line - 1] if text.splitlines() else ""
        super().__init__(
            f"the condition, line {line}, column {column}: {reason}\n    {shown}\n    {' ' * (column - 1)}^"
        )
        self.line, self.column, self.reason = line, column, reason


class Parsed:
    """A condition as it was read; what its names mean is known when the machine is built."""

    def __init__(self, text: str) -> None:
        """Raises CelError: it does not parse; DefinitionError: lark is not installed."""
        self.text = text
        lark, parse = _parser()
        try:
            self._tree = parse(text)
        except lark.exceptions.UnexpectedInput as error:
            token = getattr(error, "token", None)
            if token is not None and token.type == "$END":
                lines = text.splitlines() or [""]
                raise CelError(text, len(lines), len(lines[-1]) + 1, "something is missing here") from None
            found = getattr(error, "char", "") if token is None else str(token)
            raise CelError(text, error.line, error.column, f"{found!r} cannot stand here") from None

    def condition(self, names: Names) -> Criterion:
        """Raises CelError: an unknown name, field or function; types that do not go together."""
        value = _Reading(self.text, names).value(self._tree)
        try:
            found = condition_of(value)
        except TraceError as error:
            raise CelError(self.text, 1, 1, str(error)) from None
        if isinstance(found, bool):
            raise CelError(self.text, 1, 1, f"this is always {found}; leave it out, or write .otherwise(to=…)")
        return found


@functools.cache
def _parser() -> tuple[Any, Callable[[str], Any]]:
    try:
        import lark  # noqa: PLC0415  # an extra, for those who write conditions as text
    except ImportError:
        raise DefinitionError(
            'conditions as text need the extra `cel`: pip install "tidemill[cel]"; or write the condition in Python'
        ) from None
    grammar = Path(__file__).with_name("cel.lark").read_text("utf-8")
    return lark, lark.Lark(grammar, parser="lalr", propagate_positions=True, maybe_placeholders=False).parse


class _Reading:
    """What each part of a tree means."""

    def __init__(self, text: str, names: Names) -> None:
        self._source, self._names = text, names

    def value(self, tree: Any) -> Any:
        try:
            return getattr(self, f"_{tree.data}", self._refused)(tree, *tree.children)
        except CelError:
            raise
        except (DefinitionError, TypeError) as error:
            raise self._error(tree, str(error)) from None

    def _error(self, tree: Any, reason: str) -> CelError:
        line, column = getattr(tree.meta, "line", 1), getattr(tree.meta, "column", 1)
        return CelError(self._source, line, column, reason)

    def _refused(self, tree: Any, *_: Any) -> Any:
        what = _CALLED.get(str(tree.data), str(tree.data))
        raise self._error(tree, f"{what} is not offered here; there are comparisons, && || !, + - * / %, {OFFERED}")

    # Names and literals ----------------------------------------------------------------------------

    def _name(self, tree: Any, name: Any) -> Any:
        literals = {"true": True, "false": False, "null": None}
        if name in literals:
            return literals[name]
        if name not in self._names:
            near = get_close_matches(name, self._names, 1)
            hint = f"did you mean {near[0]!r}?" if near else f"there is {', '.join(self._names)}"
            raise self._error(tree, f"there is no state and no input {str(name)!r}; {hint}")
        return self._names[name]()

    def _int(self, _: Any, text: Any) -> int:
        return int(text)

    def _hex(self, _: Any, text: Any) -> int:
        return int(text, 16)

    def _float(self, _: Any, text: Any) -> float:
        return float(text)

    def _text(self, _: Any, text: Any) -> str:
        return str(ast.literal_eval(text))

    def _items(self, _: Any, *parts: Any) -> list[Any]:
        return [self.value(each) for part in parts for each in part.children]

    # Parts of values -------------------------------------------------------------------------------

    def _field(self, tree: Any, owner: Any, name: Any) -> Any:
        value = self.value(owner)
        if not isinstance(value, Standin):
            raise self._error(tree, f"{value!r} has no field .{name}")
        return _part(value, str(name))

    def _index(self, tree: Any, owner: Any, key: Any) -> Any:
        value = self.value(owner)
        if not isinstance(value, Standin):
            raise self._error(tree, f"{value!r} has no items")
        return item_of(facts_of(value), self.value(key))

    def _function(self, tree: Any, name: Any, *given: Any) -> Any:
        arguments = [each for part in given for each in part.children]
        if name not in FUNCTIONS or len(arguments) != 1:
            raise self._error(tree, f"there is no {name}(…) of {len(arguments)} here; there are {OFFERED}")
        return FUNCTIONS[name](self.value(arguments[0]))

    def _method(self, tree: Any, owner: Any, name: Any, *given: Any) -> Any:
        arguments = [each for part in given for each in part.children]
        match str(name), arguments:
            case "size", []:
                return size(self.value(owner))
            case "contains", [item]:
                return in_(self.value(item), self.value(owner))
            case _:
                raise self._error(tree, f"there is no .{name}(…) of {len(arguments)} here; there are {OFFERED}")

    # Operators -------------------------------------------------------------------------------------

    def _or_(self, _: Any, *parts: Any) -> Any:
        return any_of(*(self.value(each) for each in parts))

    def _and_(self, _: Any, *parts: Any) -> Any:
        return all_of(*(self.value(each) for each in parts))

    def _not_(self, _: Any, part: Any) -> Any:
        return not_(self.value(part))

    def _negative(self, _: Any, part: Any) -> Any:
        value = self.value(part)
        return 0 - value if isinstance(value, Standin) else -value

    def _relation(self, tree: Any, left: Any, sign: Any, right: Any) -> Any:
        one, other = self.value(left), self.value(right)
        if not isinstance(one, Standin) and not isinstance(other, Standin):
            raise self._error(tree, "this compares two constants")
        match str(sign):
            case "in":
                return in_(one, other)
            case found:
                return _COMPARED[Comparison(found)](one, other)

    def _calculation(self, tree: Any, left: Any, sign: Any, right: Any) -> Any:
        one, other = self.value(left), self.value(right)
        if not isinstance(one, Standin) and not isinstance(other, Standin):
            raise self._error(tree, "this calculates with constants; write what comes out")
        return _CALCULATED[str(sign)](one, other)


_COMPARED: Mapping[Comparison, Callable[[Any, Any], Any]] = {
    Comparison.EQUAL: lambda one, other: one == other,
    Comparison.UNEQUAL: lambda one, other: one != other,
    Comparison.LESS: lambda one, other: one < other,
    Comparison.AT_MOST: lambda one, other: one <= other,
    Comparison.MORE: lambda one, other: one > other,
    Comparison.AT_LEAST: lambda one, other: one >= other,
}
_CALCULATED: Mapping[str, Callable[[Any, Any], Any]] = {
    "+": lambda one, other: one + other,
    "-": lambda one, other: one - other,
    "*": lambda one, other: one * other,
    "/": lambda one, other: one / other,
    "%": lambda one, other: one % other,
}


def _part(value: Standin, name: str) -> Any:
    """A field of a record, or (as CEL has it) a key of a map."""
    facts = facts_of(value)
    try:
        return field_of(facts, name)
    except TraceError:
        try:
            return item_of(facts, name)
        except TraceError:
            pass
        raise
