"""What happens around the function of a task: its dependencies are provided, and its middleware called.

```text
call -> middleware -> … -> dependencies -> the function -> result -> (encoded) -> teardown, in reverse
```
`Surrounded` is one call of a task that has any of it; a task without goes straight to its function. What to provide in
which order is said once, by a generator of steps; two drivers take the steps, one in a thread and one on the loop.
"""

import asyncio
from collections.abc import Callable, Generator, Mapping
from concurrent.futures import Future
from contextlib import AbstractAsyncContextManager, AbstractContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from queue import Queue
from typing import Any, cast

from tidemill.sdk.callables import is_coroutine
from tidemill.sdk.context import Context
from tidemill.sdk.depends import Giving, Provider, Scope
from tidemill.sdk.files import TaskFiles
from tidemill.sdk.gathering import Gathering
from tidemill.sdk.middleware import CalledTask, Middleware, TaskCall, is_async
from tidemill.sdk.ports import FilesPort
from tidemill.sdk.scopes import Calls, Errands, Exit, WorkerScope, close_all, close_all_async, in_own_thread


@dataclass(frozen=True)
class _Open:
    """Step: call a factory, and keep what must be torn down in ``exits``."""

    provider: Provider
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    exits: list[Exit]


@dataclass(frozen=True)
class _Await:
    """Step: another call is making it."""

    made: Future[Any]


@dataclass(frozen=True)
class _Build:
    """Step: make what the worker keeps, and tell those who wait for it."""

    steps: "_Steps"
    key: Any
    made: Future[Any]


_Steps = Generator[_Open | _Await | _Build, Any, Any]


