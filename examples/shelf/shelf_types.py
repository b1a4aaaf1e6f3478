"""What the shelf knows of a file, in plain frozen records; everything else here makes or reads them."""

from dataclasses import dataclass, field
from typing import Literal

Group = Literal["image", "text", "other"]


class UnreadableError(ValueError):
    """A file that its own decoder refuses; the message names the file and is fit for its owner to read."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"{name}: {reason}")
        self.name, self.reason = name, reason


@dataclass(frozen=True)
class Kind:
    """What a file is, judged by its content.

    ``group`` says what the shelf does with it: look at it, read it, or only note its facts. ``family`` is the
    classifier's own, finer grouping (code, document, archive, audio...), ``score`` its trust from 0 to 1.
    """

    label: str
    group: Group
    family: str
    mime: str
    description: str
    score: float


@dataclass(frozen=True)
class Swatch:
    """One colour of a picture, as ``#rrggbb``, with its share of the picture's area from 0 to 1."""

    colour: str
    share: float


@dataclass(frozen=True)
class PictureFacts:
    """Size as shown (turned upright), the pixel mode as stored, and the main colours, largest share first."""

    width: int
    height: int
    mode: str
    frames: int
    palette: list[Swatch]


@dataclass(frozen=True)
class Passage:
    """A piece of a text; ``start`` counts characters from the beginning of the text."""

    start: int
    text: str


@dataclass(frozen=True)
class Reading:
    """A text cut into passages. ``note`` says what was left out, and is empty when nothing was."""

    passages: list[Passage]
    characters: int
    note: str = ""


@dataclass(frozen=True)
class Vectors:
    """One vector per passage, in order, as ``dimensions`` signed bytes each.

    Only directions count, so each vector is scaled to fill the range of a byte and no scale is kept.
    """

    dimensions: int
    packed: bytes


@dataclass(frozen=True)
class Stretch:
    """Where somebody speaks, in seconds from the beginning."""

    start_s: float
    end_s: float


@dataclass(frozen=True)
class Item:
    """All that the index keeps of one file. ``name`` is relative to the folder, with ``/`` between its parts.

    ``writing`` are the lines that were read in a picture, ``speech`` is where somebody speaks in a sound.
    """

    name: str
    size_bytes: int
    kind: Kind
    picture: PictureFacts | None
    reading: Reading
    vectors: Vectors
    writing: list[str] = field(default_factory=list)
    speech: list[Stretch] = field(default_factory=list)


@dataclass(frozen=True)
class Unread:
    """A file that could not be indexed, and why."""

    name: str
    size_bytes: int
    code: str
    reason: str


@dataclass(frozen=True)
class Index:
    """A folder's index: items and unread files by name, so that equal folders give equal bytes.

    ``note`` says what was left out of it, and is empty when nothing was.
    """

    title: str
    model: str
    items: list[Item]
    unread: list[Unread]
    note: str = ""
    format: Literal["tidemill.shelf/1"] = "tidemill.shelf/1"


@dataclass(frozen=True)
class Hit:
    """A passage that answers, with the file it is from; ``score`` is the cosine, from -1 to 1."""

    name: str
    score: float
    start: int
    text: str
