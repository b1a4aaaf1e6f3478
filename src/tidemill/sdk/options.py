"""The options of tasks and nodes, as users write them."""

from collections.abc import Sequence
from datetime import timedelta
from enum import Enum
from typing import Any, Final, TypedDict

from tidemill.core import definitions
from tidemill.core.graph import ElementFailure, NodeOptions

injected: Final[Any] = type("Injected", (), {"__repr__": lambda _: "injected"})()  # fits a parameter of any type

Seconds = float | timedelta
CENTURY_S = 36_500 * 86_400.0  # what FOREVER is where a number is wanted


class Forever(Enum):
    """Nothing waits without an end, unless it says this word."""

    FOREVER = "forever"


FOREVER: Final = Forever.FOREVER


class OnFailure(Enum):
    """What the failure of one element does to its ``map_over``."""

    STOP_RUN = "stop_run"
    SKIP_DOWNSTREAM = "skip_downstream"  # its result is left out of the list


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


class Options(TypedDict, total=False):
    """Options that a task has, and that a use of it may change. Lengths of time in seconds."""

    retries: int  # tries after the first
    timeout: Seconds  # of one attempt
    priority: int


class TaskOptions(Options, total=False):
    pool: str  # its worker limits how many run at once, per pool
    silence: Seconds  # without heartbeat or progress
    queue_timeout: Seconds | Forever  # waiting for a worker; seven days where nothing is said
    ignore_unknown: bool  # unknown input keys are dropped instead of refused
    statuses: Sequence[str]  # that it may return by `Result`
    backend: Backend  # where it runs; that of its worker where nothing is said


def seconds(length: Seconds | None) -> float | None:
    return length.total_seconds() if isinstance(length, timedelta) else length


def task_options(given: TaskOptions) -> definitions.TaskOptions:
    _check(given)
    return definitions.TaskOptions(
        pool=given.get("pool", ""),
        retries=given.get("retries"),
        timeout_s=seconds(given.get("timeout")),
        silence_s=seconds(given.get("silence")),
        queue_s=_wait(given.get("queue_timeout")),
        priority=given.get("priority", 0),
        ignore_unknown=given.get("ignore_unknown", False),
    )


def _wait(length: Seconds | Forever | None) -> float | None:
    return CENTURY_S if isinstance(length, Forever) else seconds(length)


def node_options(given: Options) -> NodeOptions:
    _check(given)
    return NodeOptions(
        retries=given.get("retries"), timeout_s=seconds(given.get("timeout")), priority=given.get("priority")
    )


def _check(given: Options) -> None:
    known = TaskOptions.__annotations__
    for name, value in given.items():
        if name not in known:
            raise TypeError(f"there is no option {name!r}; the options are {', '.join(known)}")
        if isinstance(value, float | int | timedelta) and name in _LENGTHS and not (seconds(value) or 0) > 0:
            raise ValueError(f"{name} is a length of time above zero, not {value!r}")
    if given.get("retries", 0) < 0:
        raise ValueError(f"retries counts the tries after the first, from 0, not {given['retries']!r}")


_LENGTHS = frozenset(("timeout", "silence", "queue_timeout"))
