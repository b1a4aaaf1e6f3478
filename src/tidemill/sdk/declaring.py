"""How functions become tasks: the decorators of a worker, typed so that a task has the types of its function."""

import inspect
import re
from collections.abc import AsyncIterator, Callable, Generator, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, Generic, ParamSpec, Protocol, TypeVar, Unpack, cast, overload

from msgspec.structs import replace

from tidemill.sdk.batch import Batch
from tidemill.sdk.callables import is_async_generator, is_generator, name_of
from tidemill.sdk.codecs import Codec
from tidemill.sdk.definition import Coro, LocalTask, WithContext
from tidemill.sdk.errors import DefinitionError
from tidemill.sdk.events import event_plans
from tidemill.sdk.middleware import Middleware, check_middleware
from tidemill.sdk.options import Backend, TaskOptions, task_options
from tidemill.sdk.result import Failure, Final, Result, Streamed
from tidemill.sdk.signature import Signature, read_batch, read_stream, read_task

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")
F = TypeVar("F")
A1 = TypeVar("A1")
A2 = TypeVar("A2")
A3 = TypeVar("A3")

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")


class Owner(Protocol):
    """The worker that a task is declared for."""

    @property
    def name(self) -> str: ...

    @property
    def backend(self) -> Backend: ...
    @property
    def process_pool(self) -> str: ...

    @property
    def codecs(self) -> tuple[Codec[Any, Any], ...]: ...

    def register(self, task: LocalTask[..., Any, Any]) -> None: ...


class LocalOptions(TaskOptions, total=False):
    """Options of a task whose function is here."""

    middleware: Sequence[Middleware]  # inside that of its worker, the first one outermost


class AddedOptions(LocalOptions, total=False):
    name: str


class _Decorator:
    def __init__(self, worker: Owner, name: str = "", options: LocalOptions | None = None) -> None:
        self._worker, self._name, self._options = worker, name, options or LocalOptions()
        self._batch: Batch | None = None

    def _declared(self, first: Callable[..., Any] | str, options: LocalOptions, read: Callable[..., Signature]) -> Any:
        if isinstance(first, str):
            return type(self)(self._worker, first, {**self._options, **options})
        name = check_name(self._name or name_of(first), "task")
        reading = partial(read, codecs=self._worker.codecs)
        task = LocalTask[..., Any, Any](f"{self._worker.name}.{name}", first, reading, local_names(depth=3))
        task.batch = self._batch
        task.middleware = check_middleware(self._options.get("middleware", ()))
        announced = {name: value for name, value in self._options.items() if name != "middleware"}
        task.task_options = task_options(cast("TaskOptions", announced))
        task.backend = self._options.get("backend", self._worker.backend)
        if task.backend is Backend.PROGRAM:
            raise DefinitionError(f"{task.name} is a function; a program is declared by @worker.program(command=[…])")
        if task.backend is Backend.PROCESS and not task.task_options.pool:
            task.task_options = replace(task.task_options, pool=self._worker.process_pool)
        if task.batch is not None and task.backend is not Backend.INLINE:
            raise DefinitionError(f"task {task.name}: calls are gathered in the worker's process; use Backend.INLINE")
        task.statuses = tuple(self._options.get("statuses", ()))
        task.emits = event_plans(self._options.get("emits", {}))
        task.implementation = self._options.get("implementation", "")
        self._worker.register(task)
        return task


class TaskDecorator(_Decorator):
    # The order counts: context first, async before sync, `Result` before its data. To mypy some overlap, as is meant.
    @overload
    def __call__(  # type: ignore[overload-overlap]
        self, body: WithContext[P, Coro[Result[R]]], /
    ) -> LocalTask[P, R, WithContext[P, Coro[Result[R]]]]: ...
    @overload
    def __call__(  # type: ignore[overload-overlap]
        self, body: WithContext[P, Coro[R]], /
    ) -> LocalTask[P, R, WithContext[P, Coro[R]]]: ...
    @overload
    def __call__(self, body: Callable[P, Coro[Result[R]]], /) -> LocalTask[P, R, Callable[P, Coro[Result[R]]]]: ...
    @overload
    def __call__(self, body: Callable[P, Coro[R]], /) -> LocalTask[P, R, Callable[P, Coro[R]]]: ...
    @overload
    def __call__(  # type: ignore[overload-overlap]
        self, body: WithContext[P, Result[R]], /
    ) -> LocalTask[P, R, WithContext[P, Result[R]]]: ...
    @overload
    def __call__(self, body: Callable[P, Result[R]], /) -> LocalTask[P, R, Callable[P, Result[R]]]: ...
    @overload
    def __call__(self, body: WithContext[P, R], /) -> LocalTask[P, R, WithContext[P, R]]: ...
    @overload
    def __call__(self, body: Callable[P, R], /) -> LocalTask[P, R, Callable[P, R]]: ...
    @overload
    def __call__(self, name: str = ..., /, *, batch: Batch, **options: Unpack[LocalOptions]) -> "BatchDecorator": ...
    @overload
    def __call__(self, name: str = ..., /, **options: Unpack[LocalOptions]) -> "TaskDecorator": ...
    def __call__(
        self, first: Callable[..., Any] | str = "", /, *, batch: Batch | None = None, **options: Unpack[LocalOptions]
    ) -> object:
        if batch is None or not isinstance(first, str):
            return self._declared(first, options, read_task)
        made = BatchDecorator(self._worker, first, {**self._options, **options})
        made._batch = batch  # noqa: SLF001  # of its own kind
        return made


