"""Rules about which runs stay, and why one stays whatever its rule says."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.contracts.store.sample import AT, a_run, run_id
from tidemill.core.ids import RunId
from tidemill.core.retention import EVER, Rule, last_to_go, parse_retention, parse_rule, why_it_stays, words_of
from tidemill.core.run import Ended, Halted, Hidden, Running, Succeeded

DAY = 86_400 * 1_000_000
DONE = replace(a_run(run_id(1), Ended(Succeeded())), ended_at=AT)


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("30d", Rule(30 * DAY)),
        ("1.5h", Rule(5400 * 1_000_000)),
        ("100", Rule(count=100)),
        ("7d/100", Rule(7 * DAY, 100)),
        ("100/7d", Rule(7 * DAY, 100)),
        (" ever ", EVER),
        ("0", Rule(count=0)),
    ],
)
def test_a_rule_is_an_age_a_number_both_or_ever(text: str, rule: Rule) -> None:
    assert parse_rule(text) == rule


@pytest.mark.parametrize("text", ["", "7", "7x/2", "7d/8d", "1/2", "-1", "7 d", "d", "1/ever", "1e9d"])
def test_what_is_no_rule_is_refused(text: str) -> None:
    if text == "7":
        assert parse_rule(text) == Rule(count=7)
        return
    with pytest.raises(ValueError, match="no age"):
        parse_rule(text)


def test_the_closest_rule_counts() -> None:
    retention = parse_retention("30d, failed=90d, a.b: 7d, a.b:failed=ever")
    assert retention.rule("x", "succeeded") == Rule(30 * DAY)
    assert retention.rule("x", "failed") == Rule(90 * DAY)
    assert retention.rule("a.b", "cancelled") == Rule(7 * DAY)
    assert retention.rule("a.b", "failed") == EVER
    assert parse_retention("").rule("x", "failed") == EVER
    assert not parse_retention("ever").removes
    with pytest.raises(ValueError, match="no status in which a run ends"):
        parse_retention("running=1d")


@given(st.sampled_from(["30d", "7d/100", "ever", "failed=90d", "a.b:12h", "a.b:failed=5", "30d,failed=1,x:ever"]))
def test_rules_are_told_as_they_are_read(text: str) -> None:
    retention = parse_retention(text)
    assert parse_retention(",".join(words_of(retention))) == retention


def test_the_later_of_both_bounds_counts() -> None:
    behind = (AT - 5, RunId(b"x"))
    assert last_to_go(Rule(10), AT, None) == (AT - 10, RunId(b"\xff" * 16))
    assert last_to_go(Rule(10, 3), AT, behind) == behind
    assert last_to_go(Rule(1, 3), AT, behind) == (AT - 1, RunId(b"\xff" * 16))
    assert last_to_go(Rule(count=3), AT, None) is None
    assert last_to_go(EVER, AT, behind) is None


def test_a_run_stays_while_something_needs_it() -> None:
    parent = a_run(run_id(2))
    may_go = why_it_stays(DONE, None, AT, is_forked=False)
    assert may_go == ""
    assert "has not ended" in why_it_stays(a_run(), None, AT, is_forked=False)
    assert "has not ended" in why_it_stays(a_run(state=Halted("fault")), None, AT, is_forked=False)
    assert "started it" in why_it_stays(DONE, parent, AT, is_forked=False)
    assert why_it_stays(DONE, replace(parent, hidden=Hidden.REMOVING), AT, is_forked=False) == ""
    assert "takes results" in why_it_stays(DONE, None, AT, is_forked=True)
    keyed = replace(DONE, keys=((b"k", 0), (b"l", 100)))
    assert "key" in why_it_stays(keyed, None, AT + 99, is_forked=False)
    assert why_it_stays(keyed, None, AT + 100, is_forked=False) == ""
    for gone in (None, replace(DONE, hidden=Hidden.REMOVING), replace(a_run(state=Running()), hidden=Hidden.IMPORTING)):
        assert why_it_stays(gone, None, AT, is_forked=False)
