"""Results that the server has not acknowledged: sent again after each welcome, on disk when that takes long."""

import asyncio
from collections.abc import Callable, Iterable

from tidemill.core.values import Inline
from tidemill.ports.clock import Clock
from tidemill.wire.worker import AttemptRef, Succeeded
from tidemill.worker.chores import Chores
from tidemill.worker.outbox import Outbox
from tidemill.worker.spool import Result, Spool


class Report:
    """One result on its way."""

    __slots__ = ("is_settled", "result", "settle", "size", "spooled")

    def __init__(self, result: Result, settle: Callable[[], None] | None) -> None:
        self.result, self.settle = result, settle
        self.size = size_of(result)
        self.spooled = ""  # its name in the spool
        self.is_settled = False


class Reports:
    def __init__(self, outbox: Outbox, spool: Spool, chores: Chores, clock: Clock) -> None:
        self._outbox, self._spool, self._chores, self._clock = outbox, spool, chores, clock
        self._waiting: dict[AttemptRef, Report] = {}  # in order of making
        self._settled = asyncio.Event()

    def __len__(self) -> int:
        return len(self._waiting)

    def __contains__(self, attempt: AttemptRef) -> bool:
        return attempt in self._waiting

    @property
    def attempts(self) -> tuple[AttemptRef, ...]:
        return tuple(self._waiting)

    def add(self, result: Result, settle: Callable[[], None] | None = None) -> Report:
        """Send, and keep. ``settle`` is called when the server has taken it, or wants it no more."""
        report = self._waiting[result.attempt] = Report(result, settle)
        if self._outbox.is_open:
            self._outbox.put(result, report.size)
        else:
            self.keep(report)
        return report

    def keep(self, report: Report) -> None:
        """Write it to disk, unless it is there or settled by the time."""
        if report.spooled:
            return
        name = report.spooled = self._spool.name_of(report.result.attempt, self._clock.now())
        self._chores.add("spool.write", lambda: None if report.is_settled else self._spool.write(name, report.result))

    def keep_all(self) -> None:
        """The link is gone, or the worker goes."""
        for report in self._waiting.values():
            self.keep(report)

    def restore(self, found: Iterable[tuple[str, Result]]) -> None:
        """What an earlier life left on disk."""
        for name, result in found:
            report = self._waiting[result.attempt] = Report(result, None)
            report.spooled = name

    def send_again(self, attempt: AttemptRef) -> None:
        report = self._waiting[attempt]
        self._outbox.put(report.result, report.size)

    def settle(self, attempts: Iterable[AttemptRef]) -> None:
        """The server has these, or they are none of ours any more."""
        for attempt in attempts:
            if (report := self._waiting.pop(attempt, None)) is not None:
                self._settle(report)

    async def empty(self) -> None:
        """Until all are acknowledged."""
        while self._waiting:
            self._settled.clear()
            await self._settled.wait()

    def _settle(self, report: Report) -> None:
        report.is_settled = True
        self._settled.set()
        if report.settle:
            report.settle()
        if name := report.spooled:
            self._chores.add("spool.delete", lambda: self._spool.delete(name))


def size_of(result: Result) -> int:
    """Bytes of the values inside."""
    if not isinstance(result, Succeeded):
        return len(result.failure.message) + len(result.failure.traceback)
    return sum(len(value.data) for value in result.outputs.values() if isinstance(value, Inline))
