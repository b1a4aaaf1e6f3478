"""What a task may return when data alone does not say enough."""

from dataclasses import dataclass
from typing import Any, Generic, NamedTuple, TypeVar, cast

from msgspec import Struct, field

from tidemill.core.fit import FAILURE_KEY
from tidemill.core.run import Code

T_co = TypeVar("T_co", covariant=True)
T = TypeVar("T")
F = TypeVar("F")

SUCCESS = "success"
FAILURE = "failure"


@dataclass(frozen=True)
class Result(Generic[T_co]):
    """Data with a status of the task's own. A task annotated ``-> Result[Draft]`` gives its callers a ``Draft``.

    ``Result(status="failure", error=…)`` equals raising: the text means `PermanentError`, an exception itself.
    """

    status: str = SUCCESS
    data: T_co = cast(Any, None)  # noqa: RUF009  # a cast makes nothing
    error: str | Exception = ""


@dataclass(frozen=True)
class Final(Generic[T_co]):
    """The last word of an async stream: what it gives besides its items. A plain generator returns it instead."""

    value: T_co


class Streamed(NamedTuple, Generic[T, F]):
    """What a stream with a final value is to its callers: its items, and that value."""

    items: list[T]
    final: F


class Failure(Struct, frozen=True):
    """What ``on_failure=collect`` puts in the place of an element whose steps failed."""

    code: Code = field(name=FAILURE_KEY)
    message: str = ""
    path: str = ""  # of the step that failed
