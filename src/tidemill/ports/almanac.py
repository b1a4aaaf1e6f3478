"""Cron expressions and time zones, by a library that knows both."""

from collections.abc import Iterator
from typing import Protocol

from tidemill.core.errors import InputError
from tidemill.core.ids import Instant


class BadCronError(InputError):
    """An expression that cannot be read, or that never comes true."""


class UnknownZoneError(InputError):
    """A time zone that is not in the IANA database; ``nearest`` are names that look like it."""

    def __init__(self, zone: str, nearest: tuple[str, ...]) -> None:
        hint = f"; did you mean {' or '.join(map(repr, nearest))}?" if nearest else ""
        super().__init__(f"{zone[:80]!r} is no time zone of the IANA database, such as Europe/Berlin{hint}")
        self.zone, self.nearest = zone, nearest


class Almanac(Protocol):
    def check_cron(self, expression: str) -> str:
        """The expression with its short forms written out. Raises BadCronError."""
        ...

    def check_zone(self, zone: str) -> None:
        """Raises UnknownZoneError."""
        ...

    def cron(self, expression: str, zone: str, after: Instant) -> Iterator[Instant]:
        """The instants later than ``after``, strictly in order; both names are ones that were checked.

        Of a rule with a set hour and minute, an instant in an hour that is skipped comes when that hour has ended, and
        one in an hour that comes twice is due the first time alone. Rules with `*` in either follow the time that
        passes.
        """
        ...
