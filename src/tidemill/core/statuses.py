"""The words that users of other systems know for how runs and steps stand; each stands for exactly one of ours.

Within a set no two words mean the same status. What a set has no word for keeps ours, so that each of our statuses has
exactly one word in each set. Filters take all of them.
"""

from collections.abc import Iterable, Mapping
from difflib import get_close_matches

from tidemill.core.errors import InputError
from tidemill.core.run import STATUSES

STEP_STATUSES = (
    *("blocked", "ready", "leased", "running", "waiting", "at_breakpoint", "quarantined"),
    *("succeeded", "failed", "cancelled", "skipped"),
)
# Word -> ours, by set. Words that are ours too and mean the same are not repeated.
RUN_WORDS: Mapping[str, Mapping[str, str]] = {
    "tasks": {"completed": "succeeded", "quarantined": "halted"},
    "jobs": {"created": "pending", "in_progress": "running", "completed": "succeeded"},
}
STEP_WORDS: Mapping[str, Mapping[str, str]] = {
    "tasks": {"pending": "ready", "assigned": "leased", "completed": "succeeded"},
    "jobs": {"created": "blocked", "queued": "ready", "in_progress": "running", "completed": "succeeded"},
}


class UnknownStatusError(InputError):
    pass


def run_statuses(words: Iterable[str]) -> tuple[str, ...]:
    """Ours, for words of any set. Raises UnknownStatusError."""
    return _ours(words, STATUSES, RUN_WORDS, "run")


def step_statuses(words: Iterable[str]) -> tuple[str, ...]:
    return _ours(words, STEP_STATUSES, STEP_WORDS, "step")


def words_of(status: str, words: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    """What one of our statuses is called in each set."""
    return {name: next((word for word, ours in each.items() if ours == status), status) for name, each in words.items()}


def known_words(ours: Iterable[str], words: Mapping[str, Mapping[str, str]]) -> tuple[str, ...]:
    return tuple(dict.fromkeys([*ours, *(word for each in words.values() for word in each)]))


def _ours(
    words: Iterable[str], ours: tuple[str, ...], sets: Mapping[str, Mapping[str, str]], kind: str
) -> tuple[str, ...]:
    meant = {word: status for each in sets.values() for word, status in each.items()} | {word: word for word in ours}
    found: dict[str, None] = {}
    for word in words:
        plain = word.strip().lower().replace(" ", "_").replace("-", "_").replace("canceled", "cancelled")
        if plain not in meant:
            raise UnknownStatusError(_unknown(word, plain, list(meant), kind))
        found[meant[plain]] = None
    return tuple(found)


def _unknown(word: str, plain: str, known: list[str], kind: str) -> str:
    other = {"run": STEP_WORDS, "step": RUN_WORDS}[kind]
    if plain in STEP_STATUSES or plain in STATUSES or any(plain in each for each in other.values()):
        return f"no {kind} is {word[:50]!r}: that is a status of a {'step' if kind == 'run' else 'run'}"
    near = get_close_matches(plain, known, 1, 0.6)
    hint = f"; did you mean {near[0]}?" if near else ""
    return f"there is no status {word[:50]!r}{hint}; a {kind} is one of {', '.join(known)}"
