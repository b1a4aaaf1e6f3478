"""What keeps a value from being sent, in words, and where in the value it is."""

import functools
import operator
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from tidemill.core.nesting import TooDeepError
from tidemill.core.values import MAX_INT, MIN_INT
from tidemill.sdk.errors import DoesNotFitError

DEPTH = 100  # how deep the place of a fault is looked for


class NoFormError(TypeError):
    """Nothing says how to send ``value``."""

    def __init__(self, text: str, value: object) -> None:
        super().__init__(text)
        self.value = value


def unsendable(error: Exception, value: Any) -> DoesNotFitError:
    """The error that msgspec gave for a value, or for bytes (then the value is None), as one with a place."""
    match error:
        case NoFormError(value=wrong):
            return DoesNotFitError(str(error), _place(value, lambda each: each is wrong))
        case OverflowError():
            return DoesNotFitError("an integer of more than 64 bits; use str or Decimal", _place(value, _is_too_large))
        case UnicodeEncodeError():
            return DoesNotFitError("a text with half a character, a lone surrogate", _place(value, _is_broken))
        case UnicodeDecodeError():
            return DoesNotFitError("a text that is no UTF-8")
        case RecursionError() | TooDeepError():
            return DoesNotFitError(f"{TooDeepError()}; use a flat list, or a File")
        case _:
            return DoesNotFitError(str(error).partition("\n")[0] or type(error).__name__)


def _is_too_large(value: object) -> bool:
    return isinstance(value, int) and not MIN_INT <= value <= MAX_INT


def _is_broken(value: object) -> bool:
    return isinstance(value, str) and any("\ud800" <= letter <= "\udfff" for letter in value)


def _place(value: Any, is_wrong: Any) -> str:
    return next(_found(value, is_wrong, "$"), "$")


def _found(value: Any, is_wrong: Any, path: str) -> Iterator[str]:
    if is_wrong(value):
        yield path
    if path.count(".") + path.count("[") > DEPTH:
        return
    if isinstance(value, list | tuple):
        for index, each in enumerate(value):
            yield from _found(each, is_wrong, f"{path}[{index}]")
    for name, each in _fields(value):
        yield from _found(each, is_wrong, f"{path}.{name}")


def _fields(value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        yield from ((str(key).encode(errors="replace").decode(), each) for key, each in value.items())
    for names in ("__struct_fields__", "__dataclass_fields__"):
        yield from ((name, getattr(value, name, None)) for name in getattr(type(value), names, ()))


SOME_KEY = "[...]"  # msgspec's step into a dict
MOST_KEYS = 200
_STEP = re.compile(r"\.([^.\[\]]+)|\[(\d+)\]")


def with_key(path: str, plain: Any, fault_of: Callable[[Any], str]) -> str:
    """The path of a fault with the first key of a dict that it leads through; as it was where that cannot be told.

    Args:
        fault_of: the path of the fault of other plain data; "" for none.
    """
    before, _, after = path.partition(SOME_KEY)
    steps = [int(index) if index else name for name, index in _STEP.findall(before)]
    try:
        inner = functools.reduce(operator.getitem, steps, plain)
        keys = list(inner) if isinstance(inner, dict) and len(inner) <= MOST_KEYS else []
        wrong = [key for key in keys if fault_of(_only(plain, steps, key)) == path]
    except (LookupError, TypeError):
        return path
    return f"{before}.{wrong[0]}{after}" if wrong and isinstance(wrong[0], str) else path


def _only(plain: Any, steps: list[str | int], key: Any) -> Any:
    """Plain data whose dict at the place has that one key."""
    if not steps:
        return {key: plain[key]}
    other = plain.copy()
    other[steps[0]] = _only(plain[steps[0]], steps[1:], key)
    return other
