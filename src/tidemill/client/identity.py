"""Names that a client makes for itself: run ids, tokens of its streams, instants."""

from datetime import UTC, datetime
from itertools import count
from os import urandom  # noqa: TID251 - a client lives in its user's process, which has no ports
from time import time_ns  # noqa: TID251 - the same

from tidemill.core.ids import text_of, uuid7


class Identity:
    """Chance is drawn in bulk: asking the system for it costs more than making an id."""

    def __init__(self) -> None:
        self._count = count()
        self._chance = b""

    def run_id(self) -> str:
        if len(self._chance) < 16:
            self._chance = urandom(4096)
        entropy, self._chance = self._chance[:16], self._chance[16:]
        return text_of(uuid7(time_ns() // 1000, entropy, next(self._count) & 0xFFF))

    def now(self) -> datetime:
        return datetime.fromtimestamp(time_ns() / 1e9, UTC)

    def token(self) -> str:
        return urandom(16).hex()
