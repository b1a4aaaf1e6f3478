"""How deep values may be nested: one bound for all of them, since interpreters differ in what they decode."""

import re
from typing import Any

import msgspec

from tidemill.core.errors import InputError
from tidemill.core.values import Encoding

NESTING_LIMIT = 100  # lists and records inside each other: readers in any language take that, and their stacks hold it

_TOKENS = re.compile(rb'[\[\]{}]|"(?:[^"\\]++|\\.)*+"?', re.DOTALL)  # possessive: a text without an end is read once
_CONTAINERS = frozenset((list, dict))
_unpack = msgspec.msgpack.Decoder().decode
_parse = msgspec.json.Decoder().decode


class TooDeepError(InputError):
    """A value that not every reader could take."""

    def __init__(self) -> None:
        super().__init__(f"nested too deep, past {NESTING_LIMIT} levels")


def read_plain(data: bytes, encoding: Encoding) -> Any:
    """Decode without a type. Raises TooDeepError, MsgspecError or UnicodeDecodeError."""
    try:
        plain = _unpack(data) if encoding is Encoding.MSGPACK else _parse(data)
    except RecursionError:
        raise TooDeepError from None
    except msgspec.MsgspecError:
        if encoding is Encoding.JSON and is_json_deep(data):
            raise TooDeepError from None
        raise
    if len(data) > NESTING_LIMIT and _is_deep(plain):
        raise TooDeepError
    return plain


def is_json_deep(document: bytes, limit: int = NESTING_LIMIT) -> bool:
    """Whether brackets lie in more than ``limit`` brackets, whatever else is wrong with it."""
    if document.count(b"[") + document.count(b"{") <= limit:
        return False
    depth = 0
    for found in _TOKENS.finditer(document):
        match found[0]:
            case b"[" | b"{":
                depth += 1
                if depth > limit:
                    return True
            case b"]" | b"}":
                depth -= 1
            case _:
                pass  # a text, whatever is in it
    return False


def _is_deep(plain: Any) -> bool:
    """Level by level: a walk by recursion would cost three times as much."""
    level = [plain] if type(plain) in _CONTAINERS else []
    for _ in range(NESTING_LIMIT):
        if not level:
            return False
        level = [
            each
            for outer in level
            for each in (outer.values() if type(outer) is dict else outer)
            if type(each) in _CONTAINERS
        ]
    return bool(level)
