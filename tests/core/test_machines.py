"""Machines of states: where transitions lead, what visits see of each other, and how each ends."""

import re
from typing import Any

import pytest
from msgspec import structs

from tests.core.scene import NUMBER, RUN, Scene, graph, inline, task
from tidemill.core.build import check
from tidemill.core.events import AttemptSucceeded, CancelRequested
from tidemill.core.graph import (
    FORMAT,
    Arm,
    BranchNode,
    CallNode,
    Case,
    End,
    Ending,
    Graph,
    JoinNode,
    LoopNode,
    MachineNode,
    Node,
    State,
    Transition,
    Workflow,
)
from tidemill.core.run import Cancelled, Code, Ended, Failed, StepFailed, StepSucceeded, Succeeded
from tidemill.core.scopes import MachineScope
from tidemill.core.terms import Compare, Comparison, Condition, Constant, Input, IsTrue, RecordExpr, Ref, StatusOf

DONE = End(Ending.SUCCESS, outputs={"value": Ref(node="write")})


def body(name: str, *inputs: str, output: Input | None = None) -> Graph:
    """One task of the state's own name, which takes all inputs."""
    return graph(
        {name: task(f"t.{name}", **{each: Ref(port=each) for each in inputs})}, output or Ref(node=name), *inputs
    )


def machine(start: str, **states: State) -> Workflow:
    return Workflow(FORMAT, "scene", start, states, inputs={"topic": {}}, types={"value": {}})


def score(at_least: float) -> Condition:
    return Compare(Comparison.AT_LEAST, Ref(node="check"), Constant(at_least))


def writing(**more: Any) -> Workflow:
    """Write, check, write again until the check is content."""
    again = Transition("write", **more)
    return machine(
        "write",
        write=State(
            body("write", "topic", "last"),
            {"topic": Ref(port="topic"), "last": Ref(node="check")},
            (Transition("check"),),
        ),
        check=State(body("check", "draft"), {"draft": Ref(node="write")}, (Transition(DONE, when=score(0.8)), again)),
    )


def ended(scene: Scene) -> Any:
    assert isinstance(scene.run.state, Ended), scene.run
    return scene.run.state.outcome


def work(scene: Scene, path: str, value: object) -> None:
    scene.claim()
    scene.succeed(path, value=value)


def test_the_first_transition_that_fits_is_taken_and_visits_are_numbered() -> None:
    scene = Scene(writing(max_visits=5))
    scene.submit(topic="tides")
    work(scene, "write#1/write", "one")
    work(scene, "check#1/check", 0.3)
    work(scene, "write#2/write", "two")
    work(scene, "check#2/check", 0.9)
    assert ended(scene) == Succeeded()
    assert scene.state("check#1") == StepSucceeded(arm="write")
    row = scene.tables.scopes[RUN, ""]
    assert row.visits == {"write": 2, "check": 2}
    assert row.end == ("check", 0)


def test_a_state_that_was_not_visited_yet_gives_nothing() -> None:
    scene = Scene(writing(max_visits=5))
    scene.submit(topic="tides")
    row = scene.tables.scopes[RUN, "write#1"]
    assert row.given["last"].data == b"null"
    work(scene, "write#1/write", "one")
    work(scene, "check#1/check", 0.3)
    assert scene.tables.scopes[RUN, "write#2"].given["last"].path == "check#1/check"


def test_the_inputs_of_an_old_visit_stay_what_they_were() -> None:
    scene = Scene(writing(max_visits=5))
    scene.submit(topic="tides")
    work(scene, "write#1/write", "one")
    work(scene, "check#1/check", 0.3)
    work(scene, "write#2/write", "two")
    assert scene.tables.scopes[RUN, "check#1"].given["draft"].path == "write#1/write"
    assert scene.tables.scopes[RUN, "check#2"].given["draft"].path == "write#2/write"


def test_a_state_without_a_fitting_transition_fails_the_run_with_the_statuses_it_saw() -> None:
    flow = machine("write", write=State(body("write"), {}, (Transition(DONE, status="fine"),)))
    scene = Scene(flow)
    scene.submit(topic="tides")
    work(scene, "write#1/write", "one")
    scene.sweep()
    outcome = ended(scene)
    assert isinstance(outcome, Failed)
    assert "'write' ended with the status 'success'" in outcome.failure.message
    assert "they are for fine" in outcome.failure.message
    assert isinstance(scene.state("write#1"), StepFailed)


def test_past_max_visits_a_transition_does_not_fit() -> None:
    scene = Scene(writing(max_visits=2))
    scene.submit(topic="tides")
    for visit in (1, 2):
        work(scene, f"write#{visit}/write", "text")
        work(scene, f"check#{visit}/check", 0.1)
    scene.sweep()
    outcome = ended(scene)
    assert isinstance(outcome, Failed)
    assert "write may not be visited again" in outcome.failure.message


