"""Values that do not lie in a row: asked for by a timer, answered by an event, used once."""

from datetime import timedelta
from typing import Any

import pytest

from tests.core.scene import RUN, Scene, graph, inline, task, workflow
from tidemill.core.chunks import pack
from tidemill.core.commands import Command, FetchLists, FetchOperands
from tidemill.core.events import FetchFailed, ItemsStreamed, ListFetched, OperandsFetched
from tidemill.core.graph import BranchNode, CallNode, Case, MapNode, Workflow
from tidemill.core.run import Code, Failure, StepFailed, Waiting
from tidemill.core.terms import Compare, Comparison, Condition, Constant, RecordExpr, Ref, Size
from tidemill.core.values import Blob, Encoding, Inline, Streamed

BLOB = Blob(b"b" * 32, 100_000)
NOTHING = timedelta(0)


def over_task(window: int = 2) -> Workflow:
    """A map over the output of a task."""
    body = graph({"each": task(x=Ref(port="x"))}, Ref(node="each"), "x")
    nodes: dict[str, Any] = {"list": task("t.list"), "all": MapNode({"x": Ref(node="list")}, body, {}, window)}
    return workflow(graph(nodes, Ref(node="all")))


def branching(when: Condition, **nodes: Any) -> Workflow:
    arm = graph({"in": task()}, Ref(node="in"))
    return workflow(
        graph({**nodes, "if": BranchNode((Case("then", when, arm), Case("else", None, arm)))}, Ref(node="if"))
    )


def scene_with(flow: Workflow, *done: tuple[str, Any]) -> Scene:
    """A run whose tasks ``done`` have given these values."""
    scene = Scene(flow)
    scene.tables.blobs[BLOB.digest] = BLOB.size
    scene.submit()
    scene.claim()
    for path, value in done:
        scene.succeed(path, value=value)
    return scene


def asked(scene: Scene) -> list[Command]:
    return [each for each in scene.pass_time(NOTHING) if isinstance(each, (FetchLists, FetchOperands))]


def fetched(path: str, items: list[Any]) -> ListFetched:
    chunks = dict(enumerate(pack([inline(each).data for each in items], Encoding.MSGPACK)))
    return ListFetched(RUN, path, {"x": len(items)}, {"x": chunks}, done=True)


def scene_with_large_list() -> Scene:
    scene = Scene(over_task())
    scene.tables.blobs[BLOB.digest] = BLOB.size
    scene.submit()
    scene.claim()
    scene.succeed("list", value=BLOB)
    return scene


def test_a_large_list_is_asked_for_and_opens_the_map_when_it_comes() -> None:
    scene = scene_with_large_list()
    assert [type(each) for each in asked(scene)] == [FetchLists]
    scene.decide(fetched("all", [1, 2, 3]))
    assert scene.queued() == ["all[0]/each", "all[1]/each"]
    assert ("fetch", "all") not in scene.timers()


def test_a_fetch_is_asked_for_again_when_no_answer_comes() -> None:
    scene = scene_with_large_list()
    assert len(asked(scene)) == 1
    assert asked(scene) == []
    assert [type(each) for each in scene.pass_time(timedelta(minutes=2))] == [FetchLists]


def test_a_list_that_comes_twice_opens_its_map_once() -> None:
    scene = scene_with_large_list()
    scene.decide(fetched("all", [1, 2, 3]))
    scene.claim()
    scene.succeed("all[0]/each", value=1)
    before = dict(scene.tables.scopes)
    scene.decide(fetched("all", [1, 2, 3]))
    assert scene.tables.scopes == before
    scene.claim()
    for index in (1, 2):
        scene.succeed(f"all[{index}]/each", value=1)
    assert scene.run.status == "succeeded"


def test_a_fetch_that_fails_after_its_list_came_changes_nothing() -> None:
    scene = scene_with_large_list()
    scene.decide(fetched("all", [1]))
    scene.decide(FetchFailed(RUN, "all", Failure(Code.INVALID_INPUT, "too late")))
    assert isinstance(scene.state("all"), Waiting)
    assert scene.run.status == "running"


def test_a_fetch_that_fails_fails_the_step_with_its_reason() -> None:
    scene = scene_with_large_list()
    scene.decide(FetchFailed(RUN, "all", Failure(Code.INVALID_INPUT, "map_over needs a list, and got null")))
    state = scene.state("all")
    assert isinstance(state, StepFailed)
    assert (state.failure.message, state.failure.path) == ("map_over needs a list, and got null", "all")
    assert ("step_failed", "all") in [(entry.kind, entry.path) for entry in scene.log]


