"""`Worker`: a named set of tasks. Declaring one connects to nothing."""

import inspect
import re
from collections.abc import AsyncIterator, Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any, Generic, ParamSpec, TypeVar, Unpack, cast, overload

from tidemill.core.definitions import TaskDefinition
from tidemill.sdk.callables import is_async_generator, is_generator, name_of, parameters_of
from tidemill.sdk.codecs import Codec
from tidemill.sdk.definition import Coro, LocalTask, WithContext
from tidemill.sdk.depends import Depends, Provider, factories_of, read_provider, told
from tidemill.sdk.errors import DefinitionError
from tidemill.sdk.middleware import Middleware, Shared, check_middleware
from tidemill.sdk.offers import WorkerOffers, offers_of
from tidemill.sdk.options import Backend, TaskOptions, task_options
from tidemill.sdk.result import Final, Result, Streamed
from tidemill.sdk.signature import Signature, read_stream, read_task

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")
F = TypeVar("F")
AnyMiddleware = TypeVar("AnyMiddleware", bound=Middleware)
Hook = Callable[[], Any]  # what is awaited, when it is async
AnyHook = TypeVar("AnyHook", bound=Hook)

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")


class LocalOptions(TaskOptions, total=False):
    """Options of a task whose function is here."""

    middleware: Sequence[Middleware]  # inside that of its worker, the first one outermost


class _Decorator:
    def __init__(self, worker: "Worker", name: str = "", options: LocalOptions | None = None) -> None:
        self._worker, self._name, self._options = worker, name, options or LocalOptions()

    def _declared(self, first: Callable[..., Any] | str, options: LocalOptions, read: Callable[..., Signature]) -> Any:
        if isinstance(first, str):
            return type(self)(self._worker, first, {**self._options, **options})
        name = check_name(self._name or getattr(first, "__name__", ""), "task")
        reading = partial(read, codecs=self._worker.codecs)
        task = LocalTask[..., Any, Any](f"{self._worker.name}.{name}", first, reading, local_names(depth=3))
        task.middleware = check_middleware(self._options.get("middleware", ()))
        announced = {name: value for name, value in self._options.items() if name != "middleware"}
        task.task_options = task_options(cast("TaskOptions", announced))
        task.backend = self._options.get("backend", self._worker.backend)
        task.statuses = tuple(self._options.get("statuses", ()))
        task.implementation = self._options.get("implementation", "")
        self._worker.add(task)
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
    def __call__(self, name: str = ..., /, **options: Unpack[LocalOptions]) -> "TaskDecorator": ...
    def __call__(self, first: Callable[..., Any] | str = "", /, **options: Unpack[LocalOptions]) -> object:
        return self._declared(first, options, read_task)


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


