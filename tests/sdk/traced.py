"""Records, tasks and workflows that the tests of tracing use."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from functools import partial
from typing import Any, NamedTuple, TypedDict

import msgspec

from tidemill import (
    Failure,
    Worker,
    all_of,
    any_of,
    branch,
    call,
    collect,
    default,
    each_of,
    first_of,
    if_some,
    loop,
    map_over,
    not_,
    ops,
    size,
    some_of,
    status_of,
    switch,
    workflow,
)
from tidemill.core.build import check
from tidemill.core.documents import parse_document
from tidemill.core.graph import (
    Graph,
)
from tidemill.sdk.workflow import Workflow


@dataclass
class Draft:
    topic: str
    pages: int
    notes: str | None = None


@dataclass
class Order:
    draft: Draft
    copies: int = 1

    def __post_init__(self) -> None:
        if self.copies < 1:
            raise ValueError("copies count from 1")


class Box(NamedTuple):
    left: int
    draft: Draft


class Note(TypedDict, total=False):
    text: str
    stars: int


class Point(msgspec.Struct, rename="camel"):
    in_x: int


class Kind(Enum):
    SHORT = "short"
    LONG = "long"


media = Worker("media")


@media.task
def compose(topic: str, captions: list[str], notes: str | None = None) -> Draft:
    return Draft(topic, len(captions), notes)


@media.task
def grow(draft: Draft, by: int = 1) -> Draft:
    return Draft(draft.topic, draft.pages + by, draft.notes)


@media.task
def caption(text: str) -> str:
    if text == "bad":
        raise ValueError("bad text")
    return text.upper()


@media.task
def kind(draft: Draft) -> Kind:
    return Kind.LONG if draft.pages > 2 else Kind.SHORT


@media.task
def corner(draft: Draft) -> Box:
    return Box(draft.pages, draft)


@media.task
def price(order: Order) -> float:
    return 2.0 * order.copies


@media.task
def star(note: Note, point: Point) -> int:
    return note.get("stars", 0) + point.in_x


@media.task
def measure(texts: list[str | Failure], box: Box | None = None) -> int:
    return sum(isinstance(each, str) for each in texts)


def body_of(flow: Workflow[..., Any]) -> Graph:
    parsed = parse_document(flow.compiled.document)
    assert parsed == flow.compiled.workflow
    assert check(parsed, {each.name: each for each in media.definitions()}) == []
    return parsed.body


@workflow
def album(topic: str, texts: list[str], notes: str | None = None) -> Draft:
    captions = map_over(lambda text: caption(text), texts, window=4)  # noqa: PLW0108  # as users write it
    draft = compose(topic, captions, notes)
    return branch(draft.pages > 2, then=lambda: grow(draft, by=3), otherwise=lambda: draft)


@workflow
def atlas(topics: list[str], texts: list[str]) -> list[Draft]:
    return map_over(lambda topic: album(topic, texts), topics)


@workflow
def forgiving(texts: list[str], draft: Draft) -> list[str]:
    """What fails has a default; a step waits for another that it does not use."""
    bad = caption.options(name="bad", on_failure=default("none"))(texts[0])
    told = branch(status_of(bad) != "skipped", then=lambda: bad, otherwise=lambda: "", name="told")
    return [told, caption.options(name="late", after=[bad, told])("x")]


@workflow
def raced(text: str, draft: Draft) -> list[str]:
    """The first, some and each of bodies that run side by side; of those that give the same, any may win."""
    first = first_of(lambda: caption("bad"), lambda: caption.options(name="good")(text))
    some = some_of(2, lambda: caption(text), lambda: caption(text), lambda: caption("bad"))
    each = each_of(lambda: caption(text), lambda: caption(draft.topic), lambda: text)
    return [first, some[1], each[0], each[1], each[2]]


@workflow
def figured(draft: Draft, texts: list[str], note: str) -> list[str]:
    """Operations of the server, which call no worker."""
    pages = ops.add(draft.pages, ops.multiply(draft.pages, 2))
    share = ops.divide(pages, ops.add(ops.length(texts), 1, name="all"))
    pairs = ops.zipped(texts, ops.backwards(texts))
    line = ops.fill("{topic}: {pages} ({share})", topic=draft.topic, pages=pages, share=ops.rounded(share, 1))
    last = branch(ops.more(pages, 5), then=lambda: ops.upper(line), otherwise=lambda: line)
    firsts = map_over(lambda pair: ops.join([pair[0], pair[1]], "+"), pairs)
    return ops.concat(ops.ordered(ops.unique(firsts)), [last, ops.join(ops.split(note, "x"), "-", name="dashed")])


def twice(step: Callable[[Draft], Draft], draft: Draft) -> Draft:
    """Builds a part of a workflow of what it is given: a task or a workflow, either with some inputs."""
    return loop(
        step, map_over(step, [draft], name="once")[0], until=lambda each: each.pages > 20, limit=9, name="again"
    )


@workflow
def grown_by(by: int, draft: Draft) -> Draft:
    return grow(draft, by)


@workflow
def passed(draft: Draft, by: int) -> list[Draft]:
    """A task and a workflow as values, with some of their inputs given."""
    grown = map_over(partial(grow, by=by), [draft, draft])
    first = branch(by > 2, then=lambda: twice(partial(grown_by, by), draft), otherwise=lambda: draft)
    return [grown[1], first, call(grow.options(name="called"), first, by=9)]


@workflow
def refined(draft: Draft, by: int) -> Draft:
    """Rounds that use what lies around them; one of them has a loop of its own, whose rounds need no worker."""

    def thicker(draft: Draft) -> Draft:
        more = loop(lambda each: grow(each, by=by), draft, until=lambda each: each.pages > 3, limit=9, name="more")
        return grow(more, by=1)

    return loop(thicker, draft, until=lambda each: each.pages > 8, limit=9)


@workflow
def words(draft: Draft, texts: list[str], label: str | None = None, flag: bool = False) -> list[Draft]:
    left, moved = corner(draft)
    sized = switch(kind(moved), {Kind.SHORT: lambda: grow(moved), Kind.LONG: lambda: moved})
    noted = if_some(label, then=lambda text: compose(text, [text, "x"], text), otherwise=lambda: None)
    some = map_over(caption, texts, on_failure=collect)
    number = measure(some, Box(left, sized))
    made = Draft(sized.topic, number, None)
    enough = any_of(all_of(size(texts) > 1, not_(left == 0), flag), noted == None)  # noqa: E711
    last = branch(enough, then=lambda: made, otherwise=lambda: grow.options(name="once")(made, by=left), name="last")
    return [last, if_some(noted, then=lambda draft: draft, otherwise=lambda: made, name="noted")]
