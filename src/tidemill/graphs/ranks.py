"""Rows for a layered picture: circles are cut, each line leads down, and rows are put in an order with few crossings.

Source: Sugiyama, Tagawa, Toda, "Methods for visual understanding of hierarchical system structures", 1981; rows by the
longest path, order by barycentres.
"""

from bisect import bisect, insort
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

SWEEPS = 12
MOST_BENDS = 6_000  # in all; where there are many lines, those that are long go straight


@dataclass(frozen=True)
class Link:
    """One line to lay: from ``source`` to ``target``; ``label`` is the size of its text."""

    source: str
    target: str
    label: tuple[float, float] | None = None


@dataclass
class Route:
    """A line as it lies, always downwards; ``turned``: it leads up in truth. ``bends``: points of the rows between."""

    number: int
    top: str
    bottom: str
    turned: bool
    bends: list[str] = field(default_factory=list)
    label_at: str = ""


@dataclass
class Ranks:
    rows: list[list[str]]
    routes: list[Route]
    loops: list[int]  # numbers of lines from a box to itself
    sizes: dict[str, tuple[float, float]]  # of bends


def rank(names: Sequence[str], links: Sequence[Link]) -> Ranks:
    loops = [number for number, link in enumerate(links) if link.source == link.target]
    turned = _turned(names, links)
    routes = [
        Route(
            number, *((link.target, link.source) if number in turned else (link.source, link.target)), number in turned
        )
        for number, link in enumerate(links)
        if number not in loops
    ]
    lengths = {route.number: 2 if links[route.number].label else 1 for route in routes}
    level = _levels(names, routes, lengths)
    rows: list[list[str]] = [[] for _ in range(max(level.values(), default=-1) + 1)]
    for name in names:
        rows[level[name]].append(name)
    sizes: dict[str, tuple[float, float]] = {}
    span = MOST_BENDS // max(len(routes), 1)
    for route in routes:
        between = range(level[route.top] + 1, level[route.bottom])
        middle = (between.start + between.stop - 1) // 2
        for row in between if len(between) <= span else between[middle - between.start :][:1]:
            bend = f"\0{route.number}:{row}"
            sizes[bend] = (0.0, 0.0)
            route.bends.append(bend)
            rows[row].append(bend)
        label = links[route.number].label
        if label is not None:
            route.label_at = f"\0{route.number}:{middle}"
            sizes[route.label_at] = label
    return Ranks(_ordered(rows, routes), routes, loops, sizes)


def _turned(names: Sequence[str], links: Sequence[Link]) -> set[int]:
    """Lines that close a circle, found by going into the depth from the first names."""
    leaving: dict[str, list[tuple[int, str]]] = {name: [] for name in names}
    for number, link in enumerate(links):
        if link.source != link.target:
            leaving[link.source].append((number, link.target))
    entered = {link.target for link in links if link.source != link.target}
    turned, done, open_now = set[int](), set[str](), set[str]()
    for first in sorted(names, key=lambda name: name in entered):
        stack = [(first, iter(leaving[first]))] if first not in done else []
        open_now.update(name for name, _ in stack)
        while stack:
            name, rest = stack[-1]
            step = next(rest, None)
            if step is None:
                stack.pop()
                open_now.discard(name)
                done.add(name)
            elif step[1] in open_now:
                turned.add(step[0])
            elif step[1] not in done:
                open_now.add(step[1])
                stack.append((step[1], iter(leaving[step[1]])))
    return turned


def _levels(names: Sequence[str], routes: Sequence[Route], lengths: Mapping[int, int]) -> dict[str, int]:
    """The row of each: the longest way to it; what nothing leads to stands just above what it leads to."""
    below: dict[str, list[Route]] = {name: [] for name in names}
    open_above = dict.fromkeys(names, 0)
    for route in routes:
        below[route.top].append(route)
        open_above[route.bottom] += 1
    roots = [name for name in names if not open_above[name]]
    level, queue = dict.fromkeys(names, 0), list(roots)
    for name in queue:
        for route in below[name]:
            level[route.bottom] = max(level[route.bottom], level[name] + lengths[route.number])
            open_above[route.bottom] -= 1
            if not open_above[route.bottom]:
                queue.append(route.bottom)
    for name in roots:
        level[name] = min((level[each.bottom] - lengths[each.number] for each in below[name]), default=0)
    return level


def _ordered(rows: list[list[str]], routes: Sequence[Route]) -> list[list[str]]:
    above: dict[str, list[str]] = {}
    under: dict[str, list[str]] = {}
    for route in routes:
        way = [route.top, *route.bends, route.bottom]
        for upper, lower in pairwise(way):
            under.setdefault(upper, []).append(lower)
            above.setdefault(lower, []).append(upper)
    best, fewest = [list(row) for row in rows], _crossings(rows, under)
    for sweep in range(SWEEPS if fewest else 0):
        down = sweep % 2 == 0
        for row in rows if down else reversed(rows):
            _sort(row, above if down else under, _places(rows))
        if (found := _crossings(rows, under)) < fewest:
            best, fewest = [list(row) for row in rows], found
        if not fewest:
            break
    return best


def _places(rows: Iterable[Sequence[str]]) -> dict[str, float]:
    return {name: (at + 0.5) / len(row) for row in rows for at, name in enumerate(row)}


def _sort(row: list[str], neighbours: Mapping[str, list[str]], places: Mapping[str, float]) -> None:
    def centre(name: str) -> float:
        near = neighbours.get(name)
        return sum(places[each] for each in near) / len(near) if near else places[name]

    row.sort(key=centre)


def _crossings(rows: Sequence[Sequence[str]], under: Mapping[str, list[str]]) -> int:
    place = {name: at for row in rows for at, name in enumerate(row)}
    found = 0
    for row in rows:
        seen: list[int] = []
        for name in row:
            ends = sorted(place[each] for each in under.get(name, ()))
            found += sum(len(seen) - bisect(seen, end) for end in ends)
            for end in ends:
                insort(seen, end)
    return found