Elements = Sequence[R | Exception | Failure]  # one for each call; an error is that call's


class BatchDecorator(_Decorator):
    """Of ``@worker.task(batch=…)``: the function takes lists, its callers single values, by position."""

    @overload
    def __call__(
        self, body: Callable[[list[A1]], Coro[Elements[R]]], /
    ) -> LocalTask[[A1], R, Callable[[list[A1]], Coro[Elements[R]]]]: ...
    @overload
    def __call__(
        self, body: Callable[[list[A1], list[A2]], Coro[Elements[R]]], /
    ) -> LocalTask[[A1, A2], R, Callable[[list[A1], list[A2]], Coro[Elements[R]]]]: ...
    @overload
    def __call__(
        self, body: Callable[[list[A1], list[A2], list[A3]], Coro[Elements[R]]], /
    ) -> LocalTask[[A1, A2, A3], R, Callable[[list[A1], list[A2], list[A3]], Coro[Elements[R]]]]: ...
    @overload
    def __call__(
        self, body: Callable[[list[A1]], Elements[R]], /
    ) -> LocalTask[[A1], R, Callable[[list[A1]], Elements[R]]]: ...
    @overload
    def __call__(
        self, body: Callable[[list[A1], list[A2]], Elements[R]], /
    ) -> LocalTask[[A1, A2], R, Callable[[list[A1], list[A2]], Elements[R]]]: ...
    @overload
    def __call__(
        self, body: Callable[[list[A1], list[A2], list[A3]], Elements[R]], /
    ) -> LocalTask[[A1, A2, A3], R, Callable[[list[A1], list[A2], list[A3]], Elements[R]]]: ...
    def __call__(self, body: Callable[..., Any], /) -> object:
        return self._declared(body, {}, read_batch)


class FinalStreamDecorator(_Decorator, Generic[F]):
    """Of ``@worker.stream(final=…)``: mypy cannot find the type of the final value in a union by itself."""

    final: Any = None

    @overload
    def __call__(
        self, body: WithContext[P, AsyncIterator[T | Final[F]]], /
    ) -> LocalTask[P, Streamed[T, F], WithContext[P, AsyncIterator[T | Final[F]]]]: ...
    @overload
    def __call__(
        self, body: Callable[P, AsyncIterator[T | Final[F]]], /
    ) -> LocalTask[P, Streamed[T, F], Callable[P, AsyncIterator[T | Final[F]]]]: ...
    def __call__(self, body: Callable[..., Any], /) -> object:
        return self._declared(body, {}, partial(read_stream, final=self.final))


class StreamDecorator(_Decorator):
    # Those with a final value first: to mypy they overlap with the others, as is meant.
    @overload
    def __call__(  # type: ignore[overload-overlap]
        self, body: WithContext[P, Generator[T, Any, None]], /
    ) -> LocalTask[P, list[T], WithContext[P, Iterator[T]]]: ...
    @overload
    def __call__(  # type: ignore[overload-overlap]
        self, body: WithContext[P, Generator[T, Any, F]], /
    ) -> LocalTask[P, Streamed[T, F], WithContext[P, Generator[T, Any, F]]]: ...
    @overload
    def __call__(  # type: ignore[overload-overlap]
        self, body: Callable[P, Generator[T, Any, None]], /
    ) -> LocalTask[P, list[T], Callable[P, Iterator[T]]]: ...
    @overload
    def __call__(  # type: ignore[overload-overlap]
        self, body: Callable[P, Generator[T, Any, F]], /
    ) -> LocalTask[P, Streamed[T, F], Callable[P, Generator[T, Any, F]]]: ...
    @overload
    def __call__(self, body: WithContext[P, Iterator[T]], /) -> LocalTask[P, list[T], WithContext[P, Iterator[T]]]: ...
    @overload
    def __call__(
        self, body: WithContext[P, AsyncIterator[T]], /
    ) -> LocalTask[P, list[T], WithContext[P, AsyncIterator[T]]]: ...
    @overload
    def __call__(self, body: Callable[P, Iterator[T]], /) -> LocalTask[P, list[T], Callable[P, Iterator[T]]]: ...
    @overload
    def __call__(
        self, body: Callable[P, AsyncIterator[T]], /
    ) -> LocalTask[P, list[T], Callable[P, AsyncIterator[T]]]: ...
    @overload
    def __call__(
        self, name: str = ..., /, *, final: type[F], **options: Unpack[LocalOptions]
    ) -> "FinalStreamDecorator[F]": ...
    @overload
    def __call__(self, name: str = ..., /, **options: Unpack[LocalOptions]) -> "StreamDecorator": ...
    def __call__(
        self, first: Callable[..., Any] | str = "", /, *, final: Any = None, **options: Unpack[LocalOptions]
    ) -> object:
        if final is None or not isinstance(first, str):
            return self._declared(first, options, read_stream)
        made = FinalStreamDecorator[Any](self._worker, first, {**self._options, **options})
        made.final = final
        return made


