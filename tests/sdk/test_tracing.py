"""Traced functions: what graph they give, what it captures, and that a plain call means the same."""

from __future__ import annotations

from typing import Any

import pytest

from tests.sdk.traced import (
    Box,
    Draft,
    Note,
    Order,
    Point,
    album,
    atlas,
    body_of,
    caption,
    compose,
    corner,
    forgiving,
    grow,
    media,
    passed,
    price,
    raced,
    refined,
    star,
    words,
)
from tidemill import (
    File,
    OnFailure,
    branch,
    call,
    default,
    first_of,
    loop,
    map_over,
    record,
    status_of,
    workflow,
)
from tidemill.core.conditions import text_of
from tidemill.core.graph import (
    BranchNode,
    CallNode,
    Default,
    ElementFailure,
    JoinNode,
    LoopNode,
    MapNode,
    NodeOptions,
    Rest,
    Skip,
    TaskNode,
)
from tidemill.core.terms import Constant, ListExpr, RecordExpr, Ref


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


def test_a_loop_runs_a_body_on_its_own_result_and_its_condition_stands_in_the_body() -> None:
    node = body_of(refined).nodes["thicker"]
    assert isinstance(node, LoopNode)
    assert (node.param, node.start, node.limit) == ("draft", Ref(port="draft"), 9)
    assert (node.inputs, text_of(node.until)) == ({"by": Ref(port="by")}, "grow.pages > 8")
    assert node.body.outputs == {"value": Ref("grow")}
    inner = node.body.nodes["more"]
    assert isinstance(inner, LoopNode)
    assert (inner.param, inner.inputs) == ("each", {"by": Ref(port="by")})


def test_the_body_of_a_loop_may_be_a_task_and_until_may_ask_another() -> None:
    @workflow
    def flow(draft: Draft) -> Draft:
        return loop(grow, draft, until=lambda each: corner(each).left > 3, limit=5)

    node = body_of(flow).nodes["grow"]
    assert isinstance(node, LoopNode)
    assert (set(node.body.nodes), text_of(node.until)) == ({"grow", "corner"}, "corner.left > 3")


def test_arms_of_a_join_are_named_as_what_they_do() -> None:
    nodes = body_of(raced).nodes
    first, some, each = nodes["first_of"], nodes["some_of"], nodes["each_of"]
    assert isinstance(first, JoinNode)
    assert isinstance(some, JoinNode)
    assert isinstance(each, JoinNode)
    assert [arm.name for arm in first.arms] == ["caption", "good"]
    assert [arm.name for arm in some.arms] == ["caption", "caption-2", "caption-3"]
    assert [arm.name for arm in each.arms] == ["caption", "caption-2", "arm"]
    assert [(node.need, node.single) for node in (first, some, each)] == [(1, True), (2, False), (3, False)]
    assert first.inputs == {"text": Ref(port="text")}

    @workflow
    def flow(text: str) -> str:
        return first_of(lambda: caption(text), lambda: "late", rest=Rest.LEAVE, name="race")

    race = body_of(flow).nodes["race"]
    assert isinstance(race, JoinNode)
    assert race.rest is Rest.LEAVE


def test_a_task_or_workflow_with_some_inputs_given_is_a_body_like_any_other() -> None:
    nodes = body_of(passed).nodes
    grown, fork = nodes["grow"], nodes["branch"]
    assert isinstance(grown, MapNode)
    assert (set(grown.over), grown.inputs) == ({"draft"}, {"by": Ref(port="by")})
    assert isinstance(fork, BranchNode)
    assert set(fork.cases[0].body.nodes) == {"once", "again"}
    again = fork.cases[0].body.nodes["again"]
    assert isinstance(again, LoopNode)
    assert (again.param, set(again.body.nodes)) == ("draft", {"grown_by"})
    assert isinstance(again.body.nodes["grown_by"], CallNode)


def test_a_use_may_say_what_its_failure_does_and_what_it_waits_for() -> None:
    nodes = body_of(forgiving).nodes
    bad, late, told = nodes["bad"], nodes["late"], nodes["told"]
    assert isinstance(bad, TaskNode)
    assert isinstance(late, TaskNode)
    assert isinstance(told, BranchNode)
    assert (bad.rescue, bad.after) == (Default("none"), ())
    assert (late.rescue, late.after) == (None, ("bad", "told"))
    assert [case.when and text_of(case.when) for case in told.cases] == ["status(bad) != 'skipped'", None]

    @workflow
    def flow(draft: Draft) -> int:
        both = corner.options(on_failure=default(Box(1, draft_of("x"))))(draft)
        skipped = forgiving.options(on_failure=OnFailure.SKIP_DOWNSTREAM)(["a"], both.draft)
        return branch(status_of(skipped) == "failure", then=lambda: 1, otherwise=lambda: both.left)

    nodes = body_of(flow).nodes
    assert nodes["corner"].rescue == Default({"left": 1, "draft": {"topic": "x", "pages": 1, "notes": None}})  # type: ignore[union-attr]
    assert nodes["forgiving"].rescue == Skip()  # type: ignore[union-attr]


def draft_of(topic: str) -> Draft:
    return Draft(topic, 1)


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
