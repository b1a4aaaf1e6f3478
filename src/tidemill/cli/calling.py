"""One call of a task in this process, from a file of JSON."""

import asyncio
import json
import sys
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import Any, get_args, get_origin

from tidemill.core.errors import InputError, TidemillError
from tidemill.core.values import Encoding
from tidemill.sdk.callables import is_coroutine
from tidemill.sdk.catalog import Catalog
from tidemill.sdk.definition import LocalTask
from tidemill.sdk.errors import DoesNotFitError, InvalidInputError
from tidemill.sdk.file import File
from tidemill.sdk.plans import TypePlan
from tidemill.sdk.worker import Worker

AnyTask = LocalTask[..., Any, Any]


class CallFailedError(TidemillError):
    """The task that was called failed."""

    def __init__(self, task: str, error: Exception) -> None:
        super().__init__(f"{task} failed: {type(error).__name__}: {error}")


class CallFileError(InputError):
    """What is to be called cannot be read."""


def call_from(file: str, workers: Sequence[Worker]) -> str:
    """The result as JSON.

    Raises:
        CallFailedError: from the error of the task.
        CallFileError: no file, no JSON, or no call.
        InvalidInputError: an input that does not fit, each with its path.
    """
    task, plain = _read(file, Catalog(*workers))
    inputs = _inputs(task, plain)
    with _started(workers), redirect_stdout(sys.stderr):  # what the task prints is not its result
        try:
            result = task(**inputs)
        except Exception as error:
            if not isinstance(error, TidemillError):  # nobody meant it: show where it is
                traceback.print_exception(error)
            raise CallFailedError(task.name, error) from error
    signature = task.signature
    if signature.tuple_type is None:
        return json.dumps(signature.result.plain(result), ensure_ascii=False)
    ports = zip(signature.outputs.items(), result, strict=True)
    return json.dumps({port: plan.plain(value) for (port, plan), value in ports}, ensure_ascii=False)


def _read(file: str, catalog: Catalog) -> tuple[AnyTask, dict[str, Any]]:
    try:
        text = sys.stdin.read() if file == "-" else Path(file).read_text("utf-8")
        asked = json.loads(text)
    except OSError as error:
        raise CallFileError(f"cannot read {file}: {error.strerror}") from None
    except ValueError as error:
        raise CallFileError(f"{file} holds no JSON: {error}") from None
    tasks = catalog.tasks()
    if isinstance(asked, dict) and set(asked) <= {"task", "inputs"} and isinstance(asked.get("task"), str):
        task, inputs = catalog.find(asked["task"]), asked.get("inputs", {})
    elif len(tasks) == 1:
        task, inputs = tasks[0], asked
    else:
        raise CallFileError(f'{file} names no task; write {{"task": "{tasks[0].name}", "inputs": {{…}}}}')
    if not isinstance(inputs, dict):
        raise CallFileError(f"the inputs in {file} are no JSON object with a value for each parameter")
    return task, inputs


def _inputs(task: AnyTask, plain: dict[str, Any]) -> dict[str, Any]:
    inputs: dict[str, Any] = {}
    violations: list[tuple[str, str]] = []
    parameters = task.signature.parameters
    for name, value in plain.items():
        if name not in parameters:
            violations.append((f"$.{name}", f"there is no such parameter; there is {', '.join(parameters) or 'none'}"))
            continue
        try:
            inputs[name] = _value(parameters[name].plan, value)
        except DoesNotFitError as error:
            violations += [(f"$.{name}{path[1:]}", text) for path, text in error.violations]
    missing = [each.name for each in parameters.values() if each.is_required and each.name not in plain]
    violations += [(f"$.{name}", "missing") for name in missing]
    if violations:
        raise InvalidInputError("", violations)
    return inputs


def _value(plan: TypePlan, value: Any) -> Any:
    """Files are given by path; anything else as it travels."""
    if plan.kind is File and isinstance(value, str):
        return _file(value)
    if get_origin(plan.kind) is list and get_args(plan.kind) == (File,) and isinstance(value, list):
        return [_file(each) for each in value]
    return plan.decode_bytes(json.dumps(value).encode(), Encoding.JSON)


def _file(path: Any) -> File:
    if not isinstance(path, str) or not Path(path).is_file():
        raise DoesNotFitError(f"there is no file {path}")
    return File(path)


@contextmanager
def _started(workers: Sequence[Worker]) -> Iterator[None]:
    """What a worker does before its first call, and after its last."""
    _run_all(hook for worker in workers for hook in worker.start_hooks)
    try:
        yield
    finally:
        _run_all(hook for worker in reversed(workers) for hook in reversed(worker.stop_hooks))


def _run_all(hooks: Iterator[Any]) -> None:
    for hook in hooks:
        if is_coroutine(hook):
            asyncio.run(hook())
        else:
            hook()
