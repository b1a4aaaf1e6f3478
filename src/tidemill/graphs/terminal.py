"""A sheet drawn with the box characters of a terminal."""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from tidemill.graphs.layout import Layout, Point, Size, Spacing, arrange
from tidemill.graphs.ranks import Link
from tidemill.graphs.sheet import Box, Line, Sheet

SPACING = Spacing(side=3, row=3, port=3, corner=1.5)
MOST_BOXES = 300  # more cannot be followed by eye; SVG takes more
MOST_WIDE = 44  # letters of a line in a box
_UP, _DOWN, _LEFT, _RIGHT = 1, 2, 4, 8
_SIGNS = " ╵╷│╴┘┐┤╶└┌├─┴┬┼"  # by the sum of the sides that a line goes to
_SQUARE, _ROUND, _DOUBLE = tuple("┌┐└┘─│"), tuple("╭╮╰╯─│"), tuple("╔╗╚╝═║")
_TOLD = ("map", "loop", "branch", "join", "call", "machine", "wait", "state")
_BORDERS = {"input": _ROUND, "output": _ROUND, "start": _ROUND, "success": _DOUBLE, "failure": _DOUBLE}


@dataclass
class _Laid:
    sheet: Sheet
    lines: list[Line]
    sizes: dict[str, Size]
    inner: "dict[str, _Laid]"
    layout: Layout


@dataclass
class _Paper:
    signs: dict[tuple[int, int], str] = field(default_factory=dict)  # by row and column
    lines: dict[tuple[int, int], int] = field(default_factory=dict)

    def write(self, at: tuple[int, int], text: str) -> None:
        column = at[1]
        for letter in text:
            self.signs[at[0], column] = letter
            self.lines.pop((at[0], column), None)
            column += 1
            if unicodedata.east_asian_width(letter) in "WF":
                self.signs[at[0], column] = ""
                column += 1

    def draw(self, here: tuple[int, int], there: tuple[int, int]) -> None:
        """A line along one row or one column."""
        (row, column), (last, end) = min(here, there), max(here, there)
        first, second = (_DOWN, _UP) if column == end else (_RIGHT, _LEFT)
        cells = (
            [(y, column) for y in range(row, last + 1)] if column == end else [(row, x) for x in range(column, end + 1)]
        )
        for cell in cells:
            self.signs.pop(cell, None)  # of the box that this line is in
        for cell, following in pairwise(cells):
            self.lines[cell] = self.lines.get(cell, 0) | first
            self.lines[following] = self.lines.get(following, 0) | second

    def text(self) -> str:
        cells = {at: _SIGNS[mask] for at, mask in self.lines.items()} | self.signs
        rows: dict[int, dict[int, str]] = {}
        for (row, column), sign in cells.items():
            rows.setdefault(row, {})[column] = sign
        written = []
        for row in range(max(rows, default=-1) + 1):
            own = rows.get(row, {})
            written.append("".join(own.get(column, " ") for column in range(max(own, default=-1) + 1)).rstrip())
        return "\n".join(written)


def terminal_of(sheet: Sheet) -> str:
    """Raises TooLargeError."""
    sheet.check_size("a terminal", MOST_BOXES)
    paper = _Paper()
    _paint(_lay(sheet), (0, 0), paper)
    return paper.text()


def width_of(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in text)


def _cut(text: str) -> str:
    text = "".join(letter for letter in " ".join(text.split()) if letter.isprintable())
    return text if len(text) <= MOST_WIDE else text[: MOST_WIDE - 1] + "…"


def _words(box: Box) -> list[str]:
    kind = f" ({box.kind})" if box.kind in _TOLD and box.kind != box.title else ""
    return [_cut(box.title + kind), *map(_cut, box.lines)]


def _lay(sheet: Sheet) -> _Laid:
    inner = {box.id: _lay(box.inner) for box in sheet.boxes if box.inner is not None and box.inner.boxes}
    sizes: dict[str, Size] = {}
    for box in sheet.boxes:
        words = _words(box) + [f"↻ {_cut(line.label)}" for line in sheet.lines if line.source == line.target == box.id]
        width, height = max(map(width_of, words)) + 4, len(words) + 2
        if box.id in inner:
            inside = inner[box.id].layout
            width, height = max(width, round(inside.width) + 4), height + round(inside.height)
        sizes[box.id] = (width, height)
    lines = [line for line in sheet.lines if line.source != line.target]
    links = [Link(line.source, line.target, _label_size(line)) for line in lines]
    return _Laid(sheet, lines, sizes, inner, arrange(sizes, links, SPACING))


def _label_size(line: Line) -> Size | None:
    return (width_of(_cut(line.label)) + 2, 1) if line.label else None


def _paint(laid: _Laid, at: tuple[int, int], paper: _Paper) -> None:
    for number, way in laid.layout.ways.items():
        _paint_way([_cell(point, at) for point in way.points], paper)
        if way.label_at is not None:
            row, middle = _cell(way.label_at, at)
            label = f" {_cut(laid.lines[number].label)} "
            paper.write((row, middle - width_of(label) // 2), label)
    for box in laid.sheet.boxes:
        row, column = _cell(laid.layout.places[box.id], at)
        width, height = (round(each) for each in laid.sizes[box.id])
        loops = [line.label for line in laid.sheet.lines if line.source == line.target == box.id]
        words = _words(box) + [f"↻ {_cut(label)}" for label in loops]
        _paint_box((row, column), (width, height), words, _BORDERS.get(box.kind, _SQUARE), paper)
        inside = laid.inner.get(box.id)
        if inside is not None:
            spare = width - round(inside.layout.width)
            _paint(inside, (row + 1 + len(words), column + spare // 2), paper)


def _cell(point: Point, at: tuple[int, int]) -> tuple[int, int]:
    return round(point[1]) + at[0], round(point[0]) + at[1]


def _paint_box(
    at: tuple[int, int], size: tuple[int, int], words: Sequence[str], border: tuple[str, ...], paper: _Paper
) -> None:
    (row, column), (width, height) = at, size
    a, b, c, d, across, down = border
    paper.write(at, a + across * (width - 2) + b)
    for line in range(1, height - 1):
        text = words[line - 1] if line <= len(words) else ""
        paper.write((row + line, column), f"{down} {text}{' ' * (width - 3 - width_of(text))}{down}")
    paper.write((row + height - 1, column), c + across * (width - 2) + d)


def _paint_way(points: list[tuple[int, int]], paper: _Paper) -> None:
    upwards = points[0][0] > points[-1][0]
    edge = 0 if upwards else -1  # of the two ends, the lower one: the point above the box that it touches
    way = points[:]
    way[edge] = way[edge][0] - 1, way[edge][1]
    for (row, column), (last, end) in pairwise(way):
        turn = (row + last) // 2
        paper.draw((row, column), (turn, column))
        paper.draw((turn, column), (turn, end))
        paper.draw((turn, end), (last, end))
    row, column = way[-1]
    paper.lines.pop((row, column), None)
    paper.signs[row, column] = "▲" if upwards else "▼"
