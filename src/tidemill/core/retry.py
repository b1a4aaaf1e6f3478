"""Whether and when a failed step is tried again."""

from datetime import timedelta

from msgspec import Struct

from tidemill.core.definitions import TaskDefinition, TaskOptions
from tidemill.core.graph import TaskNode
from tidemill.core.run import Code, Failure, Step

MAX_LOSSES = 3  # workers that died under a step before it waits for a person
ALONE_AFTER = 2  # losses after which it runs with no neighbour
MAX_UNSTARTED = 10  # attempts that no worker ever started; each further one counts as a loss
QUEUE_LIMIT = timedelta(days=7)


class Backoff(Struct, frozen=True):
    base: timedelta = timedelta(seconds=1)
    cap: timedelta = timedelta(minutes=10)
    max_doublings: int = 20
    spread: float = 0.5  # of the delay, taken off at random


DEFAULT_BACKOFF = Backoff()
_NO_OPTIONS = TaskOptions()
_TRIES = {Code.TRANSIENT: 3, Code.TIMEOUT: 3, Code.RESOURCE: 3, Code.INTERNAL: 1}


class Policy(Struct, frozen=True):
    """The options of one step, after precedence: submit, node, task, default."""

    retries: int | None
    timeout_s: float | None
    silence_s: float | None
    queue: timedelta
    priority: int
    schema: str
    pool: str


def policy_of(node: TaskNode, definition: TaskDefinition | None, priority: int) -> Policy:
    options = node.options
    own = definition.options if definition else _NO_OPTIONS
    return Policy(
        retries=own.retries if options.retries is None else options.retries,
        timeout_s=own.timeout_s if options.timeout_s is None else options.timeout_s,
        silence_s=own.silence_s,
        queue=QUEUE_LIMIT if own.queue_s is None else timedelta(seconds=own.queue_s),
        priority=priority + (options.priority or own.priority),
        schema=node.schema or (definition.digest if definition else ""),
        pool=own.pool,
    )


def tries_of(code: Code, retries: int | None) -> int:
    """How many attempts a failure of this kind may use up. A task's ``retries`` never covers what cannot help."""
    allowed = _TRIES.get(code, 1)
    if retries is None or code not in _TRIES:
        return allowed
    return retries + 1


def is_tried_again(step: Step, failure: Failure, retries: int | None) -> bool:
    """``step.failures`` counts the one at hand already."""
    return step.failures < tries_of(failure.code, retries)


def next_delay(policy: Backoff, attempt: int, jitter: float) -> timedelta:
    """The wait before the attempt after ``attempt``; ``jitter`` is 0 to 1."""
    doublings = min(attempt - 1, policy.max_doublings)
    return min(policy.base * (1 << doublings), policy.cap) * (1 - policy.spread * jitter)
