"""What a wait in a graph document must be, and which waits of one workflow agree."""

import re
from collections.abc import Iterator, Mapping

from tidemill.core.graph import ApprovalWait, Schema, SignalWait, TimeWait, WaitNode

MOST_SECONDS = 36_525 * 86_400.0  # a hundred years
MOST_CHOICES = 20  # of an approval
NAME_LIMIT = 128  # characters of a signal's name, and of a choice
QUESTION_LIMIT = 2_000  # characters
_SIGNAL_NAME = re.compile(r"[\w.:-]+")


def faults_of_wait(node: WaitNode) -> Iterator[str]:
    within_s, what = node.within_s, node.what
    if within_s is not None and not 0 < within_s <= MOST_SECONDS:
        yield f"a wait is a number of seconds above zero, at most a hundred years, not {within_s}"
    if isinstance(what, TimeWait):
        if (what.at is None) == (what.for_s is None):
            yield "a wait for an instant says when, by `at` or by `for_s`, and not by both"
        if within_s is not None or node.forever:
            yield "a wait for an instant ends by itself: it has no `within_s`"
    elif (within_s is not None) == node.forever:
        yield "a wait says how long it may be, by `within_s`, or by `forever`; and not by both"
    if isinstance(what, ApprovalWait):
        yield from _faults_of_approval(what)
    if isinstance(what, SignalWait) and not is_signal_name(what.name):
        yield f"{what.name!r} is no name for a signal: it has from 1 to {NAME_LIMIT} letters, digits and . _ - :"


def is_signal_name(name: str) -> bool:
    """It stands in URLs."""
    return bool(_SIGNAL_NAME.fullmatch(name)) and len(name) <= NAME_LIMIT


def _faults_of_approval(what: ApprovalWait) -> Iterator[str]:
    if not 1 <= len(what.choices) <= MOST_CHOICES or len(set(what.choices)) < len(what.choices):
        yield f"an approval has from 1 to {MOST_CHOICES} choices, each once"
    if any(not 0 < len(choice) <= NAME_LIMIT for choice in what.choices):
        yield f"a choice has from 1 to {NAME_LIMIT} characters"
    if not 0 < len(what.question) <= QUESTION_LIMIT:
        yield f"a question has from 1 to {QUESTION_LIMIT} characters"


def signals_of(nodes: Iterator[WaitNode]) -> Mapping[tuple[str, bool], Schema | None]:
    """What signals hold, by name and whether they have a key; None where two waits for one name differ."""
    found: dict[tuple[str, bool], Schema | None] = {}
    for node in nodes:
        if isinstance(node.what, SignalWait):
            key = (node.what.name, node.what.key is not None)
            found[key] = node.type if found.get(key, node.type) == node.type else None
    return found
