"""What an attempt says while it runs: progress, details of its heartbeat, lines of its log."""

from collections import deque
from collections.abc import Callable, Iterator

from tidemill.core.ids import Instant
from tidemill.core.telling import MEASURES_OF_ATTEMPT, Measure
from tidemill.core.texts import sendable
from tidemill.wire.worker import FRAME_VALUES_BYTES, AttemptRef, Log, LogLine, Metric, Progress

LINES_BYTES = 1024 * 1024  # of one attempt; after that only the newest lines of each batch pass
_HEAD_BYTES = 64 * 1024  # of one attempt: these lines are never dropped here
_LATER_BYTES = 16 * 1024
_LINE_CHARACTERS = 16 * 1024  # a longer line is cut


class Voice:
    """Written from any thread without waiting, emptied by the control loop.

    Args:
        wake: tells the control loop that something waits.
    """

    def __init__(self, attempt: AttemptRef, wake: Callable[[], None]) -> None:
        self.details: str | None = None
        self.last: tuple[float, str, str] | None = None  # progress; kept
        self._attempt, self._wake = attempt, wake
        self._is_news = False
        self._measures: dict[str, Measure] = {}
        self._has_measured = False
        self._head: deque[LogLine] = deque()
        self._lines: deque[LogLine] = deque()
        self._headed = self._waiting = self._passed = self._dropped = 0

    def progress(self, fraction: float, stage: str, message: str) -> None:
        self.last, self._is_news = (fraction, sendable(stage), sendable(message)), True
        self._wake()

    def measure(self, name: str, value: float, unit: str) -> bool:
        """Whether there was room for the name."""
        before = self._measures.get(name)
        if before is None:
            if len(self._measures) >= MEASURES_OF_ATTEMPT:
                return False
            made = Measure(name, value, unit, 1, value, value, value)
        else:
            made = Measure(
                name, value, unit or before.unit, before.count + 1, before.sum + value,
                min(before.least, value), max(before.most, value),
            )  # fmt: skip
        self._measures[name] = made
        self._has_measured = True
        self._wake()
        return True

    @property
    def measures(self) -> tuple[Measure, ...]:
        return tuple(self._measures.copy().values())

    def take_metric(self) -> Metric | None:
        """All that was measured, when something is news."""
        if not self._has_measured:
            return None
        self._has_measured = False
        return Metric(self._attempt, self.measures)

    def line(self, at: Instant, level: str, logger: str, text: str) -> None:
        """Once the head is full, the oldest lines make room for the newest, and are counted."""
        if len(text) > _LINE_CHARACTERS:
            text = f"{text[:_LINE_CHARACTERS]} … ({len(text) - _LINE_CHARACTERS} characters cut)"
        text = sendable(text)
        line = LogLine(at, level, sendable(logger), text)
        if self._headed < _HEAD_BYTES:
            self._headed += len(text)
            self._head.append(line)
            self._wake()
            return
        self._lines.append(line)
        self._waiting += len(text)
        room = max(LINES_BYTES - self._passed, _LATER_BYTES)
        while self._waiting > room and len(self._lines) > 1:
            self._waiting -= len(self._lines.popleft().text)
            self._dropped += 1
        self._wake()

    def omit(self, lines: int) -> None:
        """Lines that were left out on their way here."""
        self._dropped += lines
        self._wake()

    def take_progress(self) -> Progress | None:
        """The latest, when it is news."""
        if not self._is_news or self.last is None:
            return None
        self._is_news = False
        return Progress(self._attempt, *self.last)

    def take_lines(self) -> list[tuple[Log, int]]:
        """Messages to send, with their sizes."""
        messages = [(Log(self._attempt, lines), size) for lines, size in _batches(self._head)]
        for lines, size in _batches(self._lines):
            dropped = self._dropped
            self._dropped -= dropped
            self._waiting -= size
            messages.append((Log(self._attempt, lines, dropped), size))
        self._passed += sum(size for _, size in messages)
        return messages


def _batches(waiting: deque[LogLine]) -> Iterator[tuple[tuple[LogLine, ...], int]]:
    """Takes what waits now; what comes meanwhile is for the next time."""
    left = len(waiting)
    while left:
        lines, size = [], 0
        while left and size < FRAME_VALUES_BYTES // 2:
            lines.append(waiting.popleft())
            size += len(lines[-1].text)
            left -= 1
        yield tuple(lines), size