def test_a_list_in_bites_opens_its_map_with_the_last() -> None:
    scene = scene_with_large_list()
    chunks = list(pack([inline(each).data for each in range(600)], Encoding.MSGPACK))
    scene.decide(ListFetched(RUN, "all", {}, {"x": {0: chunks[0], 1: chunks[1]}}, done=False))
    assert scene.queued() == []
    scene.decide(ListFetched(RUN, "all", {"x": 600}, {"x": {2: chunks[2]}}, done=True))
    assert scene.queued() == ["all[0]/each", "all[1]/each"]


# Conditions ----------------------------------------------------------------------------------------


def test_an_operand_is_asked_for_and_judged_once() -> None:
    when = Compare(Comparison.EQUAL, Ref(node="a", fields=("kind",)), Constant("x"))
    scene = scene_with(branching(when, a=task()))
    scene.succeed("a", value=BLOB)
    [order] = asked(scene)
    assert isinstance(order, FetchOperands)
    assert order.places == (("a", "value"),)
    answer = OperandsFetched(RUN, "if", {("a", "value"): inline({"kind": "x"})})
    scene.decide(answer)
    assert scene.queued() == ["if/then/in"]
    scene.claim()
    scene.decide(answer)
    assert scene.queued() == [], "its arm was opened again"
    scene.succeed("if/then/in", value=1)
    assert scene.run.status == "succeeded"


def test_all_large_operands_of_a_branch_are_asked_for_together() -> None:
    inner = graph({"p": task(), "q": task()}, RecordExpr({"p": Ref(node="p"), "q": Ref(node="q")}))
    when = Compare(Comparison.EQUAL, Ref(node="c", fields=("q", "n")), Ref(node="c", fields=("p", "n")))
    scene = scene_with(branching(when, c=CallNode("inner", {}, inner)))
    scene.succeed("c/p", value=BLOB)
    scene.succeed("c/q", value=BLOB)
    [order] = asked(scene)
    assert isinstance(order, FetchOperands)
    assert set(order.places) == {("c/p", "value"), ("c/q", "value")}
    scene.decide(OperandsFetched(RUN, "if", {place: inline({"n": 1}) for place in order.places}))
    assert scene.queued() == ["if/then/in"]


def test_an_answer_that_lacks_an_operand_fails_the_branch_instead_of_asking_for_ever() -> None:
    when = Compare(Comparison.EQUAL, Ref(node="a"), Constant("x"))
    scene = scene_with(branching(when, a=task()))
    scene.succeed("a", value=BLOB)
    asked(scene)
    scene.decide(OperandsFetched(RUN, "if", {("other", "value"): inline(1)}))
    assert isinstance(scene.state("if"), StepFailed)
    assert asked(scene) == []


def test_the_length_of_a_stream_needs_no_reading() -> None:
    when = Compare(Comparison.MORE, Size(Ref(node="a")), Constant(1))
    scene = scene_with(branching(when, a=task()))
    scene.decide(ItemsStreamed(RUN, "a", 1, 0, (b"\x01", b"\x02")))
    scene.succeed("a", value=Streamed(1, 2))
    assert scene.queued() == ["if/then/in"]


# Values that nobody can read -----------------------------------------------------------------------

POISON = [
    pytest.param(Inline(b"\xc1"), id="no msgpack"),
    pytest.param(Inline(b"\x91" * 5000), id="nested too deep"),
    pytest.param(Inline(b"\xa2\xff\xff"), id="no UTF-8"),
    pytest.param(Inline(b"", Encoding.JSON), id="no JSON"),
    pytest.param(Inline(b'"\xff"', Encoding.JSON), id="no UTF-8 in JSON"),
    pytest.param(Inline(b"[" * 5000, Encoding.JSON), id="JSON nested too deep"),
]


@pytest.mark.parametrize("value", POISON)
def test_a_list_that_cannot_be_read_fails_its_map(value: Inline) -> None:
    scene = scene_with(over_task())
    scene.succeed("list", value=value)
    state = scene.state("all")
    assert isinstance(state, StepFailed)
    assert state.failure.code is Code.INVALID_INPUT


@pytest.mark.parametrize("value", POISON)
def test_an_operand_that_cannot_be_read_fails_its_branch_with_the_condition_shown(value: Inline) -> None:
    when = Compare(Comparison.EQUAL, Ref(node="a", fields=("kind",)), Constant("x"))
    scene = scene_with(branching(when, a=task()))
    scene.succeed("a", value=value)
    state = scene.state("if")
    assert isinstance(state, StepFailed)
    assert "`a.kind == 'x'`" in state.failure.message


def test_a_large_element_of_a_constant_list_is_left_to_the_shell() -> None:
    body = graph({"each": task(x=Ref(port="x"))}, Ref(node="each"), "x")
    flow = workflow(graph({"all": MapNode({"x": Constant(["y" * 20_000])}, body)}, Ref(node="all")))
    scene = Scene(flow)
    scene.submit()
    assert [type(each) for each in asked(scene)] == [FetchLists]
