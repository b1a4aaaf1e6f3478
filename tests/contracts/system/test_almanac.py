"""Cron and time zones: what is due, over the days on which the clocks change, and what is refused."""

from datetime import UTC, datetime
from itertools import islice, pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tidemill.adapters.cron.almanac import SHORT, CronAlmanac
from tidemill.ports.almanac import BadCronError, UnknownZoneError

BERLIN = ZoneInfo("Europe/Berlin")


def us(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp()) * 1_000_000


def due(expression: str, zone: str, after: str, count: int) -> list[str]:
    """In the zone's own time, to the second."""
    almanac = CronAlmanac()
    found = islice(almanac.cron(almanac.check_cron(expression), zone, us(after)), count)
    return [datetime.fromtimestamp(at / 1e6, ZoneInfo(zone)).isoformat() for at in found]


# Berlin skips from 2 to 3 on 29 March 2026, and has 2 to 3 twice on 25 October.
@pytest.mark.parametrize(
    ("expression", "after", "found"),
    [
        ("30 2 * * *", "2026-03-28T12:00+01:00", ["2026-03-29T03:00:00+02:00", "2026-03-30T02:30:00+02:00"]),
        ("0,30 2 * * *", "2026-03-28T12:00+01:00", ["2026-03-29T03:00:00+02:00", "2026-03-30T02:00:00+02:00"]),
        ("15 30 2 * * *", "2026-03-28T12:00+01:00", ["2026-03-29T03:00:15+02:00", "2026-03-30T02:30:15+02:00"]),
        ("0 2,3 * * *", "2026-03-28T12:00+01:00", ["2026-03-29T03:00:00+02:00", "2026-03-30T02:00:00+02:00"]),
        ("30 2 * * *", "2026-10-24T12:00+02:00", ["2026-10-25T02:30:00+02:00", "2026-10-26T02:30:00+01:00"]),
        ("30 2 * * *", "2026-10-25T02:40+02:00", ["2026-10-26T02:30:00+01:00", "2026-10-27T02:30:00+01:00"]),
        ("15 30 2 * * *", "2026-10-24T12:00+02:00", ["2026-10-25T02:30:15+02:00", "2026-10-26T02:30:15+01:00"]),
        ("@daily", "2026-10-24T12:00+02:00", ["2026-10-25T00:00:00+02:00", "2026-10-26T00:00:00+01:00"]),
        ("30 * * * *", "2026-10-25T01:40+02:00", ["2026-10-25T02:30:00+02:00", "2026-10-25T02:30:00+01:00"]),
        ("30 * * * *", "2026-03-29T01:00+01:00", ["2026-03-29T01:30:00+01:00", "2026-03-29T03:30:00+02:00"]),
    ],
)
def test_a_set_time_comes_once_on_each_day_and_a_star_follows_the_time_that_passes(
    expression: str, after: str, found: list[str]
) -> None:
    assert due(expression, "Europe/Berlin", after, 2) == found


@pytest.mark.parametrize(
    ("expression", "found"),
    [
        ("*/10 * * * * *", ["2026-01-01T00:00:10+00:00", "2026-01-01T00:00:20+00:00"]),
        ("0,30 5 4 * * *", ["2026-01-01T04:05:00+00:00", "2026-01-01T04:05:30+00:00"]),
        ("0 9 * * MON-FRI", ["2026-01-01T09:00:00+00:00", "2026-01-02T09:00:00+00:00"]),
        ("0 0 LW * *", ["2026-01-30T00:00:00+00:00", "2026-02-27T00:00:00+00:00"]),
        ("0 0 29 2 *", ["2028-02-29T00:00:00+00:00", "2032-02-29T00:00:00+00:00"]),
        ("@Monthly", ["2026-02-01T00:00:00+00:00", "2026-03-01T00:00:00+00:00"]),
    ],
)
def test_expressions_mean_what_cron_means(expression: str, found: list[str]) -> None:
    assert due(expression, "UTC", "2026-01-01T00:00:00+00:00", 2) == found


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(["30 2 * * *", "*/7 * * * *", "0,30 1-3 * * *", "5 30 2,3 * * *", "*/20 * 2 * * *", "0 */2 * * *"]),
    st.sampled_from(["Europe/Berlin", "America/Sao_Paulo", "Australia/Lord_Howe", "America/New_York", "UTC"]),
    st.integers(us("2018-01-01T00:00:00+00:00"), us("2027-01-01T00:00:00+00:00")),
)
def test_instants_come_in_order_and_from_wherever_one_begins(expression: str, zone: str, after: int) -> None:
    almanac = CronAlmanac()
    found = list(islice(almanac.cron(expression, zone, after), 12))
    assert found[0] > after
    assert all(one < other for one, other in pairwise(found))
    for place in (3, 7):
        assert list(islice(almanac.cron(expression, zone, found[place]), 4)) == found[place + 1 : place + 5]
        assert next(almanac.cron(expression, zone, found[place] - 1)) == found[place]


def test_a_rare_rule_ends_with_the_calendar() -> None:
    found = list(CronAlmanac().cron("0 0 * 2 MON#5", "Europe/Berlin", us("2026-01-01T00:00:00+00:00")))
    assert 100 < len(found) < 400


@pytest.mark.parametrize("short", SHORT)
def test_short_forms_are_written_out(short: str) -> None:
    assert CronAlmanac().check_cron(f" {short.upper()} ") == SHORT[short]


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        ("* * *", "Wrong number of fields"),
        ("", "Wrong number of fields"),
        ("61 * * * *", "Bad minute"),
        ("* * * * * * *", "Wrong number of fields"),
        ("0 0 30 2 *", "Bad day-of-month"),
        ("@noon", "is none of @yearly"),
        ("0 0 * * 1/0", "Bad day-of-week"),
        ("0 0 L/0 * *", "Bad day-of-month"),
        ("é * * * *", "Bad minute"),
        ("*," * 200 + "* * * * *", "at most 200"),
    ],
)
def test_what_is_no_cron_expression_is_refused_with_the_field(expression: str, said: str) -> None:
    with pytest.raises(BadCronError, match=said):
        CronAlmanac().check_cron(expression)


@given(st.text("0123456789*,-/LW#@? abcMONJA", max_size=30))
def test_any_text_is_read_or_refused(text: str) -> None:
    almanac = CronAlmanac()
    try:
        expression = almanac.check_cron(text)
    except BadCronError:
        return
    assert next(almanac.cron(expression, "Europe/Berlin", us("2026-03-28T00:00:00+00:00")), 1)


@pytest.mark.parametrize(
    ("zone", "nearest"),
    [("Europe/Berln", "Europe/Berlin"), ("berlin", "Europe/Berlin"), ("../etc/passwd", ""), ("", ""), ("Europe", "")],
)
def test_an_unknown_zone_is_refused_with_those_that_look_like_it(zone: str, nearest: str) -> None:
    with pytest.raises(UnknownZoneError) as raised:
        CronAlmanac().check_zone(zone)
    assert nearest in (*raised.value.nearest, "")


def test_zones_of_the_database_are_taken() -> None:
    for zone in ("UTC", "Europe/Berlin", "Etc/GMT+5"):
        CronAlmanac().check_zone(zone)
    assert datetime(2026, 1, 1, tzinfo=UTC).astimezone(BERLIN).hour == 1
