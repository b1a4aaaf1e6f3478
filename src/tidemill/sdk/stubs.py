"""Stubs: the signatures of tasks that live elsewhere. `tidemill stubs` writes them."""

import functools
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from typing import Any, Final, ParamSpec, TypeVar, overload

from msgspec import UNSET, structs

from tidemill.sdk.declaring import local_names
from tidemill.sdk.definition import ReadSignature, Task
from tidemill.sdk.result import Streamed
from tidemill.sdk.signature import Signature, read_stream, read_task

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")
F = TypeVar("F")

unset: Final[Any] = UNSET  # a default that its worker knows: what has it is left out when it is sent


class StubCalledError(NotImplementedError):
    """A stub has no body to run: its task lives elsewhere."""

    def __init__(self, name: str) -> None:
        super().__init__(f"{name} lives on its worker; submit it, or call it in a workflow")
        self.name = name


class _StubTask(Task[P, R]):
    wire_names: Mapping[str, str] = {}  # of parameters whose own names are no names of Python

    @functools.cached_property
    def signature(self) -> Signature:
        """Its parameters by their names on the wire."""
        own = super().signature
        parameters = {
            self.wire_names.get(name, name): structs.replace(each, name=self.wire_names.get(name, name))
            for name, each in own.parameters.items()
        }
        return structs.replace(own, parameters=parameters)

    def bind_values(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> dict[str, Any]:
        bound = super().bind_values(args, {self.wire_names.get(name, name): each for name, each in kwargs.items()})
        return {name: value for name, value in bound.items() if value is not UNSET}


def _made(body: Callable[..., Any], read: ReadSignature, name: str, facts: tuple[str, Mapping[str, str]]) -> Any:
    task = _StubTask[..., Any](name, body, read, local_names(depth=3))
    task.expected, task.wire_names = facts
    task.read_early()
    return task


class StubDecorator:
    def __init__(self, name: str, schema: str, names: Mapping[str, str]) -> None:
        self._name, self._facts = name, (schema, names)

    def __call__(self, body: Callable[P, R], /) -> Task[P, R]:
        task: Task[P, R] = _made(body, read_task, self._name, self._facts)
        return task


class StreamStubDecorator:
    def __init__(self, name: str, schema: str, names: Mapping[str, str]) -> None:
        self._name, self._facts = name, (schema, names)

    # Those with a final value first: to mypy they overlap with the others, as is meant.
    @overload
    def __call__(self, body: Callable[P, Generator[T, Any, F]], /) -> Task[P, Streamed[T, F]]: ...  # type: ignore[overload-overlap]
    @overload
    def __call__(self, body: Callable[P, Iterator[T]], /) -> Task[P, list[T]]: ...
    def __call__(self, body: Callable[..., Any], /) -> object:
        return _made(body, read_stream, self._name, self._facts)


def stub(name: str, /, *, schema: str = "", names: Mapping[str, str] | None = None) -> StubDecorator:
    """Mark a signature as that of a task which lives elsewhere.

    Args:
        name: ``worker.function``.
        schema: the digest of its definition; "" asks for no certain version.
        names: by parameter, its name in the task, where that is no name of Python: ``{"from_": "from"}``.
    """
    return StubDecorator(name, schema, names or {})


def stub_stream(name: str, /, *, schema: str = "", names: Mapping[str, str] | None = None) -> StreamStubDecorator:
    """The same for a stream: ``-> Iterator[Item]``, with a final value ``-> Generator[Item, None, Final]``."""
    return StreamStubDecorator(name, schema, names or {})
