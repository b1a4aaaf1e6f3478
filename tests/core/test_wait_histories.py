"""Random signals, early, late, doubled and wrong, against a model of a dozen lines."""

from collections import deque
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.core.scene import RUN, Scene, graph, inline, task, workflow
from tests.core.wait_scene import signal
from tidemill.core.commands import AnswerSignal, RefuseSignal
from tidemill.core.graph import Node, SignalWait, WaitNode, Workflow
from tidemill.core.run import Ended, StepSucceeded
from tidemill.core.terms import Constant, Ref
from tidemill.core.wait_rows import NOBODY

NAMES = ("a", "b")
KEY = "k"


class Model:
    """Two names in a run, each with and without a key: who waits, what came early, what each id was answered."""

    def __init__(self) -> None:
        self.waiting: dict[tuple[str, str], deque[str]] = {}
        self.early: dict[tuple[str, str], deque[int]] = {}
        self.answers: dict[tuple[tuple[str, str], str], tuple[int, str]] = {}
        self.taken: dict[str, int] = {}

    def open(self, path: str, box: tuple[str, str]) -> None:
        early = self.early.get(box)
        if early:
            self._take(box, path, early.popleft())
        else:
            self.waiting.setdefault(box, deque()).append(path)

    def send(self, box: tuple[str, str], id_: str, payload: int) -> str:
        """What the sender hears: a path, "" (kept), or "conflict"."""
        known = self.answers.get((box, id_))
        if known is not None:
            return known[1] if known[0] == payload else "conflict"
        waiting = self.waiting.get(box)
        if waiting:
            path = waiting.popleft()
            self.taken[path] = payload
        else:
            path = ""
            self.early.setdefault(box, deque()).append(payload)
        self.answers[box, id_] = (payload, path)
        return path

    def _take(self, box: tuple[str, str], path: str, payload: int) -> None:
        self.taken[path] = payload
        for (its_box, id_), (its, answer) in self.answers.items():
            if its_box == box and its == payload and not answer:
                self.answers[its_box, id_] = (its, path)
                return


def flow(steps: int) -> Workflow:
    """Tasks that open waits as they end: ``t0`` opens one for each name, with a key and without."""
    nodes: dict[str, Node] = {}
    for at in range(steps):
        nodes[f"t{at}"] = task()
        for name in NAMES:
            for key in ("", KEY):
                what = SignalWait(name, Constant(key) if key else None)
                nodes[f"w{at}{name}{key}"] = WaitNode(what, {}, forever=True, after=(f"t{at}",))
    return workflow(graph(nodes, Ref(node="t0")))


STEPS = 3
SENDS = st.tuples(st.just("send"), st.sampled_from(NAMES), st.sampled_from(["", KEY]), st.integers(0, 7))
OPENS = st.tuples(st.just("open"), st.just(""), st.just(""), st.integers(0, STEPS - 1))
WRONG = st.tuples(st.just("wrong"), st.sampled_from(NAMES), st.sampled_from(["", KEY]), st.integers(0, 7))


@settings(max_examples=150, deadline=None)
@given(st.lists(st.one_of(SENDS, SENDS, OPENS, WRONG), max_size=30))
def test_signals_are_taken_as_a_model_takes_them(history: list[tuple[str, str, str, int]]) -> None:
    scene, model, opened = Scene(flow(STEPS)), Model(), set[int]()
    scene.submit()
    scene.claim()
    for kind, name, key, number in history:
        if kind == "open":
            if number not in opened:
                opened.add(number)
                scene.succeed(f"t{number}")
                for each in NAMES:
                    for its in ("", KEY):
                        model.open(f"w{number}{each}{its}", (each, its))
            continue
        payload = number if kind == "send" else number + 100
        (said,) = scene.decide(signal(name, f"s{number}", payload, NOBODY if key else RUN, key))
        assert heard(said) == model.send((name, key), f"s{number}", payload)
    for path, payload in model.taken.items():
        assert scene.state(path) == StepSucceeded()
        assert scene.tables.values[RUN, path, "value"] == inline(payload)
    for path in (each for line in model.waiting.values() for each in line):
        assert scene.step(path).status == "waiting"
    assert scene.run.live == (STEPS - len(opened)) + sum(map(len, model.waiting.values()))
    assert not isinstance(scene.run.state, Ended) or len(opened) == STEPS


def heard(said: Any) -> str:
    if isinstance(said, RefuseSignal):
        return said.type
    assert isinstance(said, AnswerSignal)
    return said.taken[1] if said.taken else ""
