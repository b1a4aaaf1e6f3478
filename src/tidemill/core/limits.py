"""Limits on starts: how many attempts at once, and how many in a time, for each value of a key in the input.

```text
claim ── a slot is free, and it is its turn ─► leased; the slot belongs to the attempt
     ├── all slots are taken ─► parked: its queue row goes to the lane of the limit, which no worker offers
     └── too soon ─► waits for the start that the rate has reserved for it (a timer)
an attempt ends ─► its slot is free: the first parked steps go back to their lanes, in the same commit
```
"""

from collections.abc import Iterable, Mapping
from datetime import timedelta
from hashlib import blake2b

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from tidemill.core.chunks import pick, plain
from tidemill.core.definitions import TaskDefinition
from tidemill.core.errors import InputError
from tidemill.core.ids import Instant
from tidemill.core.lanes import parked_lane
from tidemill.core.overlay import Draft, Overlay
from tidemill.core.rows import Limit, Queued
from tidemill.core.rules import Rate
from tidemill.core.values import Argument, Given, Inline

_MICROSECOND = timedelta(microseconds=1)
_sorted = msgspec.msgpack.Encoder(order="deterministic").encode


class KeyUnreadableError(InputError):
    """A limit's key leads to no value that the server can look at."""

    def __init__(self, key: str, why: str) -> None:
        super().__init__(f"the key {key!r} of the task's limit {why}")
        self.key = key


class Admitted(Struct, frozen=True):
    """It may start, and has a slot of each of these."""

    limits: tuple[bytes, ...] = ()


class Parked(Struct, frozen=True):
    """All slots of ``limit`` are taken."""

    limit: bytes


class TooSoon(Struct, frozen=True):
    until_at: Instant


Verdict = Admitted | Parked | TooSoon
FREE = Admitted()


def admit(draft: Draft, definition: TaskDefinition, inputs: Mapping[str, Argument], turn_at: Instant) -> Verdict:
    """Take what a start needs, if it may start now.

    Args:
        turn_at: the start that was reserved for it before; 0 for none.
    Raises:
        KeyUnreadableError.
    """
    options = definition.options
    slots = options.concurrency or (1 if options.concurrency_key else 0)
    if not slots and options.rate is None:
        return FREE
    taken: list[Limit] = []
    if slots:
        limit = draft.limit(_digest(definition, "slots", options.concurrency_key, inputs))
        if limit.used >= slots:
            draft.put_limit(replace(limit, slots=slots))
            return Parked(limit.key)
        taken.append(replace(limit, used=limit.used + 1, slots=slots))
    if options.rate is not None:
        limit = draft.limit(_digest(definition, "rate", options.rate.key, inputs))
        limit, until_at = _reserve(limit, options.rate, draft.at, turn_at)
        draft.put_limit(limit)
        if until_at > draft.at:
            return TooSoon(until_at)
    for limit in taken:
        draft.put_limit(limit)
    return Admitted(tuple(limit.key for limit in taken))


def _reserve(limit: Limit, rate: Rate, at: Instant, turn_at: Instant) -> tuple[Limit, Instant]:
    """The limit with one start more, and when that start is. A burst of ``count`` is let through at once."""
    whole = max(int(rate.per_s * 1_000_000), 1)
    if turn_at and at - turn_at <= whole:
        return limit, at
    between = whole // max(rate.count, 1)
    start = max(limit.next_at, at)
    return replace(limit, next_at=start + between), max(start - (whole - between), at)


def release(draft: Draft, keys: Iterable[bytes]) -> None:
    """The slots of an attempt that has ended."""
    for key in keys:
        limit = draft.limit(key)
        draft.put_limit(replace(limit, used=max(limit.used - 1, 0)))
        draft.freed[key] = None


def room(overlay: Overlay, key: bytes) -> int:
    """How many steps that wait for a limit may go on."""
    limit = overlay.limits.rows.get(key)
    return max(limit.slots - limit.used, 0) if limit else 1


def park(queued: Queued, limit: bytes) -> Queued:
    """Its queue row, while it waits for the limit. Its place stays what it was."""
    return replace(queued, lane=parked_lane(limit), limit=limit, home=queued.lane)


def let_go(parked: Queued) -> Queued:
    """The row of a step that may try again."""
    return replace(parked, lane=parked.home, home=b"")


def passed_on(rows: Iterable[Queued]) -> dict[bytes, None]:
    """Limits whose free slot goes to the next, since those who were let go on for it have left."""
    return {row.limit: None for row in rows if row.limit and not row.home}


def _digest(definition: TaskDefinition, kind: str, key: str, inputs: Mapping[str, Argument]) -> bytes:
    told = [definition.name, kind, key, _value(definition, key, inputs) if key else None]
    return blake2b(_sorted(told), digest_size=16).digest()


def _value(definition: TaskDefinition, key: str, inputs: Mapping[str, Argument]) -> object:
    name, *fields = key.split(".")
    argument = inputs.get(name)
    if argument is None:
        value = definition.inputs.get("properties", {}).get(name, {}).get("default")
        path: tuple[str | int, ...] = tuple(fields)
    elif isinstance(argument, Given) and isinstance(argument.value, Inline):
        value = plain(argument.value.data, argument.value.encoding)
        path = (*argument.fields, *fields)
    else:
        raise KeyUnreadableError(key, "leads to a large value or a list; name a small one")
    try:
        return pick(value, path)
    except InputError as error:
        raise KeyUnreadableError(key, f"leads nowhere: {error}") from None
