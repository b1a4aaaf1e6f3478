"""The drawing on top of the page: every file a book on a board, pictures with their own colours on the spine."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from zlib import crc32

from shelf_cards import escaped, hue, shown_name
from shelf_types import Item

_ROW_WIDTH = 1180
_ROW_HEIGHT = 158
_BOARD = 9
_MAX_ROWS = 2
_GAP = 2.0
_MARGIN = 22.0
_WIDEST = 1.5


# Light from the left makes a flat band a spine.
_ROUND = (
    '<defs><linearGradient id="round"><stop offset="0" stop-opacity=".22"/>'
    '<stop offset=".22" stop-color="#fff" stop-opacity=".2"/><stop offset=".55" stop-opacity="0"/>'
    '<stop offset="1" stop-opacity=".24"/></linearGradient></defs>'
)


@dataclass(frozen=True)
class _Book:
    place: int
    item: Item
    width: float
    height: float


def bookcase(items: Sequence[Item]) -> str:
    """Give the drawing as SVG; two boards at most, and of a larger folder its first files."""
    rows: list[list[_Book]] = [[]]
    for book in (_book(place, item) for place, item in enumerate(items)):
        if _width(rows[-1]) + book.width > _ROW_WIDTH - 2 * _MARGIN:
            if len(rows) == _MAX_ROWS:
                break
            rows.append([])
        rows[-1].append(book)
    height = len(rows) * _ROW_HEIGHT
    drawn = "".join(_row(row, (number + 1) * _ROW_HEIGHT - _BOARD) for number, row in enumerate(rows))
    return f'<svg viewBox="0 0 {_ROW_WIDTH} {height}" role="presentation">{_ROUND}{drawn}</svg>'


def _book(place: int, item: Item) -> _Book:
    weight = math.log10(max(10, item.size_bytes))
    height = min(138.0, 62 + 15 * weight - crc32(item.name.encode("utf-8", "replace")) % 14)
    width = 30.0 if item.picture else 24 + min(20.0, 1.6 * len(item.reading.passages))
    return _Book(place, item, round(width, 1), round(height, 1))


def _width(row: Sequence[_Book]) -> float:
    return sum(book.width + _GAP for book in row)


def _row(row: Sequence[_Book], board: float) -> str:
    """One board; a few books are made wider, so that the board does not look empty."""
    left, drawn = _MARGIN, []
    wider = max(1.0, min(_WIDEST, (_ROW_WIDTH - 2 * _MARGIN) / max(1.0, _width(row))))
    for book in row:
        drawn.append(_drawn(replace(book, width=round(book.width * wider, 1)), round(left, 1), board))
        left += book.width * wider + _GAP
    return (
        "".join(drawn)
        + f'<rect class="board" x="0" y="{board}" width="{_ROW_WIDTH}" height="{_BOARD}" rx="2"/>'
        + f'<rect class="edge" x="0" y="{board + _BOARD - 3}" width="{_ROW_WIDTH}" height="3" rx="1.5"/>'
    )


def _drawn(book: _Book, left: float, board: float) -> str:
    top = board - book.height
    name = escaped(shown_name(book.item.name))
    label = _label(book.item.name, book.height)
    middle = left + book.width / 2
    return (
        f'<a href="#f{book.place}" tabindex="-1"><g class="spine"><title>{name}</title>{_cover(book, left, top)}'
        f'<rect x="{left}" y="{top}" width="{book.width}" height="{book.height}" rx="2.5" fill="url(#round)"/>'
        f'<rect x="{left}" y="{top + 9}" width="{book.width}" height="2" fill="#fff" opacity=".42"/>'
        f'<rect x="{left}" y="{board - 13}" width="{book.width}" height="2" fill="#fff" opacity=".42"/>'
        f'<text x="{-(board - 19)}" y="{middle + 3:.1f}" transform="rotate(-90)" fill="{_ink(book)}">{label}</text>'
        f"</g></a>"
    )


def _cover(book: _Book, left: float, top: float) -> str:
    picture = book.item.picture
    box = f'x="{left}" width="{book.width}" '
    if not picture or not picture.palette:
        tint = crc32(book.item.kind.label.encode()) % 3
        return f'<rect class="spine-{hue(book.item)} tint{tint}" {box}y="{top}" height="{book.height}" rx="2.5"/>'
    whole, bands = sum(swatch.share for swatch in picture.palette), []
    below = top
    for swatch in picture.palette:
        tall = book.height * swatch.share / whole
        bands.append(f'<rect {box}y="{below:.1f}" height="{tall + 0.3:.1f}" fill="{escaped(swatch.colour)}"/>')
        below += tall
    return "".join(bands)


def _label(name: str, height: float) -> str:
    stem = re.sub(r"\.\w{1,5}$", "", name.rpartition("/")[2]).replace("-", " ").replace("_", " ")
    room = int((height - 34) / 5.1)
    return escaped(shown_name(stem if len(stem) <= room else stem[: room - 1].rstrip() + "…"))


def _ink(book: _Book) -> str:
    return "#fffdf6" if not book.item.picture else "none"
