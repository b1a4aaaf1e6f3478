"""Whether and when a failed step is tried again."""

from datetime import timedelta

from msgspec import Struct
from msgspec.structs import replace

from tidemill.core.codes import MEANINGS, Again
from tidemill.core.definitions import TaskDefinition, TaskOptions
from tidemill.core.graph import TaskNode
from tidemill.core.ids import Instant
from tidemill.core.requirements import Requirements
from tidemill.core.rules import NO_RETRY_RULE, Backoff, RetryRule
from tidemill.core.run import Code, Failure, Step

MAX_LOSSES = MEANINGS[Code.WORKER_LOST].tries  # workers that died under a step before it waits for a person
ALONE_AFTER = 2  # losses after which it runs with no neighbour
MAX_UNSTARTED = 10  # attempts that no worker ever started; each further one counts as a loss
QUEUE_LIMIT = timedelta(days=7)
MAX_DOUBLINGS = 30
_MICROSECOND = timedelta(microseconds=1)
DEFAULT_BACKOFF = Backoff()
_NO_OPTIONS = TaskOptions()


class Policy(Struct, frozen=True):
    """The options of one step, after precedence: submit, node, task, default."""

    retries: int | None
    timeout_s: float | None
    silence_s: float | None
    queue: timedelta
    priority: int
    schema: str
    pool: str
    backoff: Backoff = DEFAULT_BACKOFF
    rule: RetryRule = NO_RETRY_RULE
    requires: Requirements | None = None  # of the node; those of the task are with each worker that has it


LONGEST_S = 10 * 365 * 86400.0
PRIORITIES = 1_000_000  # either way; further would leave the numbers that a store can order by


def length_of(seconds: float) -> timedelta:
    """A length of time that somebody else gave: what makes no sense is cut to what does."""
    return timedelta(seconds=max(0.0, min(seconds, LONGEST_S)) if seconds == seconds else 0.0)  # noqa: PLR0124  # NaN


def policy_of(node: TaskNode, definition: TaskDefinition | None, priority: int) -> Policy:
    options = node.options
    own = definition.options if definition else _NO_OPTIONS
    wanted = priority + (own.priority if options.priority is None else options.priority)
    timeout_s = own.timeout_s if options.timeout_s is None else options.timeout_s
    return Policy(
        retries=own.retries if options.retries is None else options.retries,
        timeout_s=None if timeout_s is None else length_of(timeout_s).total_seconds(),
        silence_s=own.silence_s,
        queue=QUEUE_LIMIT if own.queue_s is None else length_of(own.queue_s),
        priority=max(-PRIORITIES, min(wanted, PRIORITIES)),
        schema=node.schema or (definition.digest if definition else ""),
        pool=own.pool,
        backoff=options.backoff or own.backoff or DEFAULT_BACKOFF,
        rule=options.retry or own.retry or NO_RETRY_RULE,
        requires=options.requires,
    )


def tries_of(code: Code, retries: int | None) -> int:
    """How many attempts a failure of this kind may use up. A task's ``retries`` never covers what cannot help."""
    meaning = MEANINGS[code]
    if meaning.again is not Again.POLICY:
        return 1
    return meaning.tries if retries is None else retries + 1


def failed_once_more(step: Step, code: Code, at: Instant, rule: RetryRule) -> Step:
    """The step with a failure that counts; those of codes with a number of their own are counted for themselves too."""
    by_code = step.failed_codes
    if code.value in rule.by_code:
        by_code = {**by_code, code.value: by_code.get(code.value, 0) + 1}
    return replace(step, failures=step.failures + 1, failed_codes=by_code, first_failed_at=step.first_failed_at or at)


def is_tried_again(step: Step, failure: Failure, policy: Policy) -> bool:
    """``step`` counts the failure at hand already."""
    name = failure.code.value
    if name in policy.rule.by_code and MEANINGS[failure.code].again is Again.POLICY:
        return step.failed_codes.get(name, 0) <= policy.rule.by_code[name]
    return step.failures < tries_of(failure.code, policy.retries)


def is_too_late(step: Step, due_at: Instant, rule: RetryRule) -> bool:
    """Whether the time in which a step is tried again is over at ``due_at``."""
    return rule.within_s is not None and due_at > step.first_failed_at + length_of(rule.within_s) // _MICROSECOND


def delay_after(step: Step, failure: Failure, policy: Policy, jitter: float) -> timedelta:
    """The wait before the next try: by the code's back-off, and not less than what the failure asks for."""
    name = failure.code.value
    backoff, tried = policy.rule.backoffs.get(name, policy.backoff), step.failed_codes.get(name, step.failures)
    delay = next_delay(backoff, tried, jitter)
    return delay if failure.retry_after_s is None else max(delay, length_of(failure.retry_after_s))


def next_delay(policy: Backoff, attempt: int, jitter: float) -> timedelta:
    """The wait before the attempt after ``attempt``; ``jitter`` is 0 to 1."""
    whole_s = min(policy.first_s * 2.0 ** min(attempt - 1, MAX_DOUBLINGS), policy.most_s)
    return length_of(whole_s) * (1 - min(max(policy.spread, 0.0), 1.0) * jitter)
