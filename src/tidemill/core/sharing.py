"""Stores and channels of runs and workflows: what may be asked of one, and what a write does. Pure.

A store has values by key; each write gives a version, which rises. A channel has items by number, from 1, which never
change. Both belong to a run, and are written to until it ends, or to a workflow, by its name.
"""

import re
from enum import Enum

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from tidemill.core.ids import Instant, Path, RunId
from tidemill.core.run import Attempt, AttemptEnded, End, Ended, Run, Step
from tidemill.core.shared_rows import Kept, Owner, Posted, Shelf, Written
from tidemill.core.values import Blob, Encoding, Inline

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,99}")
NAME_EXPECTED = "letters, digits, '_', '.' and '-', up to 100, a letter first"
KEY_LIMIT = 512  # characters
ABOVE_ALL = "\U0010ffff"  # no key has it, so it ends the range of a prefix
MOST_ENTRIES = 100_000  # of a store
MOST_ITEMS = 1_000_000  # of a channel
MOST_BYTES = 256 * 1024 * 1024  # of either, in rows
PAGE = 100  # entries or items in one answer
WAIT_S = 20.0  # for an item, in one request
LEAST_INT, MOST_INT = -(2**63), 2**63 - 1


class Reach(Enum):
    """To what a store or a channel belongs."""

    RUN = "run"
    WORKFLOW = "workflow"  # to all its runs, by its name


class Get(Struct, frozen=True, tag="get"):
    key: str


class Page(Struct, frozen=True, tag="page"):
    """Entries whose key begins with ``prefix``, by key, after one."""

    prefix: str = ""
    after: str = ""
    limit: int = PAGE


class Read(Struct, frozen=True, tag="read"):
    """Items with a greater number than ``after``; where there are none, wait for the next."""

    after: int = 0
    limit: int = PAGE
    wait_s: float = 0.0


class Put(Struct, frozen=True, tag="put"):
    """``version``: only if the entry has this one; 0: if there is none."""

    key: str
    version: int | None = None


class Delete(Struct, frozen=True, tag="delete"):
    key: str
    version: int | None = None


class Add(Struct, frozen=True, tag="add"):
    """To a whole number; none is 0."""

    key: str
    by: int = 1


class Post(Struct, frozen=True, tag="post"):
    """Add an item."""


Ask = Get | Page | Read
Write = Put | Delete | Add | Post
Op = Ask | Write


class Shared(Struct, frozen=True, tag_field="is", tag="answered"):
    """The answer to any of them. ``entries`` are (key, value, version), or (``""``, item, number)."""

    written: Written = Written()
    entries: tuple[tuple[str, Inline | Blob, int], ...] = ()
    more: bool = False
    is_over: bool = False  # of a channel: its run has ended, and no item will follow


class NotShared(Struct, frozen=True, tag_field="is", tag="refused"):
    """It was refused: ``type`` is a kind of problem."""

    type: str
    detail: str


class Fence(Struct, frozen=True):
    """The attempt that writes; its writes are numbered from 1, and each is asked for until it is answered."""

    run: RunId
    path: Path
    number: int
    write: int


class Effect(Struct, frozen=True):
    """The rows that a write changes; no ``kept`` and no ``posted``: the entry goes."""

    written: Written
    shelf: Shelf | None = None
    kept: Kept | None = None
    posted: Posted | None = None


def owner_of(reach: Reach, run: Run) -> Owner:
    return b"r" + run.id if reach is Reach.RUN else b"w" + run.workflow.encode()


def fault_of(name: str, op: Op) -> str:
    """Why nothing can be asked like this; "" when it can."""
    if not NAME.fullmatch(name):
        return f"{name[:80]!r} is no name of a store or channel: {NAME_EXPECTED}"
    key = op.key if isinstance(op, Get | Put | Delete | Add) else "any"
    if not key or len(key) > KEY_LIMIT or set(key) & {"\0", ABOVE_ALL}:
        return f"a key has 1 to {KEY_LIMIT} characters, and neither NUL nor U+10FFFF"
    return ""


