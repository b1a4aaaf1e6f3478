"""Nodes that may fail: what stands for them, what is left out with them, and what goes on all the same."""

from datetime import timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from tests.core.scene import NUMBER, RUN, Scene, graph, task, workflow
from tidemill.core.build import check
from tidemill.core.events import CancelRequested
from tidemill.core.graph import (
    BranchNode,
    CallNode,
    Case,
    Default,
    ElementFailure,
    Graph,
    LoopNode,
    MapNode,
    Node,
    Skip,
    Workflow,
)
from tidemill.core.run import (
    Cancelled,
    Code,
    Ended,
    Failed,
    StepCancelled,
    StepFailed,
    StepSkipped,
    StepSucceeded,
    Succeeded,
)
from tidemill.core.terms import Compare, Comparison, Constant, Input, ListExpr, Ref, StatusOf


def flow(output: Input, **nodes: Node) -> Workflow:
    return workflow(graph(nodes, output))


def risky(rescue: Any = None, **inputs: Input) -> Node:
    return replace(task("t.risky", **inputs), rescue=rescue or Skip())


def after(node: Node, *names: str) -> Any:
    return replace(node, after=names)


def ended(scene: Scene) -> Any:
    scene.sweep()
    assert isinstance(scene.run.state, Ended), scene.run
    return scene.run.state.outcome


def fail(scene: Scene, path: str, **how: Any) -> None:
    scene.claim()
    scene.fail(path, **how)


def work(scene: Scene, path: str, value: object = 1) -> None:
    scene.claim()
    scene.succeed(path, value=value)


def test_a_default_stands_for_the_output_of_a_node_that_failed() -> None:
    scene = Scene(flow(Ref(node="use"), risky=risky(Default({"n": 7})), use=task(x=Ref(node="risky", fields=("n",)))))
    scene.submit()
    fail(scene, "risky")
    assert isinstance(scene.state("risky"), StepFailed)
    scene.claim()
    given = scene.leasings[-1].inputs["x"]
    assert (given.value.data, given.fields) == (b'{"n":7}', ("n",))  # type: ignore[union-attr]
    scene.succeed("use", value=1)
    assert (ended(scene), scene.run.failed, scene.run.done) == (Succeeded(), 1, 1)


def test_a_retry_comes_before_the_rescue() -> None:
    scene = Scene(flow(Ref(node="risky"), risky=risky(Default(0))))
    scene.submit()
    fail(scene, "risky", code=Code.TRANSIENT)
    scene.pass_time(timedelta(hours=1))
    work(scene, "risky")
    assert scene.state("risky") != StepSucceeded()
    scene.succeed("risky", 2, value=1)
    assert (scene.state("risky"), ended(scene)) == (StepSucceeded(), Succeeded())


def test_what_needs_a_skipped_node_is_skipped_and_the_rest_goes_on() -> None:
    scene = Scene(
        flow(
            Ref(node="other"),
            risky=risky(),
            use=task(x=Ref(node="risky")),
            far=task(x=ListExpr((Ref(node="use"), Constant(1)))),
            other=task("t.other"),
            late=after(task("t.late"), "far"),
            told=task("t.told", x=Ref(node="late")),
        )
    )
    scene.submit()
    fail(scene, "risky")
    assert scene.state("use") == scene.state("far") == StepSkipped("risky")
    work(scene, "late")
    work(scene, "told")
    work(scene, "other")
    assert ended(scene) == Succeeded()
    assert [entry.path for entry in scene.log if entry.kind == "step_skipped"] == ["use", "far"]


def test_a_run_whose_output_was_left_out_fails_and_says_so() -> None:
    scene = Scene(flow(Ref(node="use"), risky=risky(), use=task(x=Ref(node="risky"))))
    scene.submit()
    fail(scene, "risky")
    failure = ended(scene).failure
    assert (failure.code, failure.path) == (Code.PERMANENT, "use")
    assert failure.message == "the output of the run: 'use' was left out, since 'risky' failed"


def test_a_branch_may_ask_how_a_node_ended_and_only_the_arm_that_uses_it_is_left_out() -> None:
    x = {"x": Ref(node="risky")}
    use = graph({"use": task(x=Ref(port="x"))}, Ref(node="use"), "x")
    instead = graph({"instead": task("t.instead")}, Ref(node="instead"), "x")
    well = Compare(Comparison.EQUAL, StatusOf("risky"), Constant("success"))
    branch = BranchNode((Case("then", well, use), Case("otherwise", None, instead)), x)
    scene = Scene(flow(Ref(node="if"), risky=risky(), **{"if": branch}))
    scene.submit()
    fail(scene, "risky")
    work(scene, "if/otherwise/instead")
    assert (scene.state("if"), ended(scene)) == (StepSucceeded(arm="otherwise"), Succeeded())
    never = replace(branch, cases=(Case("then", None, use),))
    other = Scene(flow(Constant(1), risky=risky(), **{"if": never}))
    other.submit()
    fail(other, "risky")
    assert other.state("if/then/use") == other.state("if") == StepSkipped("risky")
    assert ended(other) == Succeeded()


