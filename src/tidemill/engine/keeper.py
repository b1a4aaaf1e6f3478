"""What lets go of what nobody needs: runs by their rules, and blobs that no row names (docs/design/keeping.md).

Everything is done in small bites with a rest between them, so that beats do not wait. All that must survive a crash is
in rows; where it stopped, the next round goes on.
"""

import asyncio
import logging
from collections.abc import Iterator, Sequence
from datetime import timedelta

from msgspec import Struct
from msgspec.structs import replace

from tidemill.core.errors import UnavailableError
from tidemill.core.ids import Digest, Instant, RunId
from tidemill.core.retention import FINAL_STATUSES, Retention, last_to_go
from tidemill.core.rows import Changes
from tidemill.core.run import Hidden, Run
from tidemill.engine.engine import Engine
from tidemill.ports.blobs import Blobs
from tidemill.ports.keeping import BlobRow, EndedFilter
from tidemill.ports.logs import Logs
from tidemill.ports.peers import Duty

RUNS = 50  # hidden in one beat
ROWS = 300  # removed in one beat
BLOBS = 200  # looked at in one go
STRAYS = 100_000  # remembered at once
IMPORT_US = 24 * 3600 * 1_000_000  # an import that has not ended by then never will

_log = logging.getLogger("tidemill.engine")


class KeeperSettings(Struct, frozen=True):
    retention: Retention = Retention()
    unnamed: timedelta = timedelta(days=1)  # how long a blob stays that nobody names
    every: timedelta = timedelta(minutes=5)
    rest_s: float = 0.05  # between two bites


class Keeper:
    def __init__(self, engine: Engine, blobs: Blobs, logs: Logs, settings: KeeperSettings) -> None:
        self.settings = settings
        self._engine, self._store, self._blobs, self._logs = engine, engine.queries, blobs, logs
        self._strays: dict[Digest, tuple[int, Instant]] = {}  # bytes without a row: their stamp, since when

    async def run(self) -> None:
        """Round after round, until cancelled."""
        while True:
            self._engine.hidden.clear()
            try:
                if self._engine.neighbours.holds(Duty.CHORES):
                    await self.round()
            except UnavailableError as error:
                _log.warning("what may go stays for now: %s", error)
            except Exception:  # noqa: BLE001  # the outermost line of a round: the next one tries again
                _log.exception("what may go could not be removed")
            try:
                async with asyncio.timeout(self.settings.every.total_seconds()):
                    await self._engine.hidden.wait()
            except TimeoutError:
                pass

    async def round(self) -> None:
        """Let go of all that may."""
        await self.sweep()
        await self._drop_leaving()  # marked in an earlier round: whoever stores one just now has seen the mark
        if self.settings.retention.removes:
            await self.hide_all()
        await self._mark_blobs()
        await self._claim_strays()

    # Runs ------------------------------------------------------------------------------------------

    async def hide_all(self) -> int:
        """Hide what the rules let go; give how many runs."""
        count = 0
        after = ""
        while names := await self._store.workflows(after, 100):
            for name in names:
                count += sum([await self._hide(name, status) for status in FINAL_STATUSES])
            after = names[-1]
        return count

    async def _hide(self, workflow: str, status: str) -> int:
        count = 0
        which = await self._meant(workflow, status)
        while which is not None and (runs := await self._store.ended(which)):
            stays = await self._engine.remove([run.id for run in runs])
            count += sum(not why for why in stays.values())
            which = following(which, runs)
            await self.sweep()
        return count

    async def _meant(self, workflow: str, status: str) -> EndedFilter | None:
        """The runs that the rule for them lets go."""
        rule = self.settings.retention.rule(workflow, status)
        behind = None if rule.count is None else await self._store.nth_ended(workflow, status, rule.count)
        upto = last_to_go(rule, self._engine.clock.now(), behind)
        return None if upto is None else EndedFilter(workflow, status, upto, limit=RUNS)

    async def sweep(self) -> None:
        """Remove the rows of hidden runs, their logs first."""
        while runs := [run for run in await self._store.hidden(RUNS) if await self._is_removed(run)]:
            for run in runs:
                while await self._logs.forget(run.id, ROWS) >= ROWS:
                    await self._rest()
            for bite in _bites(runs):
                await self._engine.record(Changes(sweep=bite))
                await self._rest()

    async def _is_removed(self, run: Run) -> bool:
        """Whether it is being removed; an import that was given up is from now on."""
        if run.hidden is Hidden.IMPORTING and run.hidden_at < self._engine.clock.now() - IMPORT_US:
            await self._engine.record(Changes(runs=[replace(run, hidden=Hidden.REMOVING)]))
            return True
        return run.hidden is Hidden.REMOVING

    # Blobs -----------------------------------------------------------------------------------------

    async def _drop_leaving(self) -> None:
        while digests := await self._store.leaving(BLOBS):
            for digest in digests:
                await self._blobs.delete(digest)
            await self._engine.record(Changes(blobs_drop=list(digests)))
            await self._rest()

    async def _mark_blobs(self) -> None:
        before, after = self._engine.clock.now() - self._unnamed_us, b""
        while rows := await self._store.blobs(after, BLOBS):
            if going := _unneeded(rows, before):
                await self._engine.record(Changes(blobs_leave=dict.fromkeys(going, before)))
            after = rows[-1].digest
            await self._rest()

    async def _claim_strays(self) -> None:
        """Bytes that no row knows, unchanged for as long as a row without a name stays."""
        known, self._strays, after = self._strays, {}, b""
        now = self._engine.clock.now()
        while stored := await self._blobs.stored(after, BLOBS):
            rows = await self._rows_between(after, stored[-1][0])
            for digest, stamp in stored:
                if digest in rows or len(self._strays) >= STRAYS:
                    continue
                seen, since = known.get(digest, (stamp, now))
                self._strays[digest] = (stamp, since if seen == stamp else now)
            after = stored[-1][0]
            await self._rest()
        old = [digest for digest, (_, since) in self._strays.items() if since <= now - self._unnamed_us]
        for start in range(0, len(old), BLOBS):
            await self._engine.record(Changes(blobs_claim=dict.fromkeys(old[start : start + BLOBS], 0)))
        for digest in old:
            del self._strays[digest]

    async def _rows_between(self, after: bytes, last: Digest) -> set[Digest]:
        found: set[Digest] = set()
        while rows := await self._store.blobs(after, BLOBS):
            found |= {row.digest for row in rows if row.digest <= last}
            after = rows[-1].digest
            if after >= last:
                break
        return found

    async def _rest(self) -> None:
        """Let beats come in between."""
        await asyncio.sleep(self.settings.rest_s)

    @property
    def _unnamed_us(self) -> int:
        return self.settings.unnamed // timedelta(microseconds=1)


def following(which: EndedFilter, runs: Sequence[Run]) -> EndedFilter | None:
    """What comes after a page; None: it was the last."""
    last = runs[-1]
    if len(runs) < which.limit or last.aged_at is None:
        return None
    return EndedFilter(which.workflow, which.status, which.upto, (last.aged_at, last.id), which.limit)


def _bites(runs: Sequence[Run]) -> Iterator[dict[RunId, int]]:
    """Each run gets a part of what a beat removes; one that needs more comes again."""
    at_once = max(1, ROWS // 30)  # a run of one step has some ten rows
    for start in range(0, len(runs), at_once):
        some = runs[start : start + at_once]
        yield {run.id: ROWS // len(some) for run in some}


def _unneeded(rows: Sequence[BlobRow], before: Instant) -> list[Digest]:
    return [row.digest for row in rows if not (row.is_named or row.is_leaving) and row.touched_at <= before]