def failing(*transitions: Transition) -> Workflow:
    rescue = State(body("rescue"), {}, (Transition(End(Ending.SUCCESS, "rescued", {"value": Ref(node="rescue")})),))
    return machine("write", write=State(body("write"), {}, transitions), rescue=rescue)


@pytest.mark.parametrize("status", ["failure", "permanent"])
def test_a_failure_goes_by_its_code_or_as_any_failure(status: str) -> None:
    scene = Scene(failing(Transition(DONE), Transition("rescue", status=status)))
    scene.submit(topic="tides")
    scene.claim()
    scene.fail("write#1/write", code=Code.PERMANENT)
    scene.claim()
    scene.succeed("rescue#1/rescue", value="all is well")
    scene.sweep()
    assert ended(scene) == Succeeded("rescued")


def test_an_otherwise_takes_no_failure() -> None:
    scene = Scene(failing(Transition("rescue"), Transition("rescue", status="timeout")))
    scene.submit(topic="tides")
    scene.claim()
    scene.fail("write#1/write", code=Code.PERMANENT)
    scene.sweep()
    outcome = ended(scene)
    assert isinstance(outcome, Failed)
    assert outcome.failure.message == "it broke"


def test_an_end_in_failure_fails_the_run_and_says_why() -> None:
    scene = Scene(machine("write", write=State(body("write"), {}, (Transition(End(Ending.FAILURE, "not wanted")),))))
    scene.submit(topic="tides")
    work(scene, "write#1/write", "one")
    scene.sweep()
    outcome = ended(scene)
    assert isinstance(outcome, Failed)
    assert outcome.failure.message == "not wanted"


def test_a_condition_that_cannot_be_judged_fails_the_run_and_is_shown() -> None:
    scene = Scene(writing(max_visits=5))
    scene.submit(topic="tides")
    work(scene, "write#1/write", "one")
    work(scene, "check#1/check", "a text")
    scene.sweep()
    outcome = ended(scene)
    assert isinstance(outcome, Failed)
    assert "check >= 0.8" in outcome.failure.message


def test_a_status_can_be_asked_for_in_a_condition() -> None:
    when = Compare(Comparison.EQUAL, StatusOf("write"), Constant("success"))
    scene = Scene(machine("write", write=State(body("write"), {}, (Transition(DONE, when=when),))))
    scene.submit(topic="tides")
    work(scene, "write#1/write", "one")
    assert ended(scene) == Succeeded()


def test_a_status_comes_through_a_branch_a_loop_a_call_and_a_join() -> None:
    inner = graph({"odd": task("t.odd")}, Ref(node="odd"))
    nodes: list[Node] = [
        CallNode("inner", {}, inner),
        BranchNode((Case("then", None, inner),)),
        JoinNode((Arm("one", inner),), need=1, single=True),
        LoopNode(
            "x", Constant(1), graph({"odd": task("t.odd", x=Ref(port="x"))}, Ref(node="odd"), "x"), IsOdd, limit=3
        ),
    ]
    for node in nodes:
        around = graph({"node": node}, Ref(node="node"))
        end = End(Ending.SUCCESS, outputs={"value": Ref(node="first")})
        flow = machine("first", first=State(around, {}, (Transition(end, status="odd"),)))
        scene = Scene(flow)
        scene.submit(topic="tides")
        (attempt,) = scene.claim()
        scene.decide(AttemptSucceeded(RUN, attempt.path, 1, {"value": inline(True)}, "odd"))
        scene.sweep()
        assert ended(scene) == Succeeded(), node
        assert scene.state("first#1") == StepSucceeded("odd")


IsOdd = IsTrue(Ref(node="odd"))


def test_a_cancelled_machine_ends() -> None:
    scene = Scene(writing(max_visits=5))
    scene.submit(topic="tides")
    work(scene, "write#1/write", "one")
    scene.decide(CancelRequested(RUN, "enough"))
    scene.sweep()
    assert ended(scene) == Cancelled("enough")
    assert all(step.is_final for step in scene.tables.steps.values())


def test_states_without_tasks_are_walked_in_bites() -> None:
    nothing = Graph(inputs={}, nodes={}, outputs={"value": Constant(1)}, types={"value": NUMBER})
    turns = (Transition("turn", max_visits=2500), Transition(End(Ending.SUCCESS, outputs={"value": Ref(node="turn")})))
    scene = Scene(Workflow(FORMAT, "scene", "turn", {"turn": State(nothing, {}, turns)}, types={"value": NUMBER}))
    scene.submit()
    beats = 0
    while not isinstance(scene.run.state, Ended):
        scene.sweep()
        beats += 1
        assert beats < 10
    assert beats == 2
    assert ended(scene) == Succeeded()
    row = scene.tables.scopes[RUN, ""]
    assert isinstance(row, MachineScope)
    assert row.visits == {"turn": 2500}


