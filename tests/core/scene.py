"""One run, moved by hand: each beat is what a test says it is."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import msgspec

from tests.core.tables import Tables
from tidemill.core.catalog import Catalog
from tidemill.core.claims import Leasing, lease
from tidemill.core.commands import Command, Sweep
from tidemill.core.decide import Needs, decide
from tidemill.core.definitions import TaskDefinition
from tidemill.core.events import AttemptFailed, AttemptSucceeded, Event, RunSubmitted, StepsFound, TimerDue
from tidemill.core.graph import FORMAT, Graph, MapNode, Node, State, TaskNode, Workflow
from tidemill.core.ids import Digest, RunId, SessionId
from tidemill.core.match import Claim
from tidemill.core.overlay import Overlay
from tidemill.core.plan import Layout
from tidemill.core.rows import Entry, Queued
from tidemill.core.run import Attempt, AttemptState, Code, Failure, Run, Step, StepState
from tidemill.core.terms import Input, Ref
from tidemill.core.values import Inline, Value

RUN = RunId(b"r" * 16)
GRAPH = Digest(b"g" * 32)
NUMBER: dict[str, Any] = {"type": "integer"}
ANY: dict[str, Any] = {}


def inline(value: object) -> Inline:
    return Inline(msgspec.msgpack.encode(value))


def as_value(plain: object) -> Value:
    return plain if isinstance(plain, Value) else inline(plain)


def task(name: str = "t.one", outputs: Sequence[str] = ("value",), **inputs: Input) -> TaskNode:
    return TaskNode(task=name, inputs=inputs, outputs=dict.fromkeys(outputs, ANY))


def graph(nodes: dict[str, Node], output: Input, *inputs: str, **optional: object) -> Graph:
    known = dict.fromkeys((*inputs, *optional), ANY)
    return Graph(inputs=known, nodes=nodes, outputs={"value": output}, types={"value": ANY}, optional=optional)


def workflow(body: Graph) -> Workflow:
    return Workflow(format=FORMAT, name="scene", start="", states={"": State(body)})


def lone(**inputs: Input) -> Workflow:
    return workflow(graph({"one": task(**inputs)}, Ref(node="one"), *inputs))


def two() -> Workflow:
    """Two tasks, of which the run's output is a list of both: no shortcut for a lone task applies."""
    nodes: dict[str, Node] = {"one": task(), "two": task("t.two")}
    return workflow(graph(nodes, Ref(node="one")))


def mapping(window: int = 2, **how: Any) -> Workflow:
    """A task for each of ``xs``."""
    body = graph({"each": task(x=Ref(port="x"))}, Ref(node="each"), "x")
    return workflow(graph({"all": MapNode({"x": Ref(port="xs")}, body, {}, window, **how)}, Ref(node="all"), "xs"))


class Scene:
    """A run, its rows, and a clock that stands still."""

    def __init__(self, flow: Workflow, *definitions: TaskDefinition) -> None:
        self.now = 1_000_000_000
        self.tables = Tables()
        self.layouts = {GRAPH: Layout(flow)}
        self.catalog = Catalog()
        self.catalog.add(definitions)
        self.chance = bytes(16)
        self.log: list[Entry] = []
        self.streams: list[Any] = []
        self.leasings: list[Leasing] = []

    # Beats -----------------------------------------------------------------------------------------

    def decide(self, *events: Event) -> list[Command]:
        """One beat of these events."""
        overlay = self._overlay()
        commands = [command for event in events for command in self._settled(overlay, event)]
        self._save(overlay)
        return commands

    def submit(self, priority: int = 0, **inputs: object) -> list[Command]:
        values = {name: as_value(each) for name, each in inputs.items()}
        return self.decide(RunSubmitted(RUN, GRAPH, "scene", values, Digest(b"d" * 32), priority))

    def claim(self, limit: int = 100, worker: str = "w") -> list[Attempt]:
        """Lease what is queued, first things first."""
        overlay = self._overlay()
        rows = sorted(self.tables.queue.values(), key=lambda row: (row.order, row.path))[:limit]
        attempts = [leased for row in rows if (leased := self._leased(overlay, row, worker)) is not None]
        self._save(overlay)
        return attempts

    def pass_time(self, delay: timedelta) -> list[Command]:
        """Let time go by, then decide what is due in one beat."""
        self.now += delay // timedelta(microseconds=1)
        due = sorted((each for each in self.tables.timers.values() if each.due_at <= self.now), key=lambda t: t.due_at)
        return self.decide(*(TimerDue(timer) for timer in due))

    def sweep(self) -> list[Command]:
        """Do the sweeps that are due, to their end."""
        given: list[Command] = []
        asked = [each for each in self.pass_time(timedelta(0)) if isinstance(each, Sweep)]
        for sweep in asked:
            below = [path for _, path in sorted(self.tables.steps) if path.startswith(sweep.prefix)]
            queued = tuple(row for (_, path), row in self.tables.queue.items() if path in below)
            given += self.decide(StepsFound(RUN, sweep.prefix, tuple(below), queued, ""))
        return given

    def succeed(self, path: str, number: int = 1, value: object = None, **outputs: Value) -> list[Command]:
        outputs = outputs or {"value": as_value(value)}
        return self.decide(AttemptSucceeded(RUN, path, number, outputs))

    def fail(self, path: str, number: int = 1, code: Code = Code.PERMANENT, **more: Any) -> list[Command]:
        return self.decide(AttemptFailed(RUN, path, number, Failure(code, "it broke", **more)))

    # What is there ---------------------------------------------------------------------------------

    @property
    def run(self) -> Run:
        run: Run = self.tables.runs[RUN]
        return run

    def step(self, path: str) -> Step:
        step: Step = self.tables.steps[RUN, path]
        return step

    def state(self, path: str) -> StepState:
        return self.step(path).state

    def attempt(self, path: str, number: int = 1) -> AttemptState:
        state: AttemptState = self.tables.attempts[RUN, path, number].state
        return state

    def queued(self) -> list[str]:
        return sorted(path for _, path in self.tables.queue)

    def timers(self) -> dict[tuple[str, str], int]:
        """Microseconds from now, by (kind, path)."""
        return {(kind.value, path): timer.due_at - self.now for (_, path, kind), timer in self.tables.timers.items()}

    def kinds(self) -> list[str]:
        return [entry.kind for entry in self.log]

    # Inside ----------------------------------------------------------------------------------------

    def _overlay(self) -> Overlay:
        return Overlay(self.now, self.chance, self.catalog, self.layouts)

    def _settled(self, overlay: Overlay, event: Event) -> list[Command]:
        while isinstance(outcome := decide(overlay, event), Needs):
            assert outcome.keys, "only rows can be missing"
            overlay.learn(self.tables.load(outcome.keys))
        overlay.lay(outcome)
        return outcome.commands

    def _leased(self, overlay: Overlay, row: Queued, worker: str) -> Attempt | None:
        session = SessionId(worker.encode() * 16)
        while isinstance(outcome := lease(overlay, Claim(row, session, worker)), Needs):
            overlay.learn(self.tables.load(outcome.keys))
        overlay.lay(outcome.draft)
        self.leasings.append(outcome)
        return outcome.attempt

    def _save(self, overlay: Overlay) -> None:
        self.tables.save(overlay)
        self.streams += overlay.streams
        for entries in overlay.history.values():
            self.log += entries
