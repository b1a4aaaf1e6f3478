"""A store that several simulated servers share: one committed state, and beats that hold what they read.

What docs/design/orchestrators.md says of PostgreSQL, in few words: a beat locks the runs and shared rows that it reads
and waits for nobody; what another one holds is left out. A transaction ends when its server dies, or is silent for 5 s.
From the first save to the commit a beat is alone: others wait, which is a delay that they may meet anyway.
"""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import apsw
from msgspec.structs import replace

from tests.simulation.database import (
    CHECKED,
    EPOCHS,
    GUARDED,
    OF_RUN,
    ROW_FAULTS,
    SHARED,
    Line,
    SharedPeers,
    Transaction,
)
from tidemill.adapters.storage.errors import StoreMisusedError
from tidemill.adapters.storage.packing import LOADS, pack, unpack_note
from tidemill.adapters.storage.sqlite.beat import SqliteBeat
from tidemill.adapters.storage.sqlite.connection import fetch, lost
from tidemill.adapters.storage.sqlite.lanes import LaneCounts
from tidemill.adapters.storage.sqlite.queries import SqliteQueries
from tidemill.adapters.storage.sqlite.reading import load_rows
from tidemill.core.ids import Instant, Path, RunId, SessionId
from tidemill.core.notes import Note
from tidemill.core.rows import Changes, Keys, Lane, Queued, Rows, Session, Timer
from tidemill.core.run import Attempt, Step
from tidemill.ports.entropy import Entropy
from tidemill.ports.store import HeldElsewhereError, QueueCount, RowRefusedError, StoreLostError
from tidemill.ports.threads import Threads


class SharedStore(SqliteQueries):
    """The Store port of one server."""

    def __init__(self, line: Line, threads: Threads, entropy: Entropy) -> None:
        super().__init__(self._connection)
        self._line, self._threads, self._database = line, threads, line.database
        self.peers = SharedPeers(line, entropy.bytes(16))
        self.id, self.secret = self._database.id, self._database.secret

    async def begin(self, now: Instant, wait_for: RunId | None = None) -> "SharedBeat":
        if any(beat.line is self._line for beat in self._database.beats):
            raise StoreMisusedError("a beat is open already")
        await self._line.reach()
        beat = SharedBeat(self._line, self._threads, self.peers.id)
        if wait_for is not None:
            await beat.wait_for(wait_for)
        return beat

    async def queue_counts(self) -> Sequence[QueueCount]:
        await asyncio.sleep(0)
        return self._database.queue_counts()

    async def close(self) -> None:
        for beat in [beat for beat in self._database.beats if beat.line is self._line]:
            await beat.rollback()

    async def _connection(self) -> apsw.Connection:
        await self._line.reach()
        return self._database.db