def fenced(fence: Fence, run: Run, step: Step | None, attempt: Attempt | None) -> NotShared | Written | None:
    """Whether an attempt may write: None; an answer that it had before; or why it may not."""
    if attempt is None or step is None or step.is_final or step.latest != fence.number:
        return NotShared("overtaken", "the attempt is not the live one any more")
    if isinstance(attempt.state, AttemptEnded) and attempt.state.end is not End.LOST:
        return NotShared("overtaken", "the attempt has ended")
    if isinstance(run.state, Ended):
        return NotShared("not_possible", "the run has ended")
    if fence.write == attempt.wrote:
        return attempt.written
    if fence.write < attempt.wrote:
        return NotShared("overtaken", "a later write of the attempt is recorded")
    return None


def effect_of(
    shelf: Shelf, kept: Kept | None, op: Write, value: Inline | Blob | None, at: Instant
) -> Effect | NotShared:
    """What a write does to a store or channel, given the entry that it is about."""
    version = kept.version if kept is not None else 0
    match op:
        case Put(version=wanted) | Delete(version=wanted) if wanted not in (None, version):
            return Effect(Written(is_done=False, version=version))
        case Delete():
            if kept is None:
                return Effect(Written(is_done=False))
            gone = replace(shelf, entries=shelf.entries - 1, size=shelf.size - _size(kept.key, kept.value))
            return Effect(Written(version=version), gone)
        case Put(key=key):
            return _kept(shelf, kept, key, value, at) if value is not None else NotShared("invalid_input", "no value")
        case Add(key=key, by=by):
            return _added(shelf, kept, (key, by), at)
        case Post():
            return _posted(shelf, value, at) if value is not None else NotShared("invalid_input", "no value")


def _kept(shelf: Shelf, before: Kept | None, key: str, value: Inline | Blob, at: Instant) -> Effect | NotShared:
    entries = shelf.entries + (before is None)
    size = shelf.size + _size(key, value) - (_size(key, before.value) if before else 0)
    if entries > MOST_ENTRIES and before is None:
        return NotShared("too_many", f"the store {shelf.name} has {MOST_ENTRIES:,} entries, the most there may be")
    if size > MOST_BYTES and size > shelf.size:
        return NotShared("too_many", f"the store {shelf.name} is full: it may hold {MOST_BYTES:,} bytes")
    last = shelf.last + 1
    changed = replace(shelf, entries=entries, size=size, last=last)
    return Effect(Written(version=last), changed, Kept(shelf.owner, shelf.name, key, value, last, at))


def _added(shelf: Shelf, kept: Kept | None, what: tuple[str, int], at: Instant) -> Effect | NotShared:
    key, by = what
    before = _number(kept.value) if kept is not None else 0
    if before is None:
        return NotShared("invalid_input", f"what lies under {key!r} is no whole number")
    total = before + by
    if not LEAST_INT <= total <= MOST_INT:
        return NotShared("invalid_input", f"the sum under {key!r} has more than 64 bits")
    effect = _kept(shelf, kept, key, Inline(msgspec.msgpack.encode(total)), at)
    return replace(effect, written=replace(effect.written, sum=total)) if isinstance(effect, Effect) else effect


def _number(value: Inline | Blob) -> int | None:
    if not isinstance(value, Inline) or len(value.data) > 64:
        return None
    try:
        decode = msgspec.msgpack.decode if value.encoding is Encoding.MSGPACK else msgspec.json.decode
        return decode(value.data, type=int)
    except msgspec.MsgspecError:
        return None


def _posted(shelf: Shelf, value: Inline | Blob, at: Instant) -> Effect | NotShared:
    size, last = shelf.size + _size("", value), shelf.last + 1
    if last > MOST_ITEMS or size > MOST_BYTES:
        bounds = f"{MOST_ITEMS:,} items and {MOST_BYTES:,} bytes"
        return NotShared("too_many", f"the channel {shelf.name} is full: it may hold {bounds}")
    changed = replace(shelf, entries=shelf.entries + 1, size=size, last=last)
    return Effect(Written(version=last), changed, posted=Posted(shelf.owner, shelf.name, last, value, at))


def _size(key: str, value: Inline | Blob) -> int:
    return len(key) + (len(value.data) if isinstance(value, Inline) else len(value.digest))
