"""Joins: what ends them, what they give, what becomes of the arms that they do not need."""

from datetime import timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from tests.core.scene import RUN, Scene, graph, task, workflow
from tidemill.core.build import check
from tidemill.core.events import CancelRequested
from tidemill.core.graph import Arm, ConstNode, Default, Graph, JoinNode, Node, Rest, Skip, Workflow
from tidemill.core.run import (
    AttemptEnded,
    Cancelled,
    Code,
    End,
    Ended,
    Failed,
    Held,
    StepCancelled,
    StepFailed,
    StepSucceeded,
    Stopping,
    Succeeded,
)
from tidemill.core.terms import Ref


def arm(name: str) -> Arm:
    """One task of the arm's name."""
    return Arm(name, graph({name: task(f"t.{name}")}, Ref(node=name)))


def joining(need: int, *names: str, **how: Any) -> Workflow:
    node = JoinNode(tuple(map(arm, names)), need, **how)
    return workflow(graph({"race": node, "use": task("t.use", x=Ref(node="race"))}, Ref(node="use")))


def begun(flow: Workflow) -> Scene:
    scene = Scene(flow)
    scene.submit()
    scene.claim()
    return scene


def ended(scene: Scene) -> Any:
    scene.sweep()
    assert isinstance(scene.run.state, Ended), scene.run
    return scene.run.state.outcome


def given(scene: Scene) -> Any:
    """What the step that uses the join got."""
    scene.claim()
    return scene.leasings[-1].inputs["x"]


def test_the_first_success_is_the_result_and_the_rest_is_stopped_with_a_proof() -> None:
    scene = begun(joining(1, "a", "b", single=True))
    scene.succeed("race/b/b", value=7)
    assert scene.state("race") == StepSucceeded(arm="b")
    assert given(scene).value.data == b"\x07"
    scene.sweep()
    assert isinstance(scene.attempt("race/a/a"), Stopping)
    scene.succeed("use", value=1)
    scene.sweep()
    assert not isinstance(scene.run.state, Ended), "a worker still holds a step"
    scene.fail("race/a/a", code=Code.CANCELLED)
    assert (ended(scene), scene.state("race/a/a")) == (Succeeded(), StepCancelled())
    assert (scene.run.live, scene.run.done, scene.run.failed) == (0, 2, 0)


def test_a_result_that_beats_the_stop_is_recorded_and_changes_nothing() -> None:
    scene = begun(joining(1, "a", "b", single=True))
    scene.succeed("race/b/b", value=7)
    scene.sweep()
    scene.succeed("race/a/a", value=8)
    scene.claim()
    scene.succeed("use", value=1)
    assert (ended(scene), scene.state("race")) == (Succeeded(), StepSucceeded(arm="b"))
    assert scene.state("race/a/a") == StepSucceeded()


def test_some_of_them_give_a_list_in_the_order_of_the_arms() -> None:
    scene = begun(joining(2, "a", "b", "c"))
    scene.succeed("race/c/c", value=3)
    assert isinstance(scene.state("race/a/a"), Held)
    scene.succeed("race/a/a", value=1)
    assert [each.value.data for each in given(scene).items] == [b"\x01", b"\x03"]
    scene.sweep()
    scene.pass_time(timedelta(minutes=1))
    scene.succeed("use", value=1)
    assert ended(scene) == Succeeded()
    attempt = scene.attempt("race/b/b")
    assert isinstance(attempt, AttemptEnded)
    assert attempt.end is End.PRESUMED


def test_arms_that_are_left_go_on_and_the_graph_ends_after_them() -> None:
    scene = begun(joining(1, "a", "b", "c", single=True, rest=Rest.LEAVE))
    scene.succeed("race/a/a", value=1)
    scene.claim()
    scene.succeed("use", value=2)
    scene.sweep()
    assert not isinstance(scene.run.state, Ended)
    assert isinstance(scene.state("race/b/b"), Held)
    scene.fail("race/b/b")
    assert not isinstance(scene.run.state, Ended)
    scene.succeed("race/c/c", value=3)
    assert (ended(scene), scene.state("race/c/c")) == (Succeeded(), StepSucceeded())
    assert scene.tables.scopes[RUN, "race"].done == ("a",)


