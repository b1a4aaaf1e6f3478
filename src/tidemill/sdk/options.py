"""The options of tasks and nodes, as users write them."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from enum import Enum
from typing import Any, Final, Generic, TypedDict, TypeVar

from msgspec.structs import replace

from tidemill.core import definitions, rules
from tidemill.core.codes import MEANINGS, Again
from tidemill.core.graph import ElementFailure, NodeOptions
from tidemill.core.requirements import NOTHING, Requirements
from tidemill.core.run import Code
from tidemill.sdk.needs import Needs, names

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

injected: Final[Any] = type("Injected", (), {"__repr__": lambda _: "injected"})()  # fits a parameter of any type

Seconds = float | timedelta
CENTURY_S = 36_500 * 86_400.0  # what FOREVER is where a number is wanted


class Forever(Enum):
    """Nothing waits without an end, unless it says this word."""

    FOREVER = "forever"


FOREVER: Final = Forever.FOREVER


class OnFailure(Enum):
    """What a failure does: that of one element to its ``map_over``, that of a step to its workflow."""

    STOP_RUN = "stop_run"
    SKIP_DOWNSTREAM = "skip_downstream"  # its result is left out of the list; what needs that of a step is left out too


@dataclass(frozen=True)
class Default(Generic[T_co]):
    """The value that stands for the result of a step that failed; `default` makes it."""

    value: T_co


def default(value: T, /) -> Default[T]:
    """For ``.options(on_failure=default(0))``: the value that stands for the result of a step that failed for good."""
    return Default(value)


def checked_policy(given: OnFailure | Default[T]) -> OnFailure | Default[T]:
    """Raises TypeError."""
    if not isinstance(given, OnFailure | Default):
        raise TypeError(f"on_failure of a step is a member of OnFailure, or default(…), not {given!r}")
    return given


class Collect(Enum):
    """A type of its own, so that an overload of ``map_over`` can see it."""

    COLLECT = "collect"


collect: Final = Collect.COLLECT

ELEMENT_FAILURES: dict[OnFailure | Collect, ElementFailure] = {
    OnFailure.STOP_RUN: ElementFailure.STOP,
    OnFailure.SKIP_DOWNSTREAM: ElementFailure.SKIP,
    Collect.COLLECT: ElementFailure.COLLECT,
}


class Backend(Enum):
    """Where the body of a task runs."""

    INLINE = "inline"  # in the worker's process; can be asked to stop, not killed
    PROCESS = "process"  # in a warm child process, which is killed when it does not stop
    PROGRAM = "program"  # a command per call; that of `worker.program` and of spec files


@dataclass(frozen=True)
class Backoff:
    """The wait before a failed step is tried again: doubled from ``first`` up to ``most``, then jittered.

    Args:
        spread: from 0 to 1: this part of a wait is left to chance, so that not all come back at once.
    """

    first: Seconds = 1.0
    most: Seconds = 600.0
    spread: float = 0.5


@dataclass(frozen=True)
class Retries:
    """How often, and for how long, a failed step is tried again, where one number for all is too coarse.

    Args:
        times: tries after the first, for codes that are not in ``by_code``; None: as by default.
        by_code: tries after the first for one code, counted for itself: ``{"timeout": 0, "transient": 8}``.
        backoffs: the waits after failures of one code; for others the option ``backoff`` holds.
        within: no try begins later than so long after the first failure.
    """

    times: int | None = None
    by_code: Mapping[Code | str, int] = field(default_factory=dict)
    backoffs: Mapping[Code | str, Backoff] = field(default_factory=dict)
    within: Seconds | None = None


@dataclass(frozen=True)
class RateLimit:
    """At most ``count`` starts in ``per`` seconds, over all workers; up to ``count`` of them at once.

    Args:
        key: a place in the input, such as ``"user.id"``: each value there has a limit of its own.
    """

    count: int
    per: Seconds = 1.0
    key: str = ""


@dataclass(frozen=True)
class Cache:
    """The recorded result of the same input stands for ``lifetime`` seconds; nothing runs.

    Args:
        version: change it when the code changes what it gives; results of another version are not used.
    """

    lifetime: Seconds
    version: str = ""


class Options(TypedDict, total=False):
    """Options that a task has, and that a use of it may change. Lengths of time in seconds."""

    retries: int | Retries  # tries after the first
    timeout: Seconds  # of one attempt
    priority: int
    backoff: Backoff
    cache: Cache | Seconds
    needs: Needs  # what a worker must have; at a node it is added to the task's
    models: Sequence[str]  # that a worker must have in memory or on disk; one that has them in memory goes first
    queue: str  # workers may serve certain queues only
    max_cost: float  # of the worker, per second
    implementation: str  # at a task: the name of this one of several; at a node: the one to take


class TaskOptions(Options, total=False):
    pool: str  # its worker limits how many run at once, per pool
    silence: Seconds  # without heartbeat or progress
    queue_timeout: Seconds | Forever  # waiting for a worker; seven days where nothing is said
    ignore_unknown: bool  # unknown input keys are dropped instead of refused
    statuses: Sequence[str]  # that it may return by `Result`
    emits: Mapping[str, Any]  # events that it may tell of: the type of the payload, by the event's
    backend: Backend  # where it runs; that of its worker where nothing is said
    concurrency: int  # attempts at once, over all workers
    concurrency_key: str  # a place in the input: the limit (1 if not said) is for each value there
    rate_limit: RateLimit


def seconds(length: Seconds | None) -> float | None:
    return length.total_seconds() if isinstance(length, timedelta) else length


def task_options(given: TaskOptions) -> definitions.TaskOptions:
    _check(given)
    return definitions.TaskOptions(
        pool=given.get("pool", ""),
        retries=_times(given),
        timeout_s=seconds(given.get("timeout")),
        silence_s=seconds(given.get("silence")),
        queue_s=_wait(given.get("queue_timeout")),
        priority=given.get("priority", 0),
        ignore_unknown=given.get("ignore_unknown", False),
        backoff=_backoff(given.get("backoff")),
        concurrency=given.get("concurrency"),
        concurrency_key=given.get("concurrency_key", ""),
        rate=_rate(given.get("rate_limit")),
        cache=_cache(given.get("cache")),
        requires=_requires(given) or NOTHING,
        retry=_retry_rule(given.get("retries")),
    )


def _wait(length: Seconds | Forever | None) -> float | None:
    return CENTURY_S if isinstance(length, Forever) else seconds(length)


def node_options(given: Options) -> NodeOptions:
    _check(given)
    requires = _requires(given)
    if implementation := given.get("implementation", ""):
        requires = replace(requires or NOTHING, implementation=implementation)
    return NodeOptions(
        retries=_times(given),
        timeout_s=seconds(given.get("timeout")),
        priority=given.get("priority"),
        backoff=_backoff(given.get("backoff")),
        cache=_cache(given.get("cache")),
        requires=requires,
        retry=_retry_rule(given.get("retries")),
    )


def _times(given: Options) -> int | None:
    retries = given.get("retries")
    return retries.times if isinstance(retries, Retries) else retries


def _retry_rule(given: int | Retries | None) -> rules.RetryRule | None:
    """Raises ValueError."""
    if not isinstance(given, Retries):
        return None
    by_code = {_retried(code): times for code, times in given.by_code.items()}
    if any(type(times) is not int or times < 0 for times in (*by_code.values(), given.times or 0)):
        raise ValueError(f"retries counts the tries after the first, from 0, not {given}")
    backoffs = {_retried(code): made for code, each in given.backoffs.items() if (made := _backoff(each)) is not None}
    within_s = seconds(given.within)
    if within_s is not None and not within_s > 0:
        raise ValueError(f"`within` is a length of time above zero, not {given.within!r}")
    return rules.RetryRule(by_code, backoffs, within_s)


def _retried(code: Code | str) -> str:
    """The name of a code that is tried again. Raises ValueError."""
    name = code.value if isinstance(code, Code) else str(code)
    if name not in _RETRIED:
        raise ValueError(f"{name!r} is never tried again by a rule; {', '.join(_RETRIED)} are")
    return name


def _backoff(given: Backoff | None) -> rules.Backoff | None:
    if given is None:
        return None
    first_s, most_s = seconds(given.first) or 0.0, seconds(given.most) or 0.0
    if not 0 <= first_s <= most_s or not 0 <= given.spread <= 1:
        raise ValueError(f"a back-off goes from `first` up to `most`, with a spread from 0 to 1, not {given}")
    return rules.Backoff(first_s, most_s, given.spread)


def _rate(given: RateLimit | None) -> rules.Rate | None:
    if given is None:
        return None
    per_s = seconds(given.per) or 0.0
    if given.count < 1 or not per_s > 0:
        raise ValueError(f"a rate is a count from 1 in a length of time above zero, not {given}")
    return rules.Rate(given.count, per_s, given.key)


def _cache(given: Cache | Seconds | None) -> rules.CacheRule | None:
    if given is None:
        return None
    cache = given if isinstance(given, Cache) else Cache(given)
    lifetime_s = seconds(cache.lifetime) or 0.0
    if not lifetime_s > 0:
        raise ValueError(f"a cached result stands for a length of time above zero, not {cache.lifetime!r}")
    return rules.CacheRule(lifetime_s, cache.version)


def _requires(given: Options) -> Requirements | None:
    """None when nothing is required. Raises TypeError, ValueError."""
    needs, max_cost = given.get("needs", Needs()), given.get("max_cost")
    if not isinstance(needs, Needs):
        raise TypeError(f"needs is Needs(…), not {needs!r}")
    if max_cost is not None and not 0 <= max_cost < math.inf:
        raise ValueError(f"max_cost is a price per second from 0 up, not {max_cost!r}")
    models, queue = names("models", given.get("models", ())), given.get("queue", "")
    requires = replace(needs.requirements(), models=models, queue=queue, max_cost=max_cost)
    return None if requires == NOTHING else requires


def _check(given: Options) -> None:
    known = TaskOptions.__annotations__
    for name, value in given.items():
        if name not in known:
            raise TypeError(f"there is no option {name!r}; the options are {', '.join(known)}")
        if name in _KINDS and not _is_one_of(value, _KINDS[name]):
            raise TypeError(f"{name} is {_said(_KINDS[name])}, not {value!r}")
        if isinstance(value, float | int | timedelta) and name in _LENGTHS and not (seconds(value) or 0) > 0:
            raise ValueError(f"{name} is a length of time above zero, not {value!r}")
    slots = given.get("concurrency", 1)
    if isinstance(slots, int) and slots < 1:
        raise ValueError(f"concurrency counts attempts at once, from 1, not {slots!r}")
    if (times := _times(given)) is not None and times < 0:
        raise ValueError(f"retries counts the tries after the first, from 0, not {times!r}")


def _is_one_of(value: object, kinds: tuple[type, ...]) -> bool:
    """None stands for nothing said. A truth value is no number, though Python takes it for one."""
    return value is None or (isinstance(value, kinds) and (bool in kinds or not isinstance(value, bool)))


def _said(kinds: tuple[type, ...]) -> str:
    return " or ".join(_WORDS.get(kind, kind.__name__) for kind in kinds if kind is not int or float not in kinds)


_RETRIED = tuple(code.value for code, meaning in MEANINGS.items() if meaning.again is Again.POLICY)
_LENGTHS = frozenset(("timeout", "silence", "queue_timeout"))
_LENGTH = (int, float, timedelta)
_WORDS = {int: "a whole number", float: "a number of seconds", str: "a text", bool: "True or False"}
_KINDS: dict[str, tuple[type, ...]] = {
    **dict.fromkeys(("priority", "concurrency"), (int,)),
    "retries": (int, Retries),
    **dict.fromkeys(("queue", "implementation", "pool", "concurrency_key"), (str,)),
    **dict.fromkeys(("timeout", "silence"), _LENGTH),
    "queue_timeout": (*_LENGTH, Forever),
    "backoff": (Backoff,),
    "cache": (*_LENGTH, Cache),
    "ignore_unknown": (bool,),
    "backend": (Backend,),
    "rate_limit": (RateLimit,),
}
