"""What only a running task can do is refused in a workflow, with the words to use instead and the place."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from pathlib import Path
from typing import Any, TypedDict

import pytest

from tidemill import (
    Context,
    DefinitionError,
    Failure,
    File,
    TraceError,
    Worker,
    all_of,
    branch,
    collect,
    default,
    finally_,
    first_of,
    if_some,
    loop,
    map_over,
    record,
    size,
    some_of,
    status_of,
    switch,
    workflow,
)


@dataclass
class Draft:
    topic: str
    pages: int
    notes: str | None = None
    at: datetime | None = None

    def describe(self) -> str:
        return self.topic


class Note(TypedDict):
    text: str
    stars: int


class Kind(Enum):
    A = "a"
    B = "b"


media = Worker("media")


@media.task
def compose(topic: str, captions: list[str]) -> Draft:
    return Draft(topic, 1)


@media.task
def make(topic: str) -> Draft:
    return Draft(topic, 2)


@media.task
def shorten(draft: Draft) -> Draft:
    return draft


@media.task
def star(note: Note) -> int:
    return note["stars"]


@media.task
def caption(photo: File) -> str:
    return photo.name


@media.task
def kind(draft: Draft) -> Kind:
    return Kind.A


@media.task
def count(texts: list[str | Failure]) -> int:
    return len(texts)


kept: list[Any] = []

Body = Callable[[Draft, list[File]], Any]

MISUSES: dict[str, tuple[Body, str]] = {
    "if": (lambda d, p: d if d.pages > 4 else 0, r"make.pages > 4.*cannot decide.*use branch\("),
    "if a bool": (lambda d, p: 1 if d else 0, "cannot decide a Python branch here; use branch"),
    "and": (lambda d, p: branch(d.pages > 1 and d.pages < 3, then=lambda: 1, otherwise=lambda: 2), "all_of, any_of"),
    "&": (lambda d, p: (d.pages > 1) & (d.pages < 3), "all_of, any_of, not_"),
    "not": (lambda d, p: not d, "use branch"),
    "for": (lambda d, p: [caption(x) for x in p], r"cannot be iterated over here; use map_over\("),
    "len": (lambda d, p: len(p), r"cannot be measured here; use size\(…\)"),
    "in": (lambda d, p: "x" in d.topic, "cannot be searched here"),
    "str": (lambda d, p: str(d), "cannot be turned into text here; use a task"),
    "format": (lambda d, p: f"{d}", "cannot be turned into text"),
    "int": (lambda d, p: int(d.pages), "cannot be turned into a number"),
    "+": (lambda d, p: caption(d.pages + 1), "can only be part of a condition; use a task that calculates it"),
    "r+": (lambda d, p: caption(1 + d.pages), "can only be part of a condition; use a task that calculates it"),
    "text +": (lambda d, p: d.topic + "!", "cannot be calculated with: conditions calculate with numbers"),
    "+ text": (lambda d, p: d.pages + "!", "'!' cannot be calculated with"),
    "//": (lambda d, p: d.pages // 2, "cannot be calculated with"),
    "-": (lambda d, p: -d.pages, "cannot be calculated with"),
    "hash": (lambda d, p: {d: 1}, "cannot be a key or a member of a set"),
    "slice": (lambda d, p: p[1:], "cannot be indexed with that here; use a literal index"),
    "index": (lambda d, p: p[d.pages], "cannot be indexed with that here; use a literal index"),
    "call": (lambda d, p: d(), r"cannot be called here; use call\(task, …\)"),
    "set": (lambda d, p: setattr(d, "pages", 3), r"cannot be changed here; use record\(Class"),
    "method": (lambda d, p: d.describe(), r"cannot run \.describe here; use a task that calls it"),
    "text method": (lambda d, p: d.topic.upper(), r"cannot run \.upper here"),
    "field": (lambda d, p: d.topics, r"Draft has no field \.topics; did you mean \.topic\?"),
    "hasattr": (lambda d, p: d.strange, r"Draft has no field \.strange; it has topic, pages"),
    "no field of a list": (lambda d, p: p.name, r"list\[File\] has no field \.name"),
    "optional": (lambda d, p: d.notes.upper, r"cannot give \.upper: it may be several things here; use if_some"),
    "file path": (lambda d, p: p[0].path, r"cannot give \.path here; use a task that reads the file"),
    "compare types": (lambda d, p: d.pages > "4", "is never '4': Expected `int`, got `str`"),
    "compare dates": (lambda d, p: d.at > datetime(2020, 1, 1, tzinfo=UTC), "cannot be compared by >"),
    "compare records": (lambda d, p: d == Draft("a", 1), "cannot be compared by =="),
    "condition": (lambda d, p: branch(d, then=lambda: 1, otherwise=lambda: 2), "is no condition; compare it"),
    "a text as condition": (lambda d, p: all_of("x", d.pages > 1), "'x' is no condition; use a comparison"),  # type: ignore[arg-type]
    "conditions compare": (lambda d, p: (d.pages > 1) == (d.pages > 2), "conditions do not compare"),
    "a condition as a value": (lambda d, p: [d.pages > 1], "can only be a condition; for a bool use branch"),
    "a size as a value": (lambda d, p: compose("a", [size(p)]), "takes str, and .* is int"),  # type: ignore[list-item]
    "size of a record": (lambda d, p: size(d), "cannot be measured: it is no list"),  # type: ignore[arg-type]
    "twice": (lambda d, p: [shorten(d), shorten(d)], r"node 'shorten' already.*shorten\.options\(name="),
    "two maps": (
        lambda d, p: [map_over(lambda _: 1, p), map_over(lambda _: 2, p)],
        r"'map' already.*map_over\(…, name=",
    ),
    "edge": (lambda d, p: shorten(d.topic), r"shorten\(draft\) takes Draft, and <str from .*topic> is str"),
    "list edge": (lambda d, p: compose("a", p), r"takes list\[str\], and .* is list\[File\]"),
    "optional edge": (lambda d, p: compose(d.notes, []), r"takes str, and .* is str \| None"),
    "collected": (
        lambda d, p: compose("a", map_over(caption, p, on_failure=collect)),
        r"list\[str \| Failure\] does not fit list\[str\]",
    ),
    "literal": (lambda d, p: compose("a", [1]), r"compose\(captions\) takes list\[str\], not \[1\]: .*\(at \$\[0\]\)"),  # type: ignore[list-item]
    "mixed literal": (lambda d, p: compose("a", [d.topic, 1]), r"compose\(captions\)\[1\] takes str, not 1"),  # type: ignore[list-item]
    "dict key": (lambda d, p: star({"text": d.topic, "star": 3}), "Note has no field 'star'"),
    "dict lacks": (lambda d, p: star({"text": d.topic}), "Note needs stars too"),
    "record lacks": (lambda d, p: shorten(record(Draft, topic=d.topic)), "Draft needs pages too"),
    "record field": (lambda d, p: record(Draft, d.topic, pages="2"), "Draft.pages takes int, not '2'"),
    "local file": (lambda d, p: caption(File(Path(__file__))), "a local file cannot be part of a workflow"),
    "no list": (lambda d, p: map_over(caption, d.topic), "cannot be mapped over: it is no list"),  # type: ignore[arg-type]
    "if_some of none": (lambda d, p: if_some(d.topic, then=lambda t: t, otherwise=lambda: ""), "is never None"),
    "switch lacks": (lambda d, p: switch(kind(d), {Kind.A: lambda: 1}), "switch has no case for .*B"),
    "switch open": (
        lambda d, p: switch(d.topic, {"a": lambda: 1}),
        "no case for the rest of str; add it, or otherwise=",
    ),
    "switch strange": (lambda d, p: switch(kind(d), {"c": lambda: 1}), "is never 'c'; it is one of"),  # type: ignore[dict-item]
    "loop edge": (
        lambda d, p: loop(kind, d, until=lambda _: d.pages > 1, limit=3),
        r"the result of a round of kind, with which another starts, takes Draft, and .* is Kind",
    ),
    "loop without end": (
        lambda d, p: loop(shorten, d, until=lambda _: False, limit=3),
        "shorten: until is always False; let it compare what a round gives",
    ),
    "loop without condition": (lambda d, p: loop(shorten, d, until=lambda e: e.pages, limit=3), "is no condition"),  # type: ignore[arg-type, return-value]
    "join of none": (
        lambda d, p: some_of(3, lambda: 1, lambda: 2),
        "some_of needs 3 of 2 bodies: from 1 to all of them",
    ),
    "first of none": (lambda d, p: first_of(), "first_of needs 1 of 0 bodies"),
    "two joins": (
        lambda d, p: [first_of(lambda: 1, lambda: 2), first_of(lambda: 1, lambda: 2)],
        r"'first_of' already.*first_of\(…, name=",
    ),
    "finally with a result": (
        lambda d, p: finally_(lambda: shorten(d)),  # type: ignore[func-returns-value]
        "finally_ uses make, and takes inputs of the workflow and constants only",
    ),
    "finally inside": (
        lambda d, p: map_over(lambda each: finally_(lambda: caption(each)), p),  # type: ignore[func-returns-value]
        "finally_ stands in the workflow itself",
    ),
    "undo of another type": (
        lambda d, p: shorten.options(undo=caption)(d),  # type: ignore[arg-type]
        "shorten: its undo .*caption takes File",
    ),
    "undo that is no task": (lambda d, p: shorten.options(undo=lambda draft: None)(d), "shorten: undo is a task"),
    "default edge": (
        lambda d, p: shorten.options(on_failure=default("none"))(d),  # type: ignore[arg-type]
        "shorten: the default of its on_failure does not fit its result",
    ),
    "default of a result": (
        lambda d, p: shorten.options(on_failure=default(d))(d),
        "shorten: the default of its on_failure is known when the workflow is written",
    ),
    "after an input": (lambda d, p: shorten.options(after=p)(d), "shorten: after takes results of steps, not"),
    "after what is outside": (
        lambda d, p: map_over(lambda each: caption.options(after=d)(each), p, name="all"),  # noqa: PLW0108  # as users write it
        "caption: it can only wait for steps of its own body",
    ),
    "status of an input": (
        lambda d, p: branch(status_of(p) == "x", then=lambda: 1, otherwise=lambda: 2),
        "no result of a step",
    ),
    "status as a value": (lambda d, p: compose(status_of(d), []), "can only be compared"),
    "sibling": (
        lambda d, p: [map_over(lambda each: kept.append(caption(each)), p), count([kept[-1]])],
        "'caption' belongs to another body; give it back from that body",
    ),
    "injected": (lambda d, p: caption(p[0], ctx=1), "no parameter 'ctx'"),  # type: ignore[call-arg]
}


@pytest.mark.feature("E2")
@pytest.mark.parametrize("name", MISUSES)
def test_a_misuse_says_what_to_use_instead(name: str) -> None:
    body, message = MISUSES[name]

    def flow(topic: str, photos: list[File]) -> Any:
        return body(make(topic), photos)

    with pytest.raises((TraceError, TypeError), match=message) as caught:
        _ = workflow(flow).compiled
    assert isinstance(caught.value, TraceError) == (name != "injected")


def test_the_text_names_the_workflow_and_the_line() -> None:
    def flow(topic: str) -> Draft:
        draft = compose(topic, [])
        return shorten(draft.topic)  # type: ignore[arg-type]

    line = flow.__code__.co_firstlineno + 2
    with pytest.raises(TraceError, match=rf"^workflow flow \(test_misuse\.py:{line}\): shorten\(draft\) takes Draft"):
        _ = workflow(flow).compiled


def test_repr_of_a_standin_works() -> None:
    seen = []

    def flow(topic: str) -> Draft:
        draft = compose(topic, [])
        seen.extend([repr(draft), repr(draft.pages > 3)])
        return draft

    _ = workflow(flow).compiled
    assert seen[:2] == ["<Draft from compose>", "<condition compose.pages > 3>"]


def uses_is(topic: str) -> Draft:
    draft = compose(topic, [])
    return draft if draft.notes is None else shorten(draft)


def uses_match(topic: str) -> Draft:
    match topic:
        case "a":
            return compose(topic, [])
    return compose("b", [])


def uses_try(topic: str) -> Draft:
    try:
        return compose(topic, [])
    except ValueError:
        return Draft("b", 1)


def uses_isinstance(topic: str) -> Draft:
    moved = [compose(topic, [])]
    return moved[0] if isinstance(moved[0], Draft) else Draft("b", 1)


def uses_f_string(topic: str) -> Draft:
    return compose("a", [f"{topic!r} and more"])


def uses_getattr(photos: list[File]) -> list[str]:
    return map_over(lambda photo: getattr(photo, "name", ""), photos)


def uses_is_in_a_function(photos: list[File]) -> list[str]:
    def each(photo: File) -> str:
        return "" if photo is None else caption(photo)

    return map_over(each, photos)


@pytest.mark.parametrize(
    ("body", "line", "column", "message"),
    [
        (uses_is, 2, 21, "`is` compares a stand-in.*use ==, or if_some"),
        (uses_match, 1, 5, "`match` looks at a stand-in.*use switch"),
        (uses_try, 1, 5, "`try` sees no failure of a step"),
        (uses_isinstance, 2, 24, r"isinstance\(\) looks at a stand-in"),
        (uses_f_string, 1, 26, "an f-string cannot hold a value"),
        (uses_getattr, 1, 35, r"getattr\(\) looks at a stand-in"),
        (uses_is_in_a_function, 2, 22, "`is` compares a stand-in"),
    ],
)
def test_what_no_standin_can_catch_is_refused_with_line_and_column(
    body: Callable[..., Any], line: int, column: int, message: str
) -> None:
    place = rf"\(test_misuse\.py:{body.__code__.co_firstlineno + line}:{column}\)"
    with pytest.raises(TraceError, match=f"{place}: {message}"):
        _ = workflow(body).compiled


def test_the_same_words_on_literals_are_let_pass() -> None:
    def flow(topic: str, photos: list[File]) -> Draft:
        label = None
        names = [f"{number}" for number in range(2) if isinstance(number, int) and label is None]
        try:
            names.append("x")
        finally:
            label = "y"
        return compose(topic, names)

    assert workflow(flow).compiled.tasks == ("media.compose",)


async def is_async(topic: str) -> str:
    return topic


def is_generator(topic: str) -> Any:
    yield topic


def takes_context(ctx: Context, topic: str) -> str:
    return topic


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (is_async, "a workflow is a plain def"),
        (is_generator, "a workflow is a plain def"),
        (takes_context, "parameter ctx: only tasks are given what their worker injects"),
    ],
)
def test_what_is_no_workflow_is_refused_when_declared(body: Callable[..., Any], message: str) -> None:
    with pytest.raises(DefinitionError, match=message):
        workflow(body)


def test_a_nested_workflow_has_no_options_of_a_task() -> None:
    inner = workflow("inner")(uses_nothing)

    def flow(topic: str) -> str:
        return inner.options(retries=3)(topic)

    with pytest.raises(TraceError, match="a nested workflow has no options but its name"):
        _ = workflow(flow).compiled


def uses_nothing(topic: str) -> str:
    return topic


def test_a_policy_that_is_none_is_refused_at_once() -> None:
    with pytest.raises(TypeError, match="on_failure of a step is a member of OnFailure, or default"):
        shorten.options(on_failure="skip")  # type: ignore[arg-type]