class Surrounded:
    """One call. Ends with ``close`` (``aclose``), which raises nothing."""

    def __init__(self, task: CalledTask, context: Context, files: FilesPort, scope: WorkerScope) -> None:
        self._task, self._context, self._files, self._scope = task, context, files, scope
        self.signature = task.signature
        self._layers = (*task.shared.middleware, *task.middleware)
        self._exits: list[Exit] = []

    @property
    def is_stream(self) -> bool:
        return self.signature.item is not None

    # In a thread ------------------------------------------------------------------------------------

    def call(self, inputs: Mapping[str, Any]) -> Any:
        return self._next(0, TaskCall(self._task, inputs, self._context))

    def close(self, error: BaseException | None) -> None:
        close_all(self._exits, error, self._scope)

    def _next(self, place: int, call: TaskCall) -> Any:
        if place == len(self._layers):
            return self._ran(call.inputs)
        layer = self._layers[place]
        if is_async(layer):
            return self._relay(layer, call, lambda inner: self._next(place + 1, inner))
        return layer(call, lambda inner: self._next(place + 1, inner))

    def _ran(self, inputs: Mapping[str, Any]) -> Any:
        exits: list[Exit] = []
        try:
            provided = _drive(self._wanted(exits), self._scope)
            given = self._task.fn(*self._first(), **inputs, **provided)
        except BaseException as error:
            close_all(exits, error, self._scope)
            raise
        self._exits += exits
        return given

    def _relay(self, layer: Middleware, call: TaskCall, proceed: Callable[[TaskCall], Any]) -> Any:
        """Async middleware of a sync task: it runs on the loop, and what it proceeds to runs here."""
        errands: Queue[tuple[TaskCall, Future[Any]] | None] = Queue()  # whose waits a simulation can see

        async def ask(inner: TaskCall) -> Any:
            done: Future[Any] = Future()
            done.set_running_or_notify_cancel()
            errands.put((inner, done))
            return await asyncio.wrap_future(done)

        async def run() -> Any:
            return await layer(call, ask)

        outer = asyncio.run_coroutine_threadsafe(run(), self._scope.loop)
        outer.add_done_callback(lambda _: errands.put(None))
        while (errand := errands.get()) is not None:
            inner, done = errand
            try:
                done.set_result(proceed(inner))
            except BaseException as error:  # noqa: BLE001  # it is raised where the middleware waits
                done.set_exception(error)
        return outer.result()

    # On the loop ------------------------------------------------------------------------------------

    async def acall(self, inputs: Mapping[str, Any]) -> Any:
        return await self._anext(0, TaskCall(self._task, inputs, self._context))

    async def aclose(self, error: BaseException | None) -> None:
        await close_all_async(self._exits, error)

    async def _anext(self, place: int, call: TaskCall) -> Any:
        if place == len(self._layers):
            return await self._abody(call)
        layer = self._layers[place]
        if is_async(layer):
            return await layer(call, lambda inner: self._anext(place + 1, inner))
        return await self._threaded(layer, call, place + 1)

    async def _abody(self, call: TaskCall) -> Any:
        if self._task.batch is None:
            return await self._aran(call.inputs)
        gathering = self._scope.gatherings.get(self._task.name)
        if gathering is None:
            alone = self._scope.calls is Calls.ONE
            batch = replace(self._task.batch, wait=0) if alone else self._task.batch
            gathering = Gathering(batch, self._batched, self._scope.own)
            self._scope.gatherings[self._task.name] = gathering
        return await gathering.join(call.inputs)

    async def _batched(self, columns: Mapping[str, Any]) -> Any:
        """Many calls at once, of whatever attempts; what is provided is for all of them."""
        shared, error = Surrounded(self._task, self._context, self._files, self._scope), None
        is_on_loop = is_coroutine(self._task.fn)
        try:
            if is_on_loop:
                return await shared._aran(columns)  # of its own kind
            return await in_own_thread(lambda: shared._ran(columns))
        except BaseException as failed:
            error = failed
            raise
        finally:
            if is_on_loop:
                await shared.aclose(error)
            else:
                await in_own_thread(lambda: shared.close(error))

    async def _aran(self, inputs: Mapping[str, Any]) -> Any:
        exits: list[Exit] = []
        try:
            provided = await _adrive(self._wanted(exits), self._scope)
            given = self._task.fn(*self._first(), **inputs, **provided)
            if not self.is_stream:
                given = await given
        except BaseException as error:
            await close_all_async(exits, error)
            raise
        self._exits += exits
        return given

    async def _threaded(self, layer: Middleware, call: TaskCall, place: int) -> Any:
        """Sync middleware of an async task: it has a thread of its own, and what it proceeds to runs on this loop."""
        inner = Errands(asyncio.get_running_loop())
        running = asyncio.ensure_future(
            in_own_thread(lambda: layer(call, lambda given: inner.run(self._anext(place, given))))
        )
        try:
            return await asyncio.shield(running)
        except asyncio.CancelledError:
            inner.cancel()
            await asyncio.wait([running])
            raise

    # On either --------------------------------------------------------------------------------------

    def _first(self) -> tuple[Context, ...]:
        return (self._context,) if self.signature.context else ()

    def _wanted(self, exits: list[Exit]) -> _Steps:
        """The injected arguments of the function."""
        signature = self.signature
        found: dict[str, Any] = {name: TaskFiles(self._files) for name in signature.files}
        made: dict[Any, Any] = {}
        for name, provider in signature.provided.items():
            found[name] = yield from self._instance(provider, made, exits)
        return found

    def _instance(self, provider: Provider, made: dict[Any, Any], exits: list[Exit]) -> _Steps:
        if self._task.shared.replaced is not None:
            provider = self._task.shared.replaced(provider)
        if provider.scope is Scope.WORKER:
            return (yield from self._kept(provider, made))
        if provider.key not in made:
            made[provider.key] = yield from self._make(provider, made, exits)
        return made[provider.key]

    def _kept(self, provider: Provider, made: dict[Any, Any]) -> _Steps:
        mine: Future[Any] = Future()
        mine.set_running_or_notify_cancel()  # who waits and is cancelled leaves it running
        first = self._scope.slots.setdefault(provider.key, mine)
        if first is not mine:
            return (yield _Await(first))
        return (yield _Build(self._make(provider, made, self._scope.exits), provider.key, mine))

    def _make(self, provider: Provider, made: dict[Any, Any], exits: list[Exit]) -> _Steps:
        kwargs = dict(provider.kwargs) | {name: TaskFiles(self._files) for name in provider.files}
        for name, need in provider.needs.items():
            kwargs[name] = yield from self._instance(need, made, exits)
        args = (self._context, *provider.args) if provider.context else provider.args
        return (yield _Open(provider, args, kwargs, exits))


