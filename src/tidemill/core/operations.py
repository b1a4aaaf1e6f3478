"""Pure operations on plain data: arithmetic, comparison, text, lists, records. Done by the engine, with no worker.

Each is total but for what it raises, and bounded: none makes a text or a list of more than ``LONGEST``.
"""

import operator
import string
from collections.abc import Callable, Mapping
from typing import Any

from msgspec import Struct

from tidemill.core.values import MAX_INT, MIN_INT

LONGEST = 64 * 1024  # characters of a text, items of a list that an operation makes
FAULTS = (TypeError, ValueError, ArithmeticError, LookupError)  # what an operation raises for operands of no use


class Operation(Struct, frozen=True):
    """``takes``: kinds of JSON by parameter, in order. ``fields``: it takes others by name too."""

    takes: Mapping[str, str]
    gives: str
    run: Callable[..., Any]
    fields: bool = False


def apply(name: str, operands: Mapping[str, Any]) -> Any:
    """The result of an operation. Raises one of ``FAULTS``."""
    operation = OPERATIONS[name]
    for param, value in operands.items():
        _check(param, value, operation.takes.get(param, "any"))
    rest = {param: value for param, value in operands.items() if param not in operation.takes}
    result = operation.run(*(operands[param] for param in operation.takes), **rest)
    if isinstance(result, int) and not MIN_INT <= result <= MAX_INT:
        raise OverflowError("the number is too large")
    return result


_KINDS: Mapping[str, tuple[type, ...]] = {
    "number": (int, float),
    "integer": (int,),
    "string": (str,),
    "boolean": (bool,),
    "array": (list, tuple),
    "object": (dict,),
}


def _check(param: str, value: object, kind: str) -> None:
    wanted = _KINDS.get(kind)
    if wanted is None:
        return
    if not isinstance(value, wanted) or (isinstance(value, bool) and bool not in wanted):
        raise TypeError(f"{param} is {type(value).__name__}, and has to be a {kind}")


def _bounded(length: int) -> None:
    if length > LONGEST:
        raise OverflowError(f"the result would have more than {LONGEST} characters or items; use a task")


def _join(items: list[str], by: str) -> str:
    _bounded(sum(len(each) for each in items) + len(by) * len(items))
    return by.join(items)


def _replace(text: str, old: str, new: str) -> str:
    if not old:
        raise ValueError("what is replaced has a character at least")
    _bounded(len(text) + text.count(old) * len(new))
    return text.replace(old, new)


def _fill(template: str, **fields: object) -> str:
    parts: list[str] = []
    for text, name, _, _ in string.Formatter().parse(template):
        parts.append(text)
        if name is not None:
            if name not in fields:
                raise LookupError(f"the template has {{{name}}}, and there is {', '.join(fields) or 'no field'}")
            parts.append(_text(fields[name]))
        _bounded(sum(map(len, parts)))
    return "".join(parts)


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | int | float):
        return str(value)
    raise TypeError(f"{type(value).__name__} has no text of its own; use a task")


def _count(start: int, stop: int) -> list[int]:
    _bounded(stop - start)
    return list(range(start, stop))


def _item(items: list[Any], index: int) -> Any:
    try:
        return items[index]
    except IndexError:
        raise LookupError(f"there is no item {index} in a list of {len(items)}") from None


def _get(record: Mapping[str, Any], key: str) -> Any:
    if key not in record:
        raise LookupError(f"the record has no {key!r}")
    return record[key]


def _unique(items: list[Any]) -> list[Any]:
    if all(isinstance(each, str | int | float) for each in items):
        return list({(type(each) is bool, each): each for each in items}.values())
    raise TypeError("only numbers, texts and bools are told apart; use a task")


def _concat(a: list[Any], b: list[Any]) -> list[Any]:
    _bounded(len(a) + len(b))
    return [*a, *b]


def _zipped(a: list[Any], b: list[Any]) -> list[list[Any]]:
    return [list(pair) for pair in zip(a, b, strict=True)]


