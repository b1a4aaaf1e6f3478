"""Python around the words: loops over literals, captures, digests, plain calls, and what is refused while tracing."""

from __future__ import annotations

import random
from itertools import count
from typing import Any, Literal

import pytest

from tests.sdk.traced import (
    Draft,
    album,
    atlas,
    body_of,
    caption,
    compose,
    grow,
    media,
    words,
)
from tidemill import (
    Failure,
    OnFailure,
    TraceError,
    all_of,
    any_of,
    branch,
    collect,
    if_some,
    map_over,
    switch,
    workflow,
)
from tidemill.core.graph import BranchNode, MapNode
from tidemill.core.terms import Ref


def test_python_loops_over_literals_build_nodes() -> None:
    @workflow
    def flow(draft: Draft) -> Draft:
        for number in range(3):
            draft = grow.options(name=f"grow-{number}")(draft, by=number)
        return draft

    assert list(body_of(flow).nodes) == ["grow-0", "grow-1", "grow-2"]


def test_what_is_known_already_is_decided_while_tracing() -> None:
    @workflow
    def flow(draft: Draft) -> Draft:
        more = if_some(None, then=lambda text: compose(text, []), otherwise=lambda: draft)
        last = branch(all_of(True, any_of(False)), then=lambda: more, otherwise=lambda: grow(more))
        return switch("a", {"a": lambda: last})

    assert list(body_of(flow).nodes) == ["grow"]


def test_inner_bodies_capture_through_outer_ones() -> None:
    @workflow
    def flow(draft: Draft, texts: list[str]) -> list[list[Draft]]:
        return map_over(
            lambda text: map_over(lambda other: compose(text, [other, draft.topic]), texts, name="inner"),
            texts,
            name="outer",
        )

    outer = body_of(flow).nodes["outer"]
    assert isinstance(outer, MapNode)
    inner = outer.body.nodes["inner"]
    assert isinstance(inner, MapNode)
    assert outer.inputs == {"texts": Ref(port="texts"), "draft": Ref(port="draft")}
    assert inner.inputs == {"text": Ref(port="text"), "draft": Ref(port="draft")}


def test_a_capture_never_shadows_a_parameter() -> None:
    @workflow
    def flow(text: str, texts: list[str]) -> list[Draft]:
        return map_over(lambda text_: compose(text_, [text]), texts) if False else map_over(_pair(text), texts)

    def _pair(outer: str) -> Any:
        return lambda text: compose(text, [outer])

    node = body_of(flow).nodes["map"]
    assert isinstance(node, MapNode)
    assert node.inputs == {"text_2": Ref(port="text")}


def test_the_same_source_gives_the_same_digest() -> None:
    def flow(draft: Draft) -> Draft:
        return grow(draft)

    assert workflow(flow).compiled.digest == workflow(flow).compiled.digest
    assert workflow("other")(flow).compiled.digest != workflow(flow).compiled.digest


@pytest.mark.parametrize("pages", [0, 1, 5])
def test_a_plain_call_runs_the_words_on_real_values(pages: int) -> None:
    texts = ["a"] * pages
    assert album("cats", texts) == Draft("cats", pages + 3 if pages > 2 else pages)
    assert [each.topic for each in atlas(["x", "y"], texts)] == ["x", "y"]
    assert len(words(Draft("a", pages), [*texts, "bad"], None if pages else "label")) == 2


def test_a_plain_map_treats_failures_as_a_run_does() -> None:
    texts = ["a", "bad", "b"]
    with pytest.raises(ValueError, match="bad text"):
        map_over(caption, texts)
    assert map_over(caption, texts, on_failure=OnFailure.SKIP_DOWNSTREAM) == ["A", "B"]
    first, failed, last = map_over(caption, texts, on_failure=collect)
    assert (first, last) == ("A", "B")
    assert isinstance(failed, Failure)
    assert (failed.code.value, failed.message) == ("internal", "ValueError: bad text")
    with pytest.raises(ValueError, match=r"shorter|longer"):
        map_over(lambda a, b: a + b, [1], [1, 2])
    with pytest.raises(LookupError, match="no case for 'z'"):
        switch("z", {"a": lambda: 1})


def test_a_body_that_reads_chance_is_refused() -> None:
    numbers = count()

    @workflow
    def dice(draft: Draft) -> Draft:
        return grow(draft, by=random.randrange(2**60))

    @workflow
    def counts(draft: Draft) -> Draft:
        return grow(draft, by=next(numbers))

    for flow in (dice, counts):
        with pytest.raises(TraceError, match="gave two graphs in two traces: its body reads a clock, chance"):
            _ = flow.compiled


def test_forward_names_are_found_and_recursion_is_refused() -> None:
    @workflow
    def early(draft: Draft) -> Draft:
        return late(draft)

    @workflow
    def late(draft: Draft) -> Draft:
        return grow(draft)

    @workflow
    def endless(draft: Draft) -> Draft:
        return endless(draft)

    assert "late" in body_of(early).nodes
    with pytest.raises(TraceError, match="workflow endless contains itself"):
        _ = endless.compiled


def test_literal_types_are_checked_by_switch() -> None:
    @media.task
    def size_of(draft: Draft) -> Literal["s", "m/l"]:
        return "s"

    @workflow
    def flow(draft: Draft) -> int:
        return switch(size_of(draft), {"s": lambda: 1, "m/l": lambda: 2})

    node = body_of(flow).nodes["switch"]
    assert isinstance(node, BranchNode)
    assert [case.name for case in node.cases] == ["s", "m-l"]
