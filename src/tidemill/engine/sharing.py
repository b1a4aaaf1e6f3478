"""Stores and channels: writes as part of a beat, reads of what is committed, and those who wait for an item."""

import asyncio
from collections.abc import Awaitable, Callable

from msgspec import Struct
from msgspec.structs import replace

from tidemill.core.ids import Digest, RunId
from tidemill.core.overlay import Overlay
from tidemill.core.rows import Changes, Keys
from tidemill.core.run import Ended, Run
from tidemill.core.shared_rows import CHANNEL, STORE, Owner, Shelf, Written
from tidemill.core.sharing import (
    PAGE,
    WAIT_S,
    Ask,
    Effect,
    Fence,
    Get,
    NotShared,
    Page,
    Post,
    Reach,
    Read,
    Shared,
    Write,
    effect_of,
    fenced,
    owner_of,
)
from tidemill.core.values import Blob, Inline, blobs_of
from tidemill.engine.answers import failer
from tidemill.ports.store import Store

Load = Callable[[Keys], Awaitable[None]]


class Place(Struct, frozen=True):
    """A store or channel: of ``run``, or of its workflow; or, without a run, of the workflow of this name."""

    reach: Reach
    name: str
    run: RunId | None = None
    workflow: str = ""


class Sharing(Struct):
    """A write, in a beat. Without a fence it comes from outside."""

    place: Place
    op: Write
    value: Inline | Blob | None
    done: Callable[[Written | NotShared], None]
    refused: Callable[[BaseException], None] | None = None
    fence: Fence | None = None


async def share(overlay: Overlay, asked: Sharing, load: Load) -> Written | NotShared:
    """Decide a write on the rows as they are in this beat."""
    place, fence = asked.place, asked.fence
    owner = b"w" + place.workflow.encode()
    if place.run is not None:
        run = await _run(overlay, place.run, fence, load)
        if run is None:
            return NotShared("unknown_run", "there is no such run")
        found = _fenced(overlay, run, fence)
        if found is not None:
            return found
        if isinstance(run.state, Ended) and place.reach is Reach.RUN:
            return NotShared("not_possible", "the run has ended, and what it shared stays as it is")
        owner = owner_of(place.reach, run)
    if (missing := await _missing(overlay, asked.value, load)) is not None:
        return missing
    effect = await _effect(overlay, owner, asked, load)
    if isinstance(effect, Effect):
        _lay(overlay, owner, asked, effect)
        return effect.written
    return effect


async def _run(overlay: Overlay, run: RunId, fence: Fence | None, load: Load) -> Run | None:
    keys = Keys(runs=[run])
    if fence is not None:
        keys = Keys([run], steps=[(run, fence.path)], attempts=[(run, fence.path, fence.number)])
    await load(keys)
    return overlay.runs.rows[run]


def _fenced(overlay: Overlay, run: Run, fence: Fence | None) -> NotShared | Written | None:
    if fence is None:
        return None
    step = overlay.steps.rows[fence.run, fence.path]
    return fenced(fence, run, step, overlay.attempts.rows[fence.run, fence.path, fence.number])


async def _missing(overlay: Overlay, value: Inline | Blob | None, load: Load) -> NotShared | None:
    digests = blobs_of({"": value}) if value is not None else []
    if digests:
        await load(Keys(blobs=digests))
    lost = [digest.hex() for digest in digests if overlay.blobs[digest] is None]
    return NotShared("missing_blob", f"sha256:{lost[0]} was not uploaded") if lost else None


async def _effect(overlay: Overlay, owner: Owner, asked: Sharing, load: Load) -> Effect | NotShared:
    name, op = asked.place.name, asked.op
    kind = CHANNEL if isinstance(op, Post) else STORE
    key = None if isinstance(op, Post) else (owner, name, op.key)
    await load(Keys(shelves=[(owner, kind, name)], kept=[key] if key else []))
    shelf = overlay.shelves.rows[owner, kind, name] or Shelf(owner, kind, name)
    return effect_of(shelf, overlay.kept.rows[key] if key else None, op, asked.value, overlay.at)


