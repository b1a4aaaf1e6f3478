"""What workers announce of their tasks, and options with one precedence: submit, node, task, default."""

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Struct, field

from tidemill.core.graph import Schema
from tidemill.core.ids import digest_of, digest_text
from tidemill.core.requirements import NOTHING, Requirements
from tidemill.core.rules import Backoff, CacheRule, Rate, RetryRule


class TaskOptions(Struct, frozen=True, omit_defaults=True):
    """Options of a task; None leaves the choice to the default. Lengths of time in seconds."""

    pool: str = ""  # "" counts only against the worker's total
    retries: int | None = None  # tries after the first, for failures worth trying again
    timeout_s: float | None = None  # one attempt
    silence_s: float | None = None  # without heartbeat or progress
    queue_s: float | None = None  # waiting in the queue; None: seven days
    priority: int = 0
    ignore_unknown: bool = False  # unknown input keys are dropped instead of refused
    backoff: Backoff | None = None
    concurrency: int | None = None  # attempts at once over all workers, for each value of the key
    concurrency_key: str = ""  # a place in the input, `user.id`; "" is one limit for all calls of the task
    rate: Rate | None = None
    cache: CacheRule | None = None
    requires: Requirements = NOTHING
    retry: RetryRule | None = None


class TaskDefinition(Struct, frozen=True, omit_defaults=True):
    """One task as its worker announces it; kept after the worker leaves."""

    name: str  # worker.function
    inputs: Schema  # an object schema: one property per data parameter
    outputs: dict[str, Schema]  # by port
    digest: str  # `task_digest`; a worker that leaves it empty lets the server fill it in
    item: Schema | None = None  # of a stream
    record: str = ""  # the parameter that a bare record may stand for; "" when there is none
    is_async: bool = False
    statuses: tuple[str, ...] = ()
    doc: str = ""
    signature: str = ""
    options: TaskOptions = field(default_factory=TaskOptions)
    extra: dict[str, Any] = field(default_factory=dict)  # for people; never decides
    keywords: tuple[str, ...] = ()  # parameters that callers in Python give by name only
    injects: tuple[str, ...] = ()  # parameters that the worker fills; they are no inputs
    implementation: str = ""  # of several of one name and schema; "" is the plain one
    emits: dict[str, Schema] = field(default_factory=dict)  # schemas of the events that it tells of, by type


class Pools(Struct, frozen=True):
    """How many attempts a worker takes at once: in all, and per pool."""

    total: int
    limits: dict[str, int] = field(default_factory=dict)


def task_digest(name: str, inputs: Schema, outputs: Mapping[str, Schema], item: Schema | None) -> str:
    """What tells two versions of a task apart: JSON with sorted keys, without what is for people."""
    told = undescribed([name, inputs, dict(outputs), item])
    return digest_text(digest_of(msgspec.json.encode(told, order="sorted")))


def undescribed(schema: Any) -> Any:
    """A better docstring makes no other task."""
    if isinstance(schema, dict):
        return {
            key: undescribed(each) for key, each in schema.items() if key != "description" or not isinstance(each, str)
        }
    return [undescribed(each) for each in schema] if isinstance(schema, list) else schema