class SharedBeat(Transaction):
    """The Beat port."""

    def __init__(self, line: Line, threads: Threads, server: bytes) -> None:
        super().__init__(line, threads, server)
        self.passed_over = False
        self._rows = SqliteBeat(_Bare(self._database.db), self.at, lambda: None)  # type: ignore[arg-type]

    # Reads -----------------------------------------------------------------------------------------

    async def load(self, keys: Keys) -> Rows:
        db = await self._ask()
        runs = dict.fromkeys([*keys.runs, *(key[0] for name in OF_RUN for key in getattr(keys, name))])
        held: set[Any] = {run for run in runs if not self._hold_run(run)}
        kept = {name: [key for key in getattr(keys, name) if key[0] not in held] for name in OF_RUN}
        kept["runs"] = [run for run in keys.runs if run not in held]
        there = load_rows(db, Keys(**{name: list(getattr(keys, name)) for name in SHARED}))
        for name in SHARED:
            found = getattr(there, name)
            taken = [key for key in getattr(keys, name) if found[key] is not None and not self._hold(name, key)]
            held.update((name, key) for key in taken)
            kept[name] = [key for key in getattr(keys, name) if key not in taken]
        rows = load_rows(db, replace(keys, **kept))
        rows.held.update(held)
        for name in ("runs", *SHARED):
            self._absent.update((name, key) for key, row in getattr(rows, name).items() if row is None)
        return rows

    async def heads(self, lanes: Sequence[Lane], limit: int) -> Sequence[Queued]:
        await self._ask()
        seen = await self._rows.heads(lanes, limit)
        found = [row for row in seen if self._hold_run(row.run)]
        self.passed_over = self.passed_over or {row.lane for row in found} != {row.lane for row in seen}
        return found

    async def due(self, at: Instant, limit: int) -> Sequence[Timer]:
        await self._ask()
        return [row for row in await self._rows.due(at, limit) if self._hold_run(row.run)]

    async def expired(self, at: Instant, limit: int) -> Sequence[Queued]:
        await self._ask()
        return [row for row in await self._rows.expired(at, limit) if self._hold_run(row.run)]

    async def steps_after(self, run: RunId, path: Path, limit: int) -> Sequence[Step]:
        await self._ask()
        self._must_hold([run])
        return await self._rows.steps_after(run, path, limit)

    async def queued(self, steps: Sequence[tuple[RunId, Path]]) -> Sequence[Queued]:
        await self._ask()
        self._must_hold(run for run, _ in steps)
        return await self._rows.queued(steps)

    async def queued_after(self, run: RunId, path: Path, limit: int) -> Sequence[Queued]:
        await self._ask()
        self._must_hold([run])
        return await self._rows.queued_after(run, path, limit)

    async def children(self, parent: RunId, limit: int) -> Sequence[RunId]:
        await self._ask()
        return await self._rows.children(parent, limit)

    async def forked(self, origins: Sequence[RunId]) -> Sequence[RunId]:
        await self._ask()
        return await self._rows.forked(origins)

    async def held_by(self, sessions: Sequence[SessionId]) -> Sequence[Attempt]:
        await self._ask()
        return await self._rows.held_by(sessions)

    async def mine(self, sessions: Sequence[SessionId]) -> Collection[SessionId]:
        await self._ask()
        found = [each.id for each in self._database.sessions() if each.server == self._server]
        return [session for session in found if session in sessions and self._hold("session", session)]

    async def elsewhere(self, worker: str) -> Sequence[Session]:
        await self._ask()
        found = [each for each in self._database.sessions() if each.worker == worker and each.server != self._server]
        if not all(self._hold("session", each.id) for each in found):
            raise HeldElsewhereError
        return found

    async def orphans(self, limit: int) -> Sequence[Session]:
        await self._ask()
        found = [each for each in self._database.sessions() if not self._database.is_alive(each.server)]
        return [each for each in found[:limit] if self._hold("session", each.id)]

    async def seated(self, sessions: Sequence[SessionId]) -> Mapping[SessionId, bytes]:
        await self._ask()
        return {each.id: each.server for each in self._database.sessions() if each.id in sessions}

    async def notes(self, limit: int) -> Sequence[Note]:
        db = await self._ask()
        of_ours = "select number, packed from sim_note where server = ? order by 1 limit ?"
        rows = fetch(db, of_ours, (self._server, limit))
        if rows:
            self._database.begin_writing(self)
            db.executemany("delete from sim_note where number = ?", [(number,) for number, _ in rows])
        return [unpack_note(packed) for _, packed in rows]

    # Writes ----------------------------------------------------------------------------------------

    async def save(self, changes: Changes) -> Sequence[int]:
        db = await self._ask()
        try:
            self._database.begin_writing(self)
            self._check_made(db, changes)
            if self._database.is_strict:
                self._check_held(db, changes)
            changes = replace(changes, extended=[row for row in changes.extended if self._hangs_here(row, changes)])
            numbers = self._rows._save(db, changes)
            notes = [(note.server, pack(note)) for note in changes.notes]
            db.executemany("insert into sim_note(server, packed) values(?, ?)", notes)
        except BaseException as error:
            self.cut()
            self._is_cut = False
            if isinstance(error, ROW_FAULTS):
                raise RowRefusedError(str(error)) from error
            if isinstance(error, apsw.Error):
                raise lost(error) from error
            raise
        self._raised += [kind for kind, names in EPOCHS.items() if any(getattr(changes, name) for name in names)]
        return numbers

    def _check_made(self, db: apsw.Connection, changes: Changes) -> None:
        """What was not there when it was looked for may not be there now."""
        for name in CHECKED:
            keys = [LOADS[name].key(row) if name != "runs" else row.id for row in getattr(changes, name)]
            missed = [key for key in keys if (name, key) in self._absent]
            if any(row is not None for row in getattr(load_rows(db, Keys(**{name: missed})), name).values()):
                raise HeldElsewhereError(missed[0] if name == "runs" else None)
            self._absent.difference_update((name, key) for key in missed)

    def _check_held(self, db: apsw.Connection, changes: Changes) -> None:
        """The rule that no decision may break: who writes rows of a run holds it."""
        of_rows = (row.run for name in GUARDED for row in getattr(changes, name))
        for run in dict.fromkeys([*(row.id for row in changes.runs), *of_rows]):
            is_there = fetch(db, "select 1 from run where id = ?", (run,))
            if is_there and self._database.locks.get(("run", run)) is not self:
                raise AssertionError(f"a beat writes rows of a run that it does not hold: {run.hex()}")

    def _hangs_here(self, row: Session, changes: Changes) -> bool:
        seats = {each.id: each.server for each in (*self._database.sessions(), *changes.sessions)}
        return seats.get(row.id) == row.server

    async def commit(self) -> None:
        try:
            await self._ask()
            if self._database.writing is self:
                await self._threads.call("store.commit", self._commit)
        except (apsw.Error, OSError) as error:
            raise StoreLostError(str(error)) from error
        finally:
            if self._is_open:
                self.cut()

    def _commit(self) -> None:
        if self._is_cut:
            raise OSError("the database ended the transaction")
        self._database.commit()
        for kind in self._raised:
            self._database.epochs[kind] += 1
        self._release()

    async def rollback(self) -> None:
        if self._is_open:
            self.cut()


class _Bare:
    """What `SqliteBeat` needs of a writer."""

    def __init__(self, db: apsw.Connection) -> None:
        self.db, self.lanes = db, _NoCounts()

    def begin_reading(self) -> apsw.Connection:
        return self.db


class _NoCounts(LaneCounts):
    """Others write, too: no count is kept."""

    def is_empty(self, lane: Lane) -> bool:
        return False
