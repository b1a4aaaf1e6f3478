"""A sheet as SVG: no scripts, all texts escaped, light and dark by the reader's own preference."""

import html
import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise

from tidemill.graphs.layout import Layout, Point, Size, Spacing, Way, arrange
from tidemill.graphs.ranks import Link
from tidemill.graphs.sheet import Box, Line, Sheet
from tidemill.graphs.style import STYLE

TITLE, TEXT, LABEL = 13.0, 11.0, 10.5  # sizes of fonts
BOLD = 1.08  # how much wider bold letters are
MOST_BOXES = 2_000
MOST_WIDE = 280.0  # of a line of text in a box; a longer one is cut
PAD, HEAD, MARGIN = 12.0, 8.0, 20.0
SPACING = Spacing(side=26, row=38, port=14, corner=14)
CONTAINERS = ("state", "map", "loop", "branch", "join", "call", "machine", "arm", "finally")
_NO_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_NARROW, _WIDE = set("iIljt.,:;'|!()[]{} "), set("mwMW@%—→…")


@dataclass(frozen=True)
class Standing:
    """How the step of a box stands in a run: its status, a few words such as `17 of 40`, whether the run is there."""

    status: str
    words: str = ""
    current: bool = False


@dataclass
class _Placed:
    """A box with the size that it needs, and what is inside laid out."""

    box: Box
    size: Size
    heads: list[tuple[str, str, float]]  # class, text, baseline
    inner: "_Laid | None" = None
    inner_at: Point = (0.0, 0.0)


@dataclass
class _Laid:
    placed: dict[str, _Placed]
    lines: list[Line]
    layout: Layout
    loops: dict[str, list[str]]  # by box: the labels of lines to itself


def svg_of(sheet: Sheet, title: str, standing: Mapping[str, Standing] | None = None) -> str:
    """The picture. ``standing``: by the id of a box. Raises TooLargeError."""
    sheet.check_size("a picture", MOST_BOXES)
    laid = _lay(sheet, standing or {})
    width, height = laid.layout.width + 2 * MARGIN, laid.layout.height + 2 * MARGIN
    parts = "".join(_drawn(laid, (MARGIN, MARGIN), standing or {}))
    return document(title, (width, height), parts)


def document(title: str, size: Size, parts: str) -> str:
    """A whole SVG file around what is drawn."""
    width, height = round(size[0]), round(size[1])
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="tm" role="img" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}"><title>{escape(title)}</title><style>{STYLE}</style>'
        '<defs><marker id="tm-tip" viewBox="0 0 8 8" refX="7.2" refY="4" markerWidth="7" markerHeight="7" '
        'orient="auto"><path class="tip" d="M0 .6 7.6 4 0 7.4Z"/></marker></defs>'
        f'<rect class="paper" width="100%" height="100%" rx="10"/>{parts}</svg>'
    )


def escape(text: str) -> str:
    """For a text or an attribute; what XML cannot hold at all becomes a sign for it."""
    return html.escape(_NO_XML.sub("\N{REPLACEMENT CHARACTER}", text))


def text_width(text: str, size: float) -> float:
    """About how wide a text is; fonts differ, so a little more."""
    return size * sum(_em(each) for each in text)


def _em(letter: str) -> float:
    if letter in _NARROW:
        return 0.38
    if letter in _WIDE:
        return 0.95
    if unicodedata.east_asian_width(letter) in "WF":
        return 1.05
    return 0.7 if letter.isupper() else 0.6


def cut(text: str, size: float, most: float = MOST_WIDE) -> str:
    text = " ".join(text.split())
    if text_width(text, size) <= most:
        return text
    while text and text_width(text + "…", size) > most:
        text = text[:-1]
    return text + "…"


# Sizes ---------------------------------------------------------------------------------------------


def _lay(sheet: Sheet, standing: Mapping[str, Standing]) -> _Laid:
    loops: dict[str, list[str]] = {}
    for line in sheet.lines:
        if line.source == line.target:
            loops.setdefault(line.source, []).append(cut(line.label, LABEL, 180))
    placed = {box.id: _placed(box, standing) for box in sheet.boxes}
    lines = [line for line in sheet.lines if line.source != line.target and {line.source, line.target} <= placed.keys()]
    links = [Link(line.source, line.target, _label_size(line)) for line in lines]
    sizes = {name: each.size for name, each in placed.items()}
    rooms = {name: _loop_room(labels) for name, labels in loops.items()}
    return _Laid(placed, lines, arrange(sizes, links, SPACING, rooms), loops)


def _label_size(line: Line) -> Size | None:
    return (text_width(cut(line.label, LABEL), LABEL) + 14, 20.0) if line.label else None


def _loop_room(labels: list[str]) -> float:
    return 34 + max(text_width(label, LABEL) for label in labels)


def _placed(box: Box, standing: Mapping[str, Standing]) -> _Placed:
    stands = standing.get(box.id)
    words = [stands.words] if stands is not None and stands.words else []
    heads, y = [("title", cut(box.title, TITLE), HEAD + TITLE)], HEAD + TITLE
    for cls, text in (*(("text", line) for line in box.lines), *(("count", line) for line in words)):
        y += TEXT * 1.45
        heads.append((cls, cut(text, TEXT), y))
    width = max(text_width(text, TITLE * BOLD if cls == "title" else TEXT) for cls, text, _ in heads)
    if tag := tag_of(box):
        width = max(width, text_width(heads[0][1], TITLE * BOLD) + text_width(tag, 11) + 16)
    size = max(width + 2 * PAD, 64.0), y + HEAD + 3
    if box.inner is None or not box.inner.boxes:
        return _Placed(box, size, heads)
    inner = _lay(box.inner, standing)
    inside = inner.layout.width, inner.layout.height
    wide = max(size[0], inside[0] + 2 * PAD)
    return _Placed(box, (wide, size[1] + inside[1] + PAD), heads, inner, ((wide - inside[0]) / 2, size[1]))


