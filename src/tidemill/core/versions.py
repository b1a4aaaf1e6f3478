"""Versions of software, and which of them are wanted: ``>=6``, ``>=6,<8``, ``==1.2.*``, ``6.1``, "" for any.

The operators and their meaning are those of Python's version specifiers; of a version only its numbers count, and
a suffix (`6.1-ubuntu`, `12.4+cu`) does not. What a worker has installed is rarely versioned as Python packages are.
"""

import re

_CLAUSE = re.compile(r"(>=|<=|==|!=|~=|>|<|)\s*v?([0-9]+(?:\.[0-9]+)*)(\.\*)?")
_NUMBERS = re.compile(r"v?([0-9]+(?:\.[0-9]+)*)")

Numbers = tuple[int, ...]


def check_wanted(wanted: str) -> str:
    """Raises ValueError for what is no list of clauses."""
    for clause in _clauses(wanted):
        found = _CLAUSE.fullmatch(clause)
        star = found is not None and found[3] and found[1] not in ("", "==", "!=")
        if found is None or star or (found[1] == "~=" and "." not in found[2]):
            raise ValueError(f"{clause!r} says no version; write such as >=6, >=6,<8, ==1.2.* or 6.1")
    return wanted


def meets(version: str, wanted: str) -> bool:
    """Whether a version is among those wanted. One without a number meets only what takes any."""
    clauses = _clauses(wanted)
    found = _NUMBERS.match(version)
    if found is None:
        return not clauses
    return all(_holds(_numbers(found[1]), clause) for clause in clauses)


def _clauses(wanted: str) -> list[str]:
    return [clause.strip() for clause in wanted.split(",") if clause.strip()]


def _holds(mine: Numbers, clause: str) -> bool:
    found = _CLAUSE.fullmatch(clause)
    if found is None:
        return False
    operator, limit = found[1], _numbers(found[2])
    if found[3]:
        return (mine[: len(limit)] == limit) == (operator != "!=")
    length = max(len(mine), len(limit))
    left, right = _padded(mine, length), _padded(limit, length)
    if operator == "~=":
        return left >= right and mine[: len(limit) - 1] == limit[:-1]
    holds = {
        ">=": left >= right, "<=": left <= right, ">": left > right, "<": left < right, "!=": left != right
    }  # fmt: skip
    return holds.get(operator, left == right)


def _numbers(text: str) -> Numbers:
    return tuple(map(int, text.split(".")))


def _padded(numbers: Numbers, length: int) -> Numbers:
    return numbers + (0,) * (length - len(numbers))