def _drive(steps: _Steps, scope: WorkerScope) -> Any:
    """In a thread."""
    try:
        step = next(steps)
        while True:
            try:
                value = _taken(step, scope)
            except BaseException as error:  # noqa: BLE001  # it is raised where the step was asked for
                step = steps.throw(error)
            else:
                step = steps.send(value)
    except StopIteration as end:
        return end.value


def _taken(step: _Open | _Await | _Build, scope: WorkerScope) -> Any:
    match step:
        case _Open():
            return _opened(step, scope)
        case _Await(made=made):
            return made.result()
        case _Build():
            try:
                value = _drive(step.steps, scope)
            except BaseException as error:
                _fail(step, error, scope)
                raise
            step.made.set_result(value)
            return value


async def _adrive(steps: _Steps, scope: WorkerScope) -> Any:
    """On the loop."""
    try:
        step = next(steps)
        while True:
            try:
                value = await _ataken(step, scope)
            except BaseException as error:  # noqa: BLE001  # as above
                step = steps.throw(error)
            else:
                step = steps.send(value)
    except StopIteration as end:
        return end.value


async def _ataken(step: _Open | _Await | _Build, scope: WorkerScope) -> Any:
    match step:
        case _Open():
            return await _aopened(step)
        case _Await(made=made):
            return await asyncio.wrap_future(made)
        case _Build():
            scope.own(asyncio.create_task(_abuild(step, scope)))  # an attempt that is cancelled does not end it
            return await asyncio.wrap_future(step.made)


async def _abuild(step: _Build, scope: WorkerScope) -> None:
    try:
        step.made.set_result(await _adrive(step.steps, scope))
    except BaseException as error:  # noqa: BLE001  # it is raised where it is waited for
        _fail(step, error, scope)


def _fail(step: _Build, error: BaseException, scope: WorkerScope) -> None:
    """Those who wait now fail with it; the next one tries again."""
    scope.slots.pop(step.key, None)
    step.made.set_exception(error if isinstance(error, Exception) else RuntimeError(f"its making was ended: {error!r}"))


def _opened(step: _Open, scope: WorkerScope) -> Any:
    match step.provider.giving:
        case Giving.RETURNS:
            return step.provider.factory(*step.args, **step.kwargs)
        case Giving.YIELDS:
            return _entered(step)
        case Giving.AWAITED | Giving.YIELDS_ASYNC:
            return scope.on_loop(_aopened(step))


async def _aopened(step: _Open) -> Any:
    is_kept = step.provider.scope is Scope.WORKER
    match step.provider.giving:
        case Giving.RETURNS if is_kept:  # any thread may use it, so it may be made in one: a slow one holds up nobody
            return await in_own_thread(lambda: step.provider.factory(*step.args, **step.kwargs))
        case Giving.RETURNS:
            return step.provider.factory(*step.args, **step.kwargs)
        case Giving.YIELDS if is_kept:
            return await in_own_thread(lambda: _entered(step))
        case Giving.YIELDS:
            return _entered(step)
        case Giving.AWAITED:
            return await step.provider.factory(*step.args, **step.kwargs)
        case Giving.YIELDS_ASYNC:
            factory = asynccontextmanager(step.provider.factory)
            manager = cast("AbstractAsyncContextManager[Any]", factory(*step.args, **step.kwargs))
            value = await manager.__aenter__()
            step.exits.append(manager)
            return value


def _entered(step: _Open) -> Any:
    factory = contextmanager(step.provider.factory)
    manager = cast("AbstractContextManager[Any]", factory(*step.args, **step.kwargs))
    value = manager.__enter__()
    step.exits.append(manager)
    return value
