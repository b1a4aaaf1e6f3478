"""Texts of users on their way to others, and of instants for people."""

from datetime import UTC, datetime

from tidemill.core.ids import Instant


def sendable(text: str) -> str:
    """What UTF-8 can carry: half characters, as in names of files that are no UTF-8, become escapes."""
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode()


def moment(at: Instant) -> str:
    """For people: in UTC, to the second."""
    return f"{datetime.fromtimestamp(at / 1_000_000, UTC):%Y-%m-%d %H:%M:%S} UTC"
