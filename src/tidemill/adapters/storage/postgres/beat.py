"""One beat: a transaction that locks what it reads, run by run, and waits for nobody.

A run's lock guards all rows of the run. It is taken by a statement of its own: the next one sees what the holder before
committed, which the statement that waits, or passes over, would not.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

from tidemill.adapters.storage.errors import StoreMisusedError
from tidemill.adapters.storage.packing import (
    no_rows,
    queued_of,
    unpack_attempt,
    unpack_note,
    unpack_run,
    unpack_session,
    unpack_step,
    unpack_timer,
)
from tidemill.adapters.storage.postgres.connection import Record
from tidemill.adapters.storage.postgres.loading import OF_RUN, SHARED, load_statement, take, wanted_of
from tidemill.adapters.storage.postgres.peers import PostgresPeers
from tidemill.adapters.storage.postgres.saving import Absent, Saving
from tidemill.adapters.storage.postgres.texts import read
from tidemill.adapters.storage.postgres.turns import Turns
from tidemill.adapters.storage.statements import statements
from tidemill.core.ids import Instant, Path, RunId, SessionId
from tidemill.core.notes import Note
from tidemill.core.rows import Changes, Keys, Lane, Queued, Rows, Session, Timer
from tidemill.core.run import Attempt, Step
from tidemill.ports.store import HeldElsewhereError


class PostgresBeat:
    def __init__(self, turns: Turns, at: Instant, peers: PostgresPeers, ended: Callable[[], None]) -> None:
        self._turns, self.at, self._ended = turns, at, ended
        self._server, self._is_alone = peers.id, peers.are_none
        self._sql = statements("postgres/sql/beat")
        self._held: set[RunId] = set()
        self._absent: Absent = set()
        self._saving = Saving(turns, turns.meter, self._absent)
        self._is_open = True
        self.passed_over = False

    async def load(self, keys: Keys) -> Rows:
        rows, wanted = no_rows(keys), wanted_of(keys)
        runs = dict.fromkeys([*keys.runs, *(key[0] for name in OF_RUN for key in wanted.get(name, ()))])
        fresh = [run for run in runs if run not in self._held]
        elsewhere = await self._hold(fresh, rows)
        if elsewhere:
            _leave_out(rows, wanted, elsewhere)
        if "runs" in wanted:
            wanted["runs"] = [run for run in wanted["runs"] if run not in fresh]
        if any(wanted.values()):
            text, bound = load_statement(wanted, locking=True)
            take(rows, wanted, await self._fetch(text, *bound))
        for name in ("runs", *SHARED):
            self._absent.update((name, key) for key, row in getattr(rows, name).items() if row is None)
        return rows

    async def heads(self, lanes: Sequence[Lane], limit: int) -> Sequence[Queued]:
        """Those that others hold are passed over, and what is behind them is looked at, a little way down."""
        if not lanes:
            return []
        found = dict[Lane, list[Queued]]()
        depth = limit if self._is_alone else 2 * limit + 64
        for row in self._queued(await self._fetch(self._sql["heads"], lanes, limit, depth)):
            found.setdefault(row.lane, []).append(row)
        if self._is_alone:
            return [row for lane in lanes for row in found.get(lane, ())]
        if silent := [lane for lane in lanes if lane not in found]:
            self.passed_over = self.passed_over or (await self._fetch(self._sql["waits_elsewhere"], silent))[0][0]
        return [row for lane in lanes for row in found.get(lane, ())[:limit]]

    async def due(self, at: Instant, limit: int) -> Sequence[Timer]:
        rows = await self._fetch(self._sql["due"], at, limit)
        self._held.update(run for _, run in rows)
        return [unpack_timer(packed) for packed, _ in rows]

    async def expired(self, at: Instant, limit: int) -> Sequence[Queued]:
        return self._queued(await self._fetch(self._sql["expired"], at, limit))

    async def steps_after(self, run: RunId, path: Path, limit: int) -> Sequence[Step]:
        await self._must_hold([run])
        return [unpack_step(packed) for (packed,) in await self._fetch(self._sql["steps_after"], run, path, limit)]

    async def queued(self, steps: Sequence[tuple[RunId, Path]]) -> Sequence[Queued]:
        if not steps:
            return []
        await self._must_hold(run for run, _ in steps)
        return self._queued(await self._fetch(self._sql["queued"], *zip(*steps, strict=True)))

    async def queued_after(self, run: RunId, path: Path, limit: int) -> Sequence[Queued]:
        await self._must_hold([run])
        return self._queued(await self._fetch(self._sql["queued_after"], run, path, limit))

    async def children(self, parent: RunId, limit: int) -> Sequence[RunId]:
        return [run for (run,) in await self._fetch(self._sql["children"], parent, limit)]

    async def forked(self, origins: Sequence[RunId]) -> Sequence[RunId]:
        return [run for (run,) in await self._fetch(self._sql["forked"], origins)]

    async def held_by(self, sessions: Sequence[SessionId]) -> Sequence[Attempt]:
        if not sessions:
            return []
        return [unpack_attempt(packed) for (packed,) in await self._fetch(self._sql["held_by"], sessions)]

    async def mine(self, sessions: Sequence[SessionId]) -> Collection[SessionId]:
        if not sessions:
            return []
        return [session for (session,) in await self._fetch(self._sql["mine"], sessions, self._server)]

    async def elsewhere(self, worker: str) -> Sequence[Session]:
        rows = await self._fetch(self._sql["elsewhere"], worker, self._server)
        if any(packed is None for (packed,) in rows):
            raise HeldElsewhereError
        return [unpack_session(packed) for (packed,) in rows]

    async def orphans(self, limit: int) -> Sequence[Session]:
        return [unpack_session(packed) for (packed,) in await self._fetch(self._sql["orphans"], limit)]

    async def seated(self, sessions: Sequence[SessionId]) -> Mapping[SessionId, bytes]:
        return dict(await self._fetch(self._sql["seated"], sessions)) if sessions else {}

    async def notes(self, limit: int) -> Sequence[Note]:
        self._turns.note_writes()
        return [unpack_note(packed) for (packed,) in await self._fetch(self._sql["notes"], self._server, limit)]

    async def save(self, changes: Changes) -> Sequence[int]:
        self._check_open()
        self._turns.reach_save()
        try:
            return await self._saving.save(changes)
        except BaseException:
            await self._turns.rollback()
            raise

    async def commit(self) -> None:
        self._check_open()
        self._end()
        await self._turns.commit()

    async def rollback(self) -> None:
        await self._turns.settled()
        if self._is_open:
            self._end()
            await self._turns.rollback()

    async def _hold(self, runs: Sequence[RunId], rows: Rows | None = None) -> set[RunId]:
        """Lock runs; put those that were asked for among ``rows``. Gives those that another beat holds."""
        if not runs:
            return set()
        elsewhere = set()
        for run, packed, is_held in await self._fetch(self._sql["hold"], runs):
            if is_held:
                elsewhere.add(run)
            elif packed is not None:
                self._held.add(run)
                if rows is not None and run in rows.runs:
                    rows.runs[run] = unpack_run(packed)
        return elsewhere

    async def _must_hold(self, runs: Iterable[RunId]) -> None:
        for run in await self._hold([run for run in dict.fromkeys(runs) if run not in self._held]):
            raise HeldElsewhereError(run)

    def _queued(self, rows: Sequence[Record]) -> list[Queued]:
        found = [queued_of(read(row)) for row in rows]
        self._held.update(row.run for row in found)
        return found

    async def _fetch(self, sql: str, *bound: object) -> list[Record]:
        self._check_open()
        return await self._turns.fetch(sql, *bound)

    def _check_open(self) -> None:
        if not self._is_open:
            raise StoreMisusedError("the beat has ended")

    def _end(self) -> None:
        self._is_open = False
        self._ended()


def _leave_out(rows: Rows, wanted: dict[str, Sequence[Any]], elsewhere: set[RunId]) -> None:
    """Of runs that others hold, nothing is said but that."""
    rows.held.update(elsewhere)
    for run in elsewhere:
        rows.runs.pop(run, None)
    for name in OF_RUN:
        listed, found = wanted.get(name, ()), getattr(rows, name)
        for key in [key for key in listed if key[0] in elsewhere]:
            del found[key]
        if listed:
            wanted[name] = [key for key in listed if key[0] not in elsewhere]
