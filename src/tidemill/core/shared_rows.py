"""Rows of what runs and workflows keep beside values: attributes, stores, channels."""

from typing import Any

from msgspec import Struct

from tidemill.core.ids import Instant, Path, RunId
from tidemill.core.values import Blob, Inline


class Attribute(Struct, frozen=True, gc=False):
    """What one name stands for; ``path`` is the step whose task set it, "" somebody outside."""

    value: Any  # plain data
    at: Instant
    path: Path = ""


class Attributes(Struct, frozen=True):
    """The free attributes of a run (``path`` "") or of a step."""

    run: RunId
    path: Path
    values: dict[str, Attribute]


Owner = bytes  # "r" and the id of a run, or "w" and the name of a workflow
ShelfKey = tuple[Owner, str, str]  # ..., kind, name
KeptKey = tuple[Owner, str, str]  # ..., name of the store, key

STORE, CHANNEL = "store", "channel"


class Shelf(Struct, frozen=True, gc=False):
    """A store or a channel: how much lies in it, and the last number that was given: a version, or that of an item."""

    owner: Owner
    kind: str
    name: str
    entries: int = 0
    size: int = 0  # of what lies in rows, in bytes
    last: int = 0

    @property
    def key(self) -> ShelfKey:
        return self.owner, self.kind, self.name


class Kept(Struct, frozen=True, gc=False):
    """One value of a store; ``version`` is greater than that of each write before, of whatever key."""

    owner: Owner
    name: str
    key: str
    value: Inline | Blob
    version: int
    at: Instant


class Posted(Struct, frozen=True, gc=False):
    """One item of a channel, by number from 1."""

    owner: Owner
    name: str
    number: int
    value: Inline | Blob
    at: Instant


class Written(Struct, frozen=True, gc=False, array_like=True):
    """What came of a write: the version or number that it has now, and what a sum is."""

    is_done: bool = True  # False: another version was there, and ``version`` says which
    version: int = 0
    sum: int = 0
