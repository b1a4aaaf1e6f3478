"""What the engine's callers hand in, and what they get back."""

from typing import Any

from msgspec import Struct

from tidemill.core.events import RunSubmitted
from tidemill.core.ids import Digest, Instant, Path, RunId
from tidemill.core.rules import NO_RULE, SubmitRule
from tidemill.core.run import Fork, Run
from tidemill.core.values import Argument, Value


class Order(Struct, frozen=True):
    """A run to be, its inputs checked and encoded. ``submitted`` is the digest of all that makes it what it is."""

    run: RunId
    graph: Digest
    workflow: str
    inputs: dict[str, Value]
    submitted: Digest
    priority: int = 0
    tags: dict[str, str] = {}
    watch: str = ""  # token of a Watch that wants the outcome
    parent: RunId | None = None
    trace: str = ""  # a traceparent
    start_at: Instant = 0
    rule: SubmitRule = NO_RULE
    fork: Fork | None = None
    edits: dict[Path, dict[str, Value]] = {}  # inputs of steps of a fork
    breakpoints: tuple[Path, ...] = ()
    longest: int = 0  # microseconds from its begin; 0: no limit


def event_of(order: Order) -> RunSubmitted:
    return RunSubmitted(
        run=order.run,
        graph=order.graph,
        workflow=order.workflow,
        inputs=order.inputs,
        submitted=order.submitted,
        priority=order.priority,
        tags=order.tags,
        parent=order.parent,
        trace=order.trace,
        start_at=order.start_at,
        rule=order.rule,
        fork=order.fork,
        edits=order.edits,
        breakpoints=order.breakpoints,
        longest=order.longest,
    )


class SubmitRefused(Struct, frozen=True):
    type: str  # conflict, active, unknown_blob, halted
    detail: str


class Outcome(Struct, frozen=True):
    """A run that ended. ``outputs`` are there when they were at hand; else the reader has them."""

    run: Run
    outputs: dict[str, Argument] | None = None


class Published(Struct, frozen=True):
    digest: Digest
    name: str
    unverified: tuple[str, ...]  # tasks that no worker ever announced


class Ephemeral(Struct, frozen=True):
    """Something live that no history keeps: progress, a line of a log."""

    run: RunId
    kind: str
    path: Path
    number: int
    detail: dict[str, Any]