def body(output: Input | None = None) -> Graph:
    """A risky task, what uses it, and what does not."""
    nodes: dict[str, Node] = {"risky": risky(x=Ref(port="x")), "use": task(x=Ref(node="risky")), "other": task("t.o")}
    return graph(nodes, output or Ref(node="use"), "x")


def test_a_call_whose_output_was_left_out_is_left_out_unless_it_has_a_default() -> None:
    for rescue, state in ((None, StepSkipped("in/risky")), (Skip(), StepSkipped("in/risky"))):
        call = CallNode("inner", {"x": Constant(1)}, body(), rescue=rescue)
        scene = Scene(flow(Constant(1), **{"in": call}, use=task("t.use", x=Ref(node="in"))))
        scene.submit()
        fail(scene, "in/risky")
        work(scene, "in/other")
        assert scene.state("in") == scene.state("use") == state
        assert ended(scene) == Succeeded()
    call = CallNode("inner", {"x": Constant(1)}, body(), rescue=Default(5))
    scene = Scene(flow(Ref(node="use"), **{"in": call}, use=task("t.use", x=Ref(node="in"))))
    scene.submit()
    fail(scene, "in/risky")
    work(scene, "in/other")
    work(scene, "use")
    assert scene.leasings[-1].inputs["x"].value.data == b"5"  # type: ignore[union-attr]
    assert ended(scene) == Succeeded()


@pytest.mark.parametrize("how", list(ElementFailure))
def test_an_element_whose_output_was_left_out_is_that_of_the_map(how: ElementFailure) -> None:
    each = MapNode({"x": Constant([1, 2])}, body(), on_failure=how)
    scene = Scene(flow(Constant(1), all=each, use=task("t.use", x=Ref(node="all"))))
    scene.submit()
    for index in range(2):
        work(scene, f"all[{index}]/other")
    scene.fail("all[0]/risky")
    scene.succeed("all[1]/risky", value=1)
    work(scene, "all[1]/use")
    if how is ElementFailure.STOP:
        assert scene.state("all") == scene.state("use") == StepSkipped("all[0]/risky")
    else:
        assert (scene.state("all"), scene.tables.scopes[RUN, "all"].failed) == (StepSucceeded(), 1)
        work(scene, "use")
    assert ended(scene) == Succeeded()


def test_a_loop_whose_round_gives_nothing_is_left_out() -> None:
    until = Compare(Comparison.MORE, Ref(node="use"), Constant(9))
    scene = Scene(flow(Constant(1), refine=LoopNode("x", Constant(1), body(), until, 3)))
    scene.submit()
    work(scene, "refine[0]/risky")
    work(scene, "refine[0]/use")
    work(scene, "refine[0]/other")
    fail(scene, "refine[1]/risky")
    work(scene, "refine[1]/other")
    assert scene.state("refine") == StepSkipped("refine[1]/risky")
    assert ended(scene) == Succeeded()


def test_what_still_runs_in_a_part_that_failed_and_may_is_stopped() -> None:
    inner = graph({"bad": task("t.bad"), "slow": task("t.slow")}, Ref(node="slow"), "x")
    each = MapNode({"x": Constant([1, 2])}, inner, rescue=Default([]))
    scene = Scene(flow(Ref(node="use"), all=each, use=task("t.use", x=Ref(node="all"))))
    scene.submit()
    fail(scene, "all[0]/bad")
    assert isinstance(scene.state("all"), StepFailed)
    scene.sweep()
    assert "stop_asked" in scene.kinds()
    work(scene, "use")
    scene.sweep()
    scene.pass_time(timedelta(minutes=1))
    assert ended(scene) == Succeeded()
    assert scene.state("all[1]/slow") == scene.state("all[1]/bad") == StepCancelled()


def test_a_cancel_is_no_failure_and_nothing_stands_for_it() -> None:
    scene = Scene(flow(Ref(node="use"), risky=risky(Default(0)), use=task(x=Ref(node="risky"))))
    scene.submit()
    scene.decide(CancelRequested(RUN, "enough"))
    assert ended(scene) == Cancelled("enough")
    assert scene.state("risky") == StepCancelled()


def test_without_a_rescue_anywhere_a_failure_ends_the_run_as_before() -> None:
    scene = Scene(flow(Ref(node="use"), risky=task(), use=task(x=Ref(node="risky"))))
    scene.submit()
    fail(scene, "risky")
    assert isinstance(ended(scene), Failed)


@pytest.mark.parametrize(
    ("value", "ports", "message"),
    [
        ("text", ["value"], "its default: "),
        (1, ["a", "b"], "its default is a record of its outputs: a, b"),
        ({"a": 1, "b": "text"}, ["a", "b"], "its default: "),
    ],
)
def test_a_default_that_does_not_fit_is_refused(value: Any, ports: list[str], message: str) -> None:
    node = replace(task(), outputs=dict.fromkeys(ports, NUMBER), rescue=Default(value))
    (problem,) = check(flow(Ref(node="risky", port=ports[0]), risky=node), {})
    assert problem.place == "risky"
    assert problem.reason.startswith(message)