def test_a_cancel_stops_the_arms_that_were_left() -> None:
    scene = begun(joining(1, "a", "b", single=True, rest=Rest.LEAVE))
    scene.succeed("race/a/a", value=1)
    scene.decide(CancelRequested(RUN, "enough"))
    scene.sweep()
    assert isinstance(scene.attempt("race/b/b"), Stopping)
    scene.fail("race/b/b", code=Code.CANCELLED)
    assert ended(scene) == Cancelled("enough")


@pytest.mark.parametrize("rest", list(Rest))
def test_when_too_many_arms_failed_the_join_says_what_failed(rest: Rest) -> None:
    scene = begun(joining(2, "a", "b", "c", rest=rest))
    scene.fail("race/a/a")
    assert isinstance(scene.state("race/b/b"), Held)
    scene.fail("race/c/c", code=Code.INVALID_INPUT)
    state = scene.state("race")
    assert isinstance(state, StepFailed)
    assert state.failure.message == "2 of 3 arms failed, and 2 had to succeed: a: it broke; c: it broke"
    scene.sweep()
    scene.fail("race/b/b", code=Code.CANCELLED)
    assert ended(scene) == Failed(state.failure)
    assert scene.run.live == 0


def test_each_of_them_is_needed_where_all_are() -> None:
    scene = begun(joining(2, "a", "b"))
    scene.succeed("race/b/b", value=2)
    scene.succeed("race/a/a", value=1)
    assert [each.value.data for each in given(scene).items] == [b"\x01", b"\x02"]
    scene = begun(joining(2, "a", "b"))
    scene.fail("race/a/a", code=Code.INVALID_INPUT)
    state = scene.state("race")
    assert isinstance(state, StepFailed)
    assert state.failure.code is Code.INVALID_INPUT


def test_an_arm_that_needs_no_worker_wins_before_others_begin() -> None:
    quick = Arm("quick", graph({"one": ConstNode(1, {})}, Ref(node="one")))
    node = JoinNode((quick, arm("slow")), 1, single=True)
    scene = Scene(workflow(graph({"race": node}, Ref(node="race"))))
    scene.submit()
    assert (ended(scene), scene.queued()) == (Succeeded(), [])
    left = replace(node, rest=Rest.LEAVE)
    scene = begun(workflow(graph({"race": left}, Ref(node="race"))))
    assert not isinstance(scene.run.state, Ended)
    scene.succeed("race/slow/slow", value=1)
    assert ended(scene) == Succeeded()


def test_a_join_that_failed_may_have_a_default_and_what_still_runs_in_it_is_stopped() -> None:
    flow = joining(3, "a", "b", "c")
    race = replace(flow.body.nodes["race"], rescue=Default([]))  # type: ignore[type-var]
    nodes: dict[str, Node] = {**flow.body.nodes, "race": race}  # type: ignore[dict-item]
    scene = begun(workflow(replace(flow.body, nodes=nodes)))
    scene.fail("race/b/b")
    scene.sweep()
    assert isinstance(scene.attempt("race/a/a"), Stopping)
    assert given(scene).value.data == b"[]"
    scene.succeed("use", value=1)
    scene.fail("race/a/a", code=Code.CANCELLED)
    scene.fail("race/c/c", code=Code.CANCELLED)
    assert ended(scene) == Succeeded()


def test_an_arm_whose_output_was_left_out_has_failed() -> None:
    risky = replace(task("t.risky"), rescue=Skip())
    lame = Arm("lame", graph({"risky": risky, "use": task(x=Ref(node="risky"))}, Ref(node="use")))
    flow = workflow(graph({"race": JoinNode((lame, arm("b")), 1, single=True)}, Ref(node="race")))
    scene = begun(flow)
    scene.fail("race/lame/risky")
    assert scene.tables.scopes[RUN, "race"].failed == {"lame": "it broke"}
    scene.succeed("race/b/b", value=1)
    assert ended(scene) == Succeeded()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"need": 0}, "a join needs from 1 to all 2 of its arms, not 0"),
        ({"need": 3}, "a join needs from 1 to all 2 of its arms, not 3"),
        ({"need": 2, "single": True}, "a join with one output needs one arm"),
        ({"arms": (arm("a"), arm("a"))}, "two arms have one name"),
        ({"arms": (arm("a"), replace(arm("b"), name="b/c"))}, "'b/c' is no name for an arm"),
    ],
)
def test_what_is_no_join_is_refused(change: dict[str, Any], message: str) -> None:
    node = replace(JoinNode((arm("a"), arm("b")), 1), **change)
    body: Graph = graph({"race": node}, Ref(node="race"))
    assert message in [problem.reason for problem in check(workflow(body), {})]
