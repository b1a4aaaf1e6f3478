"""A task called as a plain function, outside a workflow: it runs here and now, with no server."""

import asyncio
import tempfile
from collections.abc import Awaitable, Callable, Generator, Mapping, Sequence
from contextvars import ContextVar
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

from tidemill.core.bodies import AttemptFacts, SharedCall, SharedEnd
from tidemill.core.ids import parse_digest
from tidemill.core.telling import Emission
from tidemill.core.values import Given
from tidemill.sdk.around import Surrounded
from tidemill.sdk.callables import is_coroutine
from tidemill.sdk.context import Context
from tidemill.sdk.errors import PermanentError
from tidemill.sdk.file import File
from tidemill.sdk.files import TaskFiles
from tidemill.sdk.memory import current, remembering
from tidemill.sdk.middleware import CalledTask
from tidemill.sdk.plans import TypePlan
from tidemill.sdk.ports import ChildRun, IfExists
from tidemill.sdk.result import FAILURE, SUCCESS, Final, Result, Streamed
from tidemill.sdk.saving import SavedNames
from tidemill.sdk.scopes import Calls, WorkerScope
from tidemill.sdk.signature import Body, Signature
from tidemill.sdk.traits import Trait

if TYPE_CHECKING:
    from tidemill.sdk.definition import Definition

# What the tasks of a state of a machine gave, each with its status, while the state runs plainly.
heard: ContextVar[list[tuple[Any, str]] | None] = ContextVar("heard", default=None)

T = TypeVar("T")
R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)


class _ChildHere(Generic[R_co]):
    """A ChildRun of a task that was called plainly: it has run already."""

    def __init__(self, run: Callable[[], R_co]) -> None:
        self._given: R_co | None = None
        self._error: Exception | None = None
        try:
            self._given = run()
        except Exception as error:  # noqa: BLE001  # it is raised where the result is asked for
            self._error = error

    def result(self) -> R_co:
        if self._error is not None:
            raise self._error
        return cast(R_co, self._given)

    def __await__(self) -> Generator[Any, None, R_co]:
        return self.result()
        yield


class _Here:
    """This process as an attempt: nobody stops it or listens, and what it saves lies in the temporary folder."""

    def __init__(self) -> None:
        self._folder = ""
        self._saved = SavedNames()
        self._memory = current()

    def folder(self) -> str:
        self._folder = self._folder or tempfile.mkdtemp(prefix="tidemill-")
        return self._folder

    def in_thread(self, function: Callable[[], T]) -> Awaitable[T]:
        return asyncio.to_thread(function)

    def is_cancelled(self) -> bool:
        return False

    def now(self) -> datetime:
        return datetime.min.replace(tzinfo=UTC)  # asked for the time left only, and there is no deadline

    def progress(self, fraction: float, stage: str, message: str) -> None: ...

    def heartbeat(self, details: str) -> None: ...

    def child(self, definition: "Definition[..., R]", args: Sequence[Any], kwargs: Mapping[str, Any]) -> ChildRun[R]:
        return _ChildHere(lambda: definition.run_here(definition.bind_values(args, kwargs)))

    def share(self, call: SharedCall) -> SharedEnd:
        return self._memory.share(call)

    async def ashare(self, call: SharedCall) -> SharedEnd:
        return self._memory.share(call)

    def log(self, level: str, logger: str, text: str) -> None: ...

    def emit(self, emission: Emission) -> None: ...

    def measure(self, name: str, value: float, unit: str) -> bool:
        return True

    def save_bytes(self, name: str, data: bytes, if_exists: IfExists, media_type: str) -> File:
        self._saved.check(name, if_exists)
        path = TaskFiles(self).path_to(Path("saved") / name)
        path.write_bytes(data)
        self._saved.add(name)
        return File(path, name=name, media_type=media_type)

    def save_file(self, name: str, path: str, if_exists: IfExists, media_type: str) -> File:
        return self.save_bytes(name, Path(path).read_bytes(), if_exists, media_type)

    def mark_hot(self, name: str, size: int) -> None: ...

    def mark_cold(self, name: str) -> None: ...


