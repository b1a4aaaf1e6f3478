"""Loops: rounds start with what the one before gave, end by their condition, and cost the same at any number."""

from datetime import timedelta
from typing import Any

import pytest

from tests.core.scene import RUN, Scene, graph, task, workflow
from tidemill.core.build import check
from tidemill.core.commands import FetchOperands
from tidemill.core.events import CancelRequested, FetchFailed, OperandsFetched
from tidemill.core.graph import BranchNode, Case, ConstNode, Graph, LoopNode, Workflow
from tidemill.core.run import Cancelled, Code, Ended, Failed, Failure, StepFailed, StepSucceeded, Succeeded
from tidemill.core.scopes import LoopScope
from tidemill.core.terms import Compare, Comparison, Condition, Constant, Input, IsTrue, ListExpr, RecordExpr, Ref
from tidemill.core.values import Blob, Fixed, Inline, Output

BLOB = Blob(b"b" * 32, 100_000)
NOTHING = timedelta(0)


def more_than(limit: int, what: Ref) -> Condition:
    return Compare(Comparison.MORE, what, Constant(limit))


def looping(limit: int = 5, output: Input | None = None, until: Condition | None = None) -> Workflow:
    """Grow what is there until it is more than 9."""
    body = graph({"grow": task("t.grow", x=Ref(port="x"))}, output or Ref(node="grow"), "x")
    node = LoopNode("x", Ref(port="start"), body, until or more_than(9, Ref(node="grow")), limit)
    return workflow(graph({"refine": node}, Ref(node="refine"), "start"))


def turning(limit: int) -> Workflow:
    """Rounds without a task: the second and each later one starts with a constant, and none of them is the last."""
    body = graph({"five": ConstNode(5, {})}, Ref(node="five"), "x")
    node = LoopNode("x", Ref(port="start"), body, more_than(9, Ref(node="five")), limit)
    return workflow(graph({"refine": node}, Ref(node="refine"), "start"))


def ended(scene: Scene) -> Any:
    scene.sweep()
    assert isinstance(scene.run.state, Ended), scene.run
    return scene.run.state.outcome


def work(scene: Scene, path: str, value: object) -> None:
    scene.claim()
    scene.succeed(path, value=value)


def test_a_round_starts_with_what_the_one_before_gave_until_the_condition_holds() -> None:
    scene = Scene(looping())
    scene.submit(start=1)
    work(scene, "refine[0]/grow", 4)
    work(scene, "refine[1]/grow", 8)
    assert scene.leasings[-1].inputs["x"].value.data == b"\x04"  # type: ignore[union-attr]
    work(scene, "refine[2]/grow", 12)
    assert scene.state("refine") == StepSucceeded()
    assert ended(scene) == Succeeded()
    assert scene.tables.scopes[RUN, "refine"] == LoopScope(RUN, "refine", round=2)
    assert scene.tables.scopes[RUN, "refine[2]"].given == {"x": Output("refine[1]/grow", "value")}


def test_at_its_limit_a_loop_fails_and_says_so() -> None:
    scene = Scene(looping(limit=2))
    scene.submit(start=1)
    work(scene, "refine[0]/grow", 4)
    work(scene, "refine[1]/grow", 8)
    text = "after 2 rounds, its limit, `grow > 9` does not hold"
    assert ended(scene) == Failed(Failure(Code.PERMANENT, text, path="refine"))


def test_the_failure_of_a_round_is_that_of_the_loop() -> None:
    scene = Scene(looping())
    scene.submit(start=1)
    work(scene, "refine[0]/grow", 4)
    scene.claim()
    scene.fail("refine[1]/grow")
    scene.sweep()
    state = scene.state("refine")
    assert isinstance(state, StepFailed)
    assert (state.failure.path, ended(scene)) == ("refine[1]/grow", Failed(state.failure))
    assert scene.run.failed == 1


@pytest.mark.parametrize("value", ["text", None, True])
def test_a_condition_that_cannot_be_judged_fails_the_loop(value: object) -> None:
    scene = Scene(looping(until=more_than(9, Ref(node="grow", fields=("n",)))))
    scene.submit(start=1)
    work(scene, "refine[0]/grow", value)
    assert isinstance(scene.state("refine"), StepFailed)
    assert ended(scene).failure.code is Code.INVALID_INPUT
    assert ended(scene).failure.message.startswith("after round 1: ")


def test_a_start_that_leads_nowhere_fails_the_loop() -> None:
    body = graph({"grow": task("t.grow", x=Ref(port="x"))}, Ref(node="grow"), "x")
    start = Ref(node="five", fields=("a",))
    nodes: dict[str, Any] = {
        "five": ConstNode({"b": 1}, {}),
        "make": task(),
        "refine": LoopNode("x", start, body, more_than(9, Ref(node="grow")), 5, after=("make",)),
    }
    scene = Scene(workflow(graph(nodes, Ref(node="refine"))))
    scene.submit()
    work(scene, "make", 1)
    scene.claim()
    scene.fail("refine[0]/grow", code=Code.INVALID_INPUT)
    assert isinstance(scene.state("refine"), StepFailed)


def test_rounds_that_need_no_worker_follow_each_other_in_bites_and_not_up_a_stack() -> None:
    scene = Scene(turning(limit=5_000))
    scene.submit(start=1)
    assert scene.tables.scopes[RUN, "refine"].round < 1_000
    for _ in range(5):
        assert not isinstance(scene.run.state, Ended)
        scene.pass_time(NOTHING)
    assert ended(scene).failure.message.startswith("after 5000 rounds")
    assert not scene.timers()


