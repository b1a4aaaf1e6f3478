"""What a task may return when data alone does not say enough."""

from dataclasses import dataclass
from typing import Any, Generic, TypeVar, cast

from msgspec import Struct, field

from tidemill.core.fit import FAILURE_KEY
from tidemill.core.run import Code

T_co = TypeVar("T_co", covariant=True)

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


class Failure(Struct, frozen=True):
    """What ``on_failure=collect`` puts in the place of an element whose steps failed."""

    code: Code = field(name=FAILURE_KEY)
    message: str = ""
    path: str = ""  # of the step that failed
