"""The page of a shelf: one HTML file that needs nothing else, the same bytes for the same index.

File names and texts are hostile. All of them pass through ``escaped``, and a content security policy lets only the
page's own style and script run, which it knows by their hashes.
"""

import base64
import hashlib
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from string import Template

from shelf_bookcase import bookcase
from shelf_cards import card, escaped, plural, shown_name, shown_size
from shelf_index import neighbours
from shelf_types import Index, Unread

_HERE = Path(__file__).parent
_GROUPS = {"all": "All", "image": "Pictures", "text": "Texts", "other": "Other"}


def render(index: Index, thumbnails: Mapping[str, bytes]) -> bytes:
    """Give the page; ``thumbnails`` are WebP, by file name, and a picture without one is shown as a plain file."""
    style, script = _part("page.css"), _part("page.js")
    near = neighbours(index.items)
    cards = [card(place, index, near[place], thumbnails.get(item.name)) for place, item in enumerate(index.items)]
    page = Template(_part("page.html")).substitute(
        title=escaped(shown_name(index.title)),
        style=style,
        style_hash=_policy_hash(style),
        script=script,
        script_hash=_policy_hash(script),
        bookcase=bookcase(index.items),
        totals=_totals(index),
        chips=_chips(index),
        cards="\n".join(cards),
        unread=_unread(index.unread),
        model=escaped(index.model),
    )
    return page.encode("utf-8", "replace")


def _part(name: str) -> str:
    return (_HERE / name).read_text(encoding="utf-8").rstrip("\n")


def _policy_hash(content: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()


def _totals(index: Index) -> str:
    counts = Counter(item.kind.group for item in index.items)
    sizes = [item.size_bytes for item in index.items] + [file.size_bytes for file in index.unread]
    parts = [f"<b>{plural(len(sizes), 'file')}</b>, {shown_size(sum(sizes))}"]
    parts += [plural(counts["image"], "picture")] if counts["image"] else []
    parts += [plural(counts["text"], "text")] if counts["text"] else []
    if counts["other"]:
        parts.append(f"{counts['other']} other")
    if index.unread:
        parts.append(f'<a href="#unread">{len(index.unread)} could not be read</a>')
    parts += [escaped(index.note)] if index.note else []
    return " · ".join(parts)


def _chips(index: Index) -> str:
    counts = Counter(item.kind.group for item in index.items)
    shown: dict[str, int] = {"all": len(index.items), **{str(group): count for group, count in counts.items()}}
    return "".join(
        f'<button type="button" class="chip" data-group="{group}" aria-pressed="{str(group == "all").lower()}">'
        f'{label}<span class="n">{shown[group]}</span></button>'
        for group, label in _GROUPS.items()
        if group in shown
    )


def _unread(unread: list[Unread]) -> str:
    if not unread:
        return ""
    rows = "".join(
        f"<div><dt><bdi>{escaped(shown_name(file.name))}</bdi></dt><dd>{escaped(shown_name(file.reason))} "
        f'<span class="small">({escaped(file.code)}, {shown_size(file.size_bytes)})</span></dd></div>'
        for file in unread
    )
    return (
        '<section class="unread" id="unread"><h2>Could not be read</h2>'
        f"<p>{plural(len(unread), 'file')} failed; everything else is indexed.</p><dl>{rows}</dl></section>"
    )
