"""Index a folder: what each file is, how it looks, what it says, and which files are near to each other.

The work itself is in the modules beside this one, as plain functions. Here they become tasks, and two workflows say
how the tasks follow each other.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from time import perf_counter
from typing import Literal

import msgspec
import senses_stubs
import shelf_answers
import shelf_index
import shelf_kinds
import shelf_page
import shelf_pictures
import shelf_reading
import shelf_senses
import shelf_vectors
from senses_stubs import Line, Sound
from shelf_types import Hit, Item, Kind, PictureFacts, Reading, Stretch, Unread, UnreadableError, Vectors

from tidemill import Context, Failure, File, PermanentError, Worker, all_of, app, branch, collect, map_over, workflow

shelf = Worker("shelf")
Senses = Literal["off", "on"]


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
    written: list[Line] | None = None
    heard: Sound | None = None


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


@shelf.task(timeout=60)
def caption(seen: Seen, written: list[Line]) -> Read:
    """A picture's words: those of its name, and those that are written in it."""
    started = perf_counter()
    return Read(shelf_senses.caption(seen.words, [line.text for line in written]), perf_counter() - started)


@shelf.task(timeout=60)
def transcript(file: File, heard: Sound) -> Read:
    """Words for a sound: those of its name, and when somebody speaks in it."""
    started = perf_counter()
    return Read(shelf_senses.transcript(file.name, heard.length_s, _stretches(heard)), perf_counter() - started)


@shelf.task(timeout=120)
def embed(words: Reading) -> Embedded:
    """Turn each passage into a vector of its meaning."""
    started = perf_counter()
    vectors = shelf_vectors.embed([passage.text for passage in words.passages])
    return Embedded(vectors, perf_counter() - started)


@shelf.task(timeout=300)
def join(ctx: Context, folder: list[File], entries: list[Entry | Failure], title: str, senses: Senses) -> Shelf:
    """Make the index and the page; ``entries`` belong to the files of ``folder`` in the same order."""
    started = perf_counter()
    found = [entry for entry in entries if isinstance(entry, Entry)]
    failed = [(file, entry) for file, entry in zip(folder, entries, strict=True) if isinstance(entry, Failure)]
    note = "" if senses == "on" else shelf_senses.LEFT_OUT
    index = shelf_index.build(title, [_item(entry) for entry in found], [_unread(*each) for each in failed], note)
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


def way_of(file: File, senses: Senses) -> Entry:
    """One file's way through the tasks; a body of the workflow below."""
    identified = identify(file)
    return branch(
        identified.kind.group == "image",
        then=lambda: look_at(file, identified, senses),
        otherwise=lambda: branch(
            identified.kind.group == "text",
            then=lambda: read_through(file, identified),
            otherwise=lambda: branch(
                all_of(senses == "on", identified.kind.label == "wav"),
                then=lambda: listen_to(file, identified),
                otherwise=lambda: Entry(file, identified, None, None, None),
            ),
        ),
    )


def look_at(file: File, identified: Identified, senses: Senses) -> Entry:
    seen = picture(file)
    return branch(
        senses == "on",
        then=lambda: look_and_read(file, identified, seen),
        otherwise=lambda: Entry(file, identified, seen, None, embed.options(name="embed_name")(seen.words)),
    )


def look_and_read(file: File, identified: Identified, seen: Seen) -> Entry:
    written = senses_stubs.lines(file)
    read = caption(seen, written)
    return Entry(file, identified, seen, read, embed.options(name="embed_caption")(read.words), written)


def listen_to(file: File, identified: Identified) -> Entry:
    heard = senses_stubs.speech(file)
    read = transcript(file, heard)
    return Entry(file, identified, None, read, embed.options(name="embed_sound")(read.words), None, heard)


def read_through(file: File, identified: Identified) -> Entry:
    read = passages(file, identified)
    return Entry(file, identified, None, read, embed(read.words))


@workflow
def index(folder: list[File], title: str = "Shelf", senses: Senses = "off") -> Shelf:
    """Index a folder; a file that cannot be read is named on the page, and the others are indexed.

    With senses the second worker reads the text in pictures and finds speech in sound; without, that is left out.
    """

    def look_or_read(file: File) -> Entry:
        return way_of(file, senses)

    entries = map_over(look_or_read, folder, window=8, on_failure=collect)
    return join(folder, entries, title, senses)


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
        writing=[line.text for line in entry.written or []],
        speech=_stretches(entry.heard) if entry.heard else [],
    )


def _stretches(heard: Sound) -> list[Stretch]:
    return [Stretch(each.start_s, each.end_s) for each in heard.speech]


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
