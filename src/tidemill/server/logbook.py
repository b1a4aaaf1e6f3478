"""Lines that a worker's tasks wrote: to the log store in batches, and to the live feed."""

import asyncio
import logging

from tidemill.core.errors import UnavailableError
from tidemill.core.ids import Instant, RunId
from tidemill.core.rows import AttemptKey
from tidemill.engine.feed import Feed
from tidemill.engine.orders import Ephemeral
from tidemill.ports.logs import LogRow, Logs
from tidemill.wire.worker import (
    Log,
)

LOG_BACKLOG = 1000

_log = logging.getLogger("tidemill.server")


class Logbook:
    """Of one worker; a log store that is slow or away costs lines, never a beat."""

    def __init__(self, logs: Logs, feed: Feed) -> None:
        self._logs, self._feed = logs, feed
        self._lines: asyncio.Queue[LogRow] = asyncio.Queue(LOG_BACKLOG)
        self._dropped: dict[AttemptKey, int] = {}  # lines for which there was no room here

    def put(self, log: Log) -> None:
        """The oldest lines go when there is no room; what was left out on the way is said in a line."""
        ref = log.attempt
        if log.dropped and log.lines:
            self._put(_gap((RunId(ref.run), ref.path, ref.number), log.lines[0].at, log.dropped))
        for line in log.lines:
            row = LogRow(RunId(ref.run), ref.path, ref.number, line.at, line.level, line.logger, line.text)
            self._put(row)

    def _put(self, row: LogRow) -> None:
        if self._lines.full():
            lost = self._lines.get_nowait()
            key = (lost.run, lost.path, lost.number)
            self._dropped[key] = self._dropped.get(key, 0) + 1
        self._lines.put_nowait(row)

    async def keep(self) -> None:
        """Until cancelled."""
        while True:
            rows = [await self._lines.get()]
            while not self._lines.empty():
                rows.append(self._lines.get_nowait())
            rows = [*(_gap(key, rows[0].at, count) for key, count in self._dropped.items()), *rows]
            self._dropped.clear()
            try:
                kept = await self._logs.append(rows)
            except UnavailableError as error:
                _log.warning("%d lines of logs are lost: %s", len(rows), error)
                continue
            for seq, row in zip(kept, rows, strict=False):
                detail = {"seq": seq, "at": row.at, "level": row.level, "logger": row.logger, "text": row.text}
                self._feed.mention(Ephemeral(row.run, "log", row.path, row.number, detail))


def _gap(key: AttemptKey, at: Instant, count: int) -> LogRow:
    run, path, number = key
    return LogRow(run, path, number, at, "WARNING", "tidemill", f"… {count:,} lines were dropped on their way here")
