"""One entry for user code, wherever it runs: decode, inject, call, encode.

```text
arguments -> decode -> call the body -> encode -> Completed | Failure
                        `- items -> encode each -> emit, which may block or be awaited
```
Nothing is raised but KeyboardInterrupt: each exception of a body becomes a `Failure`, and so does a cancelled one.
"""

from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from tidemill.core.bodies import AttemptFacts, Completed, Encoded
from tidemill.core.graph import FINAL
from tidemill.core.normalise import unknown
from tidemill.core.run import Adjustment, Failure
from tidemill.core.terms import VALUE
from tidemill.core.values import Argument
from tidemill.sdk.around import Surrounded
from tidemill.sdk.context import Context
from tidemill.sdk.definition import LocalTask
from tidemill.sdk.errors import DoesNotFitError, InvalidInputError, PermanentError
from tidemill.sdk.failures import NotAsDeclaredError, bad_input, classify
from tidemill.sdk.file import Locate
from tidemill.sdk.files import TaskFiles
from tidemill.sdk.plans import TypePlan, path_text
from tidemill.sdk.ports import AttemptPort, FilesPort
from tidemill.sdk.result import FAILURE, SUCCESS, Final, Result
from tidemill.sdk.scopes import Calls, WorkerScope
from tidemill.sdk.signature import Body, Signature

AnyTask = LocalTask[..., Any, Any]
Emit = Callable[[Encoded], None]  # may block: that holds the generator back
EmitAsync = Callable[[Encoded], Awaitable[None]]


class Call(Struct, frozen=True):
    """An attempt about to run.

    ``locate`` gives the local path of an input file, and may fetch it. ``scope`` keeps what is made once per worker;
    without one it is made for this call.
    """

    task: AnyTask
    arguments: Mapping[str, Argument]
    facts: AttemptFacts
    attempt: AttemptPort
    files: FilesPort
    locate: Locate | None = None
    scope: WorkerScope | None = None


def invoke(call: Call, emit: Emit) -> Completed | Failure:
    """Run a body that is not async, in the thread that is to block. Raises nothing but KeyboardInterrupt."""
    if not call.task.is_bare:
        return _invoke_surrounded(call, emit)
    adjusted: list[Adjustment] = []
    try:
        given = call.task.fn(*_context(call), **_inputs(call, adjusted), **_files(call))
        return _with(adjusted, _ended(call, given, emit))
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # noqa: BLE001  # the outermost line of user code: it reports
        return classify(error, told_to_stop=call.attempt.is_cancelled())


async def invoke_async(call: Call, emit: EmitAsync) -> Completed | Failure:
    """Run an async body. A cancellation of the surrounding task ends here too, as a `Failure`."""
    if not call.task.is_bare:
        return await _invoke_surrounded_async(call, emit)
    signature, adjusted = call.task.signature, list[Adjustment]()
    try:
        given = call.task.fn(*_context(call), **_inputs(call, adjusted), **_files(call))
        if signature.item is not None:
            return _with(adjusted, await _emit_each(call, given, emit))
        return _with(adjusted, _completed(signature, await given))
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # noqa: BLE001  # the outermost line of user code: it reports
        return classify(error, told_to_stop=call.attempt.is_cancelled())


def _invoke_surrounded(call: Call, emit: Emit) -> Completed | Failure:
    """`invoke` with dependencies and middleware; they are torn down when the result is encoded."""
    scope, failed = call.scope or WorkerScope(Calls.ONE), None
    surrounded, adjusted = (
        Surrounded(call.task, Context(call.facts, call.attempt), call.files, scope),
        list[Adjustment](),
    )
    try:
        return _with(adjusted, _ended(call, surrounded.call(_inputs(call, adjusted)), emit))
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # noqa: BLE001  # as above
        failed = error
        return classify(error, told_to_stop=call.attempt.is_cancelled())
    finally:
        surrounded.close(failed)
        if call.scope is None:
            scope.close()


async def _invoke_surrounded_async(call: Call, emit: EmitAsync) -> Completed | Failure:
    scope, failed = call.scope or WorkerScope(Calls.ONE), None
    surrounded, adjusted = (
        Surrounded(call.task, Context(call.facts, call.attempt), call.files, scope),
        list[Adjustment](),
    )
    try:
        given = await surrounded.acall(_inputs(call, adjusted))
        ended = await _emit_each(call, given, emit) if surrounded.is_stream else _completed(call.task.signature, given)
        return _with(adjusted, ended)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # noqa: BLE001  # as above
        failed = error
        return classify(error, told_to_stop=call.attempt.is_cancelled())
    finally:
        await surrounded.aclose(failed)
        if call.scope is None:
            await scope.aclose()


def is_async(task: AnyTask) -> bool:
    """Which of the two entries a task takes."""
    return task.signature.body in (Body.ASYNC, Body.ASYNC_ITEMS)


