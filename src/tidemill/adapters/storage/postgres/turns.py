"""The connection of beats, and its turns: begin, then a commit or a rollback, one after the other."""

import asyncio

from tidemill.adapters.storage.postgres.connection import Line, Meter, Record
from tidemill.adapters.storage.statements import statements
from tidemill.core.errors import UnavailableError
from tidemill.core.ids import RunId
from tidemill.ports.faults import Faults
from tidemill.ports.store import HeldElsewhereError, StoreLostError


class Turns:
    def __init__(self, line: Line, meter: Meter, faults: Faults) -> None:
        self.line, self.meter, self._faults = line, meter, faults
        self._sql = statements("postgres/sql/beat")
        self._is_open = False
        self._is_writing = False
        self._committing: asyncio.Task[None] | None = None

    async def begin(self, wait_for: RunId | None) -> None:
        """A turn begins; its transaction does with its first statement, so that one without any costs nothing."""
        await self.settled()
        if wait_for is not None:
            try:
                await self.fetch(self._sql["wait_for"], wait_for)
            except HeldElsewhereError:  # it waited as long as it may
                await self.rollback()

    async def fetch(self, sql: str, *bound: object) -> list[Record]:
        if not self._is_open:
            await self.line.ready()
            await self._begin()
        return await self.line.fetch(sql, *bound)

    def note_writes(self) -> None:
        """What the transaction did is worth a commit."""
        self._is_writing = True

    def reach_save(self) -> None:
        if not self._is_writing:
            self._faults.reach("store.save.before")
            self._is_writing = True

    async def commit(self) -> None:
        """Make it durable, or raise StoreLostError; whether it is durable is then unknown.

        A caller that is cancelled meanwhile leaves the commit to end by itself; `settled` waits for it.
        """
        if not self._is_writing:
            await self.rollback()
            return
        self._committing = asyncio.ensure_future(self._commit())
        await asyncio.shield(self._committing)

    async def rollback(self) -> None:
        """Leave the transaction, if one is open; on a connection that is lost the database does."""
        if self._is_open:
            self._is_open = self._is_writing = False
            try:
                await self.line.run("rollback")
            except UnavailableError:
                self.line.drop()

    async def settled(self) -> None:
        """Wait until no commit is under way."""
        if self._committing is not None:
            await asyncio.wait([self._committing])

    async def _begin(self) -> None:
        try:
            await self.line.run("begin")
        except StoreLostError:  # the database closed it while nobody looked
            self.line.drop()
            await self.line.ready()
            await self.line.run("begin")
        self._is_open = True

    async def _commit(self) -> None:
        try:
            self._faults.reach("store.commit.before")
            await self.line.run("commit")
            self._faults.reach("store.commit.after")
        except UnavailableError as error:
            self.line.drop()
            raise StoreLostError(str(error)) from error
        finally:
            self._committing = None
            self._is_open = self._is_writing = False
