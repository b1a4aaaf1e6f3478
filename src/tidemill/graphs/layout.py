"""Places for boxes and ways for lines. Rows come from `ranks`; here each box gets a place in its row.

Places in a row are those of the least squares: as near as can be to the neighbours in other rows, and nothing overlaps.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from tidemill.graphs.ranks import Link, Ranks, Route, rank

ROUNDS = 6
STRAIGHT = 4.0  # how much more a bend wants to be straight than a box to be in the middle

Size = tuple[float, float]
Point = tuple[float, float]


@dataclass(frozen=True)
class Spacing:
    """``side`` and ``row``: between boxes; ``port``: between lines at one box; ``corner``: that they keep free."""

    side: float
    row: float
    port: float
    corner: float


@dataclass
class Way:
    """The points of a line from its source to its target, and where the middle of its label is."""

    points: list[Point]
    label_at: Point | None = None


@dataclass
class Layout:
    width: float = 0.0
    height: float = 0.0
    places: dict[str, Point] = field(default_factory=dict)  # the top left corner of each box
    ways: dict[int, Way] = field(default_factory=dict)  # by the number of the link; one to itself has none


def arrange(
    sizes: Mapping[str, Size], links: Sequence[Link], spacing: Spacing, rooms: Mapping[str, float] | None = None
) -> Layout:
    """Lay boxes out in rows, so that lines lead down; ``sizes`` in the order that is best kept.

    Args:
        rooms: what a box needs on its right side besides.
    """
    rooms = rooms or {}
    linked = {name for link in links for name in (link.source, link.target)}
    alone = [name for name in sizes if name not in linked]
    layout = _layered({name: sizes[name] for name in sizes if name in linked}, links, spacing, rooms)
    _add_alone(layout, {name: (sizes[name][0] + rooms.get(name, 0), sizes[name][1]) for name in alone}, spacing)
    return layout


def _add_alone(layout: Layout, sizes: Mapping[str, Size], spacing: Spacing) -> None:
    """Boxes without any line: in rows below, about as wide as high."""
    if not sizes:
        return
    area = sum((width + spacing.side) * (height + spacing.row) for width, height in sizes.values())
    widest = max(layout.width, math.sqrt(area) * 1.6, *(width for width, _ in sizes.values()))
    if len(sizes) <= 3:
        widest = math.inf
    x, y, tallest = 0.0, layout.height + spacing.row / 2 if layout.height else 0.0, 0.0
    for name, (width, height) in sizes.items():
        if x and x + width > widest:
            x, y, tallest = 0.0, y + tallest + spacing.row / 2, 0.0
        layout.places[name] = (x, y)
        x, tallest = x + width + spacing.side, max(tallest, height)
        layout.width, layout.height = max(layout.width, x - spacing.side), y + tallest


def _layered(sizes: Mapping[str, Size], links: Sequence[Link], spacing: Spacing, rooms: Mapping[str, float]) -> Layout:
    if not sizes:
        return Layout()
    ranks = rank(list(sizes), links)
    every = {**sizes, **ranks.sizes}
    gaps = [_gaps(row, every, spacing, rooms) for row in ranks.rows]
    middles = _middles(ranks, gaps)
    tops, heights, y = [], [], 0.0
    for row in ranks.rows:
        heights.append(max((every[name][1] for name in row), default=0.0))
        tops.append(y)
        y += heights[-1] + spacing.row
    left = min(middles[name] - every[name][0] / 2 for name in middles)
    right = max(middles[name] + every[name][0] / 2 + rooms.get(name, 0) for name in middles)
    middles = {name: x - left for name, x in middles.items()}
    row_of = {name: number for number, row in enumerate(ranks.rows) for name in row}
    layout = Layout(right - left, y - spacing.row)
    for name, (width, height) in sizes.items():
        number = row_of[name]
        layout.places[name] = (middles[name] - width / 2, tops[number] + (heights[number] - height) / 2)
    rows = {name: (tops[number], tops[number] + heights[number]) for name, number in row_of.items()}
    layout.ways = _ways(ranks.routes, layout.places, sizes, _Lines(middles, rows, spacing))
    return layout


def _middles(ranks: Ranks, gaps: Sequence[Sequence[float]]) -> dict[str, float]:
    """The middle of each box and bend, from the left."""
    near: dict[bool, dict[str, list[str]]] = {True: {}, False: {}}
    for route in ranks.routes:
        way = [route.top, *route.bends, route.bottom]
        for upper, lower in pairwise(way):
            near[True].setdefault(lower, []).append(upper)
            near[False].setdefault(upper, []).append(lower)
    middles: dict[str, float] = {}
    rows = list(zip(ranks.rows, gaps, strict=True))
    for row, own in rows:
        middles.update(zip(row, apart([-sum(own) / 2] * len(row), own, [1.0] * len(row)), strict=True))
    for number in range(ROUNDS):
        down, both = number % 2 == 0, number >= ROUNDS - 2
        for row, own in rows if down else reversed(rows):
            wanted = [_wanted(name, near[down], near[not down] if both else {}, middles) for name in row]
            weights = [STRAIGHT if name in ranks.sizes else 1.0 for name in row]
            middles.update(zip(row, apart(wanted, own, weights), strict=True))
    return middles


def _wanted(
    name: str, near: Mapping[str, list[str]], far: Mapping[str, list[str]], middles: Mapping[str, float]
) -> float:
    others = [*near.get(name, ()), *far.get(name, ())]
    return sum(middles[each] for each in others) / len(others) if others else middles[name]


def _gaps(row: Sequence[str], sizes: Mapping[str, Size], spacing: Spacing, rooms: Mapping[str, float]) -> list[float]:
    return [(sizes[one][0] + sizes[other][0]) / 2 + spacing.side + rooms.get(one, 0.0) for one, other in pairwise(row)]


def apart(wanted: Sequence[float], gaps: Sequence[float], weights: Sequence[float]) -> list[float]:
    """Places as near as can be to those wanted, by the sum of squares, each at least its gap behind the last.

    Source: pooling adjacent violators, for the isotonic regression.
    """
    offset, offsets = 0.0, [0.0]
    for gap in gaps:
        offset += gap
        offsets.append(offset)
    pools: list[tuple[float, float, int]] = []  # value, weight, how many
    for want, shift, weight in zip(wanted, offsets, weights, strict=False):
        value, count = want - shift, 1
        while pools and pools[-1][0] > value:
            other, heavy, more = pools.pop()
            value = (value * weight + other * heavy) / (weight + heavy)
            weight, count = weight + heavy, count + more  # noqa: PLW2901  # the pool grows
        pools.append((value, weight, count))
    flat = [value for value, _, count in pools for _ in range(count)]
    return [value + shift for value, shift in zip(flat, offsets, strict=False)]


# Lines ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Lines:
    middles: Mapping[str, float]
    rows: Mapping[str, tuple[float, float]]  # of each box and bend: the top and the bottom of its row
    spacing: Spacing


def _ways(
    routes: Sequence[Route], places: Mapping[str, Point], sizes: Mapping[str, Size], lines: _Lines
) -> dict[int, Way]:
    leaving: dict[str, list[tuple[float, int]]] = {}
    coming: dict[str, list[tuple[float, int]]] = {}
    for route in routes:
        way = [route.top, *route.bends, route.bottom]
        leaving.setdefault(route.top, []).append((lines.middles[way[1]], route.number))
        coming.setdefault(route.bottom, []).append((lines.middles[way[-2]], route.number))
    for bound in (*leaving.values(), *coming.values()):
        bound.sort()
    starts = _ports(leaving, places, sizes, lines.spacing)
    ends = _ports(coming, places, sizes, lines.spacing)
    direct = {route.number for route in routes if not route.bends}  # such a line is straight where it can be
    starts = _ports(_aimed(leaving, ends, direct), places, sizes, lines.spacing)
    ends = _ports(_aimed(coming, starts, direct), places, sizes, lines.spacing)
    ways = {}
    for route in routes:
        x, y = starts[route.number], places[route.top][1] + sizes[route.top][1]
        points = [(x, y), (x, lines.rows[route.top][1])]
        for bend in route.bends:
            points += [(lines.middles[bend], edge) for edge in lines.rows[bend]]
        x = ends[route.number]
        points += [(x, lines.rows[route.bottom][0]), (x, places[route.bottom][1])]
        label_at = None
        if route.label_at:
            top, bottom = lines.rows[route.label_at]
            label_at = lines.middles[route.label_at], (top + bottom) / 2
        points = list(dict.fromkeys(points))
        ways[route.number] = Way(points[::-1] if route.turned else points, label_at)
    return ways


def _aimed(
    aims: Mapping[str, list[tuple[float, int]]], others: Mapping[int, float], direct: set[int]
) -> dict[str, list[tuple[float, int]]]:
    """The same order; what is direct aims at where its line really begins or ends."""
    return {
        name: [(others[number] if number in direct else aim, number) for aim, number in bound]
        for name, bound in aims.items()
    }


def _ports(
    aims: Mapping[str, list[tuple[float, int]]],
    places: Mapping[str, Point],
    sizes: Mapping[str, Size],
    spacing: Spacing,
) -> dict[int, float]:
    """Where on the edge of its box each line begins, as near as can be to where it is bound for."""
    found: dict[int, float] = {}
    for name, bound in aims.items():
        corner = min(spacing.corner, sizes[name][0] / 2)
        width, left = sizes[name][0] - 2 * corner, places[name][0] + corner
        gap = min(spacing.port, width / max(len(bound) - 1, 1))
        last = left + width - gap * (len(bound) - 1)  # where the first may be at most
        xs = apart([aim for aim, _ in bound], [gap] * (len(bound) - 1), [1.0] * len(bound))
        for at, (x, (_, number)) in enumerate(zip(xs, bound, strict=True)):
            found[number] = min(max(x - at * gap, left), last) + at * gap
    return found