def _context(call: Call) -> tuple[Context, ...]:
    return (Context(call.facts, call.attempt, call.task.emits),) if call.task.signature.context else ()


def _with(adjusted: list[Adjustment], completed: Completed) -> Completed:
    return replace(completed, adjustments=tuple(adjusted)) if adjusted else completed


def _inputs(call: Call, adjusted: list[Adjustment]) -> dict[str, Any]:
    parameters = call.task.signature.parameters
    inputs: dict[str, Any] = {}
    for name, argument in call.arguments.items():
        parameter = parameters.get(name)
        if parameter is None:
            _refuse_unknown(call.task, name)
            continue
        try:
            inputs[name], found = parameter.plan.decode_input(argument, call.locate, call.files.folder)
        except DoesNotFitError as error:
            raise bad_input(name, error) from error
        adjusted += [replace(each, path=f"$.{name}{each.path[1:]}") for each in found]
    if len(inputs) < len(parameters):
        _refuse_missing(call.task.signature, inputs)
    return inputs


def _files(call: Call) -> dict[str, TaskFiles]:
    files = call.task.signature.files
    return {name: TaskFiles(call.files) for name in files} if files else {}


def _refuse_unknown(task: AnyTask, name: str) -> None:
    if task.task_options.ignore_unknown:
        return
    raise InvalidInputError("", [(f"$.{name}", unknown(name, list(task.signature.parameters)))])


def _refuse_missing(signature: Signature, inputs: Mapping[str, Any]) -> None:
    missing = [each.name for each in signature.parameters.values() if each.is_required and each.name not in inputs]
    if missing:
        raise InvalidInputError("", [(f"$.{name}", "missing") for name in missing])


def _ended(call: Call, given: Any, emit: Emit) -> Completed:
    signature = call.task.signature
    return _completed(signature, given) if signature.item is None else _emit_all(call, given, emit)


def _completed(signature: Signature, given: Any) -> Completed:
    status = SUCCESS
    if isinstance(given, Result):
        status, given = given.status, _data(given)
    if signature.tuple_type is None:
        return Completed({VALUE: _encoded(signature.outputs[VALUE], given, ())}, status)
    if not isinstance(given, tuple) or len(given) != len(signature.outputs):
        raise NotAsDeclaredError(f"the task gave no {signature.result.name}, but {type(given).__name__}")
    parts = zip(signature.outputs.items(), given, strict=True)
    return Completed({port: _encoded(plan, value, (port,)) for (port, plan), value in parts}, status)


def _data(result: Result[Any]) -> Any:
    if result.status == FAILURE:
        raise result.error if isinstance(result.error, Exception) else PermanentError(result.error)
    return result.data


def _encoded(plan: TypePlan, value: Any, place: tuple[str | int, ...]) -> Encoded:
    try:
        return plan.encode(value)
    except DoesNotFitError as error:
        path = path_text(place) + error.path[1:]
        raise NotAsDeclaredError(f"the task gave no {plan.name}: {error.reason} (at {path})") from error


def _emit_all(call: Call, given: Any, emit: Emit) -> Completed:
    plan, count, items = _item(call), 0, _Returning(given)
    try:
        for item in items:
            emit(_encoded(plan, item, (count,)))
            count += 1
            Context(call.facts, call.attempt).raise_if_cancelled()
    finally:
        _close(given)
    return Completed(_final(call.task.signature, items.returned), items=count)


class _Returning:
    """Iterates, and keeps what a generator returns at its end."""

    def __init__(self, given: Any) -> None:
        self._given, self.returned = given, None

    def __iter__(self) -> Iterator[Any]:
        self.returned = yield from self._given


def _final(signature: Signature, value: Any) -> dict[str, Encoded]:
    """The final value of a stream that has one, as an output."""
    return {} if signature.final is None else {FINAL: _encoded(signature.final, value, (FINAL,))}


async def _emit_each(call: Call, given: Any, emit: EmitAsync) -> Completed:
    plan, count = _item(call), 0
    last: Final[Any] | None = None
    try:
        async for item in given:
            if last is not None:
                raise NotAsDeclaredError("the stream went on after its Final")
            if isinstance(item, Final) and call.task.signature.final is not None:
                last = item
                continue
            await emit(_encoded(plan, item, (count,)))
            count += 1
            Context(call.facts, call.attempt).raise_if_cancelled()
    finally:
        if hasattr(given, "aclose"):
            await given.aclose()
    return Completed(_last(call.task.signature, last), items=count)


def _last(signature: Signature, last: Final[Any] | None) -> dict[str, Encoded]:
    if signature.final is not None and last is None:
        raise NotAsDeclaredError(f"the stream ended without a Final[{signature.final.name}]")
    return _final(signature, last and last.value)


def _item(call: Call) -> TypePlan:
    item = call.task.signature.item
    if item is None:
        raise TypeError(f"{call.task.name} is no stream")
    return item


def _close(given: Any) -> None:
    if hasattr(given, "close"):
        given.close()
