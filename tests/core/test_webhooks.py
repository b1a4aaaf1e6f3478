"""When a webhook is tried again, and who wants what."""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from tidemill.core.ids import Digest, RunId
from tidemill.core.run import Cancelled, Cancelling, Code, Ended, Failed, Failure, Halted, Run, Running, Succeeded
from tidemill.core.webhooks import (
    EVENTS,
    PATIENCE,
    TRIED_KEPT,
    Delivered,
    Delivery,
    Due,
    GivenUp,
    Tried,
    Webhook,
    after,
    again,
    deliveries_of,
    is_too_old,
    next_wait,
)

AT = 1_800_000_000_000_000
DAY = timedelta(days=1)
RUN = Run(RunId(b"r" * 16), Digest(b"g" * 32), "mill.grind", Ended(Succeeded()), AT, Digest(b"g" * 32))
HOOK = Webhook("chat", "https://example.org/", ("a secret of mine",), AT)
DELIVERY = Delivery(b"d" * 16, "chat", "run.succeeded", RUN.id, AT, Due(AT))
FAILURE = Failure(Code.PERMANENT, "no flour")


@given(st.lists(st.tuples(st.sampled_from([0, 199, 300, 404, 500]), st.floats(0, 0.999)), min_size=12, max_size=12))
def test_what_always_fails_is_given_up_within_about_a_day(answers: list[tuple[int, float]]) -> None:
    delivery, at = DELIVERY, AT
    for status, chance in answers:
        assert delivery.due_at is not None
        assert not is_too_old(delivery, delivery.due_at, PATIENCE)
        at = delivery.due_at
        delivery = after(delivery, Tried(at, 15_000_000, status), PATIENCE, chance=chance)
    assert isinstance(delivery.state, GivenUp)
    assert DAY * 0.7 < timedelta(microseconds=at - AT) < DAY * 1.1
    assert len(delivery.tried) == 12


@given(st.integers(1, 10**6), st.floats(0, 1, exclude_max=True))
def test_waits_grow_to_their_bound_and_vary_by_a_fifth(tries: int, chance: float) -> None:
    wait, longer = next_wait(PATIENCE, tries, chance), next_wait(PATIENCE, tries + 1, chance)
    assert PATIENCE.first * 0.8 <= wait <= longer <= PATIENCE.most


def test_a_receiver_may_ask_for_a_longer_wait_up_to_the_longest() -> None:
    for asked, waited in ((0.0, 5.0), (60.0, 60.0), (1e9, 4 * 3600.0)):
        later = after(DELIVERY, Tried(AT, 0, 503), PATIENCE, chance=0.0, wait_s=asked)
        assert later.state == Due(AT + int(waited * 1e6))


def test_a_success_ends_it_and_so_does_410() -> None:
    assert after(DELIVERY, Tried(AT, 7, 204), PATIENCE, chance=0.5).state == Delivered(AT + 7)
    assert isinstance(after(DELIVERY, Tried(AT, 7, 410), PATIENCE, chance=0.5).state, GivenUp)


def test_one_that_is_asked_for_again_has_all_its_tries_and_a_life_of_its_own() -> None:
    old = replace(DELIVERY, state=GivenUp(AT, "tried 12 times"), tries=12, tried=(Tried(AT, 1, 500),) * TRIED_KEPT)
    late = AT + 10 * DAY // timedelta(microseconds=1)
    anew = again(old, late)
    assert (anew.state, anew.tries, len(anew.tried)) == (Due(late), 0, TRIED_KEPT)
    failed = after(anew, Tried(late, 1, 500), PATIENCE, chance=0.0)
    assert (failed.tries, len(failed.tried), is_too_old(failed, late + 10, PATIENCE)) == (1, TRIED_KEPT, False)
    assert is_too_old(failed, late + 2 * DAY // timedelta(microseconds=1), PATIENCE)


@pytest.mark.parametrize(
    ("filters", "is_wanted"),
    [
        ({}, True),
        ({"events": ("run.failed",)}, False),
        ({"events": ("run.failed", "run.succeeded")}, True),
        ({"workflows": ("mill.grind",)}, True),
        ({"workflows": ("mill.*",)}, True),
        ({"workflows": ("Mill.*", "grind")}, False),
        ({"tags": {"team": "tide"}}, True),
        ({"tags": {"team": "tide", "more": ""}}, False),
        ({"tags": {"team": "ebb"}}, False),
    ],
)
def test_filters_must_all_let_it_pass(filters: dict[str, Any], *, is_wanted: bool) -> None:
    run = replace(RUN, tags={"team": "tide", "day": "1"})
    assert bool(deliveries_of([replace(HOOK, **filters)], [run], AT)) is is_wanted


def test_each_end_is_told_once_and_nothing_else() -> None:
    ends = [Ended(Succeeded()), Ended(Failed(FAILURE)), Ended(Cancelled("enough")), Halted("a fault")]
    states = [Running(), *ends, Cancelling(Cancelled())]
    runs = [replace(RUN, state=state) for state in states]
    made = deliveries_of([HOOK, replace(HOOK, name="mail")], runs, AT)
    assert [each.event for each in made if each.hook == "chat"] == list(EVENTS)
    assert len({each.id for each in made}) == 8
    assert [each.id for each in made] == [
        each.id for each in deliveries_of([HOOK, replace(HOOK, name="mail")], runs, AT)
    ]
    assert [each.reason for each in made if each.event == "run.halted"] == ["a fault"] * 2
