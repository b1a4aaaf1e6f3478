"""Stores and channels of plain calls: in memory, for as long as the outermost call takes."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from tidemill.core.bodies import SharedCall, SharedEnd
from tidemill.core.shared_rows import CHANNEL, STORE, Kept, Posted, Shelf
from tidemill.core.sharing import Get, NotShared, Page, Post, Read, Shared, effect_of
from tidemill.core.values import Inline

Place = tuple[bytes, str]


class Memory:
    """The same rules as a server's, over rows that lie here. Nobody waits: what is not there does not come."""

    def __init__(self) -> None:
        self._shelves: dict[tuple[Place, str], Shelf] = {}
        self._kept: dict[Place, dict[str, Kept]] = {}
        self._posted: dict[Place, list[Posted]] = {}

    def share(self, call: SharedCall) -> SharedEnd:
        place = (call.reach.value.encode(), call.name)
        match call.op:
            case Get(key=key):
                found = self._kept.get(place, {}).get(key)
                return _entries([found] if found else [])
            case Page(prefix=prefix, after=after, limit=limit):
                keys = sorted(self._kept.get(place, {}))
                wanted = [key for key in keys if key.startswith(prefix) and key > after][:limit]
                return _entries([self._kept[place][key] for key in wanted])
            case Read(after=after, limit=limit):
                rows = self._posted.get(place, [])[after : after + limit]
                return Shared(entries=tuple(("", row.value, row.number) for row in rows))
            case _:
                return self._write(place, call)

    def _write(self, place: Place, call: SharedCall) -> SharedEnd:
        op = call.op
        if isinstance(op, Get | Page | Read):
            raise TypeError(op)
        kind = CHANNEL if isinstance(op, Post) else STORE
        shelf = self._shelves.get((place, kind)) or Shelf(place[0], kind, call.name)
        kept = self._kept.setdefault(place, {})
        value = None if call.value is None else Inline(call.value.data, refs=call.value.refs)
        effect = effect_of(shelf, None if isinstance(op, Post) else kept.get(op.key), op, value, 0)
        if isinstance(effect, NotShared):
            return effect
        if effect.shelf is not None:
            self._shelves[place, kind] = effect.shelf
            if effect.posted is not None:
                self._posted.setdefault(place, []).append(effect.posted)
            elif effect.kept is not None:
                kept[effect.kept.key] = effect.kept
            elif not isinstance(op, Post):
                del kept[op.key]
        return Shared(effect.written)


def _entries(rows: list[Kept]) -> Shared:
    return Shared(entries=tuple((row.key, row.value, row.version) for row in rows))


_memory: ContextVar[Memory | None] = ContextVar("memory", default=None)


def current() -> Memory:
    return _memory.get() or Memory()


@contextmanager
def remembering() -> Iterator[None]:
    """Plain calls inside share what they share."""
    if _memory.get() is not None:
        yield
        return
    token = _memory.set(Memory())
    try:
        yield
    finally:
        _memory.reset(token)
