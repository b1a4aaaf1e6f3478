"""When the steps of a run ran: one row for a step, one bar for an attempt."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tidemill.graphs.svg import LABEL, cut, document, escape

LABELS, CHART, AFTER = 230.0, 640.0, 110.0  # widths
ROW, TOP, MARGIN = 24.0, 46.0, 18.0
MOST_TICKS = 8
_STEPS_S = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800)
_LONG_S = (3_600, 7_200, 21_600, 43_200, 86_400, 172_800, 604_800, 2_592_000, 31_536_000)


@dataclass(frozen=True)
class Bar:
    """One attempt, in seconds since the run began. ``queued_s``: when it began to wait."""

    queued_s: float
    start_s: float
    end_s: float
    status: str
    hint: str


@dataclass(frozen=True)
class Row:
    """``label``: what is shown of its path; "" is all of it."""

    path: str
    depth: int
    status: str
    bars: tuple[Bar, ...] = ()
    note: str = ""
    label: str = ""
    is_group: bool = False  # it lasts as long as what is inside


def timeline_of(rows: Sequence[Row], length_s: float, title: str) -> str:
    """An SVG as wide as a page. ``length_s``: of the run so far."""
    length_s = max(length_s, 0.001)
    height = TOP + ROW * max(len(rows), 1) + MARGIN
    parts = [*_ticks(length_s, height)]
    for number, row in enumerate(rows):
        parts += _row(row, TOP + number * ROW, length_s)
    if not rows:
        parts.append(f'<text class="text" x="{MARGIN}" y="{TOP + 14}">No step has begun.</text>')
    return document(title, (2 * MARGIN + LABELS + CHART + AFTER, height), "".join(parts))


def span_of(seconds: float) -> str:
    """A length of time, short."""
    if seconds < 0.9995:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 60:
        return f"{seconds:.1f}".removesuffix(".0") + " s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    parts = [(days, "d"), (hours, "h"), (minutes, "min"), (rest, "s")]
    said = [f"{count} {unit}" for count, unit in parts if count]
    return " ".join(said[:2])


def _ticks(length_s: float, height: float) -> Iterator[str]:
    step = next((each for each in (*_STEPS_S, *_LONG_S) if length_s / each <= MOST_TICKS), length_s)
    for number in range(int(length_s / step) + 1):
        x = _x(number * step, length_s)
        yield f'<path class="grid" d="M{x:.1f} {TOP - 10}V{height - MARGIN:.1f}"/>'
        said = span_of(number * step) if number else "0"
        yield f'<text class="tick" x="{x:.1f}" y="{TOP - 17}" text-anchor="middle">{said}</text>'


def _x(at_s: float, length_s: float) -> float:
    return MARGIN + LABELS + CHART * min(max(at_s / length_s, 0.0), 1.0)


def _row(row: Row, y: float, length_s: float) -> Iterator[str]:
    x = MARGIN + min(row.depth, 6) * 12.0
    label = cut(row.label or row.path, 11.5, LABELS - 14 - (x - MARGIN))
    said = escape(f"{row.path}: {row.status}")
    yield f'<g class="row is-{escape(row.status)}"><title>{said}</title>'
    yield f'<circle class="dot" cx="{x + 4:.1f}" cy="{y + 10:.1f}" r="3.5"/>'
    yield f'<text class="name" x="{x + 14:.1f}" y="{y + 14:.1f}">{escape(label)}</text></g>'
    for bar in row.bars:
        yield from _bar(bar, y, length_s, "group-bar" if row.is_group else "bar")
    end = max((bar.end_s for bar in row.bars), default=0.0)
    took = sum(bar.end_s - bar.start_s for bar in row.bars)
    words = row.note or (span_of(took) if row.bars else "")
    after = _x(end, length_s) + 6 if row.bars else MARGIN + LABELS + 4
    yield f'<text class="text" x="{after:.1f}" y="{y + 14:.1f}">{escape(cut(words, LABEL, CHART))}</text>'


def _bar(bar: Bar, y: float, length_s: float, cls: str) -> Iterator[str]:
    queued, start, end = (_x(each, length_s) for each in (bar.queued_s, bar.start_s, bar.end_s))
    yield f'<g class="attempt is-{escape(bar.status)}"><title>{escape(bar.hint)}</title>'
    if start - queued > 1:
        yield f'<rect class="queued" x="{queued:.1f}" y="{y + 8:.1f}" width="{start - queued:.1f}" height="4" rx="2"/>'
    top, high = (y + 3, 14) if cls == "bar" else (y + 7, 6)
    width = max(end - start, 2.5)
    yield f'<rect class="{cls}" x="{start:.1f}" y="{top:.1f}" width="{width:.1f}" height="{high}" rx="3"/></g>'
