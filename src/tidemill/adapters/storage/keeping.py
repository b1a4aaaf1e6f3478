"""What may go, and one run as a whole: reads of committed rows (ports/keeping.py)."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from tidemill.adapters.storage.packing import (
    Bound,
    unpack_artifact,
    unpack_attempt,
    unpack_attributes,
    unpack_emitted,
    unpack_history,
    unpack_kept,
    unpack_mailbox,
    unpack_posted,
    unpack_run,
    unpack_scope,
    unpack_shelf,
    unpack_signal,
    unpack_step,
    unpack_stream,
    unpack_value,
    unpack_wait,
)
from tidemill.core.ids import Digest, RunId
from tidemill.core.rows import Changes
from tidemill.core.run import Run
from tidemill.ports.keeping import BlobRow, EndedFilter, Moment, Part

# The lists of a run's rows in their order: the name, what is before the first key, and how a row is read.
_START: Sequence[tuple[str, tuple[Any, ...], Callable[[bytes], Any]]] = (
    ("blob_refs", (b"",), lambda size: size),
    ("scopes", ("",), unpack_scope),
    ("steps", ("",), unpack_step),
    ("attempts", ("", -1), unpack_attempt),
    ("values", ("", ""), unpack_value),
    ("chunks", ("", "", -1), lambda data: data),
    ("streams", ("", -1, -1), unpack_stream),
    ("artifacts", ("", ""), unpack_artifact),
    ("emitted", (-1,), unpack_emitted),
    ("waits", ("",), unpack_wait),
    ("mailboxes", ("", "", ""), unpack_mailbox),
    ("signals", ("", "", "", ""), unpack_signal),
    ("attributes", ("",), unpack_attributes),
    ("history", (-1,), unpack_history),
    ("posted", ("", -1), unpack_posted),
    ("kept", ("", ""), unpack_kept),
    ("shelves", ("", ""), unpack_shelf),
)
_FROM = ("scopes", "steps", "waits", "attributes")  # "" is a path too: these are read from a key on, not after it
_OWNED = ("posted", "kept", "shelves")

# The tables that a removed run has rows in. The names of blobs go last, so that what is still there has its bytes.
OF_RUN = (
    *("scope", "step", "attempt", "value", "chunk", "timer", "stream", "artifact", "emitted", "wait", "mailbox"),
    *("signal", "run_tag", "attribute", "history"),
)
OF_OWNER = ("posted", "kept", "shelf")

_pack = msgspec.msgpack.encode
_unpack = msgspec.msgpack.Decoder(tuple[int, list[Any]]).decode


class PackedKeeping(ABC):
    """An engine gives `_fetch`; ``following`` is the least character that its texts can hold."""

    def __init__(self, following: str) -> None:
        self._least = following

    @abstractmethod
    async def _fetch(self, name: str, bindings: Bound = ()) -> list[Any]:
        """All rows of the statement of this name in `sql/queries.sql` or `sql/keeping.sql`."""

    async def workflows(self, after: str, limit: int) -> Sequence[str]:
        found: list[str] = []
        while len(found) < limit and (name := (await self._fetch("workflow", (after,)))[0][0]) is not None:
            found.append(name)
            after = name
        return found

    async def ended(self, which: EndedFilter) -> Sequence[Run]:
        bound = (which.workflow, which.status, *which.after, *which.upto, which.limit)
        return [unpack_run(packed) for (packed,) in await self._fetch("ended", bound)]

    async def nth_ended(self, workflow: str, status: str, skip: int) -> Moment | None:
        rows = await self._fetch("nth_ended", (workflow, status, skip))
        return (rows[0][0], RunId(rows[0][1])) if rows else None

    async def hidden(self, limit: int) -> Sequence[Run]:
        return [unpack_run(packed) for (packed,) in await self._fetch("hidden", (limit,))]

    async def blobs(self, after: bytes, limit: int) -> Sequence[BlobRow]:
        rows = await self._fetch("blobs", (after, limit))
        return [BlobRow(digest, size, at, bool(named), bool(leaving)) for digest, size, at, named, leaving in rows]

    async def leaving(self, limit: int) -> Sequence[Digest]:
        return [digest for (digest,) in await self._fetch("leaving", (limit,))]

    async def part(self, run: RunId, after: bytes, limit: int) -> Part:
        changes, (index, key) = Changes(), _unpack(after) if after else (0, list(_START[0][1]))
        if not after:
            changes.runs = [unpack_run(packed) for (packed,) in await self._fetch("part_runs", (run,))]
            changes.tagged = {each.id: each.tags for each in changes.runs if each.tags}
        while True:
            name, _, read = _START[index]
            owner = b"r" + run if name in _OWNED else run
            rows = await self._fetch(f"part_{name}", (owner, *key, limit))
            _add(changes, name, run, [(*tuple(each)[:-1], read(each[-1])) for each in rows])
            limit -= len(rows)
            if limit <= 0:
                return Part(changes, _pack((index, self._next(name, tuple(rows[-1])[:-1]))))
            index += 1
            if index == len(_START):
                return Part(changes, None)
            key = list(_START[index][1])

    def _next(self, name: str, key: Bound) -> Bound:
        return (key[0] + self._least,) if name in _FROM else key


def _add(changes: Changes, name: str, run: RunId, rows: Sequence[Bound]) -> None:
    match name:
        case "blob_refs":
            changes.blobs.update(dict(rows))
            changes.blob_refs += [(run, digest) for digest, _ in rows]
        case "values":
            changes.values.update({(run, path, port): value for path, port, value in rows})
        case "chunks":
            changes.chunks.update({(run, path, param, number): data for path, param, number, data in rows})
        case _:
            getattr(changes, name).extend(row[-1] for row in rows)
