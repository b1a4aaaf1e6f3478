"""What a submission says of other submissions, and of when it begins: checked, and in the core's terms."""

from datetime import datetime

from tidemill.core.ids import Instant
from tidemill.core.rules import NO_RULE, SubmitRule
from tidemill.wire.api import Submission

KEY_LIMIT = 256
YEAR_S = 365 * 86400
LONGEST_PER_WAIT = 10  # a debounced run begins at the latest after so many waits, unless told otherwise


def wrong_rules(said: Submission) -> list[tuple[str, str]]:
    """Place and reason of each thing that makes no sense."""
    wrong = [
        (f"$.{name}", f"has at most {KEY_LIMIT} characters")
        for name, text in (("key", said.key), ("unique", said.unique))
        if len(text) > KEY_LIMIT
    ]
    lengths = {
        "key_lifetime_s": said.key_lifetime_s,
        "debounce_s": said.debounce_s,
        "debounce_max_s": said.debounce_max_s,
        "delay_s": said.delay_s,
        "run_timeout_s": said.run_timeout_s,
    }
    wrong += [
        (f"$.{name}", "is from 0 to a year, in seconds") for name, each in lengths.items() if not 0 <= each <= YEAR_S
    ]
    return wrong + _wrong_together(said)


def _wrong_together(said: Submission) -> list[tuple[str, str]]:
    wrong = []
    if said.debounce_s and not said.key:
        wrong.append(("$.debounce_s", "needs a key: it is for submissions that have the same"))
    if said.debounce_s and said.unique:
        wrong.append(("$.unique", "does not go with debounce_s: further submissions replace the one that waits"))
    if said.debounce_max_s and said.debounce_max_s < said.debounce_s:
        wrong.append(("$.debounce_max_s", "is at least debounce_s"))
    if sum((bool(said.debounce_s), bool(said.delay_s), bool(said.start_at))) > 1:
        wrong.append(("$.start_at", "debounce_s, delay_s and start_at say when it begins: give one of them"))
    if said.start_at and _instant(said.start_at) is None:
        wrong.append(("$.start_at", "is a time of RFC 3339 with its zone, such as 2030-01-31T08:00:00Z"))
    return wrong


def start_of(said: Submission, now: Instant) -> Instant:
    """When it is to begin; 0 for at once."""
    if said.delay_s:
        return now + int(said.delay_s * 1_000_000)
    return (_instant(said.start_at) or 0) if said.start_at else 0


def rule_of(said: Submission) -> SubmitRule:
    if not said.key and not said.unique:
        return NO_RULE
    longest_s = said.debounce_max_s or said.debounce_s * LONGEST_PER_WAIT
    return SubmitRule(
        key=said.key,
        lifetime=int(said.key_lifetime_s * 1_000_000),
        unique=said.unique,
        on_active=said.on_active,
        debounce=int(said.debounce_s * 1_000_000),
        longest=int(longest_s * 1_000_000),
    )


def _instant(text: str) -> Instant | None:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return None
    return int(at.timestamp() * 1_000_000) if at.tzinfo is not None else None
