"""Tasks that are programs: a command per call, in any language. docs/design/programs.md says what it is told."""

import copy
import inspect
import typing
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Generic, ParamSpec, Self, TypeVar, overload

from msgspec import Struct

from tidemill.sdk.declaring import Owner, check_name, local_names
from tidemill.sdk.definition import LocalTask, ReadSignature
from tidemill.sdk.errors import DefinitionError
from tidemill.sdk.options import Backend, TaskOptions, task_options
from tidemill.sdk.signature import Codecs, Signature, read_stream, read_task

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")
R_co = TypeVar("R_co", covariant=True)


class Program(Struct, frozen=True):
    """How the program of a task is started."""

    command: tuple[str, ...]  # paths in it are below ``folder``: a first part with a "/", others that begin with "./"
    folder: str  # where the task was declared


class ProgramCalledError(NotImplementedError):
    """A program has no body in Python to run."""

    def __init__(self, name: str) -> None:
        super().__init__(f"{name} is a program that its worker runs; submit it, or call it in a workflow")
        self.name = name


class ProgramTask(LocalTask[P, R_co, Callable[P, R_co]], Generic[P, R_co]):
    """A task whose body is a program: all that is Python is its signature."""

    backend = Backend.PROGRAM

    def __init__(
        self,
        name: str,
        stands_for: Callable[..., Any],
        read: ReadSignature,
        names: Mapping[str, Any],
        program: Program,
    ) -> None:
        super().__init__(name, stands_for, read, names)
        self.program = program

    def run_here(self, bound: dict[str, Any]) -> Any:
        raise ProgramCalledError(self.name)

    def with_body(self, body: Callable[..., Any]) -> Self:
        """The same task with a body to call, that of one attempt: it takes the inputs by name."""
        other = copy.copy(self)
        other._fn = body  # noqa: SLF001  # its own class
        return other


def check_command(command: Sequence[str]) -> tuple[str, ...]:
    """Raises DefinitionError for what cannot be started."""
    if isinstance(command, str) or not command or not all(isinstance(part, str) for part in command):
        raise DefinitionError(f'a command is a list of texts, as in ["./resize.sh", "--fast"], not {command!r}')
    if not command[0] or any("\0" in part for part in command):
        raise DefinitionError(f"{command[0]!r} is no program to start")
    return tuple(command)


def read_program(fn: Callable[..., Any], names: Mapping[str, Any], codecs: Codecs = ()) -> Signature:
    """The signature that stands for a program. Arguments and errors as for ``read_task``."""
    if inspect.iscoroutinefunction(fn):
        raise DefinitionError("a program is declared by a plain def, which is never called")
    returned = typing.get_type_hints(fn, localns=dict(names)).get("return")
    signature = (read_stream if typing.get_origin(returned) is Iterator else read_task)(fn, names, codecs)
    given = (*filter(None, [signature.context]), *signature.injections)
    if given:
        raise DefinitionError(f"parameter {given[0]}: a program finds what it may know of its call in its call file")
    return signature


class ProgramDecorator:
    """Takes a function for its signature; it is never called."""

    def __init__(self, worker: Owner, name: str, command: Sequence[str], options: TaskOptions) -> None:
        self._worker, self._name, self._options = worker, name, options
        self._command = check_command(command)

    @overload
    def __call__(self, stands_for: Callable[P, Iterator[T]], /) -> "ProgramTask[P, list[T]]": ...
    @overload
    def __call__(self, stands_for: Callable[P, R], /) -> "ProgramTask[P, R]": ...
    def __call__(self, stands_for: Callable[..., Any], /) -> Any:
        folder = str(Path(inspect.getfile(stands_for)).resolve().parent)
        name = f"{self._worker.name}.{check_name(self._name or stands_for.__name__, 'task')}"
        program = Program(self._command, folder)
        reading = partial(read_program, codecs=self._worker.codecs)
        task = ProgramTask[..., Any](name, stands_for, reading, local_names(depth=2), program)
        task.task_options = task_options(self._options)
        task.statuses = tuple(self._options.get("statuses", ()))
        task.implementation = self._options.get("implementation", "")
        self._worker.register(task)
        return task
