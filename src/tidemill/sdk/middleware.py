"""Middleware: code around each call of a task, or of all tasks of a worker.

```python
@media.middleware
async def timed(call: TaskCall, proceed: Proceed) -> Any:
    started = perf_counter()
    try:
        return await proceed(call)
    finally:
        log.info("%s took %.3f s", call.task.name, perf_counter() - started)
```
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from tidemill.core.definitions import TaskDefinition, TaskOptions
from tidemill.sdk.batch import Batch
from tidemill.sdk.callables import is_async_generator, is_coroutine, is_generator, name_of
from tidemill.sdk.context import Context
from tidemill.sdk.depends import Provider
from tidemill.sdk.errors import DefinitionError
from tidemill.sdk.signature import Signature


class CalledTask(Protocol):
    """A task as middleware and injection see it."""

    name: str
    task_options: TaskOptions
    middleware: tuple["Middleware", ...]
    batch: Batch | None
    shared: "Shared"

    @property
    def fn(self) -> Any: ...

    @property
    def signature(self) -> Signature: ...

    @property
    def definition(self) -> TaskDefinition: ...


@dataclass(frozen=True)
class TaskCall:
    """One call on its way to the function. ``inputs`` are decoded, by parameter; what is injected is not among them."""

    task: CalledTask
    inputs: Mapping[str, Any]
    context: Context

    def with_inputs(self, **changed: Any) -> "TaskCall":
        """The same call with other inputs. Their types are not checked again."""
        return replace(self, inputs={**self.inputs, **changed})


Proceed = Callable[[TaskCall], Awaitable[Any]]  # the next middleware, in the end the function; of a stream its iterator
ProceedSync = Callable[[TaskCall], Any]
Middleware = Callable[[TaskCall, Proceed], Awaitable[Any]] | Callable[[TaskCall, ProceedSync], Any]


class Shared:
    """What the tasks of a worker share: its middleware, and the factories that a test has replaced."""

    def __init__(self) -> None:
        self.middleware: tuple[Middleware, ...] = ()
        self.replaced: Callable[[Provider], Provider] | None = None


def check_middleware(found: Sequence[Any]) -> tuple[Middleware, ...]:
    """Raises DefinitionError."""
    for each in found:
        if not callable(each):
            raise DefinitionError(f"{each!r} is no middleware; write `async def each(call, proceed)`")
        if is_generator(each) or is_async_generator(each):
            raise DefinitionError(f"middleware {name_of(each)} yields; write `return await proceed(call)` instead")
    return tuple(found)


def is_async(middleware: Middleware) -> bool:
    return is_coroutine(middleware)
