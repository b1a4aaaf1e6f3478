"""`Client`: the same client for code that blocks. `AsyncClient` does the work, on a loop in a thread of its own."""

import asyncio
import copy
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any, Concatenate, Generic, ParamSpec, Self, TypeVar, Unpack, cast, overload

from tidemill.client.blocking_schedules import Schedules
from tidemill.client.blocking_webhooks import Endpoints, Hooks, RemoteStore, Webhooks
from tidemill.client.forking import ForkOptions
from tidemill.client.remote import DEFAULT_URL, AsyncClient, AsyncRun
from tidemill.client.saying import SubmitOptions
from tidemill.client.streams import Numbered, OnRestart, Restarted
from tidemill.client.transport import Transport
from tidemill.core.errors import TidemillError
from tidemill.graphs.view import Graph
from tidemill.sdk.definition import Definition
from tidemill.sdk.places import Place, State
from tidemill.sdk.result import Streamed
from tidemill.sdk.steps import Step
from tidemill.wire import api, control, exports, quarantine

P = ParamSpec("P")
R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)
T = TypeVar("T")

Coro = Coroutine[Any, Any, T]


class _LoopThread:
    """A loop that runs in a daemon thread, so that a program which forgets to close still ends."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, name="tidemill client", daemon=True)
        self._thread.start()

    def wait(self, work: Coro[T]) -> T:
        if threading.current_thread() is self._thread:
            work.close()
            raise RuntimeError("a blocking client cannot be used from its own callbacks")
        future = asyncio.run_coroutine_threadsafe(work, self.loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()  # Ctrl-C, say: the run goes on, the wait does not
            raise

    def iterate(self, items: AsyncIterator[T]) -> Iterator[T]:
        ends = object()
        try:
            while (item := self.wait(_next(items, ends))) is not ends:
                yield cast("T", item)
        finally:
            close = getattr(items, "aclose", None)
            if close is not None:
                self.wait(close())

    def stop(self) -> None:
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        self.loop.close()


async def _as_async(items: Iterable[bytes]) -> AsyncIterator[bytes]:
    for item in items:
        yield item


async def _next(items: AsyncIterator[T], ends: object) -> object:
    return await anext(items, ends)


def _of_run(method: Callable[Concatenate[AsyncRun[Any], P], Coro[T]]) -> "Callable[Concatenate[Run[Any], P], T]":
    def blocking(self: "Run[Any]", /, *args: P.args, **kwargs: P.kwargs) -> T:
        return self._thread.wait(method(self._run, *args, **kwargs))

    blocking.__doc__ = method.__doc__
    return blocking


class Run(Generic[R_co]):
    """A run on a server; see `AsyncRun`."""

    def __init__(self, run: AsyncRun[R_co], thread: _LoopThread) -> None:
        self._run, self._thread = run, thread

    @property
    def id(self) -> str:
        return self._run.id

    def result(self, timeout: float | timedelta | None = None) -> R_co:
        """Wait for the end; raises RunFailedError, RunCancelledError, TimeoutError, UnavailableError."""
        return self._thread.wait(self._run.result(timeout))

    def retry(self, **options: Unpack[ForkOptions]) -> "Run[R_co]":
        """Go on where it failed; see `AsyncRun.retry`."""
        return Run(self._thread.wait(self._run.retry(**options)), self._thread)

    def fork(self, **options: Unpack[ForkOptions]) -> "Run[R_co]":
        """Run it again, edited; see `AsyncRun.fork`."""
        return Run(self._thread.wait(self._run.fork(**options)), self._thread)

    @overload
    def stream(self: "Run[list[T]]", offset: int = 0, *, on_restart: OnRestart | None = None) -> Iterator[T]: ...
    @overload
    def stream(
        self: "Run[Streamed[T, Any]]", offset: int = 0, *, on_restart: OnRestart | None = None
    ) -> Iterator[T]: ...
    def stream(self: "Run[Any]", offset: int = 0, *, on_restart: OnRestart | None = None) -> Iterator[Any]:
        """The items of a stream as they become durable; see `AsyncRun.stream`."""
        return self._thread.iterate(self._run.stream(offset, on_restart=on_restart))

    @overload
    def numbered(
        self: "Run[list[T]]", offset: int = 0, *, path: str = "", epoch: int = 0, attempt: int = 0
    ) -> Iterator[Numbered[T] | Restarted]: ...
    @overload
    def numbered(
        self: "Run[Streamed[T, Any]]", offset: int = 0, *, path: str = "", epoch: int = 0, attempt: int = 0
    ) -> Iterator[Numbered[T] | Restarted]: ...
    def numbered(
        self: "Run[Any]", offset: int = 0, *, path: str = "", epoch: int = 0, attempt: int = 0
    ) -> Iterator[Numbered[Any] | Restarted]:
        """The items with their places, and a word when they begin anew; see `AsyncRun.numbered`."""
        return self._thread.iterate(self._run.numbered(offset, path=path, epoch=epoch, attempt=attempt))

    def events(self, after: int = 0) -> Iterator[api.EventView]:
        """What happened and happens, until the run ends."""
        return self._thread.iterate(self._run.events(after))

    def emitted(self, type: str = "", after: int = 0) -> Iterator[api.EmittedView]:  # noqa: A002  # its name
        """Events that tasks told of by ``ctx.emit``, in order, until the run ends; see `AsyncRun.emitted`."""
        return self._thread.iterate(self._run.emitted(type, after))

    def store(self, name: str) -> RemoteStore:
        """A store that the run's tasks share."""
        return RemoteStore(self._run.store(name), self._thread)

    ended = _of_run(AsyncRun.ended)
    adjustments = _of_run(AsyncRun.adjustments)
    view = _of_run(AsyncRun.view)
    status = _of_run(AsyncRun.status)
    graph = _of_run(AsyncRun.graph)
    picture = _of_run(AsyncRun.picture)
    timeline = _of_run(AsyncRun.timeline)
    cancel = _of_run(AsyncRun.cancel)
    stopped = _of_run(AsyncRun.stopped)
    go_on = _of_run(AsyncRun.go_on)
    inputs = _of_run(AsyncRun.inputs)
    value = _of_run(AsyncRun.value)
    signal = _of_run(AsyncRun.signal)
    approve = _of_run(AsyncRun.approve)
    waits = _of_run(AsyncRun.waits)
    data = _of_run(AsyncRun.data)
    step_data = _of_run(AsyncRun.step_data)
    set = _of_run(AsyncRun.set)
    plan_fork = _of_run(AsyncRun.plan_fork)
    pause = _of_run(AsyncRun.pause)
    resume = _of_run(AsyncRun.resume)
    change = _of_run(AsyncRun.change)
    remove = _of_run(AsyncRun.remove)
    release = _of_run(AsyncRun.release)
    discard = _of_run(AsyncRun.discard)
    emitted_so_far = _of_run(AsyncRun.emitted_so_far)
    steps = _of_run(AsyncRun.steps)
    step = _of_run(AsyncRun.step)
    attempts = _of_run(AsyncRun.attempts)
    attempt = _of_run(AsyncRun.attempt)
    logs = _of_run(AsyncRun.logs)
    artifacts = _of_run(AsyncRun.artifacts)
    visits = _of_run(AsyncRun.visits)

    def export(self) -> Iterator[bytes]:
        """The run as one file, in pieces; see `AsyncRun.export`."""
        return self._thread.iterate(self._run.export())

    @overload
    def state(self, state: State[T] | Step[T], /, *, visit: int = ...) -> T: ...
    @overload
    def state(self, state: Place | str, /, *, visit: int = ...) -> Any: ...
    def state(self, state: Any, /, *, visit: int = 0) -> Any:
        """What a state gave in its latest visit that ended well; see `AsyncRun.state`."""
        return self._thread.wait(self._run.state(state, visit=visit))

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        """What a notebook shows: how it stands. Without its server, its id."""
        try:
            return {"image/svg+xml": self.picture().svg, "text/plain": repr(self)}
        except TidemillError:
            return {"text/plain": repr(self)}

    def __repr__(self) -> str:
        return repr(self._run)


