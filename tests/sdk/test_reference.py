"""A workflow called plainly, and a run of its graph, give the same."""

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.sdk.traced import (
    Box,
    Draft,
    album,
    atlas,
    caption,
    compose,
    corner,
    figured,
    forgiving,
    grow,
    media,
    passed,
    raced,
    refined,
    words,
)
from tidemill import Failure, OnFailure, Worker, collect, map_over, workflow
from tidemill.client.blocking import Client
from tidemill.testing.local import local

texts = st.lists(st.sampled_from(["a", "b", "bad"]), max_size=4)
good = st.lists(st.sampled_from(["a", "b"]), max_size=4)
drafts = st.builds(Draft, st.text("xyz"), st.integers(0, 5), st.none() | st.text("xyz"))


@workflow
def both(draft: Draft) -> Box:
    return Box(corner(draft).left, grow(draft))


@workflow
def survivors(texts: list[str]) -> list[str]:
    return map_over(caption, texts, on_failure=OnFailure.SKIP_DOWNSTREAM, window=2)


@workflow
def collected(texts: list[str]) -> list[str | Failure]:
    return map_over(caption, texts, on_failure=collect)


@workflow
def nested(draft: Draft, texts: list[str]) -> list[list[Draft]]:
    return map_over(
        lambda text: map_over(lambda other: compose(text, [other, draft.topic]), texts, name="inner"),
        texts,
        name="outer",
    )


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    worker: Worker = media
    with local(worker) as client:
        yield client


def plainly(value: Any) -> Any:
    """A plain call knows no path."""
    if isinstance(value, list):
        return [(each.code, each.message) if isinstance(each, Failure) else each for each in value]
    return value


@pytest.mark.feature("E3")
@settings(max_examples=25)
@given(draft=drafts, some=texts, fine=good, label=st.none() | st.text("xyz"))
def test_a_plain_call_and_a_run_agree(
    client: Client, draft: Draft, some: list[str], fine: list[str], label: str | None
) -> None:
    calls: list[tuple[Any, tuple[Any, ...]]] = [
        (album, ("cats", fine)),
        (album, ("cats", fine, label)),
        (atlas, (["x", "y"], fine)),
        (words, (draft, some, label, bool(fine))),
        (both, (draft,)),
        (refined, (draft, 2)),
        (passed, (draft, 2)),
        (passed, (draft, 3)),
        (figured, (draft, fine, draft.topic)),
        (raced, ("a", draft)),
        (forgiving, (["a"], draft)),
        (forgiving, (["bad"], draft)),
        (survivors, (some,)),
        (collected, (some,)),
        (nested, (draft, fine)),
    ]
    runs = [client.submit(flow, *args) for flow, args in calls]
    for (flow, args), run in zip(calls, runs, strict=True):
        assert plainly(run.result()) == plainly(flow(*args)), flow.name