class Worker:
    """Tasks under one name: a function ``thumb`` of ``Worker("media")`` is the task ``media.thumb``.

    ``@worker.task`` takes functions, async or not; ``@worker.stream`` takes generators, async or not.
    """

    def __init__(
        self,
        name: str,
        /,
        *,
        concurrency: int | None = None,
        pools: Mapping[str, int] | None = None,
        backend: Backend = Backend.INLINE,
        codecs: Sequence[Codec[Any, Any]] = (),
        **offers: Unpack[WorkerOffers],
    ) -> None:
        """Declare a worker.

        Args:
            concurrency: attempts at once in all; None leaves it to the process's setting.
            pools: attempts at once of the tasks of a pool. A task of another pool, or of none, counts only in all.
            backend: where its tasks run that do not say so themselves.
            codecs: of classes that its tasks take and give, one for each class.
            offers: what it has for tasks that require something; resources that are not said are detected.
        """
        self.name, self.backend = check_name(name, "worker"), backend
        self.concurrency, self.pools, self.codecs = concurrency, dict(pools or {}), tuple(codecs)
        _check_codecs(name, self.codecs)
        for what, limit in [("concurrency", concurrency or 1), *self.pools.items()]:
            if limit < 1:
                raise DefinitionError(f"worker {name}: the limit of {what} is {limit}; it must be 1 or more")
        self.shared = Shared()
        self.start_hooks: list[Hook] = []
        self.stop_hooks: list[Hook] = []
        self.offers = offers_of(name, offers)
        self.tasks: dict[str, LocalTask[..., Any, Any]] = {}  # by target: the name, and which implementation it is
        self.task = TaskDecorator(self)
        self.stream = StreamDecorator(self)

    def add(self, task: LocalTask[..., Any, Any]) -> None:
        """Raises DefinitionError for a name that is taken, or a signature that cannot be served."""
        if fault := clash(task, self.tasks.values()):
            raise DefinitionError(f"{task.name} {fault}")
        task.shared = self.shared
        task.read_early()
        self.tasks[target_of(task.name, task.implementation)] = task

    def middleware(self, around: AnyMiddleware, /) -> AnyMiddleware:
        """Declare code around each call of this worker's tasks: ``async def around(call, proceed)``, or plain ``def``.

        The first one declared is outermost. Async ones run on the loop of async tasks, others in a thread.
        """
        self.shared.middleware += check_middleware([around])
        return around

    def on_start(self, hook: AnyHook, /) -> AnyHook:
        """Declare what each worker process does once before it takes attempts; async or not. A failure ends it."""
        self.start_hooks.append(_checked_hook("on_start", hook))
        return hook

    def on_stop(self, hook: AnyHook, /) -> AnyHook:
        """Declare what each worker process does once after its last attempt; async or not. A failure is logged."""
        self.stop_hooks.append(_checked_hook("on_stop", hook))
        return hook

    @contextmanager
    def overrides(self, factories: Mapping[Callable[..., object], Callable[..., object]]) -> Iterator[None]:
        """Use other factories, for a test: ``with media.overrides({open_db: fake_db}): …``.

        Each is called with the arguments of the one that it stands for. It holds in this process, for all its threads.

        Raises:
            DefinitionError: no task depends on a factory that is to be replaced, or another cannot stand for it.
        """
        names, before = local_names(depth=3), self.shared.replaced

        def replaced(provider: Provider) -> Provider:
            provider = provider if before is None else before(provider)
            by = factories.get(provider.factory)
            if by is None:
                return provider
            mark = Depends(by, *provider.args, scope=provider.scope, **dict(provider.kwargs))
            return read_provider(mark, names)

        known = [each for task in self.tasks.values() for each in factories_of(task.signature.provided)]
        for factory in factories:
            uses = [each for each in known if each.factory == factory]
            if not uses:
                raise DefinitionError(f"no task of {self.name} depends on {told(factory)}, so nothing can replace it")
            for use in uses:
                replaced(use)
        self.shared.replaced = replaced
        try:
            yield
        finally:
            self.shared.replaced = before

    def definitions(self) -> tuple[TaskDefinition, ...]:
        """What is announced to a server. Raises DefinitionError for a type that is still not defined."""
        return tuple(task.definition for task in self.tasks.values())

    def write_stubs(self, path: str | Path) -> None:
        """Write typed functions for callers of its tasks: a module for a name that ends in ``.py``, else a package.

        They need neither this code nor what it imports. Raises StubError for what was not written so before.
        """
        write: Any = import_module("tidemill.interface.writing")  # above this layer, and rarely wanted
        write.write_stubs([self], Path(path))

    def __repr__(self) -> str:
        return f"<worker {self.name}: {', '.join(self.tasks) or 'no tasks'}>"


def target_of(task: str, implementation: str) -> str:
    """What a back-end calls a task by: its name, and after ``#`` which of several implementations it is."""
    return f"{task}#{implementation}" if implementation else task


def tasks_in(workers: Iterable[Worker]) -> Mapping[str, LocalTask[..., Any, Any]]:
    """The tasks of several workers by target. Raises DefinitionError for one that two declare."""
    tasks: dict[str, LocalTask[..., Any, Any]] = {}
    for worker in workers:
        for target, task in worker.tasks.items():
            if fault := clash(task, tasks.values()):
                raise DefinitionError(f"two workers of this process declare {task.name}: it {fault}")
            tasks[target] = task
    return tasks


def _check_codecs(name: str, codecs: Sequence[object]) -> None:
    kinds = set[type]()
    for codec in codecs:
        if not isinstance(codec, Codec):
            raise DefinitionError(f"worker {name}: codecs takes Codec objects, not {codec!r}")
        if codec.kind in kinds:
            raise DefinitionError(f"worker {name}: two codecs for {codec.kind.__qualname__}; keep one")
        kinds.add(codec.kind)


def clash(task: LocalTask[..., Any, Any], known: Iterable[LocalTask[..., Any, Any]]) -> str:
    """Why a task cannot be served beside others of its name; "" when it can."""
    for other in known:
        if other.name != task.name:
            continue
        if not (task.implementation and other.implementation):
            decorator = f"@{task.name.partition('.')[0]}.task"
            return (
                f'is declared twice; give one of them a name: {decorator}("…"), or declare both as implementations '
                f'with different needs: {decorator}("{task.node_name}", implementation="…", needs=…)'
            )
        if task.implementation == other.implementation:
            return f"has two implementations that are called {task.implementation!r}"
        if task.task_options.requires == other.task_options.requires:
            return f"has implementations {other.implementation!r} and {task.implementation!r} with the same needs"
    return ""


def _checked_hook(kind: str, hook: Any) -> Hook:
    if not callable(hook) or is_generator(hook) or is_async_generator(hook):
        raise DefinitionError(f"{kind} takes a function without parameters, async or not, that does not yield")
    if wanted := [each.name for each in parameters_of(hook) if each.default is each.empty]:
        raise DefinitionError(f"{kind} {name_of(hook)} is called without arguments, and wants {', '.join(wanted)}")
    return cast("Hook", hook)


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
