"""Lines that a worker's tasks wrote: to the log store in batches, and to the live feed."""

import asyncio
import logging
from collections import deque

from tidemill.core.errors import UnavailableError
from tidemill.core.ids import Instant, RunId
from tidemill.core.rows import AttemptKey
from tidemill.engine.feed import Feed
from tidemill.engine.orders import Ephemeral
from tidemill.ports.logs import LogRow, Logs
from tidemill.wire.worker import (
    Log,
)

BACKLOG = 16 * 1024 * 1024  # characters of one worker that may wait for the store
ROW_COST = 64  # of a line beside its text
BATCH = 500  # lines written at once

_log = logging.getLogger("tidemill.server")


class Logbook:
    """Of one worker; a log store that is slow or away costs lines, never a beat."""

    def __init__(self, logs: Logs, feed: Feed) -> None:
        self._logs, self._feed = logs, feed
        self._rows: deque[LogRow] = deque()
        self._size = 0  # characters that wait
        self._bell = asyncio.Event()
        self._dropped: dict[AttemptKey, int] = {}  # lines for which there was no room

    def put(self, log: Log) -> None:
        """The oldest lines go when there is no room; what was left out on the way is said in a line."""
        ref = log.attempt
        if log.dropped and log.lines:
            self._put(_gap((RunId(ref.run), ref.path, ref.number), log.lines[0].at, log.dropped))
        for line in log.lines:
            self._put(LogRow(RunId(ref.run), ref.path, ref.number, line.at, line.level, line.logger, line.text))
        self._bell.set()

    def _put(self, row: LogRow) -> None:
        self._rows.append(row)
        self._size += len(row.text) + ROW_COST
        while self._size > BACKLOG:
            lost = self._take()
            key = (lost.run, lost.path, lost.number)
            self._dropped[key] = self._dropped.get(key, 0) + 1

    def _take(self) -> LogRow:
        row = self._rows.popleft()
        self._size -= len(row.text) + ROW_COST
        return row

    async def keep(self) -> None:
        """Until cancelled."""
        while True:
            await self._bell.wait()
            self._bell.clear()
            while self._rows:
                first = self._rows[0].at
                rows = [_gap(key, first, count) for key, count in self._dropped.items()]
                self._dropped.clear()
                rows += [self._take() for _ in range(min(len(self._rows), BATCH))]
                await self._store(rows)

    async def _store(self, rows: list[LogRow]) -> None:
        try:
            kept = await self._logs.append(rows)
        except UnavailableError as error:
            _log.warning("%d lines of logs are lost: %s", len(rows), error)
            return
        for seq, row in zip(kept, rows, strict=False):
            detail = {"seq": seq, "at": row.at, "level": row.level, "logger": row.logger, "text": row.text}
            self._feed.mention(Ephemeral(row.run, "log", row.path, row.number, detail))


def _gap(key: AttemptKey, at: Instant, count: int) -> LogRow:
    run, path, number = key
    return LogRow(run, path, number, at, "WARNING", "tidemill", f"… {count:,} lines were dropped on their way here")
