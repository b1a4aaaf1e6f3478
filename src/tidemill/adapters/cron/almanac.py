"""Cron by cronsim, zones by zoneinfo (docs/design/schedules.md says why)."""

import difflib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo, available_timezones

from cronsim import CronSim, CronSimError

from tidemill.core.ids import Instant
from tidemill.core.recurrence import SECOND_US
from tidemill.ports.almanac import BadCronError, UnknownZoneError

SHORT = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
LONGEST = 200  # characters of an expression
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_MINUTE, _NOTHING = timedelta(minutes=1), timedelta()
_SAMPLE = datetime(2024, 1, 1, tzinfo=UTC)


class CronAlmanac:
    def __init__(self) -> None:
        self._zones: frozenset[str] | None = None

    def check_cron(self, expression: str) -> str:
        text = " ".join(expression.split())
        if text.startswith("@"):
            if text.lower() not in SHORT:
                raise BadCronError(f"{text[:40]!r} is none of {', '.join(SHORT)}")
            return SHORT[text.lower()]
        if len(text) > LONGEST:
            raise BadCronError(f"a cron expression has at most {LONGEST} characters")
        try:
            next(CronSim(text, _SAMPLE))
        except StopIteration:
            raise BadCronError(f"{text!r} never comes true") from None
        except (CronSimError, ValueError, AssertionError, OverflowError) as error:
            raise BadCronError(_said(text, error)) from None
        return text

    def check_zone(self, zone: str) -> None:
        if zone == "UTC":
            return
        if self._zones is None:
            self._zones = frozenset(available_timezones())
        if zone not in self._zones:
            raise UnknownZoneError(zone, _nearest(zone, self._zones))

    def cron(self, expression: str, zone: str, after: Instant) -> Iterator[Instant]:
        minutes, seconds = _apart(expression)
        start = (_EPOCH + timedelta(microseconds=after) - (_MINUTE if seconds else _NOTHING)).astimezone(_zone(zone))
        last = after
        for each in _until_the_last_year(CronSim(minutes, start)):
            minute_at = (each.astimezone(UTC) - _EPOCH) // _MICROSECOND
            for second in seconds or (0,):
                due_at = minute_at + second * SECOND_US
                if due_at > last:  # wall time goes back at the end of summer, and stands still over a skipped hour
                    last = due_at
                    yield due_at


def _until_the_last_year(minutes: Iterator[datetime]) -> Iterator[datetime]:
    """Python's calendar ends, and a rare rule gets there."""
    try:
        yield from minutes
    except (OverflowError, ValueError):
        return


def _apart(expression: str) -> tuple[str, list[int]]:
    """The seconds of a rule with a set hour and minute: cronsim minds skipped hours for five fields alone."""
    fields = expression.split()
    if len(fields) < 6 or fields[1].startswith("*") or fields[2].startswith("*"):
        return expression, []
    return " ".join(fields[1:]), sorted(CronSim(expression, _SAMPLE).seconds)


def _zone(zone: str) -> tzinfo:
    return UTC if zone == "UTC" else ZoneInfo(zone)


def _said(text: str, error: Exception) -> str:
    fields = "minute hour day-of-month month day-of-week"
    what = str(error) or "it cannot be read"
    return f"{text!r} is no cron expression: {what}; it has {fields}, with second before them if you like"


def _nearest(zone: str, zones: frozenset[str]) -> tuple[str, ...]:
    """By the whole name, or by the city alone."""
    folded = {name.casefold(): name for name in zones}
    cities = {name.rpartition("/")[2].casefold(): name for name in sorted(zones)}
    wanted = zone.casefold().replace(" ", "_")
    found = [folded[each] for each in difflib.get_close_matches(wanted, folded, 2, 0.75)]
    city = difflib.get_close_matches(wanted.rpartition("/")[2], cities, 2, 0.75)
    return tuple(dict.fromkeys([*found, *(cities[each] for each in city)]))[:3]