@remembering()
def call_plainly(name: str, fn: Callable[..., Any], signature: Signature, bound: Mapping[str, Any]) -> Any:
    """The result as callers see it: awaited, a stream as a list, the data of a `Result`."""
    _check_loop(name, signature)
    first = [_context(name)] if signature.context else []
    files = {each: TaskFiles(_Here()) for each in signature.files}
    given = fn(*first, **files, **_received(signature, bound))
    match signature.body:
        case Body.SYNC:
            return _data(given)
        case Body.ASYNC:
            return _data(asyncio.run(given))
        case Body.ITEMS:
            return _listed(given, signature)
        case Body.ASYNC_ITEMS:
            return _parted(asyncio.run(_gathered(given)), signature)


def _received(signature: Signature, bound: Mapping[str, Any]) -> dict[str, Any]:
    return {each: _as_received(signature.parameters[each].plan, value) for each, value in bound.items()}


def _as_received(plan: TypePlan, value: Any) -> Any:
    """What a Clamp makes of a value; any other goes in as it is."""
    if Trait.CLAMPED not in plan.traits:
        return value
    encoded = plan.encode(value)
    paths = {local.digest: local.path for local in encoded.local}
    return plan.decode_input(Given(encoded.inline), lambda file: paths[parse_digest(file.digest)])[0]


@remembering()
def call_surrounded(task: CalledTask, bound: Mapping[str, Any]) -> Any:
    """The same of a task with dependencies or middleware. What a worker would keep lives as long as this call."""
    signature = task.signature
    if task.batch is None or is_coroutine(task.fn):
        _check_loop(task.name, signature)
    with WorkerScope(Calls.ONE) as scope:
        surrounded, bound = Surrounded(task, _context(task.name), _Here(), scope), _received(signature, bound)
        if signature.body in (Body.ASYNC, Body.ASYNC_ITEMS):
            return scope.on_loop(_in_full_async(surrounded, bound))
        return _in_full(surrounded, bound)


def _in_full(surrounded: Surrounded, bound: Mapping[str, Any]) -> Any:
    failed: BaseException | None = None
    try:
        given = surrounded.call(bound)
        return _listed(given, surrounded.signature) if surrounded.is_stream else _data(given)
    except BaseException as error:
        failed = error
        raise
    finally:
        surrounded.close(failed)


async def _in_full_async(surrounded: Surrounded, bound: Mapping[str, Any]) -> Any:
    failed: BaseException | None = None
    try:
        given = await surrounded.acall(bound)
        return _parted(await _gathered(given), surrounded.signature) if surrounded.is_stream else _data(given)
    except BaseException as error:
        failed = error
        raise
    finally:
        await surrounded.aclose(failed)


def _check_loop(name: str, signature: Signature) -> None:
    if signature.body in (Body.ASYNC, Body.ASYNC_ITEMS) and _is_loop_running():
        raise RuntimeError(f"{name} is async and a loop is running here: await {name.rpartition('.')[2]}.fn(…) instead")


def _is_loop_running() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def _context(name: str) -> Context:
    return Context(AttemptFacts(run="here", path=name.rpartition(".")[2], number=1, task=name, worker="here"), _Here())


def _listed(given: Any, signature: Signature) -> Any:
    items, generator = [], iter(given)
    while True:
        try:
            items.append(next(generator))
        except StopIteration as end:
            return items if signature.final is None else Streamed(items, end.value)


def _parted(given: list[Any], signature: Signature) -> Any:
    if signature.final is None:
        return given
    *items, last = given or [None]
    if not isinstance(last, Final):
        raise PermanentError("the stream ended without a Final")
    return Streamed(items, last.value)


async def _gathered(items: Any) -> list[Any]:
    return [item async for item in items]


def _data(given: Any) -> Any:
    if not isinstance(given, Result):
        return given
    if given.status == FAILURE:
        raise given.error if isinstance(given.error, Exception) else PermanentError(given.error)
    if (listener := heard.get()) is not None:
        listener.append((given.data, given.status))
    return given.data


def with_status(body: Callable[[], R]) -> tuple[R, str]:
    """What a body gives, and its status: that of the task which gave this very value, where one did."""
    token = heard.set([])
    try:
        value = body()
        statuses = [status for each, status in heard.get() or () if each is value]
    finally:
        heard.reset(token)
    return value, statuses[-1] if statuses else SUCCESS
