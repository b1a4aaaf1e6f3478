"""What a program writes, as lines; and which of them are said to the worker. Pure."""

from typing import Any

import msgspec

from tidemill.wire.program import ITEM, PREFIX, WORDS, ItemLine, Line, LogLine

LONGEST_BYTES = 64 * 1024  # of a line of the log; a longer one becomes several
LONGEST_SAID_BYTES = 1024 * 1024  # of a line that is for the worker
_MARK = PREFIX.encode()
_WORDS = ", ".join([*WORDS, ITEM])


class Lines:
    """Pieces in, lines out, without their ends. Holds at most one line, of bounded length."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, piece: bytes) -> list[bytes]:
        *lines, self._rest = (self._rest + piece).split(b"\n")
        found = [line.removesuffix(b"\r") for line in lines]
        limit = LONGEST_SAID_BYTES if self._rest.startswith(_MARK) else LONGEST_BYTES
        while len(self._rest) > limit:
            found.append(self._rest[:limit])
            self._rest = self._rest[limit:]
        return found

    def end(self) -> list[bytes]:
        """What came without a line end is a line too."""
        rest, self._rest = self._rest, b""
        return [rest] if rest else []


class NotSaid(msgspec.Struct, frozen=True):
    """A line that was meant for the worker, and cannot be read."""

    why: str


def text_of(line: bytes) -> str:
    """A line of the log; what is no UTF-8 is shown as it is written in bytes."""
    return line.decode("utf-8", "backslashreplace")


def said(line: bytes) -> Line | NotSaid | None:
    """What a line on stdout tells the worker; None for a line of the log."""
    if not line.startswith(_MARK):
        return None
    word, _, rest = text_of(line[len(_MARK) :]).strip().partition(" ")
    try:
        payload = msgspec.json.decode(rest) if rest.strip() else {}
    except (msgspec.DecodeError, RecursionError) as error:
        return NotSaid(f"what follows '{PREFIX}{word}' is no JSON: {error}")
    if word == ITEM:
        return ItemLine(item=payload)
    if word not in WORDS:
        return NotSaid(f"there is no word {word!r}; the words are {_WORDS}")
    return _read(word, payload)


def _read(word: str, payload: Any) -> Line | NotSaid:
    kind, field = WORDS[word]
    try:
        line: Any = msgspec.convert(payload if isinstance(payload, dict) else {field: payload}, kind)
    except msgspec.ValidationError as error:
        return NotSaid(f"'{PREFIX}{word}': {error}")
    if isinstance(line, LogLine) and line.level.upper() not in LEVELS:
        return NotSaid(f"there is no level {line.level!r}; the levels are {', '.join(LEVELS).lower()}")
    return line  # type: ignore[no-any-return]  # one of the kinds in WORDS


LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
