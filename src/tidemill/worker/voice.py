"""What an attempt says while it runs: progress, details of its heartbeat, lines of its log."""

from collections import deque
from collections.abc import Callable

from tidemill.core.ids import Instant
from tidemill.core.telling import MEASURES_OF_ATTEMPT, Measure
from tidemill.core.texts import sendable
from tidemill.wire.worker import FRAME_VALUES_BYTES, AttemptRef, Log, LogLine, Metric, Progress

LINES_BYTES = 1024 * 1024  # of one attempt; after that only the newest lines of each batch pass
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
        self._lines: deque[LogLine] = deque()
        self._waiting = self._passed = self._dropped = 0

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
        """The oldest lines make room for the newest, and are counted."""
        if len(text) > _LINE_CHARACTERS:
            text = f"{text[:_LINE_CHARACTERS]} … ({len(text) - _LINE_CHARACTERS} characters cut)"
        text = sendable(text)
        self._lines.append(LogLine(at, level, sendable(logger), text))
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
        messages: list[tuple[Log, int]] = []
        left = len(self._lines)  # what comes meanwhile is for the next batch
        while left:
            lines, size = [], 0
            while left and size < FRAME_VALUES_BYTES // 2:
                lines.append(self._lines.popleft())
                size += len(lines[-1].text)
                left -= 1
            dropped = self._dropped
            self._dropped -= dropped
            self._waiting -= size
            self._passed += size
            messages.append((Log(self._attempt, tuple(lines), dropped), size))
        return messages
