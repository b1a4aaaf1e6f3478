"""The words that users of other systems know stand for exactly one status of ours each."""

from collections.abc import Mapping

import pytest

from tidemill.core.run import STATUSES, StepState
from tidemill.core.statuses import (
    RUN_WORDS,
    STEP_STATUSES,
    STEP_WORDS,
    UnknownStatusError,
    run_statuses,
    step_statuses,
    words_of,
)


@pytest.mark.parametrize(("ours", "sets"), [(STATUSES, RUN_WORDS), (STEP_STATUSES, STEP_WORDS)])
def test_within_a_set_statuses_and_words_are_one_to_one(
    ours: tuple[str, ...], sets: Mapping[str, Mapping[str, str]]
) -> None:
    for name, words in sets.items():
        called = [words_of(status, sets)[name] for status in ours]
        assert set(words.values()) <= set(ours)
        assert len(set(words.values())) == len(words)
        back = [words.get(word, word) for word in called]
        assert back == list(ours)


def test_the_words_are_there() -> None:
    known = {"pending", "assigned", "running", "completed", "failed", "cancelled", "waiting", "quarantined"}
    for word in (*known, "created", "queued", "in progress"):
        assert step_statuses([word])
    assert run_statuses(["completed", "Created", "in-progress", "canceled", "succeeded"]) == (
        *("succeeded", "pending", "running", "cancelled"),
    )


def test_each_state_of_a_step_is_among_the_statuses() -> None:
    tags = {kind.__struct_config__.tag for kind in StepState.__args__} - {"held"}
    assert {*tags, "leased", "running"} == set(STEP_STATUSES)


def test_an_unknown_status_is_refused_with_the_nearest() -> None:
    with pytest.raises(UnknownStatusError, match="did you mean succeeded"):
        run_statuses(["suceeded"])
    with pytest.raises(UnknownStatusError, match="that is a status of a step"):
        run_statuses(["queued"])
    with pytest.raises(UnknownStatusError, match="that is a status of a run"):
        step_statuses(["halted"])
