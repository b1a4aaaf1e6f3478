"""Values of options that hold many items: one at a time, or all as JSON."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import click
import pytest

from tidemill import Worker
from tidemill.cli.inputs import options_of, values_of

takes = Worker("takes")


@dataclass(frozen=True)
class Reef:
    depth: int


@takes.task
def numbers(xs: list[int]) -> int: ...


@takes.task
def texts(xs: list[str]) -> int: ...


@takes.task
def flags(xs: list[bool]) -> int: ...


@takes.task
def row(xs: tuple[int, ...]) -> int: ...


@takes.task
def pair(xs: tuple[int, str]) -> int: ...


@takes.task
def some(xs: Sequence[int] | None = None) -> int: ...


@takes.task
def different(xs: set[int]) -> int: ...


@takes.task
def lists(xs: list[list[int]]) -> int: ...


@takes.task
def reefs(xs: list[Reef]) -> int: ...


@takes.task
def instant(xs: datetime) -> int: ...


@takes.task
def reef(xs: Reef) -> int: ...


def given(task: Any, *words: str) -> Any:
    command = click.Command("run", params=[*options_of(task, ())])
    return values_of(command.make_context("run", [part for word in words for part in ("--xs", word)]).params)


@pytest.mark.parametrize(
    ("task", "one_by_one", "as_json", "value"),
    [
        (numbers, ["1", "2"], "[1, 2]", [1, 2]),
        (texts, ["a", "b c"], '["a", "b c"]', ["a", "b c"]),
        (flags, ["true", "false"], "[true, false]", [True, False]),
        (row, ["1", "2"], "[1, 2]", (1, 2)),
        (some, ["1", "2"], "[1, 2]", [1, 2]),
        (different, ["1", "2"], "[1, 2]", {1, 2}),
        (lists, ["[1]", "[2, 3]"], "[[1], [2, 3]]", [[1], [2, 3]]),
        (reefs, ['{"depth": 1}', '{"depth": 2}'], '[{"depth": 1}, {"depth": 2}]', [Reef(1), Reef(2)]),
    ],
)
def test_many_items_come_one_by_one_or_as_json(task: Any, one_by_one: list[str], as_json: str, value: Any) -> None:
    assert given(task, *one_by_one) == {"xs": value}
    assert given(task, as_json) == {"xs": value}


def test_a_list_that_is_not_given_is_left_out_and_an_empty_one_is_not() -> None:
    assert given(some) == {}
    assert given(some, "[]") == {"xs": []}


def test_a_pair_is_one_json_value() -> None:
    assert given(pair, '[1, "a"]') == {"xs": (1, "a")}


def test_a_text_may_begin_like_a_list() -> None:
    assert given(texts, "[sic] as it was") == {"xs": ["[sic] as it was"]}


@pytest.mark.parametrize(("task", "word"), [(numbers, '[1, "two"]'), (texts, '["one", 2]')])
def test_json_that_does_not_fit_is_refused_with_its_place(task: Any, word: str) -> None:
    with pytest.raises(click.BadParameter, match=r"at \$\[1\]"):
        given(task, word)


@pytest.mark.parametrize(
    ("task", "word", "why"),
    [
        (instant, "2026-01-01T00:00:00", "Expected `datetime` with a timezone component"),
        (instant, "2026", "Expected `datetime`, got `int`"),
        (reef, '{"depth": ', "truncated"),
        (reef, "deep", "Expected `object`, got `str`"),
    ],
)
def test_a_bare_text_that_does_not_fit_is_told_as_the_text_it_is(task: Any, word: str, why: str) -> None:
    with pytest.raises(click.BadParameter, match=why):
        given(task, word)
