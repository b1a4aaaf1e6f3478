"""The shelf's job as a plain loop: what the workflow must come to, without any of Tidemill."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import shelf_index
import shelf_kinds
import shelf_page
import shelf_pictures
import shelf_reading
import shelf_vectors
from shelf_types import Index, Item, Reading, Unread, UnreadableError

SAMPLES = Path(__file__).parents[2] / "examples" / "shelf" / "samples"


@dataclass(frozen=True)
class Run:
    index: Index
    thumbnails: dict[str, bytes]

    def page(self) -> bytes:
        return shelf_page.render(self.index, self.thumbnails)

    def document(self) -> bytes:
        return shelf_index.encode(self.index)


def files_of(folder: Path) -> list[tuple[str, Path]]:
    return [(str(path.relative_to(folder)), path) for path in sorted(folder.rglob("*")) if path.is_file()]


def run(files: Iterable[tuple[str, Path]], title: str = "Shelf") -> Run:
    items: list[Item] = []
    unread: list[Unread] = []
    thumbnails: dict[str, bytes] = {}
    for name, path in files:
        try:
            items.append(item_of(name, path, thumbnails))
        except UnreadableError as error:
            unread.append(Unread(name, path.stat().st_size, "permanent", error.reason))
    return Run(shelf_index.build(title, items, unread), thumbnails)


def item_of(name: str, path: Path, thumbnails: dict[str, bytes]) -> Item:
    kind, picture, reading = shelf_kinds.identify(path), None, Reading([], 0)
    if kind.group == "image":
        picture, thumbnails[name] = shelf_pictures.look(path, name)
        reading = shelf_reading.read_name(name)
    elif kind.group == "text":
        reading = shelf_reading.read(path, name, kind)
    vectors = shelf_vectors.embed([passage.text for passage in reading.passages])
    return Item(name, path.stat().st_size, kind, picture, reading, vectors)


def text_item(name: str, text: str) -> Item:
    """An item as if a plain text of this name had been read."""
    kind = shelf_kinds.Kind("txt", "text", "text", "text/plain", "Plain text", 1.0)
    reading = Reading(shelf_reading.cut(text), len(text))
    return Item(name, len(text.encode()), kind, None, reading, shelf_vectors.embed([p.text for p in reading.passages]))