class Adder(_Decorator):
    """``worker.add``: any callable as a task (function, method, class, object, partial), a generator as a stream.

    Its name is that of the function, unless ``name`` is given; an object and a partial of one have none.
    """

    @overload
    def __call__(  # type: ignore[overload-overlap]
        self, body: WithContext[P, Iterator[T]], /, **options: Unpack[AddedOptions]
    ) -> LocalTask[P, list[T], WithContext[P, Iterator[T]]]: ...
    @overload
    def __call__(  # type: ignore[overload-overlap]
        self, body: WithContext[P, AsyncIterator[T]], /, **options: Unpack[AddedOptions]
    ) -> LocalTask[P, list[T], WithContext[P, AsyncIterator[T]]]: ...
    @overload
    def __call__(
        self, body: Callable[P, Iterator[T]], /, **options: Unpack[AddedOptions]
    ) -> LocalTask[P, list[T], Callable[P, Iterator[T]]]: ...
    @overload
    def __call__(
        self, body: Callable[P, AsyncIterator[T]], /, **options: Unpack[AddedOptions]
    ) -> LocalTask[P, list[T], Callable[P, AsyncIterator[T]]]: ...
    @overload
    def __call__(  # type: ignore[overload-overlap]
        self, body: WithContext[P, Coro[Result[R]]], /, **options: Unpack[AddedOptions]
    ) -> LocalTask[P, R, WithContext[P, Coro[Result[R]]]]: ...
    @overload
    def __call__(  # type: ignore[overload-overlap]
        self, body: WithContext[P, Coro[R]], /, **options: Unpack[AddedOptions]
    ) -> LocalTask[P, R, WithContext[P, Coro[R]]]: ...
    @overload
    def __call__(
        self, body: Callable[P, Coro[Result[R]]], /, **options: Unpack[AddedOptions]
    ) -> LocalTask[P, R, Callable[P, Coro[Result[R]]]]: ...
    @overload
    def __call__(
        self, body: Callable[P, Coro[R]], /, **options: Unpack[AddedOptions]
    ) -> LocalTask[P, R, Callable[P, Coro[R]]]: ...
    @overload
    def __call__(  # type: ignore[overload-overlap]
        self, body: WithContext[P, Result[R]], /, **options: Unpack[AddedOptions]
    ) -> LocalTask[P, R, WithContext[P, Result[R]]]: ...
    @overload
    def __call__(
        self, body: Callable[P, Result[R]], /, **options: Unpack[AddedOptions]
    ) -> LocalTask[P, R, Callable[P, Result[R]]]: ...
    @overload
    def __call__(
        self, body: WithContext[P, R], /, **options: Unpack[AddedOptions]
    ) -> LocalTask[P, R, WithContext[P, R]]: ...
    @overload
    def __call__(self, body: Callable[P, R], /, **options: Unpack[AddedOptions]) -> LocalTask[P, R, Callable[P, R]]: ...
    def __call__(self, body: Callable[..., Any], /, **options: Unpack[AddedOptions]) -> object:
        if isinstance(body, LocalTask) or not callable(body):
            raise DefinitionError(f"{body!r} is no function; worker.add takes a callable")
        name = options.pop("name", "") or name_of(body)
        if not name:
            raise DefinitionError(f"{body!r} has no name of its own; give it one: {self._worker.name}.add(…, name=…)")
        is_stream = is_generator(body) or is_async_generator(body)
        adder = _Decorator(self._worker, name, cast("LocalOptions", options))
        return adder._declared(body, {}, _read_items if is_stream else read_task)  # noqa: SLF001  # of its own kind


def _read_items(
    fn: Callable[..., Any], names: Mapping[str, Any], codecs: tuple[Codec[Any, Any], ...] = ()
) -> Signature:
    signature = read_stream(fn, names, codecs)
    if signature.final is not None:
        raise DefinitionError("its generator returns a final value too; declare it with @worker.stream")
    return signature


def check_name(name: str, kind: str) -> str:
    if not _NAME.fullmatch(name):
        raise DefinitionError(f"{name!r} is no name for a {kind}: letters, digits, '_' and '-', a letter first")
    return name


def local_names(depth: int) -> Mapping[str, Any]:
    """The local names of a caller: annotations may name classes that were defined inside a function."""
    frame = inspect.currentframe()
    for _ in range(depth):
        frame = frame.f_back if frame else None
    if frame is None or frame.f_locals is frame.f_globals:
        return {}
    return dict(frame.f_locals)
