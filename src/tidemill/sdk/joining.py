"""Words that run bodies side by side: one, some or each of them has to succeed."""

from collections.abc import Callable
from typing import Any, TypeVar, cast, overload

from tidemill.core.graph import Rest
from tidemill.sdk.definition import recording
from tidemill.sdk.errors import PermanentError
from tidemill.sdk.nodes import Race, Trace

A = TypeVar("A")
B = TypeVar("B")
C = TypeVar("C")
D = TypeVar("D")
T = TypeVar("T")


@overload
def first_of(a: Callable[[], A], b: Callable[[], B], /, *, rest: Rest = ..., name: str = ...) -> A | B: ...
@overload
def first_of(
    a: Callable[[], A], b: Callable[[], B], c: Callable[[], C], /, *, rest: Rest = ..., name: str = ...
) -> A | B | C: ...
@overload
def first_of(
    a: Callable[[], A], b: Callable[[], B], c: Callable[[], C], d: Callable[[], D], /,
    *, rest: Rest = ..., name: str = ...,
) -> A | B | C | D: ...  # fmt: skip
@overload
def first_of(*arms: Callable[[], T], rest: Rest = ..., name: str = ...) -> T: ...
def first_of(*arms: Callable[[], Any], rest: Rest = Rest.CANCEL, name: str = "") -> Any:
    """Run the bodies side by side; give the result of the first that succeeds.

    It fails when all of them have failed, and says what each said. Called plainly, they run one after the other.

    Args:
        rest: what becomes of the others then: they are stopped, or left to go on; the workflow then ends after them.
        name: of the node.
    """
    trace = _trace()
    if trace is not None:
        return trace.join(name, "first_of", arms, Race(1, rest, single=True))
    return _succeeded(1, arms, rest)[0]


@overload
def some_of(
    count: int, a: Callable[[], A], b: Callable[[], B], /, *, rest: Rest = ..., name: str = ...
) -> list[A | B]: ...
@overload
def some_of(
    count: int, a: Callable[[], A], b: Callable[[], B], c: Callable[[], C], /, *, rest: Rest = ..., name: str = ...
) -> list[A | B | C]: ...
@overload
def some_of(
    count: int, a: Callable[[], A], b: Callable[[], B], c: Callable[[], C], d: Callable[[], D], /,
    *, rest: Rest = ..., name: str = ...,
) -> list[A | B | C | D]: ...  # fmt: skip
@overload
def some_of(count: int, /, *arms: Callable[[], T], rest: Rest = ..., name: str = ...) -> list[T]: ...
def some_of(count: int, /, *arms: Callable[[], Any], rest: Rest = Rest.CANCEL, name: str = "") -> Any:
    """Run the bodies side by side until ``count`` of them have succeeded; give their results, in the bodies' order.

    It fails as soon as too many have failed. Called plainly, they run one after the other.

    Args:
        rest: what becomes of the others then: they are stopped, or left to go on; the workflow then ends after them.
        name: of the node.
    """
    trace = _trace()
    if trace is not None:
        return trace.join(name, "some_of", arms, Race(count, rest))
    return _succeeded(count, arms, rest)


@overload
def each_of(a: Callable[[], A], b: Callable[[], B], /, *, name: str = ...) -> list[A | B]: ...
@overload
def each_of(a: Callable[[], A], b: Callable[[], B], c: Callable[[], C], /, *, name: str = ...) -> list[A | B | C]: ...
@overload
def each_of(
    a: Callable[[], A], b: Callable[[], B], c: Callable[[], C], d: Callable[[], D], /, *, name: str = ...
) -> list[A | B | C | D]: ...
@overload
def each_of(*arms: Callable[[], T], name: str = ...) -> list[T]: ...
def each_of(*arms: Callable[[], Any], name: str = "") -> Any:
    """Run the bodies side by side; give all results, in the bodies' order. The first failure fails it."""
    trace = _trace()
    if trace is not None:
        return trace.join(name, "each_of", arms, Race(len(arms), Rest.CANCEL))
    return [arm() for arm in arms]


def _trace() -> Trace | None:
    return cast("Trace | None", recording.get())


def _succeeded(count: int, arms: tuple[Callable[[], Any], ...], rest: Rest) -> list[Any]:
    found: list[Any] = []
    said: list[str] = []
    for arm in arms:
        if len(found) >= count and rest is Rest.CANCEL:
            break
        try:
            found.append(arm())
        except Exception as error:  # noqa: BLE001  # another arm may do
            said.append(str(error))
    if len(found) < count:
        raise PermanentError(f"{len(said)} of {len(arms)} failed, and {count} had to succeed: {'; '.join(said)}")
    return found[:count]
