"""Words in the inputs of a schedule that stand for the instant of its run."""

import difflib
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from tidemill.core.ids import Instant

WORDS = ("$due_at", "$due_date", "$schedule")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def words_of(name: str, zone: str, due_at: Instant) -> dict[str, str]:
    """What each word stands for: the instant in UTC, its date in the schedule's zone, the schedule's name."""
    instant = _EPOCH + timedelta(microseconds=due_at)
    local = instant if zone == "UTC" else instant.astimezone(ZoneInfo(zone))
    return {"$due_at": instant_text(due_at), "$due_date": local.date().isoformat(), "$schedule": name}


def instant_text(at: Instant) -> str:
    """RFC 3339 in UTC; parts of a second where there are any."""
    return (_EPOCH + timedelta(microseconds=at)).isoformat().replace("+00:00", "Z")


def filled(value: Any, words: Mapping[str, str]) -> Any:
    """The same plain data with words replaced, where a text is one; ``$$due_at`` is the text ``$due_at``."""
    match value:
        case str() if value in words:
            return words[value]
        case str() if value.startswith("$$") and value[1:] in words:
            return value[1:]
        case list():
            return [filled(each, words) for each in value]
        case dict():
            return {key: filled(each, words) for key, each in value.items()}
        case _:
            return value


def misspelt(value: Any, place: str = "") -> Iterator[tuple[str, str]]:
    """Texts that are nearly a word, each with its place and what is wrong."""
    match value:
        case str() if value.startswith("$") and not value.startswith("$$") and value not in WORDS and len(value) < 20:
            if close := difflib.get_close_matches(value, WORDS, 1, 0.8):
                yield place, f"{value!r} is no word for the instant; did you mean {close[0]!r}?"
        case list():
            for number, each in enumerate(value):
                yield from misspelt(each, f"{place}[{number}]")
        case dict():
            for key, each in value.items():
                yield from misspelt(each, f"{place}.{key}")
        case _:
            pass
