"""Tasks that are programs: a command per call, in any language. docs/design/programs.md says what it is told."""

from collections.abc import Callable, Sequence
from typing import Any, Generic, ParamSpec, TypeVar

from msgspec import Struct

from tidemill.sdk.definition import LocalTask
from tidemill.sdk.errors import DefinitionError
from tidemill.sdk.signature import Signature

P = ParamSpec("P")
R_co = TypeVar("R_co", covariant=True)


class Program(Struct, frozen=True):
    """How the program of a task is started."""

    command: tuple[str, ...]  # the first part is a path when it has a "/": then below ``folder``, unless absolute
    folder: str  # where the task was declared
    environment: dict[str, str] = {}  # on top of the few variables that a program gets


class ProgramCalledError(NotImplementedError):
    """A program has no body in Python to run."""

    def __init__(self, name: str) -> None:
        super().__init__(f"{name} is a program that its worker runs; submit it, or call it in a workflow")
        self.name = name


class ProgramTask(LocalTask[P, R_co, Callable[P, R_co]], Generic[P, R_co]):
    """A task whose body is a program; its signature is all that is Python."""

    def __init__(self, name: str, signature: Signature, program: Program, doc: str = "") -> None:
        def body(**_given: Any) -> Any:
            raise ProgramCalledError(name)

        body.__doc__ = doc
        super().__init__(name, body, lambda *_: signature, {})
        self.program = program


def check_command(command: Sequence[str]) -> tuple[str, ...]:
    """Raises DefinitionError for what cannot be started."""
    if isinstance(command, str) or not command or not all(isinstance(part, str) for part in command):
        raise DefinitionError(f'a command is a list of texts, as in ["./resize.sh", "--fast"], not {command!r}')
    if not command[0] or any("\0" in part for part in command):
        raise DefinitionError(f"{command[0]!r} is no program to start")
    return tuple(command)
