"""Expressions of Python laid out in lines of 120, as ``ruff format`` would leave them."""

import re
from collections.abc import Sequence

from msgspec import Struct

WIDTH = 120
_STEP = 4


class Bracketed(Struct, frozen=True):
    """``head`` ends in a bracket. A subscript or call may put its items on one line of their own; a display may not."""

    head: str
    items: tuple["Expression", ...]
    close: str
    is_display: bool = False

    def __str__(self) -> str:
        return f"{self.head}{', '.join(map(str, self.items))}{self._single_comma}{self.close}"

    @property
    def _single_comma(self) -> str:
        return "," if self.is_display and self.head == "(" and len(self.items) == 1 else ""

    @property
    def last_comma(self) -> str:
        """After the last of several lines; a subscript of one item would be a tuple with it."""
        return "" if self.close == "]" and not self.is_display and len(self.items) == 1 else ","


Expression = str | Bracketed


def laid_out(prefix: str, expression: Expression, suffix: str = "", indent: int = 0) -> list[str]:
    """``prefix``, the expression and ``suffix``, on one line if it fits, else broken at its outermost bracket."""
    flat = f"{' ' * indent}{prefix}{expression}{suffix}"
    if len(flat) <= WIDTH or isinstance(expression, str) or not expression.items:
        return [flat]
    inner = ", ".join(map(str, expression.items))
    lines = [f"{' ' * indent}{prefix}{expression.head}"]
    if not expression.is_display and indent + _STEP + len(inner) <= WIDTH:
        lines.append(f"{' ' * (indent + _STEP)}{inner}")
    else:
        lines += _one_a_line(expression, indent + _STEP)
    return [*lines, f"{' ' * indent}{expression.close}{suffix}"]


def _one_a_line(expression: Bracketed, indent: int) -> list[str]:
    lines: list[str] = []
    for place, item in enumerate(expression.items, start=1):
        comma = expression.last_comma if place == len(expression.items) else ","
        lines += laid_out("", item, comma, indent)
    return lines


def text_literal(text: str) -> str:
    """A text as ruff would write it: in double quotes, unless that takes more backslashes."""
    plain = repr(text)
    if plain[0] == '"':
        return plain
    inner = plain[1:-1].replace("\\'", "'")
    if inner.count('"') > inner.count("'"):
        return plain
    return '"' + inner.replace('"', '\\"') + '"'


def docstring(text: str, indent: int = 0) -> list[str]:
    """The lines of a docstring, empty for an empty text."""
    lines = [line.expandtabs().rstrip() for line in text.replace("\\", "\\\\").replace('"""', '\\"\\"\\"').splitlines()]
    while lines and not lines[-1]:
        lines.pop()
    if not lines:
        return []
    pad = " " * indent
    first = lines[0].lstrip()
    if first.startswith('"'):
        first = f" {first}"
    if len(lines) == 1:
        ends = " " if re.search(r'(?<!\\)(\\\\)*"$', first) else ""
        return [f'{pad}"""{first}{ends}"""']
    return [f'{pad}"""{first}', *(f"{pad}{line}" if line else "" for line in lines[1:]), f'{pad}"""']


def imports(names: dict[str, set[str]]) -> list[str]:
    """``from … import …`` by module, sorted as isort does it: standard library, others, this package."""
    groups: list[list[str]] = [[], [], []]
    for module in sorted(names, key=lambda each: (each.startswith("."), each)):
        group = 2 if module.startswith(".") else 1 if module.partition(".")[0] in ("msgspec", "tidemill") else 0
        items = tuple(_named(name) for name in sorted(names[module], key=_order))
        groups[group] += _import(module, items)
    return [line for group in groups if group for line in [*group, ""]]


def _named(name: str) -> str:
    return "field as member" if name == "member" else name


def _order(name: str) -> tuple[int, str]:
    return (0 if name.isupper() else 1 if name[:1].isupper() else 2, name)


def _import(module: str, items: Sequence[str]) -> list[str]:
    flat = f"from {module} import {', '.join(items)}"
    if len(flat) <= WIDTH:
        return [flat]
    return [f"from {module} import (", *(f"    {item}," for item in items), ")"]