def tag_of(box: Box) -> str:
    """The kind, where the box does not show it."""
    return (
        box.kind.upper()
        if box.kind in ("map", "loop", "branch", "join", "call", "machine", "wait", "operation")
        else ""
    )


# Drawing -------------------------------------------------------------------------------------------


def _drawn(laid: _Laid, at: Point, standing: Mapping[str, Standing]) -> Iterator[str]:
    for number, line in enumerate(laid.lines):
        way = laid.layout.ways.get(number)
        if way is not None:
            yield _path(way.points, at, line)
    for name, placed in laid.placed.items():
        x, y = laid.layout.places[name]
        x, y = x + at[0], y + at[1]
        yield from _box(placed, (x, y), standing)
        for number, label in enumerate(laid.loops.get(name, ())):
            yield _loop(label, number, (x + placed.size[0], y), placed.size[1])
    for number, line in enumerate(laid.lines):
        way = laid.layout.ways.get(number)
        if way is not None and way.label_at is not None:
            yield _label(line.label, way, at)


def _box(placed: _Placed, at: Point, standing: Mapping[str, Standing]) -> Iterator[str]:
    box, (width, height), (x, y) = placed.box, placed.size, at
    stands = standing.get(box.id)
    classes = ["box", box.kind, *(["group"] if box.kind in CONTAINERS else [])]
    if stands is not None:
        classes += [f"is-{stands.status}", *(["current"] if stands.current else [])]
    said = box.hint or box.title
    if stands is not None:
        said = ", ".join(filter(None, (said, stands.status, stands.words)))
    yield f'<g class="{escape(" ".join(classes))}"><title>{escape(said)}</title>'
    if box.kind == "map":
        yield _rect("back", (x + 5, y + 5), (width, height), 9)
    round_by = height / 2 if box.kind in ("input", "output", "start", "success", "failure") else 9.0
    yield _rect("face", at, (width, height), min(round_by, 22.0))
    if stands is not None and stands.current:
        yield _rect("halo", (x - 3.5, y - 3.5), (width + 7, height + 7), min(round_by, 22.0) + 3)
    centred = placed.inner is None
    for cls, text, baseline in placed.heads:
        where = f'x="{x + width / 2:.1f}" text-anchor="middle"' if centred and not tag_of(box) else f'x="{x + PAD:.1f}"'
        yield f'<text class="{cls}" {where} y="{y + baseline - 2:.1f}">{escape(text)}</text>'
    if tag := tag_of(box):
        yield f'<text class="tag" x="{x + width - PAD:.1f}" y="{y + HEAD + 9:.1f}" text-anchor="end">{tag}</text>'
    yield "</g>"
    if placed.inner is not None:
        yield from _drawn(placed.inner, (x + placed.inner_at[0], y + placed.inner_at[1]), standing)


def _rect(cls: str, at: Point, size: Size, radius: float) -> str:
    return (
        f'<rect class="{cls}" x="{at[0]:.1f}" y="{at[1]:.1f}" width="{size[0]:.1f}" height="{size[1]:.1f}" '
        f'rx="{radius:.1f}"/>'
    )


def _path(points: list[Point], at: Point, line: Line) -> str:
    shifted = [(x + at[0], y + at[1]) for x, y in points]
    steps = [f"M{shifted[0][0]:.1f} {shifted[0][1]:.1f}"]
    for (x0, y0), (x1, y1) in pairwise(shifted):
        half = (y0 + y1) / 2
        if abs(x0 - x1) < 0.5 or abs(y0 - y1) < 0.5:
            steps.append(f"L{x1:.1f} {y1:.1f}")
        else:
            steps.append(f"C{x0:.1f} {half:.1f} {x1:.1f} {half:.1f} {x1:.1f} {y1:.1f}")
    soft = " soft" if line.soft else ""
    return f'<path class="line{soft}" d="{"".join(steps)}" marker-end="url(#tm-tip)"/>'


def _label(text: str, way: Way, at: Point) -> str:
    assert way.label_at is not None  # noqa: S101  # the caller looked
    text = cut(text, LABEL)
    x, y, width = way.label_at[0] + at[0], way.label_at[1] + at[1], text_width(text, LABEL) + 10
    return (
        f"{_rect('plate', (x - width / 2, y - 9), (width, 18), 9)}"
        f'<text class="label" x="{x:.1f}" y="{y + 3.6:.1f}" text-anchor="middle">{escape(text)}</text>'
    )


def _loop(label: str, number: int, corner: Point, height: float) -> str:
    """A line from a box to itself, on its right side."""
    x, y, reach = corner[0], corner[1] + min(18 + 26 * number, height / 2), 26
    low = min(y + 16, corner[1] + height - 4)
    d = f"M{x:.1f} {y:.1f}C{x + reach:.1f} {y - 6:.1f} {x + reach:.1f} {low + 6:.1f} {x + 1:.1f} {low:.1f}"
    words = f'<text class="label" x="{x + reach + 2:.1f}" y="{(y + low) / 2 + 4:.1f}">{escape(label)}</text>'
    return f'<path class="line" d="{d}" marker-end="url(#tm-tip)"/>{words}'
