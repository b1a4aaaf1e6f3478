"""The card of one file on the page."""

import base64
import html
import re
from collections.abc import Sequence

from shelf_index import Neighbour
from shelf_types import Index, Item, Passage, PictureFacts

_SHOWN_PASSAGES = 8
_PREVIEW_CHARACTERS = 620
_SMALL_PIXELS = 200
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]")
_TYPE_NAMES = {
    "txt": "Plain text",
    "docx": "Word document",
    "csv": "CSV table",
    "svg": "SVG drawing",
    "unknown": "Unknown",
    "empty": "Empty",
}
_HUES = {"code": "code", "document": "document", "image": "code"}  # a drawing that is text is source code


def card(place: int, index: Index, near: Sequence[Neighbour], thumbnail: bytes | None) -> str:
    item = index.items[place]
    folder, _, name = item.name.rpartition("/")
    above = f'<span class="folder"><bdi>{escaped(shown_name(folder))}/</bdi></span>' if folder else ""
    return (
        f'<article class="card {hue(item)}" id="f{place}" data-group="{item.kind.group}">'
        f"{_look(item, thumbnail)}{_palette(item.picture)}"
        f'<div class="body"><h2>{above}<bdi>{escaped(shown_name(name))}</bdi></h2>'
        f"{_meta(item)}{_near(index, near)}{_details(item)}</div></article>"
    )


def hue(item: Item) -> str:
    """The family that gives a file its colour: image, code, document, text or other."""
    group = item.kind.group
    return "image" if group == "image" else _HUES.get(item.kind.family, "text") if group == "text" else "other"


def escaped(text: str) -> str:
    return html.escape(text, quote=True)


def shown_name(name: str) -> str:
    """A name, or a reason with a name in it, on one line: what would break it or turn the writing round is a box."""
    return _CONTROLS.sub("\ufffd", name)


def shown_size(size_bytes: int) -> str:
    size = float(size_bytes)
    for unit in ("bytes", "kB", "MB"):
        if size < 999.5:
            return plural(size_bytes, "byte") if unit == "bytes" else f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:.1f} GB"


def plural(count: int, noun: str) -> str:
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def _look(item: Item, thumbnail: bytes | None) -> str:
    if item.picture and thumbnail:
        return _picture(item, item.picture, thumbnail)
    if item.kind.group == "text" and item.reading.passages:
        text = _beginning(item.reading.passages)
        return f'<div class="look"><p class="page{_mono(item)}">{escaped(_unmarked(item, text))}</p></div>'
    return f'<div class="look"><p class="glyph" aria-hidden="true">{escaped(item.kind.label)}</p></div>'


def _beginning(passages: Sequence[Passage]) -> str:
    """The first words of a text; passages may overlap, and what was said is not said again."""
    text = passages[0].text
    for passage in passages[1:3]:
        new = passages[0].start + len(text) - passage.start
        text += passage.text[new:] if new > 0 else "\n\n" + passage.text
    return text[:_PREVIEW_CHARACTERS]


def _picture(item: Item, picture: PictureFacts, thumbnail: bytes) -> str:
    is_odd = not 0.6 < picture.width / picture.height < 2.1
    fit = ' class="whole"' if is_odd or picture.width < _SMALL_PIXELS else ""
    source = base64.b64encode(thumbnail).decode()
    frames = f'<span class="frames">{picture.frames} frames</span>' if picture.frames > 1 else ""
    return (
        f'<div class="look"><img{fit} src="data:image/webp;base64,{source}" loading="lazy" decoding="async" '
        f'alt="{escaped(shown_name(item.name))}">{frames}</div>'
    )


