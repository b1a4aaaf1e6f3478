"""`Worker`: a named set of tasks. Declaring one connects to nothing."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any, TypeVar, Unpack, cast

from tidemill.core.definitions import TaskDefinition
from tidemill.core.url_names import misnamed
from tidemill.sdk.callables import is_async_generator, is_generator, name_of, parameters_of
from tidemill.sdk.codecs import Codec
from tidemill.sdk.declaring import Adder, StreamDecorator, TaskDecorator, check_name, local_names
from tidemill.sdk.definition import LocalTask
from tidemill.sdk.depends import Depends, Provider, factories_of, read_provider, told
from tidemill.sdk.errors import DefinitionError
from tidemill.sdk.middleware import Middleware, Shared, check_middleware
from tidemill.sdk.offers import WorkerOffers, offers_of
from tidemill.sdk.options import Backend, TaskOptions
from tidemill.sdk.processes import Processes
from tidemill.sdk.program import ProgramDecorator
from tidemill.sdk.status import WorkerStatus

AnyMiddleware = TypeVar("AnyMiddleware", bound=Middleware)
Hook = Callable[[], Any]  # what is awaited, when it is async
AnyHook = TypeVar("AnyHook", bound=Hook)


class WorkerOptions(WorkerOffers, total=False):
    """What a worker has, and how it keeps its processes."""

    processes: Processes


class Worker:
    """Tasks under one name: a function ``thumb`` of ``Worker("media")`` is the task ``media.thumb``.

    ``@worker.task`` takes functions, async or not; ``@worker.stream`` takes generators, async or not; ``worker.add``
    takes any callable.
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
        **options: Unpack[WorkerOptions],
    ) -> None:
        """Declare a worker.

        Args:
            concurrency: attempts at once in all; None leaves it to the process's setting.
            pools: attempts at once of the tasks of a pool. A task of another pool, or of none, counts only in all.
            backend: where its tasks run that do not say so themselves.
            codecs: of classes that its tasks take and give, one for each class.
            options: what it has for tasks that require something (resources that are not said are detected), and
                ``processes``, the limits of those in which its ``Backend.PROCESS`` tasks run.
        """
        if not isinstance(backend, Backend):
            raise DefinitionError(f"worker {name}: backend is one of Backend, such as Backend.PROCESS, not {backend!r}")
        self.name, self.backend = check_name(name, "worker"), backend
        self.processes = options.pop("processes", Processes())
        self.concurrency, self.pools, self.codecs = (
            concurrency,
            _checked_limits(name, concurrency, pools),
            tuple(codecs),
        )
        _check_codecs(name, self.codecs)
        self.look: Callable[[], WorkerStatus] | None = None  # set by what serves it
        self.shared = Shared()
        self.start_hooks: list[Hook] = []
        self.stop_hooks: list[Hook] = []
        self.offers = offers_of(name, cast("WorkerOffers", options))
        self.tasks: dict[str, LocalTask[..., Any, Any]] = {}  # by target: the name, and which implementation it is
        self.task = TaskDecorator(self)
        self.stream = StreamDecorator(self)
        self.add = Adder(self)

    def program(self, name: str = "", /, *, command: Sequence[str], **options: Unpack[TaskOptions]) -> ProgramDecorator:
        """Declare a task whose body is a program in any language.

        What is decorated is its signature; the function is never called, and may ``raise NotImplementedError``.

        Args:
            command: the program and its arguments. A first part with a ``/``, and others that begin with ``./``, are
                paths below the folder of the file that declares it. The path of the call file is added:
                docs/guide/programs.md says what is in it.
        """
        return ProgramDecorator(self, name, command, options)

    def register(self, task: LocalTask[..., Any, Any]) -> None:
        """Take in a task that was made elsewhere.

        Raises:
            DefinitionError: its name is taken, or its signature cannot be served.
        """
        if fault := clash(task, self.tasks.values()):
            raise DefinitionError(f"{task.name} {fault}")
        if wrong := misnamed([*(each.name for each in self.tasks.values()), task.name]):
            raise DefinitionError(wrong)
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

    @property
    def process_pool(self) -> str:
        """The pool of its tasks that run in processes and name none."""
        return f"{self.name}.processes"

    def status(self) -> WorkerStatus:
        """How the process that serves this worker is now; callable from any thread. Nothing of it is a secret.

        Raises:
            RuntimeError: nothing serves it in this process.
        """
        if self.look is None:
            raise RuntimeError(f"worker {self.name} is not being served in this process")
        return self.look()

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
    if wrong := misnamed(task.name for task in tasks.values()):
        raise DefinitionError(wrong)
    return tasks


def _checked_limits(worker: str, concurrency: object, pools: object) -> dict[str, int]:
    """The limits of pools. Raises DefinitionError."""
    if pools is not None and not isinstance(pools, Mapping):
        raise DefinitionError(f"worker {worker}: pools gives each name a whole number, not {pools!r}")
    limits: dict[str, int] = dict(pools or {})
    for what, limit in {"concurrency": 1 if concurrency is None else concurrency, **limits}.items():
        if not isinstance(what, str):
            raise DefinitionError(f"worker {worker}: the names of pools are texts, not {what!r}")
        if isinstance(limit, bool) or not isinstance(limit, int):
            raise DefinitionError(f"worker {worker}: the limit of {what} is a whole number, not {limit!r}")
        if limit < 1:
            raise DefinitionError(f"worker {worker}: the limit of {what} is {limit}; it must be 1 or more")
    return limits


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