def _of_client(method: Callable[Concatenate[AsyncClient, P], Coro[T]]) -> "Callable[Concatenate[Client, P], T]":
    def blocking(self: "Client", /, *args: P.args, **kwargs: P.kwargs) -> T:
        return self._thread.wait(method(self._client, *args, **kwargs))

    blocking.__doc__ = method.__doc__
    return blocking


class Client:
    """Submit typed tasks and workflows to a server and wait for them; safe to share by threads. See `AsyncClient`."""

    def __init__(self, url: str = DEFAULT_URL, *, transport: Transport | None = None) -> None:
        self._thread = _LoopThread()
        self._client = AsyncClient(url, transport=transport)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._thread.wait(self._client.close())
        self._thread.stop()

    def options(self, **options: Unpack[SubmitOptions]) -> Self:
        """The same client, whose submissions say this too."""
        other = copy.copy(self)
        vars(other)["_client"] = self._client.options(**options)
        return other

    def submit(self, target: Definition[P, R], /, *args: P.args, **kwargs: P.kwargs) -> Run[R]:
        return Run(self._thread.wait(self._client.submit(target, *args, **kwargs)), self._thread)

    def submit_named(self, name: str, inputs: Mapping[str, Any] | None = None) -> Run[Any]:
        return Run(self._thread.wait(self._client.submit_named(name, inputs)), self._thread)

    def submit_graph(self, graph: Graph, inputs: Mapping[str, Any] | None = None) -> Run[Any]:
        return Run(self._thread.wait(self._client.submit_graph(graph, inputs)), self._thread)

    def submit_many(self, target: Definition[..., R], inputs: Sequence[Mapping[str, Any]]) -> list[Run[R]]:
        return [Run(run, self._thread) for run in self._thread.wait(self._client.submit_many(target, inputs))]

    @property
    def endpoints(self) -> Endpoints:
        """Tasks and workflows that have paths of their own."""
        return Endpoints(self._client.endpoints, self._thread)

    @property
    def hooks(self) -> Hooks:
        """Addresses for webhooks of somebody else's."""
        return Hooks(self._client.hooks, self._thread)

    def store(self, workflow: str, name: str) -> RemoteStore:
        """A store that all runs of a workflow share."""
        return RemoteStore(self._client.store(workflow, name), self._thread)

    @property
    def webhooks(self) -> Webhooks:
        """Who is told when runs end."""
        return Webhooks(self._client.webhooks, self._thread)

    @property
    def schedules(self) -> Schedules:
        """Rules that start runs."""
        return Schedules(self._client.schedules, self._thread)

    def run(self, run: str, target: Definition[..., R] | None = None) -> Run[R]:
        """A run by its id; with what it is a run of, its result is typed."""
        return Run(self._client.run(run, target), self._thread)

    def bulk(self, request: control.BulkRequest) -> Iterator[api.BulkBite]:
        """Do to all runs that a request finds what it asks for, bite by bite; see `AsyncClient.bulk`."""
        return self._thread.iterate(self._client.bulk(request))

    def import_run(self, file: Iterable[bytes]) -> exports.Imported:
        """Take in a run that was exported; see `AsyncClient.import_run`."""
        return self._thread.wait(self._client.import_run(_as_async(file)))

    def judge(self, request: quarantine.QuarantineRequest) -> Iterator[quarantine.QuarantinePage]:
        """Release or discard all that a request finds, bite by bite; see `AsyncClient.judge`."""
        return self._thread.iterate(self._client.judge(request))

    runs = _of_client(AsyncClient.runs)
    what_if = _of_client(AsyncClient.what_if)
    pause = _of_client(AsyncClient.pause)
    resume = _of_client(AsyncClient.resume)
    pauses = _of_client(AsyncClient.pauses)
    quarantined = _of_client(AsyncClient.quarantined)
    cancel = _of_client(AsyncClient.cancel)
    signal = _of_client(AsyncClient.signal)
    waits = _of_client(AsyncClient.waits)
    why = _of_client(AsyncClient.why)
    tasks = _of_client(AsyncClient.tasks)
    workers = _of_client(AsyncClient.workers)
    worker = _of_client(AsyncClient.worker)
    graphs = _of_client(AsyncClient.graphs)
    graph = _of_client(AsyncClient.graph)
    publish = _of_client(AsyncClient.publish)
    health = _of_client(AsyncClient.health)
    upload = _of_client(AsyncClient.upload)
    download = _of_client(AsyncClient.download)