def _extreme(pick: Callable[[Any], Any]) -> Callable[[list[Any]], Any]:
    def run(items: list[Any]) -> Any:
        if not items:
            raise ValueError("the list is empty")
        return pick(items)

    return run


_TWO_NUMBERS = {"a": "number", "b": "number"}
_TWO_OF_ANY = {"a": "any", "b": "any"}
_LIST = {"items": "array"}
_TEXT = {"text": "string"}

OPERATIONS: Mapping[str, Operation] = {
    "add": Operation(_TWO_NUMBERS, "number", lambda a, b: a + b),
    "subtract": Operation(_TWO_NUMBERS, "number", lambda a, b: a - b),
    "multiply": Operation(_TWO_NUMBERS, "number", lambda a, b: a * b),
    "divide": Operation(_TWO_NUMBERS, "number", lambda a, b: a / b),
    "floor_divide": Operation(_TWO_NUMBERS, "number", lambda a, b: a // b),
    "modulo": Operation(_TWO_NUMBERS, "number", lambda a, b: a % b),
    "negate": Operation({"a": "number"}, "number", lambda a: -a),
    "absolute": Operation({"a": "number"}, "number", abs),
    "rounded": Operation({"a": "number", "digits": "integer"}, "number", lambda a, digits: float(round(a, digits))),
    "equal": Operation(_TWO_OF_ANY, "boolean", lambda a, b: bool(a == b)),
    "unequal": Operation(_TWO_OF_ANY, "boolean", lambda a, b: bool(a != b)),
    "less": Operation(_TWO_OF_ANY, "boolean", lambda a, b: bool(operator.lt(a, b))),
    "at_most": Operation(_TWO_OF_ANY, "boolean", lambda a, b: bool(operator.le(a, b))),
    "more": Operation(_TWO_OF_ANY, "boolean", lambda a, b: bool(operator.gt(a, b))),
    "at_least": Operation(_TWO_OF_ANY, "boolean", lambda a, b: bool(operator.ge(a, b))),
    "both": Operation({"a": "boolean", "b": "boolean"}, "boolean", lambda a, b: a and b),
    "either": Operation({"a": "boolean", "b": "boolean"}, "boolean", lambda a, b: a or b),
    "opposite": Operation({"a": "boolean"}, "boolean", lambda a: not a),
    "join": Operation({"items": "array", "by": "string"}, "string", _join),
    "split": Operation({"text": "string", "by": "string"}, "array", lambda text, by: text.split(by)),
    "lower": Operation(_TEXT, "string", lambda text: text.lower()),
    "upper": Operation(_TEXT, "string", lambda text: text.upper()),
    "strip": Operation(_TEXT, "string", lambda text: text.strip()),
    "replace": Operation({"text": "string", "old": "string", "new": "string"}, "string", _replace),
    "fill": Operation({"template": "string"}, "string", _fill, fields=True),
    "text": Operation({"a": "any"}, "string", _text),
    "length": Operation({"items": "any"}, "number", len),
    "concat": Operation({"a": "array", "b": "array"}, "array", _concat),
    "part": Operation(
        {"items": "array", "start": "integer", "stop": "integer"}, "array", lambda items, start, stop: items[start:stop]
    ),
    "count": Operation({"start": "integer", "stop": "integer"}, "array", _count),
    "item": Operation({"items": "array", "index": "integer"}, "any", _item),
    "ordered": Operation(_LIST, "array", sorted),
    "backwards": Operation(_LIST, "array", lambda items: list(reversed(items))),
    "unique": Operation(_LIST, "array", _unique),
    "total": Operation(_LIST, "number", sum),
    "smallest": Operation(_LIST, "any", _extreme(min)),
    "largest": Operation(_LIST, "any", _extreme(max)),
    "zipped": Operation({"a": "array", "b": "array"}, "array", _zipped),
    "contains": Operation({"items": "any", "item": "any"}, "boolean", lambda items, item: item in items),
    "get": Operation({"record": "object", "key": "string"}, "any", _get),
    "merged": Operation({"a": "object", "b": "object"}, "object", lambda a, b: {**a, **b}),
}
