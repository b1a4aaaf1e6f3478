"""Index a folder: what each file is, how it looks, what it says, and which files are near to each other.

The work itself is in the modules beside this one, as plain functions. Here they become tasks, and two workflows say
how the tasks follow each other.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from time import perf_counter

import msgspec
import shelf_answers
import shelf_index
import shelf_kinds
import shelf_page
import shelf_pictures
import shelf_reading
import shelf_vectors
from shelf_types import Hit, Item, Kind, PictureFacts, Reading, Unread, UnreadableError, Vectors

from tidemill import Context, Failure, File, PermanentError, Worker, app, branch, collect, map_over, workflow

shelf = Worker("shelf")


@dataclass(frozen=True)
class Identified:
    kind: Kind
    seconds: float


@dataclass(frozen=True)
class Seen:
    """A picture that was looked at; ``words`` are those of its name."""

    facts: PictureFacts
    thumbnail: File
    words: Reading
    seconds: float


@dataclass(frozen=True)
class Read:
    words: Reading
    seconds: float


@dataclass(frozen=True)
class Embedded:
    vectors: Vectors
    seconds: float


@dataclass(frozen=True)
class Entry:
    """All that the tasks found out about one file."""

    file: File
    identified: Identified
    seen: Seen | None
    read: Read | None
    embedded: Embedded | None


@dataclass(frozen=True)
class Shelf:
    """The page to open, the index to ask, and how long each file took, which no other result depends on."""

    page: File
    index: File
    times: File


@shelf.task(timeout=60)
def identify(file: File) -> Identified:
    """Say what a file is, by its content."""
    started = perf_counter()
    return Identified(shelf_kinds.identify(file.path), perf_counter() - started)


@shelf.task(timeout=60)
def picture(ctx: Context, file: File) -> Seen:
    """Look at a picture: size, main colours, thumbnail."""
    started = perf_counter()
    with _told_to_its_owner():
        facts, thumbnail = shelf_pictures.look(file.path, file.name)
    name = f"thumbnails/{file.digest.removeprefix('sha256:')}.webp"
    saved = ctx.replace_bytes(name, thumbnail, media_type=shelf_pictures.THUMBNAIL_MIME)
    return Seen(facts, saved, shelf_reading.read_name(file.name), perf_counter() - started)


@shelf.task(timeout=60)
def passages(file: File, identified: Identified) -> Read:
    """Read a text or a document, and cut it into passages of about 120 tokens."""
    started = perf_counter()
    with _told_to_its_owner():
        return Read(shelf_reading.read(file.path, file.name, identified.kind), perf_counter() - started)


@shelf.task(timeout=120)
def embed(words: Reading) -> Embedded:
    """Turn each passage into a vector of its meaning."""
    started = perf_counter()
    vectors = shelf_vectors.embed([passage.text for passage in words.passages])
    return Embedded(vectors, perf_counter() - started)


@shelf.task(timeout=300)
def join(ctx: Context, folder: list[File], entries: list[Entry | Failure], title: str) -> Shelf:
    """Make the index and the page; ``entries`` belong to the files of ``folder`` in the same order."""
    started = perf_counter()
    found = [entry for entry in entries if isinstance(entry, Entry)]
    failed = [(file, entry) for file, entry in zip(folder, entries, strict=True) if isinstance(entry, Failure)]
    index = shelf_index.build(title, [_item(entry) for entry in found], [_unread(*each) for each in failed])
    thumbnails = {entry.file.name: entry.seen.thumbnail.path.read_bytes() for entry in found if entry.seen}
    # A second attempt writes the same names again, so that each file replaces what a lost attempt may have left.
    page = ctx.replace_bytes("shelf.html", shelf_page.render(index, thumbnails))
    document = ctx.replace_bytes("index.json", shelf_index.encode(index))
    times = _times(found) | {"join": round(perf_counter() - started, 4)}
    return Shelf(page, document, ctx.replace_bytes("times.json", msgspec.json.format(msgspec.json.encode(times))))


@shelf.stream(timeout=60)
def answer(question: str, index: File, top: int = 5) -> Iterator[Hit]:
    """Give the passages of an index that are nearest to a question, one after the other, best first."""
    try:
        yield from shelf_answers.answer(question, shelf_index.decode(index.path.read_bytes()), top)
    except (shelf_index.NotAnIndexError, shelf_answers.QuestionError) as error:
        raise PermanentError(str(error)) from error


def look_or_read(file: File) -> Entry:
    """One file's way through the tasks; a body of the workflow below."""
    identified = identify(file)
    return branch(
        identified.kind.group == "image",
        then=lambda: look_at(file, identified),
        otherwise=lambda: branch(
            identified.kind.group == "text",
            then=lambda: read_through(file, identified),
            otherwise=lambda: Entry(file, identified, None, None, None),
        ),
    )


def look_at(file: File, identified: Identified) -> Entry:
    seen = picture(file)
    return Entry(file, identified, seen, None, embed.options(name="embed_name")(seen.words))


def read_through(file: File, identified: Identified) -> Entry:
    read = passages(file, identified)
    return Entry(file, identified, None, read, embed(read.words))


@workflow
def index(folder: list[File], title: str = "Shelf") -> Shelf:
    """Index a folder; a file that cannot be read is named on the page, and the others are indexed."""
    entries = map_over(look_or_read, folder, window=8, on_failure=collect)
    return join(folder, entries, title)


@workflow
def ask(question: str, index: File, top: int = 5) -> list[Hit]:
    """Answer a question from an index that was made before; with --stream hits are printed as they come."""
    return answer(question, index, top)


@contextmanager
def _told_to_its_owner() -> Iterator[None]:
    """A damaged file stays damaged: fail for good, with words for the one whose file it is."""
    try:
        yield
    except UnreadableError as error:
        raise PermanentError(str(error)) from error


def _item(entry: Entry) -> Item:
    words = entry.read.words if entry.read else entry.seen.words if entry.seen else Reading([], 0)
    return Item(
        name=entry.file.name,
        size_bytes=entry.file.size,
        kind=entry.identified.kind,
        picture=entry.seen.facts if entry.seen else None,
        reading=words,
        vectors=entry.embedded.vectors if entry.embedded else Vectors(shelf_vectors.DIMENSIONS, b""),
    )


def _unread(file: File, failure: Failure) -> Unread:
    return Unread(file.name, file.size, failure.code.value, failure.message.removeprefix(f"{file.name}: "))


def _times(entries: list[Entry]) -> dict[str, object]:
    """Seconds by file and task, as each task measured itself."""
    by_file = {
        entry.file.name: {
            name: round(part.seconds, 4)
            for name, part in (
                ("identify", entry.identified),
                ("picture", entry.seen),
                ("passages", entry.read),
                ("embed", entry.embedded),
            )
            if part
        }
        for entry in entries
    }
    return {"files": dict(sorted(by_file.items()))}


if __name__ == "__main__":
    app(shelf)
