"""Traced functions: what graph they give, what it captures, and that a plain call means the same."""

from __future__ import annotations

import random
from dataclasses import dataclass
from enum import Enum
from itertools import count
from typing import Any, Literal, NamedTuple, TypedDict

import msgspec
import pytest

from tidemill import (
    Failure,
    File,
    OnFailure,
    TraceError,
    Worker,
    all_of,
    any_of,
    branch,
    call,
    collect,
    if_some,
    map_over,
    not_,
    record,
    size,
    switch,
    workflow,
)
from tidemill.core.build import check
from tidemill.core.conditions import text_of
from tidemill.core.documents import parse_document
from tidemill.core.graph import (
    BranchNode,
    CallNode,
    Constant,
    ElementFailure,
    Graph,
    ListExpr,
    MapNode,
    NodeOptions,
    RecordExpr,
    Ref,
    TaskNode,
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


def test_a_call_is_a_node_named_after_its_task() -> None:
    graph = body_of(album)
    node = graph.nodes["compose"]
    assert isinstance(node, TaskNode)
    assert (node.task, node.schema) == ("media.compose", compose.definition.digest)
    assert node.inputs == {"topic": Ref(port="topic"), "captions": Ref("map"), "notes": Ref(port="notes")}
    assert graph.optional == {"notes": None}
    assert body_of(words).inputs["draft"]["$defs"]["Draft"]["additionalProperties"] is False
    assert graph.outputs == {"value": Ref("branch")}


def test_a_body_is_a_closed_graph_whose_captures_are_its_inputs() -> None:
    graph = body_of(album)
    fork = graph.nodes["branch"]
    assert isinstance(fork, BranchNode)
    assert [(case.name, case.when and text_of(case.when)) for case in fork.cases] == [
        ("then", "compose.pages > 2"),
        ("otherwise", None),
    ]
    assert fork.inputs == {"compose": Ref("compose")}
    assert fork.cases[0].body.nodes["grow"].inputs == {"draft": Ref(port="compose"), "by": Constant(3)}  # type: ignore[union-attr]
    assert fork.cases[1].body.outputs == {"value": Ref(port="compose")}


def test_a_map_runs_a_body_per_element_and_a_nested_workflow_is_a_call() -> None:
    node = body_of(atlas).nodes["map"]
    assert isinstance(node, MapNode)
    assert (node.over, node.inputs) == ({"topic": Ref(port="topics")}, {"texts": Ref(port="texts")})
    inner = node.body.nodes["album"]
    assert isinstance(inner, CallNode)
    assert inner.inputs == {"topic": Ref(port="topic"), "texts": Ref(port="texts")}
    assert inner.body == album.compiled.workflow.body
    assert atlas.compiled.tasks == ("media.caption", "media.compose", "media.grow")


def test_literals_and_records_may_hold_standins() -> None:
    graph = body_of(words)
    measured = graph.nodes["measure"].inputs  # type: ignore[union-attr]
    assert measured["box"] == ListExpr((Ref("corner", "left"), Ref("switch")))
    last = graph.nodes["last"]
    assert isinstance(last, BranchNode)
    assert last.cases[0].body.outputs["value"] == RecordExpr(
        {"topic": Ref(port="switch", fields=("topic",)), "pages": Ref(port="measure"), "notes": Constant(None)}
    )
    assert text_of(last.cases[0].when) == (  # type: ignore[arg-type]
        "((size(texts) > 1) and (not (corner.left == 0)) and (flag)) or (not (if_some is present))"
    )


def test_a_value_that_is_there_is_an_input_of_its_own_type() -> None:
    node = body_of(words).nodes["if_some"]
    assert isinstance(node, BranchNode)
    assert node.inputs == {"text": Ref(port="label")}
    assert node.cases[0].body.inputs == {"text": {"type": "string"}}


def test_collected_failures_are_in_the_type() -> None:
    node = body_of(words).nodes["caption"]
    assert isinstance(node, MapNode)
    assert node.on_failure is ElementFailure.COLLECT


def test_typed_dicts_structs_and_validating_classes_become_records() -> None:
    @workflow
    def flow(draft: Draft, number: int) -> list[float]:
        order = record(Order, draft, copies=number)
        star(Note(text=draft.topic), Point(in_x=order.draft.pages))
        return [price(order), 3.0]

    graph = body_of(flow)
    assert graph.nodes["price"].inputs == {  # type: ignore[union-attr]
        "order": RecordExpr({"draft": Ref(port="draft"), "copies": Ref(port="number")})
    }
    assert graph.nodes["star"].inputs == {  # type: ignore[union-attr]
        "note": RecordExpr({"text": Ref(port="draft", fields=("topic",))}),
        "point": RecordExpr({"inX": Ref(port="draft", fields=("pages",))}),
    }
    with pytest.raises(ValueError, match="copies count from 1"):
        flow(Draft("a", 1), 0)


def test_several_outputs_are_ports() -> None:
    @workflow
    def both(draft: Draft) -> Box:
        return Box(corner(draft).left, grow(draft))

    assert body_of(both).outputs == {"left": Ref("corner", "left"), "draft": Ref("grow")}
    assert set(both.signature.outputs) == {"left", "draft"}

    @workflow
    def through(draft: Draft) -> Box:
        return both(draft)

    assert body_of(through).outputs == {"left": Ref("both", "left"), "draft": Ref("both", "draft")}


def test_fields_of_files_tuples_lists_and_dicts_are_known() -> None:
    @media.task
    def many(name: str, data: Any) -> dict[str, list[tuple[int, File]]]:
        return data  # type: ignore[no-any-return]

    @workflow
    def flow(data: dict[str, Any]) -> str:
        _, file = many("x", data["a"])["b"][0]
        return branch(file.size > 3, then=lambda: file.name, otherwise=lambda: file.digest)

    node = body_of(flow).nodes["branch"]
    assert isinstance(node, BranchNode)
    assert text_of(node.cases[0].when) == "many.b[0][1].size > 3"  # type: ignore[arg-type]
    assert node.cases[1].body.outputs == {"value": Ref(port="many", fields=("b", 0, 1, "$file"))}


def test_options_and_names_go_with_the_node() -> None:
    @workflow
    def flow(draft: Draft) -> Draft:
        first = call(grow.options(name="first", retries=5, timeout=2), draft)
        return album.options(name="again")(grow(first).topic, [])

    graph = body_of(flow)
    assert graph.nodes["first"].options == NodeOptions(retries=5, timeout_s=2)  # type: ignore[union-attr]
    assert list(graph.nodes) == ["again", "first", "grow"]


def test_several_lists_go_in_step() -> None:
    @workflow
    def flow(topics: list[str], drafts: list[Draft]) -> list[Draft]:
        return map_over(lambda topic, draft, extra: compose(topic, [draft.topic, extra]), topics, drafts, ["a", "b"])

    node = body_of(flow).nodes["map"]
    assert isinstance(node, MapNode)
    assert node.over == {
        "topic": Ref(port="topics"),
        "draft": Ref(port="drafts"),
        "extra": Constant(["a", "b"]),
    }


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
