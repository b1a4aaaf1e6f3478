"""What nobody should send, and what must not happen twice."""

import math
from datetime import timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from tests.core.scene import RUN, Scene, graph, inline, lone, mapping, task, two, workflow
from tidemill.core.commands import Acknowledge, AcknowledgeItems, RunEnded, TurnAway
from tidemill.core.definitions import TaskDefinition, TaskOptions
from tidemill.core.events import AttemptLost, AttemptSucceeded, CancelRequested, ItemsStreamed
from tidemill.core.graph import BranchNode, Case, ConstNode, ElementFailure
from tidemill.core.run import Cancelled, Code, Ended, Failed, Halted, Held, Lost, Ready, StepFailed, Waiting
from tidemill.core.terms import Ref
from tidemill.core.values import Streamed


def halt(scene: Scene) -> None:
    scene.tables.runs[RUN] = replace(scene.run, state=Halted("a fault of ours"))


def begun(flow: Any = None) -> Scene:
    scene = Scene(flow or lone())
    scene.submit()
    scene.claim()
    return scene


# Runs ----------------------------------------------------------------------------------------------


def test_a_run_that_ended_hears_no_cancel() -> None:
    scene = begun()
    scene.succeed("one", value=1)
    before, log = scene.run, len(scene.log)
    assert scene.decide(CancelRequested(RUN, "late")) == []
    assert scene.run == before
    assert len(scene.log) == log


def test_a_second_cancel_changes_nothing() -> None:
    scene = begun(two())
    scene.decide(CancelRequested(RUN, "first"))
    before, log = scene.run, len(scene.log)
    scene.decide(CancelRequested(RUN, "second"))
    assert scene.run == before
    assert len(scene.log) == log


def test_a_halted_run_keeps_its_ready_steps_and_is_leased_to_nobody() -> None:
    scene = Scene(two())
    scene.submit()
    halt(scene)
    assert scene.claim() == []
    assert isinstance(scene.state("one"), Ready)
    assert scene.queued() == []


def test_a_halted_run_can_be_cancelled() -> None:
    scene = Scene(two())
    scene.submit()
    scene.claim(limit=1)
    halt(scene)
    scene.claim()
    scene.decide(CancelRequested(RUN, "enough"))
    scene.sweep()
    assert scene.run.status == "cancelling"
    scene.fail("one", code=Code.CANCELLED)
    assert scene.run.state == Ended(Cancelled("enough"))


def test_a_result_for_a_halted_run_is_recorded_and_opens_nothing() -> None:
    nodes: dict[str, Any] = {"one": task(), "two": task("t.two", x=Ref(node="one"))}
    scene = begun(workflow(graph(nodes, Ref(node="two"))))
    halt(scene)
    assert any(isinstance(each, Acknowledge) for each in scene.succeed("one", value=1))
    assert scene.queued() == []


def test_an_output_that_leads_nowhere_fails_the_run_and_says_so() -> None:
    flow = mapping()
    body = flow.body
    flow = workflow(replace(body, outputs={"value": Ref(node="all", fields=(5,))}))
    scene = Scene(flow)
    scene.submit(xs=[])
    scene.sweep()
    assert isinstance(scene.run.state, Ended)
    outcome = scene.run.state.outcome
    assert isinstance(outcome, Failed)
    assert outcome.failure.message == "the output of the run: there is no 5 here"


def test_a_list_without_its_failed_elements_counts_those_that_are_there() -> None:
    flow = mapping(window=3, on_failure=ElementFailure.SKIP)
    flow = workflow(replace(flow.body, outputs={"value": Ref(node="all", fields=(0,))}))
    scene = Scene(flow)
    scene.submit(xs=[1, 2, 3])
    scene.claim()
    scene.fail("all[0]/each")
    scene.succeed("all[1]/each", value="b")
    [*_, ended] = scene.succeed("all[2]/each", value="c")
    assert isinstance(ended, RunEnded)
    assert ended.outputs["value"].path == "all[1]/each"  # type: ignore[union-attr]


def test_a_chain_of_branches_is_walked_whatever_its_length() -> None:
    inner = graph({"c": ConstNode(1, {})}, Ref(node="c"))
    first = BranchNode((Case("only", None, inner),))
    nodes: dict[str, Any] = {"n0": first}
    for number in range(1, 1000):
        nodes[f"n{number}"] = replace(first, inputs={"x": Ref(node=f"n{number - 1}")})
    scene = Scene(workflow(graph(nodes, Ref(node="n999"))))
    scene.submit()
    assert scene.run.status == "succeeded"


# Reports -------------------------------------------------------------------------------------------


def test_a_success_without_an_output_fails_the_step_and_names_it() -> None:
    scene = begun()
    assert isinstance(scene.succeed("one", other=inline(1))[0], Acknowledge)
    state = scene.state("one")
    assert isinstance(state, StepFailed)
    assert state.failure.code is Code.INTERNAL
    assert "'value'" in state.failure.message


@pytest.mark.parametrize("named", [Streamed(1, 3), Streamed(2, 2)], ids=["too many", "another attempt's"])
def test_a_stream_that_is_not_whole_is_no_result(named: Streamed) -> None:
    scene = begun()
    scene.decide(ItemsStreamed(RUN, "one", 1, 0, (b"\x01", b"\x02")))
    scene.succeed("one", value=named)
    assert isinstance(scene.state("one"), StepFailed)


def test_items_of_an_attempt_that_was_given_up_count_until_it_is_overtaken() -> None:
    scene = begun()
    scene.decide(ItemsStreamed(RUN, "one", 1, 0, (b"\x01",)))
    scene.decide(AttemptLost(RUN, "one", 1, Lost.LEASE_EXPIRED))
    assert scene.decide(ItemsStreamed(RUN, "one", 1, 1, (b"\x02",))) == [AcknowledgeItems(RUN, "one", 1, 2)]
    assert scene.decide(AttemptSucceeded(RUN, "one", 1, {"value": Streamed(1, 2)}))[0] == Acknowledge(RUN, "one", 1)
    assert scene.run.status == "succeeded"


def test_items_of_an_attempt_that_was_overtaken_are_turned_away() -> None:
    scene = begun()
    scene.decide(AttemptLost(RUN, "one", 1, Lost.LEASE_EXPIRED))
    scene.claim()
    assert scene.decide(ItemsStreamed(RUN, "one", 1, 0, (b"\x01",))) == [TurnAway(RUN, "one", 1)]


@pytest.mark.parametrize("seconds", [math.nan, -1.0, 1e300, math.inf])
def test_a_wait_that_makes_no_sense_is_cut_to_one_that_does(seconds: float) -> None:
    scene = begun()
    scene.fail("one", code=Code.TRANSIENT, retry_after_s=seconds)
    assert isinstance(scene.state("one"), Waiting)
    assert 0 < scene.timers()["retry", "one"] <= timedelta(days=4000) // timedelta(microseconds=1)


@pytest.mark.parametrize("seconds", [math.nan, -1.0, 1e300])
def test_options_that_make_no_sense_stop_nobody(seconds: float) -> None:
    options = TaskOptions(timeout_s=seconds, queue_s=seconds, priority=10**30)
    definition = TaskDefinition("t.one", {}, {"value": {}}, "sha256:1", options=options)
    scene = Scene(lone(), definition)
    scene.submit()
    scene.claim()
    assert isinstance(scene.state("one"), Held)
