"""Which runs that ended stay, and for how long; which of them may not go yet.

A rule is said in a few words, for all runs or for those of a status, a workflow, or both:
``30d, failed=90d, shelf.nightly: 7d/100, shelf.nightly: failed=ever``.
"""

import re
from collections.abc import Iterator, Mapping

from msgspec import Struct

from tidemill.core.ids import Instant, RunId
from tidemill.core.run import Ended, Run

FINAL_STATUSES = ("succeeded", "failed", "cancelled")
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 7 * 86_400}
_AGE = re.compile(r"(\d{1,9}(?:\.\d{1,6})?)([smhdw])")
EXPECTED = "such as 30d, or 30d,failed=90d,media.nightly:7d/100 (age, number of runs, or both; `ever` keeps all)"
Moment = tuple[Instant, RunId]


class Rule(Struct, frozen=True):
    """A run goes once it ended ``age`` microseconds ago, or ``count`` others of its kind ended later. None: never."""

    age: int | None = None
    count: int | None = None


EVER = Rule()


class Retention(Struct, frozen=True):
    """Rules by (workflow, status); "" is any. The closest counts: of both, of the workflow, of the status, of all."""

    rules: Mapping[tuple[str, str], Rule] = {}

    def rule(self, workflow: str, status: str) -> Rule:
        keys = ((workflow, status), (workflow, ""), ("", status), ("", ""))
        return next((self.rules[key] for key in keys if key in self.rules), EVER)

    def __str__(self) -> str:
        return ",".join(words_of(self))

    @property
    def removes(self) -> bool:
        return any(rule != EVER for rule in self.rules.values())


def parse_retention(text: str) -> Retention:
    """Raises ValueError."""
    return Retention(dict(map(_parsed, filter(str.strip, text.split(",")))))


def _parsed(part: str) -> tuple[tuple[str, str], Rule]:
    workflow, _, rest = part.strip().rpartition(":")
    status, _, words = rest.rpartition("=")
    status = status.strip()
    if status and status not in FINAL_STATUSES:
        raise ValueError(f"{status[:40]!r} is no status in which a run ends: {', '.join(FINAL_STATUSES)}")
    return (workflow.strip(), status), parse_rule(words)


def parse_rule(text: str) -> Rule:
    """``7d``, ``100``, ``7d/100`` or ``ever``. Raises ValueError."""
    if text.strip() == "ever":
        return EVER
    rule = Rule()
    for word in map(str.strip, text.split("/")):
        age = _AGE.fullmatch(word)
        if age and rule.age is None:
            rule = Rule(int(float(age[1]) * _UNITS[age[2]] * 1_000_000), rule.count)
        elif re.fullmatch(r"\d{1,9}", word) and rule.count is None:
            rule = Rule(rule.age, int(word))
        else:
            raise ValueError(f"{word[:40]!r} is no age (7d, 12h) and no number of runs")
    return rule


def words_of(retention: Retention) -> Iterator[str]:
    """What `parse_retention` reads, a rule each."""
    for (workflow, status), rule in sorted(retention.rules.items()):
        age = "" if rule.age is None else _age(rule.age)
        count = "" if rule.count is None else str(rule.count)
        said = "/".join(word for word in (age, count) if word) or "ever"
        yield f"{workflow + ':' if workflow else ''}{status + '=' if status else ''}{said}"


def _age(age: int) -> str:
    unit = next((unit for unit in "dhm" if age and age % (_UNITS[unit] * 1_000_000) == 0), "s")
    return f"{age / 1_000_000 / _UNITS[unit]:.6f}".rstrip("0").rstrip(".") + unit


def last_to_go(rule: Rule, at: Instant, behind: Moment | None) -> Moment | None:
    """The latest end that goes, None: none. ``behind`` is the run that has as many later ones as the rule keeps."""
    old = None if rule.age is None else (at - rule.age, RunId(b"\xff" * 16))
    many = behind if rule.count is not None else None
    found = [each for each in (old, many) if each is not None]
    return max(found) if found else None


def why_it_stays(run: Run | None, parent: Run | None, at: Instant, *, is_forked: bool) -> str:
    """Why a run may not go, whatever its rule says; "" when it may."""
    if run is None or run.hidden is not None:
        return "gone"
    if not isinstance(run.state, Ended) or run.ended_at is None:
        return "it has not ended"
    if parent is not None and parent.hidden is None:
        return "the run that started it is there"  # another attempt would look for what it started
    if is_forked:
        return "a run takes results from it"
    if any(run.ended_at + lifetime > at for _, lifetime in run.keys):
        return "it has a key, and a submission with that must find it"
    return ""
