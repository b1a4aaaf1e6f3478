"""Texts with a NUL, which PostgreSQL cannot hold: they are written in another way, in the same order by their bytes.

U+0000 becomes U+0001 U+0001, and U+0001 becomes U+0001 U+0002. Hardly a text has either, so that is looked for first.
"""

import re
from collections.abc import Sequence
from typing import Any

_RARE = re.compile("[\0\1]")


def written(bound: Sequence[Any]) -> list[Any]:
    """Parameters of a statement, as they can be held; of an array the first element says what all are."""
    return [_written(each) for each in bound]


def read(row: Sequence[Any]) -> tuple[Any, ...]:
    """A row with its texts as they were."""
    return tuple(_read(each) if type(each) is str and "\1" in each else each for each in row)


def _written(value: Any) -> Any:
    if type(value) is str:
        return _escaped(value) if _RARE.search(value) else value
    if type(value) in (list, tuple) and value and type(value[0]) is str and _RARE.search("".join(value)):
        return [_escaped(each) for each in value]
    return value


def _escaped(text: str) -> str:
    return text.replace("\1", "\1\2").replace("\0", "\1\1")


def _read(text: str) -> str:
    return re.sub("\1(.)", lambda match: "\0" if match[1] == "\1" else "\1", text, flags=re.DOTALL)
