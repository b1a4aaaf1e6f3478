"""What is kept of what an attempt logs: the first half MiB for ever, the last half of what follows, and a count."""

from collections.abc import Iterable

import msgspec
from msgspec.structs import replace

from tidemill.core.ids import Path, RunId
from tidemill.ports.logs import LogRow

HALF_BYTES = 512 * 1024
ROW_COST = 64  # of a row beside its text
BITE = 256  # rows looked at once, to find those that go
_ROW_BYTES = 64 * 1024  # a longer text is cut

pack_log = msgspec.msgpack.Encoder().encode
unpack_log = msgspec.msgpack.Decoder(LogRow).decode
AttemptKey = tuple[RunId, Path, int]


class Tail(msgspec.Struct):
    """What is kept of one attempt, in bytes and in numbers of rows; 0 is no row."""

    head: int = 0
    tail: int = 0
    tail_first: int = 0
    gap: int = 0
    dropped_rows: int = 0
    dropped_bytes: int = 0

    @property
    def is_long(self) -> bool:
        return self.tail > HALF_BYTES

    def add(self, rows: Iterable[tuple[int, int]]) -> None:
        """Rows by number and size."""
        for number, size in rows:
            if not self.tail_first and self.head + size <= HALF_BYTES:
                self.head += size
            else:
                self.tail += size
                self.tail_first = self.tail_first or number

    def drop(self, oldest: Iterable[tuple[int, int]]) -> list[int]:
        """Let go of the oldest rows of the tail, as long as it is too long; gives their numbers."""
        gone = []
        for number, size in oldest:
            if not self.is_long:
                break
            gone.append(number)
            self.tail -= size
            self.tail_first = number + 1
            self.dropped_rows += 1
            self.dropped_bytes += size - ROW_COST
        return gone

    def row(self, key: AttemptKey, at: int) -> LogRow:
        """What stands where rows are missing."""
        text = f"… {self.dropped_rows:,} lines ({self.dropped_bytes:,} bytes) of attempt {key[2]} were dropped here"
        return LogRow(*key, at, "WARNING", "tidemill", text)


def sized(row: LogRow) -> tuple[int, LogRow]:
    """What a row takes, and the row with a text that is not too long."""
    row = _cut(row)
    return len(row.text.encode("utf-8", "replace")) + ROW_COST, row


def _cut(row: LogRow) -> LogRow:
    if len(row.text) <= _ROW_BYTES // 4:  # a character has at most four bytes
        return row
    data = row.text.encode("utf-8", "replace")
    if len(data) <= _ROW_BYTES:
        return row
    return replace(row, text=f"{data[:_ROW_BYTES].decode('utf-8', 'ignore')}… ({len(data) - _ROW_BYTES:,} bytes cut)")