def test_a_cancel_between_two_bites_ends_the_loop() -> None:
    scene = Scene(turning(limit=5_000))
    scene.submit(start=1)
    scene.decide(CancelRequested(RUN, "enough"))
    scene.sweep()
    assert (ended(scene), scene.timers()) == (Cancelled("enough"), {})
    assert scene.step("refine").is_final


def test_a_value_that_is_handed_on_is_found_in_one_step_in_any_round() -> None:
    kept = RecordExpr({"n": Ref(node="grow"), "first": Ref(port="x", fields=("first",))})
    scene = Scene(looping(limit=200, output=kept))
    scene.submit(start={"n": 0, "first": "seed"})
    for number in range(100):
        work(scene, f"refine[{number}]/grow", 0)
    assert scene.tables.scopes[RUN, "refine[99]"].given["x"].fields == {
        "n": Output("refine[98]/grow", "value"),
        "first": Output("", "start", ("first",)),
    }


def test_a_value_that_grows_around_itself_is_refused_before_it_is_unwieldy() -> None:
    scene = Scene(looping(limit=200, output=ListExpr((Ref(node="grow"), Ref(port="x")))))
    scene.submit(start=[])
    number = 0
    while scene.queued():
        work(scene, f"refine[{number}]/grow", 0)
        number += 1
    assert number == 16
    assert "each round puts a list or a record around what it was given" in ended(scene).failure.message


def test_a_condition_over_a_large_value_waits_until_it_was_read() -> None:
    scene = Scene(looping())
    scene.tables.blobs[BLOB.digest] = BLOB.size
    scene.submit(start=1)
    for number in range(2):  # in each round anew
        scene.claim()
        scene.succeed(f"refine[{number}]/grow", value=BLOB)
        (order,) = [each for each in scene.pass_time(NOTHING) if isinstance(each, FetchOperands)]
        assert order.places == ((f"refine[{number}]/grow", "value"),)
        scene.decide(OperandsFetched(RUN, "refine", {order.places[0]: Inline(bytes([8 + 2 * number]))}))
    assert ended(scene) == Succeeded()


def test_a_large_value_that_cannot_be_read_fails_the_loop() -> None:
    scene = Scene(looping())
    scene.tables.blobs[BLOB.digest] = BLOB.size
    scene.submit(start=1)
    work(scene, "refine[0]/grow", BLOB)
    scene.pass_time(NOTHING)
    scene.decide(FetchFailed(RUN, "refine", Failure(Code.INVALID_INPUT, "more than 64 KiB")))
    assert ended(scene) == Failed(Failure(Code.INVALID_INPUT, "more than 64 KiB", path="refine"))


def test_a_loop_that_began_before_what_it_waits_for_in_an_arm_goes_on_after_it() -> None:
    """Rounds with a branch: some need a worker, some do not."""
    grow = graph({"grow": task("t.grow", x=Ref(port="x"))}, Ref(node="grow"), "x")
    keep = graph({}, Constant(10), "x")
    arms = (Case("grow", more_than(3, Ref(port="x")), grow), Case("keep", None, keep))
    body = graph({"if": BranchNode(arms, {"x": Ref(port="x")})}, Ref(node="if"), "x")
    node = LoopNode("x", Ref(port="start"), body, more_than(20, Ref(node="if")), 9)
    scene = Scene(workflow(graph({"refine": node}, Ref(node="refine"), "start")))
    scene.submit(start=1)
    work(scene, "refine[1]/if/grow/grow", 2)
    work(scene, "refine[3]/if/grow/grow", 21)
    assert ended(scene) == Succeeded()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"limit": 0}, "a loop's limit is from 1 to 1000000 rounds, not 0"),
        ({"param": "y"}, "the body of a loop takes 'y' and gives 'value'"),
        ({"start": Constant("text")}, r"x: .*"),
        ({"until": more_than(9, Ref(node="other"))}, "there is no node 'other'"),
        ({"until": IsTrue(Ref(node="grow"))}, "grow is a number, no bool: compare it"),
    ],
)
def test_what_is_no_loop_is_refused(change: dict[str, Any], message: str) -> None:
    number = {"type": "integer"}
    grow = task("t.grow", x=Ref(port="x"))
    body = Graph({"x": number}, {"grow": type(grow)(grow.task, grow.inputs, {"value": number})},
                 {"value": Ref(node="grow")}, {"value": number})  # fmt: skip
    how: dict[str, Any] = {"param": "x", "start": Constant(1), "until": more_than(9, Ref(node="grow")), "limit": 3}
    found = check(workflow(graph({"refine": LoopNode(body=body, **{**how, **change})}, Ref(node="refine"))), {})
    assert found
    assert any(message in each.reason for each in found) or message.startswith("x")
    assert not check(workflow(graph({"refine": LoopNode(body=body, **how)}, Ref(node="refine"))), {})


def test_a_constant_start_is_given_to_the_first_round() -> None:
    scene = Scene(looping())
    scene.submit(start=1)
    assert scene.tables.scopes[RUN, "refine[0]"].given == {"x": Output("", "start")}
    flow = looping()
    node = flow.body.nodes["refine"]
    assert isinstance(node, LoopNode)
    fixed = LoopNode("x", Constant([1]), node.body, node.until, 3)
    other = Scene(workflow(graph({"refine": fixed}, Ref(node="refine"))))
    other.submit()
    assert other.tables.scopes[RUN, "refine[0]"].given == {"x": Fixed(b"[1]")}
