"""What the simulated world runs: a task alone, a chain with waits, a map with a join. Each knows its right answer."""

import asyncio
from collections.abc import Callable
from typing import Any

from msgspec import structs

from tests.simulation.repertoire import Asked, Begin, Repertoire
from tidemill.core.graph import (
    FORMAT,
    Graph,
    Late,
    MapNode,
    Node,
    NodeOptions,
    SignalWait,
    State,
    TaskNode,
    TimeWait,
    WaitNode,
    Workflow,
)
from tidemill.core.single import graph_of
from tidemill.core.terms import VALUE, Constant, Ref
from tidemill.sdk.context import Context
from tidemill.sdk.errors import TransientError
from tidemill.sdk.worker import Worker
from tidemill.testing.simulation.chance import stream

LENGTH = 7
LONGEST_S = 5.0  # longer than a lease
FLAKY = 0.7


def tasks_of(seed: str, begin: Begin) -> Worker:
    """``begin`` hears of each execution: run, path, number."""
    worker = Worker("sim")

    async def spend(ctx: Context) -> None:
        begin(ctx.run_id, ctx.step_path, ctx.attempt)
        await asyncio.sleep(stream(seed, "span", ctx.run_id, ctx.step_path, ctx.attempt)() ** 4 * LONGEST_S)

    @worker.task
    async def double(ctx: Context, number: int) -> int:
        await spend(ctx)
        return 2 * number

    @worker.task
    async def count(ctx: Context, number: int) -> list[int]:
        await spend(ctx)
        return [number + index for index in range(LENGTH)]

    @worker.task
    async def flaky(ctx: Context, number: int) -> int:
        await spend(ctx)
        if stream(seed, "flaky", ctx.run_id, ctx.attempt)() < FLAKY and ctx.attempt == 1:
            raise TransientError("the first try fails at times")
        return number

    @worker.task
    async def total(ctx: Context, numbers: list[int]) -> int:
        await spend(ctx)
        return sum(numbers)

    return worker


_DEFINITIONS = {each.name.partition(".")[2]: each for each in tasks_of("", lambda *_: None).definitions()}
_INTEGER = _DEFINITIONS["double"].outputs[VALUE]


def _task(name: str, **inputs: Ref) -> TaskNode:
    made = _DEFINITIONS[name]
    return TaskNode(f"sim.{name}", dict(inputs), made.outputs, schema=made.digest, takes=made.inputs)


def _workflow(name: str, nodes: dict[str, Node], last: str) -> Workflow:
    body = Graph({"number": _INTEGER}, nodes, {VALUE: Ref(last)}, {VALUE: _INTEGER})
    return Workflow(FORMAT, name, "", {"": State(body)})


_ALONE = graph_of(_DEFINITIONS["double"], NodeOptions())
_CHAIN = _workflow(
    "chain",
    {
        "a": _task("double", number=Ref(port="number")),
        "nap": WaitNode(TimeWait(for_s=Constant(0.4)), {"type": "null"}, after=("a",)),
        "go": WaitNode(SignalWait("go", Ref("a")), {}, within_s=0.3, late=Late.GO_ON, after=("nap",)),
        "b": structs.replace(_task("flaky", number=Ref("a")), after=("go",)),
        "c": _task("double", number=Ref("b")),
    },
    "c",
)
_WIDE = _workflow(
    "wide",
    {
        "count": _task("count", number=Ref(port="number")),
        "each": MapNode(
            over={"number": Ref("count")},
            body=Graph(
                {"number": _INTEGER},
                {"double": _task("double", number=Ref(port="number"))},
                {VALUE: Ref("double")},
                {VALUE: _INTEGER},
            ),
            window=3,
        ),
        "total": _task("total", numbers=Ref("each")),
    },
    "total",
)

_WORKFLOWS = (_ALONE, _CHAIN, _WIDE)
_ANSWERS: tuple[Callable[[int], Any], ...] = (
    lambda number: 2 * number,
    lambda number: 4 * number,
    lambda number: sum(2 * (number + index) for index in range(LENGTH)),
)


class Small(Repertoire):
    """These, in turn."""

    def __init__(self, runs: int = 9) -> None:
        self.runs = runs

    def tasks(self, seed: str, begin: Begin) -> Worker:
        return tasks_of(seed, begin)

    def asked(self, index: int) -> Asked:
        return Asked(_WORKFLOWS[index % len(_WORKFLOWS)], {"number": index})

    def answer(self, index: int) -> Any:
        return {VALUE: _ANSWERS[index % len(_ANSWERS)](index)}
