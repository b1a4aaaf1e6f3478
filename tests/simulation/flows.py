"""Random workflows for the simulated world: those that the core's histories play, with forks, pauses and cancels."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from functools import cached_property
from random import Random
from typing import Any

from tests.core.graphs import TASKS, Maker
from tests.core.history import without_details
from tests.core.reference import LeftOutError, NodeFailedError, outcome_of
from tests.core.state_graphs import StateMaker
from tests.simulation.invariants import CANCELLED
from tests.simulation.repertoire import Asked, Begin, Repertoire
from tidemill.core.build import check
from tidemill.core.graph import Workflow
from tidemill.core.run import Code
from tidemill.sdk.context import Context
from tidemill.sdk.errors import PermanentError, TransientError
from tidemill.sdk.worker import Worker
from tidemill.testing.simulation.chance import stream

MOST_CALLS = 50
LONGEST_S = 3.0  # longer than a lease
FLAKY = 0.15
INPUTS = ({"n": 7, "xs": [3, 1, 4, 1, 5]}, {"n": 8, "xs": [3, 1, 5]})


class Flows(Repertoire):
    """Graphs and machines by turns, some of them paused and cancelled at any time, then a fork of each."""

    def __init__(self, seed: str, originals: int = 4) -> None:
        self.seed, self.originals = seed, originals
        self.runs = 2 * originals

    @cached_property
    def workflows(self) -> list[Workflow]:
        return [_sound(self.seed, index) for index in range(self.originals)]

    def asked(self, index: int) -> Asked:
        workflow = self.workflows[index % self.originals]
        if index < self.originals:
            return Asked(workflow, INPUTS[0])
        return Asked(workflow, INPUTS[index % 3 == 0], origin=index - self.originals)

    def answer(self, index: int) -> Any:
        asked = self.asked(index)
        try:
            return outcome_of(asked.workflow, asked.inputs, TASKS)[1]
        except (NodeFailedError, LeftOutError):
            return "failed"

    def is_right(self, index: int, result: Any) -> bool:
        if result == CANCELLED:
            return self.may_be_cancelled(index)
        failed = isinstance(result, str) and result != Code.WORKER_LOST.value
        return bool(("failed" if failed else without_details(result)) == self.answer(index))

    def may_be_cancelled(self, index: int) -> bool:
        return index % 4 == 1

    def tasks(self, seed: str, begin: Begin) -> Worker:
        return tasks_of(seed, begin)


def _sound(seed: str, index: int) -> Workflow:
    """The first of a seed that a server takes (lists with failures do not fit everywhere), and no long one."""
    for number in range(100):
        maker = (Maker, StateMaker)[index % 2]
        workflow = maker(Random(f"{seed}/{index}/{number}")).workflow()
        if not check(workflow, {}) and all(_calls(workflow, each) <= MOST_CALLS for each in INPUTS):
            return workflow
    raise AssertionError("no sound workflow in a hundred")


def _calls(workflow: Workflow, inputs: dict[str, Any]) -> int:
    """How many tasks run in it."""
    called = 0

    def counted(body: Callable[..., Any]) -> Callable[..., Any]:
        def call(**given: Any) -> Any:
            nonlocal called
            called += 1
            return body(**given)

        return call

    with suppress(NodeFailedError, LeftOutError):
        outcome_of(workflow, inputs, {name: counted(body) for name, body in TASKS.items()})
    return called


class Bodies:
    """What the tasks do."""

    def __init__(self, seed: str, begin: Begin) -> None:
        self._seed, self._begin = seed, begin

    async def __call__(self, ctx: Context, name: str, *given: Any) -> Any:
        self._begin(ctx.run_id, ctx.step_path, ctx.attempt)
        here = ctx.run_id, ctx.step_path
        await asyncio.sleep(stream(self._seed, "span", *here, ctx.attempt)() ** 6 * LONGEST_S)
        if ctx.attempt == 1 and stream(self._seed, "flaky", *here)() < FLAKY:
            raise TransientError("the first try fails at times")
        body: Callable[..., Any] = TASKS[name]
        try:
            return body(*given)
        except NodeFailedError:
            raise PermanentError("fragile") from None


def tasks_of(seed: str, begin: Begin) -> Worker:
    """The tasks of `Maker`, which take a while, and fail at times at first. Of one kind only one runs at once."""
    worker, done = Worker("t"), Bodies(seed, begin)

    @worker.task
    async def add(ctx: Context, a: Any, b: Any) -> Any:
        return await done(ctx, "t.add", a, b)

    @worker.task
    async def spread(ctx: Context, n: Any) -> Any:
        return await done(ctx, "t.spread", n)

    @worker.task(concurrency=1)
    async def total(ctx: Context, xs: Any) -> Any:
        return await done(ctx, "t.total", xs)

    @worker.task
    async def pair(ctx: Context, n: Any, xs: Any) -> Any:
        return await done(ctx, "t.pair", n, xs)

    @worker.task(concurrency=2)
    async def weigh(ctx: Context, r: Any) -> Any:
        return await done(ctx, "t.weigh", r)

    @worker.task(concurrency=2)
    async def fragile(ctx: Context, x: Any) -> Any:
        return await done(ctx, "t.fragile", x)

    @worker.task
    async def undo(ctx: Context, x: Any) -> Any:
        return await done(ctx, "t.undo", x)

    return worker
