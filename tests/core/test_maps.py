"""Maps: what they go over, and how many elements are open at once."""

from datetime import timedelta
from typing import Any

import pytest

from tests.core.scene import RUN, Scene, graph, lone, mapping, workflow
from tidemill.core.definitions import TaskDefinition, TaskOptions
from tidemill.core.events import (
    AttemptLost,
    AttemptStarted,
)
from tidemill.core.graph import MapNode
from tidemill.core.run import (
    AttemptEnded,
    Code,
    End,
    Held,
    Lost,
    StepFailed,
)
from tidemill.core.terms import Ref

SECOND = timedelta(seconds=1)
TIMED = TaskDefinition("t.one", {}, {"value": {}}, "sha256:1", options=TaskOptions(timeout_s=5, queue_s=60))


def begun(flow: Any = None, *definitions: TaskDefinition) -> Scene:
    scene = Scene(flow or lone(), *definitions)
    scene.submit()
    scene.claim()
    return scene


def ended(scene: Scene, path: str = "one", number: int = 1) -> End:
    state = scene.attempt(path, number)
    assert isinstance(state, AttemptEnded), state
    return state.end


def lose(scene: Scene, number: int, *, started: bool = True) -> None:
    if started:
        scene.decide(AttemptStarted(RUN, "one", number))
    scene.decide(AttemptLost(RUN, "one", number, Lost.LEASE_EXPIRED))


# Maps ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given_list", "message"),
    [
        (None, "map_over needs a list, and got null"),
        ({"a": 1}, "map_over needs a list, and got a record"),
        ("text", "map_over needs a list, and got a text"),
        (5, "map_over needs a list, and got int"),
    ],
)
def test_a_map_over_what_is_no_list_fails_and_says_what_it_got(given_list: object, message: str) -> None:
    scene = Scene(mapping())
    scene.submit(xs=given_list)
    state = scene.state("all")
    assert isinstance(state, StepFailed)
    assert (state.failure.code, state.failure.message) == (Code.INVALID_INPUT, message)


def test_a_map_over_nothing_is_done_at_once() -> None:
    scene = Scene(mapping())
    scene.submit(xs=[])
    assert scene.run.status == "succeeded"


def test_a_map_opens_no_more_than_its_window() -> None:
    scene = Scene(mapping(window=3))
    scene.submit(xs=list(range(10)))
    for done in range(10):
        scene.claim()
        assert sum(isinstance(step.state, Held) for step in scene.tables.steps.values()) == min(3, 10 - done)
        scene.succeed(f"all[{done}]/each", value=done)
    assert scene.run.status == "succeeded"


def test_more_elements_than_one_event_may_open_are_opened_by_a_timer() -> None:
    scene = Scene(mapping(window=5000))
    scene.submit(xs=list(range(2500)))
    opened = [len(scene.tables.queue)]
    while scene.timers():
        scene.pass_time(timedelta(0))
        opened.append(len(scene.tables.queue))
    assert opened == [999, 1999, 2500]


def test_a_map_whose_elements_need_no_worker_is_done_whatever_its_length() -> None:
    body = graph({}, Ref(port="x"), "x")
    scene = Scene(workflow(graph({"all": MapNode({"x": Ref(port="xs")}, body)}, Ref(node="all"), "xs")))
    scene.submit(xs=list(range(3500)))
    while scene.timers():
        scene.pass_time(timedelta(0))
    assert scene.run.status == "succeeded"