def test_a_state_that_is_visited_without_a_bound_fails_at_a_thousand() -> None:
    nothing = Graph(inputs={}, nodes={}, outputs={"value": Constant(1)}, types={"value": NUMBER})
    never = Compare(Comparison.EQUAL, Ref(node="turn"), Constant(2))
    turns = (Transition(End(Ending.SUCCESS, outputs={"value": Ref(node="turn")}), when=never), Transition("turn"))
    scene = Scene(Workflow(FORMAT, "scene", "turn", {"turn": State(nothing, {}, turns)}, types={"value": NUMBER}))
    scene.submit()
    while not isinstance(scene.run.state, Ended):
        scene.sweep()
    assert "'turn' was visited 1000 times" in ended(scene).failure.message


def test_a_machine_in_a_graph_gives_its_end_and_takes_its_inputs() -> None:
    inner = writing(max_visits=5)
    node = MachineNode("inner", {"topic": Ref(port="word")}, "write", inner.states, inner.inputs, inner.types)
    after = task("t.last", x=Ref(node="draft"))
    outer = graph({"draft": node, "last": after}, RecordExpr({"n": Ref(node="last"), "d": Ref(node="draft")}), "word")
    scene = Scene(Workflow(FORMAT, "scene", "", {"": State(outer)}))
    scene.submit(word="tides")
    work(scene, "draft/write#1/write", "one")
    work(scene, "draft/check#1/check", 0.3)
    work(scene, "draft/write#2/write", "two")
    work(scene, "draft/check#2/check", 0.9)
    work(scene, "last", 7)
    assert ended(scene) == Succeeded()


# What is refused -----------------------------------------------------------------------------------


GOOD = State(body("write"), {}, (Transition(DONE),))


def problems(flow: Workflow) -> str:
    return "; ".join(each.text for each in check(flow, {}))


def test_what_a_failed_state_would_have_given_may_be_null() -> None:
    def flow(status: str) -> Workflow:
        end = End(Ending.SUCCESS, outputs={"value": Ref(node="write")})
        state = State(Graph({}, {}, {"value": Constant(1)}, {"value": NUMBER}), {}, (Transition(end, status=status),))
        return Workflow(FORMAT, "scene", "write", {"write": state}, types={"value": NUMBER})

    assert problems(flow("success")) == ""
    assert re.search("the end's output value: .*None", problems(flow("timeout")))


def test_a_good_machine_has_no_problems() -> None:
    assert problems(writing(max_visits=5)) == ""


@pytest.mark.parametrize(
    ("flow", "text"),
    [
        (machine("writ", write=State(body("write"))), "no state 'writ' to start in"),
        (machine("write", write=State(body("write"), {}, (Transition("wrte"),))), "it leads to 'wrte'.*mean 'write'"),
        (machine("write", write=State(body("write"))), "write: this state leads nowhere"),
        (machine("write", write=State(body("write"), {}, (Transition("write"),))), "write: no end can be reached"),
        (
            machine("write", write=GOOD, odd=State(body("odd"), {}, (Transition(DONE),))),
            "odd: no transition leads to this state",
        ),
        (
            machine("write", write=State(body("write", "topic"), {}, (Transition(DONE),))),
            "write: the input 'topic' is missing",
        ),
        (
            machine("write", write=State(body("write"), {}, (Transition(DONE, when=score(1)),))),
            "write: there is no node 'check'",
        ),
        (
            machine("write", write=State(body("write"), {}, (Transition(DONE), Transition(DONE)))),
            "write: a transition stands after one that always fits",
        ),
        (
            machine("write", write=State(body("write"), {}, (Transition(End(Ending.SUCCESS)),))),
            "write: the end gives no 'value'",
        ),
        (machine("w#1", **{"w#1": State(body("write"), {}, (Transition(DONE),))}), "'w#1' is no name for a state"),
        (machine("write", write=State(body("write"), {}, (Transition(DONE, max_visits=0),))), "max_visits is from 1"),
    ],
)  # fmt: skip
def test_a_bad_machine_is_refused_with_the_place(flow: Workflow, text: str) -> None:
    assert re.search(text, problems(flow)), problems(flow)


def test_what_may_not_have_been_visited_may_be_null() -> None:
    """On a way round it, `write` reads nothing of `check`; a task that takes a number has no use for null."""
    number = {"type": "object", "properties": {"last": {"type": "integer"}}, "required": ["last"]}
    wants = task("t.write", last=Ref(port="last"))
    inner = Graph(
        {"last": NUMBER},
        {"write": structs.replace(wants, takes=number)},
        {"value": Ref(node="write")},
        {"value": NUMBER},
    )
    checked = Graph(
        {},
        {"check": structs.replace(task("t.check"), outputs={"value": NUMBER})},
        {"value": Ref(node="check")},
        {"value": NUMBER},
    )
    back = State(checked, {}, (Transition("write"),))
    forward = State(inner, {"last": Ref(node="check")}, (Transition(DONE),))
    surely = machine("check", write=forward, check=back)
    assert problems(surely) == ""
    first = structs.replace(forward, transitions=(Transition("check", max_visits=2), Transition(DONE)))
    perhaps = machine("write", write=first, check=back)
    assert re.search("last: .*None", problems(perhaps)), problems(perhaps)