def _lay(overlay: Overlay, owner: Owner, asked: Sharing, effect: Effect) -> None:
    op, name, fence = asked.op, asked.place.name, asked.fence
    if effect.shelf is not None:
        overlay.shelves.put({effect.shelf.key: effect.shelf})
    if effect.posted is not None:
        overlay.posted.append(effect.posted)
    elif effect.kept is not None:
        key = (owner, name, effect.kept.key)
        overlay.kept_drop.pop(key, None)
        overlay.kept.put({key: effect.kept})
    elif effect.shelf is not None and not isinstance(op, Post):
        key = (owner, name, op.key)
        overlay.kept.changed.pop(key, None)
        overlay.kept.rows[key] = None
        overlay.kept_drop[key] = None
    if asked.value is not None and effect.shelf is not None:
        holder = RunId(owner[1:] if owner[:1] == b"r" else owner)
        overlay.blob_refs.update(dict.fromkeys((holder, Digest(each)) for each in blobs_of({"": asked.value})))
    if fence is not None:
        at = (fence.run, fence.path, fence.number)
        attempt = overlay.attempts.rows[at]
        if attempt is not None:
            overlay.attempts.put({at: replace(attempt, wrote=fence.write, written=effect.written)})


class Shelves:
    """What callers ask for. Only who waits for an item is kept here, and asks anew after a restart."""

    def __init__(self, store: Store, put: Callable[[Sharing], None]) -> None:
        self._store, self._put = store, put
        self._bells: dict[Owner, dict[asyncio.Event, None]] = {}

    # What the engine tells ---------------------------------------------------------------------------

    def written(self, changes: Changes) -> None:
        for row in changes.posted:
            self._ring(row.owner)

    def ended(self, run: RunId) -> None:
        self._ring(b"r" + run)

    def ring(self) -> None:
        """Something may have been posted by another server."""
        for owner in self._bells:
            self._ring(owner)

    def _ring(self, owner: Owner) -> None:
        for bell in self._bells.get(owner, ()):
            bell.set()

    # What callers ask --------------------------------------------------------------------------------

    async def write(
        self, place: Place, op: Write, value: Inline | Blob | None, fence: Fence | None = None
    ) -> Written | NotShared:
        """Returns after the commit."""
        future: asyncio.Future[Written | NotShared] = asyncio.get_running_loop().create_future()

        def done(found: Written | NotShared) -> None:
            if not future.done():
                future.set_result(found)

        self._put(Sharing(place, op, value, done, failer(future), fence))
        return await future

    async def ask(self, place: Place, op: Ask) -> Shared | NotShared:
        """What is committed."""
        owner = b"w" + place.workflow.encode()
        if place.run is not None:
            run = (await self._store.rows(Keys(runs=[place.run]))).runs[place.run]
            if run is None:
                return NotShared("unknown_run", "there is no such run")
            owner = owner_of(place.reach, run)
        match op:
            case Get(key=key):
                kept = (await self._store.rows(Keys(kept=[(owner, place.name, key)]))).kept[owner, place.name, key]
                return Shared(entries=((key, kept.value, kept.version),) if kept is not None else ())
            case Page(prefix=prefix, after=after, limit=limit):
                limit = min(max(limit, 1), PAGE)
                rows = await self._store.kept(owner, place.name, prefix, after, limit)
                return Shared(entries=tuple((row.key, row.value, row.version) for row in rows), more=len(rows) == limit)
            case Read():
                return await self._read(owner, place, op)

    async def _read(self, owner: Owner, place: Place, op: Read) -> Shared:
        bell = asyncio.Event()
        self._bells.setdefault(owner, {})[bell] = None
        try:
            async with asyncio.timeout(min(max(op.wait_s, 0.0), WAIT_S)):
                while not (found := await self._items(owner, place, op)).entries and not found.is_over:
                    await bell.wait()
                    bell.clear()
        except TimeoutError:
            return await self._items(owner, place, op)
        finally:
            bells = self._bells[owner]
            del bells[bell]
            if not bells:
                del self._bells[owner]
        return found

    async def _items(self, owner: Owner, place: Place, op: Read) -> Shared:
        is_over = await self._is_over(place)  # before the items, so that none is missed
        limit = min(max(op.limit, 1), PAGE)
        rows = await self._store.posted(owner, place.name, op.after, limit)
        entries = tuple(("", row.value, row.number) for row in rows)
        return Shared(entries=entries, more=len(rows) == limit, is_over=is_over)

    async def _is_over(self, place: Place) -> bool:
        if place.reach is not Reach.RUN or place.run is None:
            return False
        run = (await self._store.rows(Keys(runs=[place.run]))).runs[place.run]
        return run is None or isinstance(run.state, Ended)