def _palette(picture: PictureFacts | None) -> str:
    if not picture or not picture.palette:
        return ""
    whole, left, bands = sum(swatch.share for swatch in picture.palette), 0.0, []
    for swatch in picture.palette:
        width = 100 * swatch.share / whole
        bands.append(f'<rect x="{left:.2f}" width="{width + 0.2:.2f}" height="1" fill="{escaped(swatch.colour)}"/>')
        left += width
    return (
        f'<svg class="palette" viewBox="0 0 100 1" preserveAspectRatio="none" aria-hidden="true">{"".join(bands)}</svg>'
    )


def _meta(item: Item) -> str:
    parts = [f'<span class="badge" title="{escaped(item.kind.mime)}">{escaped(_type_name(item))}</span>']
    if item.picture:
        parts.append(f"<span>{item.picture.width} \u00d7 {item.picture.height}</span>")
    elif len(item.reading.passages) > 1:
        parts.append(f"<span>{plural(len(item.reading.passages), 'passage')}</span>")
    return f'<p class="meta">{"".join(parts)}<span>{shown_size(item.size_bytes)}</span></p>'


def _type_name(item: Item) -> str:
    """The classifier's description without the words that every description has."""
    short = _TYPE_NAMES.get(item.kind.label) or re.sub(
        r" (document|source|image data|media file|image|file|data)$", "", item.kind.description
    )
    return short or item.kind.label


def _near(index: Index, near: Sequence[Neighbour]) -> str:
    rows = "".join(
        f'<li><a href="#f{each.place}" title="{escaped(shown_name(index.items[each.place].name))}">'
        f"<bdi>{escaped(shown_name(index.items[each.place].name.rpartition('/')[2]))}</bdi></a>"
        f'<svg viewBox="0 0 100 10" preserveAspectRatio="none" role="img" aria-label="likeness {each.likeness:.2f}">'
        f'<title>likeness {each.likeness:.2f}</title><rect width="{100 * each.likeness:.0f}" height="10"/></svg></li>'
        for each in near
    )
    return f'<div class="near"><h3>Related</h3><ul>{rows}</ul></div>' if rows else ""


def _details(item: Item) -> str:
    if item.picture:
        colours = f"<details><summary>Colours</summary>{_colours(item.picture)}</details>"
        return _writing(item) + (colours if item.picture.palette else "")
    if item.speech:
        return f'<p class="passage">{escaped(item.reading.passages[0].text)}</p>'
    if item.kind.group != "text" or not item.reading.passages:
        return ""
    shown = item.reading.passages[:_SHOWN_PASSAGES]
    left = len(item.reading.passages) - len(shown)
    notes = [f"{plural(left, 'more passage')}"] if left else []
    notes += [item.reading.note] if item.reading.note else []
    note = f'<p class="small">{escaped("; ".join(notes))}</p>' if notes else ""
    return f"<details><summary>Passages</summary>{''.join(_passage(item, each) for each in shown)}{note}</details>"


def _writing(item: Item) -> str:
    rows = "".join(f'<p class="passage">{escaped(shown_name(line))}</p>' for line in item.writing)
    return f"<details open><summary>Written in it</summary>{rows}</details>" if rows else ""


def _passage(item: Item, passage: Passage) -> str:
    return f'<p class="passage{_mono(item)}">{escaped(_unmarked(item, passage.text))}</p>'


def _colours(picture: PictureFacts) -> str:
    rows = "".join(
        '<li><svg viewBox="0 0 1 1" aria-hidden="true">'
        f'<rect width="1" height="1" fill="{escaped(each.colour)}"/></svg>{escaped(each.colour)} {each.share:.0%}</li>'
        for each in picture.palette
    )
    return f'<ul class="colours">{rows}</ul>'


def _mono(item: Item) -> str:
    return " mono" if item.kind.family == "code" and item.kind.label != "html" else ""


def _unmarked(item: Item, text: str) -> str:
    """Markdown without its most frequent marks, for reading."""
    if item.kind.label != "markdown":
        return text
    return re.sub(r"^#{1,6} +|\*\*|`", "", text, flags=re.MULTILINE)
